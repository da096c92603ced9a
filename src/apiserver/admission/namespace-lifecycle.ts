// NamespaceLifecycle: nothing is created in a namespace that does not exist or is terminating, and the namespaces of
// the cluster itself cannot be deleted.
//
// The check reads the namespace before the object is stored, so an object can be stored just after its namespace began
// to terminate. The namespace controller deletes it with the others. Source: plugin/pkg/admission/namespace/lifecycle.
import { StatusError } from '../../base/errors.ts'
import { LocalSubjectAccessReview } from '../../kinds/authorization/localsubjectaccessreview.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { forbidden, notFound } from '../errors.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'

/** Namespaces that cannot be deleted. */
const immortal = ['default', 'kube-system', 'kube-public']

export function namespaceLifecycle(storage: Storage): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    async mutate({ type, operation, object }) {
      const { kind, namespace } = operation
      if (type !== 'CREATE' || !kind.namespaced || operation.subresource || kind === LocalSubjectAccessReview) return
      let found = storage.mirror(Namespace).get(undefined, namespace)
      // The namespace may have been created a moment ago.
      if (!found) {
        await storage.catchUp(operation.signal)
        found = storage.mirror(Namespace).get(undefined, namespace)
      }
      if (!found) throw notFound(Namespace, namespace)
      if (!found.metadata.deletionTimestamp) return
      const name = object?.metadata.name ?? ''
      const refused = forbidden(
        kind,
        name,
        `unable to create new content in namespace ${namespace} because it is being terminated`,
      )
      const cause = {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      }
      throw new StatusError('Forbidden', refused.message, { details: { ...refused.details, causes: [cause] } })
    },
    validate({ type, operation }) {
      if (type !== 'DELETE' || operation.kind.plural !== 'namespaces' || operation.kind.group !== '') return
      if (immortal.includes(operation.name))
        throw forbidden(Namespace, operation.name, 'this namespace may not be deleted')
    },
  }
}
