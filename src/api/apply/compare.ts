// Compares two states of an object. The differences, as field sets, decide who owns what. Every write is compared, so a
// set is created only when it has a member.
// Source: structured-merge-diff typed/compare.go.
import { own } from '../../base/own.ts'
import { asGiven } from '../schema/empties.ts'
import { isNilList } from '../schema/nil.ts'
import { sameJson } from '../equal.ts'
import { isObject } from '../patch/merge.ts'
import type { Json, JsonObject, Node } from '../schema/node.ts'
import { elementKey, emptySet, fieldNode, type FieldSet, isAtomic, member, shapeOf } from './fieldset.ts'

/** The fields that were added or have another value, and those that were removed. */
export function compare(
  node: Node,
  before: Json | undefined,
  after: Json | undefined,
): { changed: FieldSet; removed: FieldSet } {
  const difference = walk(node, before, after)
  return { changed: difference?.changed ?? emptySet(), removed: difference?.removed ?? emptySet() }
}

interface Difference {
  changed?: FieldSet
  removed?: FieldSet
}

/** Returns the difference; undefined when there is none. */
function walk(given: Node, before: Json | undefined, after: Json | undefined): Difference | undefined {
  const node = shapeOf(given, before, after)
  if (before === after) return undefined
  if (before === undefined) return { changed: wholeOf(node, after!) }
  if (after === undefined) return { removed: wholeOf(node, before) }
  if (isAtomic(node)) {
    return sameJson(before, after) ? undefined : { changed: member }
  }
  return node.type === 'list' ? walkList(node, before, after) : walkFields(node, before, after)
}

/** All fields of a value that only one side has. */
function wholeOf(given: Node, value: Json): FieldSet {
  const node = shapeOf(given, value)
  if (value === null || isAtomic(node)) return member
  const set: FieldSet = { self: true, children: new Map() }
  if (node.type === 'list') {
    if (Array.isArray(value))
      for (const element of value) {
        const key = elementKey(node, element)!
        // Elements with the same keys are owned as a whole, not field by field.
        set.children.set(key, set.children.has(key) ? member : wholeOf(node.item!, element))
      }
    return set
  }
  if (!isObject(value)) return set
  for (const name in value) {
    const child = fieldNode(node, name)
    const inner = value[name]
    if (child && inner !== undefined) set.children.set(`f:${name}`, wholeOf(child, inner))
  }
  return set
}

function walkFields(node: Node, before: Json, after: Json): Difference | undefined {
  const [old, now] = [isObject(before) ? before : empty, isObject(after) ? after : empty]
  const out: Difference = {}
  for (const name in now) {
    const child = fieldNode(node, name)
    if (!child) continue
    if (child.type === 'list' && isGivenEmpty(now, name) && isNilList(old[name]))
      note(out, `f:${name}`, { changed: wholeOf(child, []) })
    else note(out, `f:${name}`, walk(child, own(old, name), now[name]))
  }
  for (const name in old) {
    const child = fieldNode(node, name)
    if (child && own(now, name) === undefined) note(out, `f:${name}`, walk(child, old[name], undefined))
  }
  return out.changed || out.removed ? out : undefined
}

/** Whether a list that is always written was given as an empty one, which differs from an absent list. */
const isGivenEmpty = (holder: JsonObject, name: string) =>
  isNilList(holder[name]) && Array.isArray(asGiven(holder, name))

const empty: JsonObject = {}

function walkList(node: Node, before: Json, after: Json): Difference | undefined {
  const old = new Map<string, Json>()
  if (Array.isArray(before)) for (const element of before) old.set(elementKey(node, element)!, element)
  const out: Difference = {}
  for (const element of Array.isArray(after) ? after : []) {
    const key = elementKey(node, element)!
    note(out, key, walk(node.item!, old.get(key), element))
    old.delete(key)
  }
  for (const [key, element] of old) note(out, key, walk(node.item!, element, undefined))
  return out.changed || out.removed ? out : undefined
}

function note(out: Difference, key: string, found: Difference | undefined): void {
  if (found?.changed) (out.changed ??= emptySet()).children.set(key, found.changed)
  if (found?.removed) (out.removed ??= emptySet()).children.set(key, found.removed)
}
