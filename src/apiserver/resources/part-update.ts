// Subresources through which one part of an object is written and nothing else: the pod's ephemeral containers
// and resources, a namespace's finalizers, the approval of a certificate request.
import type { KubeObject } from '../../api/kind.ts'
import { decodeBody, editable } from '../body.ts'
import { patchedBody } from '../writes.ts'
import type { Handler } from '../core.ts'

// The part belongs to the object's kind, which only the caller knows.
// oxlint-disable-next-line typescript/no-explicit-any
type CopyPart = (next: any, sent: any) => void

/** get, update and patch of one part; `copy` moves it from the object sent to the object stored. */
export function partUpdate(subresource: string, copy: CopyPart): { get: Handler; update: Handler; patch: Handler } {
  const write =
    (retry: boolean): Handler =>
    async ({ registry }, operation, warn) => {
      const { kind, patchType, options } = operation
      const item = await registry.update(
        operation,
        old => {
          const body =
            patchType && patchType !== 'apply'
              ? patchedBody(kind, patchType, old, operation.body ?? null)
              : operation.body
          const sent = decodeBody(kind, body, options, warn)
          const next = editable<KubeObject>(kind, old as KubeObject)
          copy(next, sent)
          if (sent.metadata.resourceVersion) next.metadata.resourceVersion = sent.metadata.resourceVersion
          return next
        },
        { retry, rules: 'part', warn },
      )
      return { type: 'object', kind, item }
    }
  return {
    get: async ({ registry }, operation) => ({
      type: 'object',
      kind: operation.kind,
      item: await registry.get(operation),
    }),
    update: write(false),
    patch: write(true),
  }
}
