// Webhooks that may change objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey } from '../../api/schema/build.ts'
import { defaultWebhooks, validateWebhooks } from './webhook-rules.ts'
import { MutatingWebhook } from './mutatingwebhook.ts'

export const MutatingWebhookConfiguration = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  scope: 'Cluster',
  conditionalUpdate: true,
  categories: ['api-extensions'],
  doc: 'MutatingWebhookConfiguration registers webhooks that can change objects during admission.',
  generation: true,
  columns: [{ name: 'Webhooks', type: 'integer', value: o => o.webhooks?.length ?? 0 }],
  explicit: true,
  finalizers: 'any',
  defaults: ({ webhooks }) => {
    defaultWebhooks(webhooks)
    for (const webhook of webhooks ?? []) webhook.reinvocationPolicy ??= 'Never'
  },
  validate: ({ webhooks }, at) => validateWebhooks(webhooks, at.field('webhooks')),
  fields: {
    webhooks: listByKey('name', MutatingWebhook, {
      proto: 2,
      mergeKey: 'name',
      doc: 'Webhooks to call, and the requests to call them for.',
    }),
  },
})
export type MutatingWebhookConfiguration = Of<typeof MutatingWebhookConfiguration>
