// Subresources that write one part of an object: a pod's ephemeral containers and resources, a namespace's finalizers,
// and the approval of a certificate request. The client sends a whole object; all its other parts are ignored.
import type { KubeObject } from '../../api/kind.ts'
import { decodeBody, editable } from '../body.ts'
import { checkName, placeInNamespace } from '../placement.ts'
import { mayRetry, patchedObject } from '../writes.ts'
import type { Handler } from '../core.ts'
import type { Mutable } from '../../api/schema/node.ts'

// The type of the part depends on the kind, which differs between callers.
// oxlint-disable-next-line typescript/no-explicit-any
type CopyPart = (next: any, sent: any) => void

/**
 * Makes the handlers of one part.
 * @param copy copies the part from the object that was sent to the object that is to be stored, or throws
 */
export function partUpdate(copy: CopyPart): { get: Handler; update: Handler; patch: Handler } {
  const write: Handler = async ({ registry }, operation, warn) => {
    const { kind, patchType, options } = operation
    const patches = patchType && patchType !== 'apply'
    const decoded = () => {
      const object = decodeBody(kind, operation.body, options, warn)
      checkName(operation, object)
      placeInNamespace(operation, object)
      return object
    }
    let sent: Mutable<KubeObject> | undefined
    const item = await registry.update(
      operation,
      old => {
        sent = patches ? patchedObject(operation, old, warn) : decoded()
        const next = editable<KubeObject>(kind, old as KubeObject)
        copy(next, sent)
        if (sent.metadata.resourceVersion) next.metadata.resourceVersion = sent.metadata.resourceVersion
        if (sent.metadata.uid) next.metadata.uid = sent.metadata.uid
        return next
      },
      { retry: patches ? mayRetry(operation) : false, rules: 'part', warn, sent: () => sent },
    )
    return { type: 'object', kind, item }
  }
  return {
    get: async ({ registry }, operation) => ({
      type: 'object',
      kind: operation.kind,
      item: await registry.get(operation),
    }),
    update: write,
    patch: write,
  }
}
