// NamespaceLifecycle: nothing is created in a namespace that does not exist or is terminating, and the namespaces of
// the cluster itself cannot be deleted.
//
// The namespace is read before the object is stored, and the store is asked to write the object only if the namespace has
// not changed since; otherwise it is read again. So nothing is stored after a namespace began to terminate, and nothing
// is left of one that is gone. Source: plugin/pkg/admission/namespace/lifecycle, which has only the first look.
import { StatusError } from '../../base/errors.ts'
import type { AnyKind } from '../../api/kind.ts'
import type { Item } from '../../api/mirror.ts'
import { LocalSubjectAccessReview } from '../../kinds/authorization/localsubjectaccessreview.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { forbidden, notFound } from '../errors.ts'
import { storageKey } from '../kind-storage.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'

/** Namespaces that cannot be deleted. */
const immortal = ['default', 'kube-system', 'kube-public']

function terminating(kind: AnyKind, namespace: string, name: string): StatusError {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  const { message, details } = forbidden(kind, name, why)
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  }
  return new StatusError('Forbidden', message, { details: { ...details, causes: [cause] } })
}

export function namespaceLifecycle(storage: Storage): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    async mutate({ type, operation, object, requires }) {
      const { kind, namespace } = operation
      if (type !== 'CREATE' || !kind.namespaced || operation.subresource || kind === LocalSubjectAccessReview) return
      const find = () => storage.mirror(Namespace).item(undefined, namespace)
      const findNow = async () => {
        await storage.catchUp(operation.signal)
        return find()
      }
      const check = (found: Item<Namespace> | undefined) => {
        if (!found) throw notFound(Namespace, namespace)
        if (found.object.metadata.deletionTimestamp) throw terminating(kind, namespace, object?.metadata.name ?? '')
        return found.revision
      }
      // The namespace may have been created a moment ago.
      const revision = check(find() ?? (await findNow()))
      requires?.add(storageKey(Namespace, '', namespace), revision, async () => check(await findNow()))
    },
    validate({ type, operation }) {
      if (type !== 'DELETE' || operation.kind.plural !== 'namespaces' || operation.kind.group !== '') return
      if (immortal.includes(operation.name))
        throw forbidden(Namespace, operation.name, 'this namespace may not be deleted')
    },
  }
}
