// Updates that are accepted although the object's content would be refused, because they are a part of its deletion.
// Source: pkg/registry/rbac (IsOnlyMutatingGCFields).
import type { KubeObject } from '../../api/kind.ts'
import type { AdmissionRequest } from './request.ts'

/** Whether only finalizers and owner references change, as when the garbage collector deletes an object. */
export function onlyReleased({ object, old }: AdmissionRequest): boolean {
  if (!object || !old) return false
  const bare = (it: KubeObject) => {
    const { finalizers: _f, ownerReferences: _o, managedFields: _m, resourceVersion: _r, ...metadata } = it.metadata
    return JSON.stringify({ ...it, metadata })
  }
  return bare(object) === bare(old)
}
