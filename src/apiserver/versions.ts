// Converts stored items of custom resources to the version of a kind (kinds/custom). An item is converted once for each
// version, so that readers share the object and its bytes. If it is stored in that version, the item itself is used.
import type { AnyKind, KubeObject } from '../api/kind.ts'
import { Item } from '../api/mirror.ts'

const shownOf = new WeakMap<NonNullable<AnyKind['versions']>, WeakMap<Item, Item>>()

/** Returns the items in the version of the kind, in the same order. Throws if the conversion throws. */
export function shownItems(kind: AnyKind, items: readonly Item[]): readonly Item[] | Promise<readonly Item[]> {
  const { versions } = kind
  if (!versions || !items.length) return items
  let shown = shownOf.get(versions)
  if (!shown) shownOf.set(versions, (shown = new WeakMap()))
  const missing = items.filter(item => !shown.has(item))
  const finish = (objects: readonly KubeObject[]): readonly Item[] => {
    for (const [i, item] of missing.entries())
      shown.set(item, objects[i] === item.object ? item : new Item(objects[i]!, item.revision))
    return items.map(item => shown.get(item)!)
  }
  const objects = missing.length ? versions.fromStored(missing.map(item => item.object)) : []
  return objects instanceof Promise ? objects.then(finish) : finish(objects)
}

/** Returns one item in the version of the kind. */
export function shownItem(kind: AnyKind, item: Item): Item | Promise<Item> {
  const shown = shownItems(kind, [item])
  return shown instanceof Promise ? shown.then(items => items[0]!) : shown[0]!
}

/** The item in the version of the kind if it was read before, and otherwise as it is stored. */
export const asLastShown = (kind: AnyKind, item: Item): Item =>
  (kind.versions && shownOf.get(kind.versions)?.get(item)) ?? item
