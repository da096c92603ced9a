// Comparison of stored and computed values. Zero, empty and absent are the same, since Kubernetes omits them in JSON.

/** Whether writing `b` over `a` would change nothing in the object's JSON. */
export function sameStatus(a: unknown, b: unknown): boolean {
  if (isNothing(a) || isNothing(b)) return isNothing(a) && isNothing(b)
  if (typeof a !== 'object' || typeof b !== 'object') return a === b
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((element, i) => sameStatus(element, b[i]))
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const key of Object.keys(left)) if (!sameStatus(left[key], right[key])) return false
  for (const key of Object.keys(right)) if (!(key in left) && !isNothing(right[key])) return false
  return true
}

function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === 0 || value === '' || value === false) return true
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) return value.length === 0
  return Object.values(value).every(isNothing)
}

/** JSON with sorted keys, which is equal for equal values. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

/** Whether two plain values are equal. The order of keys does not matter, and undefined is the same as absent. */
export const sameValue = (a: unknown, b: unknown): boolean => canonicalJson(a) === canonicalJson(b)

/** An int64 in the form that objects have: a number, or a bigint where a number would not be exact. */
export const int64Of = (value: bigint): number =>
  (Number.isSafeInteger(Number(value)) ? Number(value) : value) as number
