// Server-side apply: a manager sends the part of an object that it manages. The server merges it into the live
// object, removes what the manager applied before and no longer does, and refuses to change fields of other managers
// unless forced.
//
//   live ──merge applied──► merged ──remove what only this manager owned and no longer applies──► object
//     └────────────────────── compare ───────────────────────────────────────────────────────────────┘
//                                └─► changed fields of others are a conflict, or with force become this manager's
//
// - The functions are pure: neither the live nor the applied object is changed, and the result may share parts of both.
// - Afterwards the manager owns exactly the fields that it applied, as far as `ownable` allows. Fields that it changed
//   or removed are taken from all others; a field that it applied with the live value may have several owners.
// - A field is removed only when its last owner stops applying it. Then everything below it that nobody owns, such as
//   defaults, is removed with it.
// - A conflict changes nothing, and names every contested field with its owner.
// - An apply without an effect keeps the time of its entry, so that it is not a write.
// - An object that nobody has applied to yet may have fields without owners, from before managed fields. They become
//   those of the manager `before-first-apply`.
// - Apply itself has no limits. The size of the object bounds the number of fields.
//
// An example, with owners in brackets:
//
//   live       replicas: 2 [a]   labels: { x: 1 [a], y: 1 [a, b] }
//   a applies  replicas: 3
//   object     replicas: 3 [a]   labels: { y: 1 [b] }             x had no other owner, and is removed
//   c applies  replicas: 4       is the conflict `conflict with "a": .spec.replicas`; with force it is c's
//
// Source: KEP-555; structured-merge-diff merge/update.go, typed/merge.go; managedfields/managedfieldsupdater.go.
import { type Cause, StatusError } from '../../base/errors.ts'
import { isObject, setKey } from '../patch/merge.ts'
import type { ManagedFieldsEntry } from '../meta.ts'
import { decode } from '../schema/decode.ts'
import type { Json, JsonObject, Node, Struct } from '../schema/node.ts'
import { compare } from './compare.ts'
import {
  childrenOf,
  difference,
  elementKey,
  emptySet,
  type FieldSet,
  fieldNode,
  fieldsOf,
  intersection,
  isAtomic,
  isEmpty,
  parseFieldSet,
  paths,
  shapeOf,
  structNode,
  union,
} from './fieldset.ts'
import { type Manager, type Managed, readManaged, sameManager, stripSystemFields, writeManaged } from './managed.ts'

interface Applied {
  object: JsonObject
  managedFields: ManagedFieldsEntry[]
}

interface ApplyOptions {
  manager: Manager
  force: boolean
  now: string
  /** Returns the members of a set that this manager may own. */
  ownable(set: FieldSet): FieldSet
  /** Fields over which a conflict is allowed, because the manager owned them before it began to apply. */
  allowed?: FieldSet | undefined
}

/** The owner of fields that were set before managed fields were recorded. */
const beforeFirstApply = 'before-first-apply'

/** Applies `wanted`, which must fit the schema, to `live`. Throws Conflict with all contested fields. */
export function apply(schema: Struct, live: JsonObject, wanted: JsonObject, options: ApplyOptions): Applied {
  const { ownable, manager, force, now } = options
  const node = structNode(schema)
  const { managedFields, ...bareMeta } = (live.metadata ?? {}) as JsonObject
  const bareLive: JsonObject = { ...live, metadata: bareMeta }
  const managed = ownersOf(schema, bareLive, managedFields as ManagedFieldsEntry[], options)
  const wantedSet = ownable(stripSystemFields(fieldsOf(node, wanted)))
  const mine = managed.find(m => sameManager(m, manager))
  const others = managed.filter(m => m !== mine)
  const merged = mergeInto(node, bareLive, wanted) as JsonObject
  const object = withoutAbandoned(node, merged, mine?.fields, [wantedSet, ...others.map(other => other.fields)])
  const { changed, removed } = compare(node, bareLive, object)
  const changesNothing = isEmpty(changed) && isEmpty(removed)
  const changedFields = ownable(stripSystemFields(changed))
  const removedFields = ownable(stripSystemFields(removed))
  const conflicts = others
    .map(other => ({ other, fields: intersection(other.fields, changedFields) }))
    .filter(c => !isEmpty(c.fields))
  const contested = conflicts.reduce((sum, c) => union(sum, c.fields), emptySet())
  const isAllowed = options.allowed !== undefined && isEmpty(difference(contested, options.allowed))
  if (conflicts.length && !force && !isAllowed) throw conflictError(conflicts)
  const taken = union(changedFields, removedFields)
  const remaining = others.map(({ json, ...other }) => {
    const fields = difference(other.fields, taken)
    return { ...other, fields, ...(json && isEmpty(intersection(other.fields, taken)) && { json }) }
  })
  // An apply that changes nothing records no time, even if it adds an owner.
  const time = changesNothing ? mine?.time : now
  return { object, managedFields: writeManaged([...remaining, { ...manager, time, fields: wantedSet }]) }
}

function ownersOf(
  schema: Struct,
  live: JsonObject,
  entries: ManagedFieldsEntry[] | undefined,
  { manager, now, ownable }: ApplyOptions,
): Managed[] {
  const managed = readManaged(entries)
  const { uid } = live.metadata as { uid?: string }
  if (managed.length || !uid) return managed
  const { changed } = compare(structNode(schema), decode(schema, {}) as JsonObject, live)
  const fields = ownable(stripSystemFields(changed))
  return [{ ...manager, manager: beforeFirstApply, operation: 'Update', time: now, fields }]
}

function conflictError(conflicts: { other: Managed; fields: FieldSet }[]): StatusError {
  const causes: Cause[] = []
  const byManager = new Map<string, string[]>()
  for (const { other, fields } of conflicts) {
    const who = `${JSON.stringify(other.manager)}${other.subresource ? ` with subresource ${JSON.stringify(other.subresource)}` : ''}${other.operation === 'Update' ? ` using ${other.apiVersion}` : ''}`
    for (const field of paths(fields)) {
      causes.push({ reason: 'FieldManagerConflict', message: `conflict with ${who}`, field })
      byManager.set(who, [...(byManager.get(who) ?? []), field])
    }
  }
  const groups = [...byManager].sort(([a], [b]) => (a < b ? -1 : 1))
  const text =
    causes.length === 1
      ? `1 conflict: ${causes[0]!.message}: ${causes[0]!.field}`
      : `${causes.length} conflicts: ${groups.map(([who, fields]) => [`conflicts with ${who}:`, ...fields.map(f => `- ${f}`)].join('\n')).join('\n')}`
  return new StatusError('Conflict', `Apply failed with ${text}`, { details: { causes } })
}

/** Merges `wanted` into `live`: fields that it has get its values, and all others stay. */
function mergeInto(given: Node, live: Json | undefined, wanted: Json): Json {
  const node = shapeOf(given, live, wanted)
  if (live === undefined || live === null || wanted === null || isAtomic(node)) return wanted
  if (node.type === 'list')
    return mergeLists(node, Array.isArray(live) ? live : [], Array.isArray(wanted) ? wanted : [])
  if (!isObject(live) || !isObject(wanted)) return wanted
  const out: JsonObject = { ...live }
  for (const [name, value] of Object.entries(wanted)) {
    const child = fieldNode(node, name)
    setKey(out, name, child ? mergeInto(child, live[name], value) : value)
  }
  return out
}

/**
 * Merges the elements of two lists by key. Applied elements come in the applied order. Elements that are only live keep
 * their place before the shared element that they preceded: live a b c, applied c a, result b c a.
 */
function mergeLists(node: Node, live: Json[], wanted: Json[]): Json[] {
  const keyOf = (element: Json) => elementKey(node, element)!
  const liveByKey = new Map(live.map(element => [keyOf(element), element]))
  const wantedKeys = wanted.map(keyOf)
  const isWanted = new Set(wantedKeys)
  const shared = wantedKeys.filter(key => liveByKey.has(key))
  const taken = new Set<string>()
  const out: Json[] = []
  const take = (at: number) => {
    const key = wantedKeys[at]!
    const before = liveByKey.get(key)
    out.push(before === undefined ? wanted[at]! : mergeInto(node.item!, before, wanted[at]!))
    taken.add(key)
    if (shared[0] === key) shared.shift()
  }
  for (let l = 0, w = 0; l < live.length || w < wanted.length; ) {
    const key = l < live.length ? keyOf(live[l]!) : undefined
    if (key !== undefined && w < wanted.length) {
      if (key === wantedKeys[w]) {
        take(w++)
        l++
        continue
      }
      // A shared element whose turn in the applied order has not come, or has passed.
      if (isWanted.has(key) && shared.length && shared[0] !== key) {
        l++
        continue
      }
    }
    if (key !== undefined && !isWanted.has(key)) out.push(live[l++]!)
    else if (key !== undefined && taken.has(key)) l++
    else if (w < wanted.length) take(w++)
  }
  return out
}

/** Every applied object has its name, so that is always owned. */
const named = parseFieldSet({ 'f:metadata': { 'f:name': {} } })

/** Removes what the manager owned in `before` and nobody owns any more. `owned` are the sets of all owners. */
function withoutAbandoned(
  node: Node,
  merged: JsonObject,
  before: FieldSet | undefined,
  owned: readonly FieldSet[],
): JsonObject {
  if (!before || isEmpty(before)) return merged
  const abandoned = owned.reduce((left, set) => difference(left, set), before)
  return prune(node, merged, abandoned, owned.reduce(union, named)) as JsonObject
}

/** Removes the members of `set` from a value, except those that contain something owned. */
function prune(given: Node, value: Json, set: FieldSet, owned: FieldSet): Json {
  const node = shapeOf(given, value)
  if (isEmpty(set) || isAtomic(node)) return value
  const below = (key: string) => owned.children.get(key) ?? emptySet()
  if (node.type === 'list' && Array.isArray(value)) {
    return value.flatMap(element => {
      const key = elementKey(node, element)!
      const child = set.children.get(key)
      if (!child) return [element]
      return child.self && isEmpty(below(key)) ? [] : [prune(node.item!, element, child, below(key))]
    })
  }
  if (!isObject(value)) return value
  const out: JsonObject = { ...value }
  for (const [key, childNode, child] of childrenOf(node, value)) {
    const childSet = set.children.get(key)
    if (!childSet) continue
    const name = key.slice(2)
    // Without anything owned in it, the field is removed as a whole, with its defaults.
    if (isEmpty(below(key))) delete out[name]
    else setKey(out, name, prune(childNode, child, childSet, below(key)))
  }
  return out
}
