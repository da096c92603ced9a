// Sets of fields, as managed fields record them: a tree whose keys are path elements.
//
//   f:name        a field            k:{"name":"a"}   the list element with this key
//   v:"x"         the element x      .                the path itself
//
// The containers and the image of the container a, for example:
//
//   f:spec: { f:containers: { k:{"name":"a"}: { .: {}, f:image: {} } } }
//
// Sets are not changed once they have been made: the functions here return new ones, which share subtrees with their
// arguments. Only stripSystemFields (managed.ts) changes a set, which its caller has just made.
//
// Source: KEP-555; sigs.k8s.io/structured-merge-diff fieldpath/serialize.go.
import { own } from '../../base/own.ts'
import type { Json, JsonObject, Node, Struct } from '../schema/node.ts'
import { isObject } from '../patch/merge.ts'

export interface FieldSet {
  /** Whether the path of this node is a member of the set. */
  self: boolean
  children: Map<string, FieldSet>
}

export const emptySet = (): FieldSet => ({ self: false, children: new Map() })

export const isEmpty = (set: FieldSet): boolean => !set.self && set.children.size === 0

/** Parsed sets by the identity of their JSON. Equal parts are shared between objects, and are parsed only once. */
const parsed = new WeakMap<object, FieldSet>()

/** Parses the JSON of managedFields. Any JSON is accepted, since clients may write it. The set must not be changed. */
export function parseFieldSet(json: Json | undefined): FieldSet {
  if (!isObject(json)) return emptySet()
  let set = parsed.get(json)
  if (set) return set
  set = emptySet()
  for (const [key, value] of Object.entries(json)) {
    if (key === '.') set.self = true
    // A leaf is written as {}, and is a member.
    else set.children.set(key, isObject(value) && !isEmptyObject(value) ? parseFieldSet(value) : member)
  }
  parsed.set(json, set)
  return set
}

/** Whether JSON is a field set, in which every key is a path element. */
export function isFieldSet(json: Json | undefined): boolean {
  return isObject(json) && Object.entries(json).every(([key, inner]) => /^(\.$|[fkvi]:)/.test(key) && isFieldSet(inner))
}

/** The set with only its own path. It is shared and must not be changed. */
export const member: FieldSet = Object.freeze({ self: true, children: new Map() })

function isEmptyObject(object: JsonObject): boolean {
  for (const _ in object) return false
  return true
}

/** The JSON of a leaf. Most nodes of a set are leaves, so sharing one object saves half of the memory. */
const end: JsonObject = Object.freeze({}) as JsonObject

/** The JSON of a set, with sorted keys. Its leaves are shared and frozen. */
export function fieldSetJson(set: FieldSet): JsonObject {
  if (set.children.size === 0) return end
  const out: JsonObject = {}
  if (set.self) out['.'] = end
  for (const key of [...set.children.keys()].sort()) out[key] = fieldSetJson(set.children.get(key)!)
  return out
}

/** The members of either set. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  const out: FieldSet = { self: a.self || b.self, children: new Map(a.children) }
  for (const [key, child] of b.children)
    out.children.set(key, out.children.has(key) ? union(out.children.get(key)!, child) : child)
  return out
}

/** The members of `a` that are not in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const out: FieldSet = { self: a.self && !b.self, children: new Map() }
  for (const [key, child] of a.children) {
    const other = b.children.get(key)
    const left = other ? difference(child, other) : child
    if (!isEmpty(left)) out.children.set(key, left)
  }
  return out
}

/** Whether the sets have a member in common. */
export function overlaps(a: FieldSet, b: FieldSet): boolean {
  if (a.self && b.self) return true
  for (const [key, child] of a.children) {
    const other = b.children.get(key)
    if (other && overlaps(child, other)) return true
  }
  return false
}

/** The members of both sets. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const out: FieldSet = { self: a.self && b.self, children: new Map() }
  for (const [key, child] of a.children) {
    const other = b.children.get(key)
    const common = other && intersection(child, other)
    if (common && !isEmpty(common)) out.children.set(key, common)
  }
  return out
}

/** The members of a set at or below one of the paths. */
export function only(set: FieldSet, paths: readonly (readonly string[])[]): FieldSet {
  const out = emptySet()
  for (const [head, ...rest] of paths) {
    const child = head === undefined ? undefined : set.children.get(head)
    const kept = child && (rest.length ? only(child, [rest]) : child)
    if (kept && !isEmpty(kept))
      out.children.set(head!, out.children.has(head!) ? union(out.children.get(head!)!, kept) : kept)
  }
  return out
}

/** The members of a set that are neither at nor below any of the paths. */
export function except(set: FieldSet, paths: readonly (readonly string[])[]): FieldSet {
  const out: FieldSet = { self: set.self, children: new Map(set.children) }
  for (const [head, ...rest] of paths) {
    const child = head === undefined ? undefined : out.children.get(head)
    if (!child) continue
    const left = rest.length ? except(child, [rest]) : emptySet()
    if (isEmpty(left)) out.children.delete(head!)
    else out.children.set(head!, left)
  }
  return out
}

/** The paths of all members, in the form of conflicts: `.spec.template.spec.containers[name="a"].image`. */
export function* paths(set: FieldSet, prefix = ''): Iterable<string> {
  // In the order of upstream: first the members of this level, then those below each.
  for (const [key, child] of set.children) if (child.self) yield prefix + elementText(key)
  for (const [key, child] of set.children) yield* paths(child, prefix + elementText(key))
}

/** The text of a path element: `.name`, `[name="a"]`, `[="value"]` or `[3]`. */
export function elementText(key: string): string {
  if (key.startsWith('f:')) return `.${key.slice(2)}`
  if (key.startsWith('v:')) return `[=${key.slice(2)}]`
  if (key.startsWith('k:')) {
    const keys = JSON.parse(key.slice(2)) as JsonObject
    return `[${Object.entries(keys)
      .map(([k, v]) => `${k}=${JSON.stringify(v)}`)
      .join(',')}]`
  }
  return `[${key.slice(2)}]`
}

/** The path element of a list element; undefined when the list is owned as a whole. */
export function elementKey(list: Node, element: Json): string | undefined {
  if (list.listType === 'set') return `v:${JSON.stringify(element)}`
  if (list.listType !== 'map' || !isObject(element)) return undefined
  const schema = list.item?.type === 'struct' ? list.item.struct!() : undefined
  const keys: JsonObject = {}
  for (const key of [...(list.keys ?? [])].sort()) {
    const value = element[key] ?? (schema?.fields[key]?.default as Json | undefined)
    if (value !== undefined) keys[key] = value
  }
  return `k:${JSON.stringify(keys)}`
}

const untyped: Node = { type: 'untyped' }
const untypedMap: Node = { type: 'map', item: untyped }
const untypedWhole: Node = { type: 'json' }

/** The node by which values are owned: untyped values are maps if all of them are objects, and wholes otherwise. */
export function shapeOf(node: Node, ...values: readonly (Json | undefined)[]): Node {
  if (node.type !== 'untyped') return node
  return values.every(value => value === undefined || isObject(value)) ? untypedMap : untypedWhole
}

/** The node of a field of an object; undefined for a field that nobody owns. */
export function fieldNode(node: Node, name: string): Node | undefined {
  if (node.type !== 'struct') return node.item
  const schema = node.struct!()
  return own(schema.fields, name) ?? schema.others
}

/** Whether a node is owned as a whole. */
export function isAtomic(node: Node): boolean {
  switch (node.type) {
    case 'struct':
      return node.atomic ?? node.struct!().atomic
    case 'map':
      return node.atomic ?? false
    case 'list':
      return node.listType !== 'map' && node.listType !== 'set'
    default:
      return true
  }
}

/** The children of a value that is not atomic: for each its path element, node and value. */
export function* childrenOf(node: Node, value: Json): Iterable<[key: string, node: Node, value: Json]> {
  if (node.type === 'list') {
    if (Array.isArray(value)) for (const element of value) yield [elementKey(node, element)!, node.item!, element]
  } else if (isObject(value)) {
    for (const [name, child] of Object.entries(value)) {
      const childNode = fieldNode(node, name)
      if (childNode) yield [`f:${name}`, childNode, child]
    }
  }
}

/** All fields that a value sets: its leaves, and its list elements by key. */
export function fieldsOf(given: Node, value: Json): FieldSet {
  const set = emptySet()
  const node = shapeOf(given, value)
  if (isAtomic(node) || value === null) {
    set.self = true
    return set
  }
  for (const [key, childNode, child] of childrenOf(node, value)) {
    const childSet = fieldsOf(childNode, child)
    if (!key.startsWith('f:')) childSet.self = true
    if (!isEmpty(childSet)) set.children.set(key, childSet)
  }
  // An empty map is a field that is set. An empty list of elements with keys sets nothing.
  if (isObject(value) && Object.keys(value).length === 0) set.self = true
  return set
}

export const structNode = (schema: Struct): Node => ({ type: 'struct', struct: () => schema })
