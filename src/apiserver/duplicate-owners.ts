// Owners that an object names more than once count once, and whoever sent them is told so.
// Source: apiserver pkg/endpoints/handlers/rest.go (dedupOwnerReferences).
import { equalJson } from '../api/equal.ts'
import type { KubeObject } from '../api/kind.ts'
import type { Json } from '../api/schema/node.ts'
import type { Warn } from './body.ts'

/** Drops what is there twice in every field. `admitted`: what admission made of the object is looked at. */
export function dropDuplicateOwners(metadata: KubeObject['metadata'], admitted: boolean, warn: Warn): void {
  const { ownerReferences: owners } = metadata
  if (!owners || owners.length < 2) return
  const same = (a: object, b: object) => equalJson(a as Json, b as Json)
  const single = owners.filter((owner, i) => !owners.slice(0, i).some(before => same(owner, before)))
  if (single.length === owners.length) return
  const uids = owners.filter(owner => !single.includes(owner)).map(({ uid }) => uid)
  metadata.ownerReferences = single
  warn(
    `.metadata.ownerReferences contains duplicate entries${admitted ? ' after mutating admission happens' : ''}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${uids.join(', ')}`,
  )
}
