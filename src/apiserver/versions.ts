// Stored items in the version of a kind (kinds/custom). Each is converted once for each kind that shows it, so that
// readers share its object and its bytes. Most objects are stored as they are shown, and stay the same item.
import type { AnyKind, KubeObject } from '../api/kind.ts'
import { Item } from '../api/mirror.ts'

const shownOf = new WeakMap<NonNullable<AnyKind['versions']>, WeakMap<Item, Item>>()

/** Stored items as the kind shows them, in the same order. Throws what a conversion throws. */
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

/** One stored item as the kind shows it. */
export function shownItem(kind: AnyKind, item: Item): Item | Promise<Item> {
  const shown = shownItems(kind, [item])
  return shown instanceof Promise ? shown.then(items => items[0]!) : shown[0]!
}
