// Items in the order of their keys, kept in that order as they change.
import type { Item, MirrorChange } from '../api/mirror.ts'

/** Beyond this many it is cheaper to sort again when somebody asks than to make room at every change. */
const maxKept = 10_000

const keyOf = ({ object: { metadata } }: Item): string => `${metadata.namespace ?? ''}/${metadata.name}`

/** The items in the order of their keys. */
export function sortByKey(items: Iterable<Item>): Item[] {
  return Array.from(items, item => ({ item, key: keyOf(item) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ item }) => item)
}

export class SortedItems {
  readonly items: readonly Item[]
  readonly #items: Item[]

  constructor(items: Iterable<Item>) {
    this.items = this.#items = sortByKey(items)
  }

  /** Takes in a change; false when that would be more work than sorting anew. */
  apply({ type, item, before }: MirrorChange): boolean {
    const items = this.#items
    const at = this.#find(keyOf(item))
    const there = before !== undefined && at < items.length && items[at] === before
    if (type !== 'DELETED' && there) items[at] = item
    else if (items.length > maxKept || (before !== undefined) !== there) return false
    else if (type === 'DELETED') items.splice(at, before ? 1 : 0)
    else items.splice(at, 0, item)
    return true
  }

  /** Where a key is or would be. */
  #find(key: string): number {
    let [low, high] = [0, this.#items.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (keyOf(this.#items[middle]!) < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
