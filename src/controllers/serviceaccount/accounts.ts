// The ServiceAccount controller: creates the service account `default` in every namespace.
// Source: pkg/controller/serviceaccount/serviceaccounts_controller.go.
import { isReason } from '../../base/errors.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { defineController, watch } from '../harness.ts'

const name = 'default'

export const serviceAccountController = defineController({
  name: 'service-account-controller',
  reconciles: Namespace,
  watches: [watch(ServiceAccount, sa => (sa.metadata.name === name ? [sa.metadata.namespace ?? ''] : []))],
  async reconcile(namespace, ctx) {
    const at = namespace.metadata.name ?? ''
    if (namespace.metadata.deletionTimestamp || ctx.cache(ServiceAccount).get(at, name)) return
    try {
      await ctx.create(ServiceAccount, { metadata: { name, namespace: at } })
    } catch (error) {
      if (!isReason(error, 'AlreadyExists')) throw error
    }
  },
})
