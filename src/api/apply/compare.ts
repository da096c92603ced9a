// What changed between two states of an object, as field sets: the ground for who owns what.
// Source: structured-merge-diff typed/compare.go.
import type { Json, Node } from '../schema/node.ts'
import { childrenOf, emptySet, type FieldSet, isAtomic, isEmpty } from './fieldset.ts'

/** The fields added or given another value, and those removed. */
export function compare(
  node: Node,
  before: Json | undefined,
  after: Json | undefined,
): { changed: FieldSet; removed: FieldSet } {
  const changed = emptySet()
  const removed = emptySet()
  walk(node, before, after, changed, removed)
  return { changed, removed }
}

function walk(
  node: Node,
  before: Json | undefined,
  after: Json | undefined,
  changed: FieldSet,
  removed: FieldSet,
): void {
  if (after === undefined) {
    if (before !== undefined) removed.self = true
  } else if (before === undefined) changed.self = true
  if (isAtomic(node)) {
    if (before !== undefined && after !== undefined && JSON.stringify(before) !== JSON.stringify(after))
      changed.self = true
    return
  }
  const old = new Map<string, Json>()
  if (before !== undefined && before !== null)
    for (const [key, , value] of childrenOf(node, before)) old.set(key, value)
  const visit = (key: string, childNode: Node, from: Json | undefined, to: Json | undefined) => {
    const childChanged = emptySet()
    const childRemoved = emptySet()
    walk(childNode, from, to, childChanged, childRemoved)
    if (!isEmpty(childChanged)) changed.children.set(key, childChanged)
    if (!isEmpty(childRemoved)) removed.children.set(key, childRemoved)
  }
  if (after !== undefined && after !== null) {
    for (const [key, childNode, value] of childrenOf(node, after)) {
      visit(key, childNode, old.get(key), value)
      old.delete(key)
    }
  }
  if (before !== undefined && before !== null) {
    for (const [key, childNode, value] of childrenOf(node, before))
      if (old.has(key)) visit(key, childNode, value, undefined)
  }
}
