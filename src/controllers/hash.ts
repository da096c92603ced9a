// Short hashes of templates for names and labels. Equal templates have equal hashes in every process and release, since
// a changed hash would start a rollout of every workload.
import { canonicalJson } from '../api/equal.ts'
import { safeEncode } from '../base/random.ts'

/** FNV-1a, 32 bits. */
function fnv32(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

/** A hash of a template in the alphabet of generated names. Each number of `collisions` gives another hash. */
export const templateHash = (template: unknown, collisions = 0): string =>
  safeEncode(String(fnv32(canonicalJson(template) + (collisions ? `#${collisions}` : ''))))
