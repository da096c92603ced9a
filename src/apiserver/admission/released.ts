// What is let through although its content would be refused: objects must be deletable by whoever deletes them.
// Source: pkg/registry/rbac (IsOnlyMutatingGCFields).
import type { KubeObject } from '../../api/kind.ts'
import type { AdmissionRequest } from './request.ts'

/** Whether nothing but finalizers and owners changes, as when an object is being deleted. */
export function onlyReleased({ object, old }: AdmissionRequest): boolean {
  if (!object || !old) return false
  const bare = (it: KubeObject) => {
    const { finalizers: _f, ownerReferences: _o, managedFields: _m, resourceVersion: _r, ...metadata } = it.metadata
    return JSON.stringify({ ...it, metadata })
  }
  return bare(object) === bare(old)
}
