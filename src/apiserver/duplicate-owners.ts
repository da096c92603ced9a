// Removes owner references that an object has more than once, and warns the client.
// Source: apiserver pkg/endpoints/handlers/rest.go (dedupOwnerReferences).
import type { KubeObject } from '../api/kind.ts'
import type { Warn } from './body.ts'
import type { Mutable } from '../api/schema/node.ts'

/** Removes references that are equal in all fields. `admitted` is whether mutating admission has run. */
export function dropDuplicateOwners(metadata: Mutable<KubeObject['metadata']>, admitted: boolean, warn: Warn): void {
  const { ownerReferences: owners } = metadata
  if (!owners || owners.length < 2) return
  // Decoded references have their fields in one order, so equal ones have equal JSON.
  const single = new Map<string, (typeof owners)[number]>()
  const uids: string[] = []
  for (const owner of owners) {
    const text = JSON.stringify(owner)
    if (single.has(text)) uids.push(owner.uid)
    else single.set(text, owner)
  }
  if (!uids.length) return
  metadata.ownerReferences = [...single.values()]
  warn(
    `.metadata.ownerReferences contains duplicate entries${admitted ? ' after mutating admission happens' : ''}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${uids.join(', ')}`,
  )
}
