// Comparing what is with what should be, as Kubernetes writes it: zero, empty and absent are the same.

/** Whether writing `b` over `a` would change nothing that the wire shows. */
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

/** JSON with sorted keys: equal for objects that mean the same. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

/** Whether two plain values are equal, in whatever order their keys come; undefined is absent. */
export const sameValue = (a: unknown, b: unknown): boolean => canonicalJson(a) === canonicalJson(b)

/** A whole number as objects hold it: beyond what a double holds exactly the wire's codec carries it as a bigint. */
export const int64Of = (value: bigint): number =>
  (Number.isSafeInteger(Number(value)) ? Number(value) : value) as number
