// Items in the order of their keys, which changes keep.
import { firstIndex } from '../base/search.ts'
import type { Item, MirrorChange } from '../api/mirror.ts'

/** With more items than this, sorting again for the next reader is cheaper than moving items at every change. */
const maxKept = 10_000

/** Sorts items by their keys. */
export function sortByKey(items: Iterable<Item>): Item[] {
  return Array.from(items, item => ({ item, key: item.key }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ item }) => item)
}

export class SortedItems {
  readonly items: readonly Item[]
  readonly #items: Item[]

  constructor(items: Iterable<Item>) {
    this.items = this.#items = sortByKey(items)
  }

  /** Applies a change. Returns false when sorting again is cheaper, or the change does not fit the items. */
  apply({ type, item, before }: MirrorChange): boolean {
    const items = this.#items
    const at = placeOf(items, item.key)
    const there = before !== undefined && at < items.length && items[at] === before
    if (type !== 'DELETED' && there) items[at] = item
    else if (items.length > maxKept || (before !== undefined) !== there) return false
    else if (type === 'DELETED') items.splice(at, before ? 1 : 0)
    else items.splice(at, 0, item)
    return true
  }
}

/** The position of a key in sorted items, or the one at which it would be inserted. */
const placeOf = (items: readonly Item[], key: string): number => firstIndex(items.length, i => items[i]!.key >= key)

/** The position of the first item with a greater key. */
export const placeAfter = (items: readonly Item[], key: string): number =>
  firstIndex(items.length, i => items[i]!.key > key)

/** Sorted items with other ones, or none, in place of those with the keys of `past`. */
export function withPast(items: readonly Item[], past: ReadonlyMap<string, Item | undefined>): Item[] {
  const parts: (readonly Item[])[] = []
  let from = 0
  for (const key of [...past.keys()].sort()) {
    const before = past.get(key)
    parts.push(items.slice(from, placeOf(items, key)), before ? [before] : [])
    from = placeAfter(items, key)
  }
  parts.push(items.slice(from))
  return parts.flat()
}
