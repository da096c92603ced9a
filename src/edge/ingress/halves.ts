// Looks for what is broken among many by trying parts, each half of the one before.

/**
 * The items without which the rest is accepted, in the order of the list.
 * @param accepts whether some of the items are fine together; none are
 */
export async function findBroken<T>(
  items: readonly T[],
  accepts: (some: readonly T[]) => Promise<boolean>,
): Promise<T[]> {
  if (!items.length || (await accepts(items))) return []
  if (items.length === 1) return [...items]
  const middle = Math.ceil(items.length / 2)
  return [...(await findBroken(items.slice(0, middle), accepts)), ...(await findBroken(items.slice(middle), accepts))]
}
