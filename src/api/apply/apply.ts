// Server-side apply: a manager states what it wants of an object; the server merges that in, removes what the
// manager wanted before and no longer does, and refuses to touch what others own unless forced.
//
//   live ──merge wanted──► merged ──prune what only this manager owned and no longer wants──► object
//     └────────────────────── compare ───────────────────────────────────────────────────────────┘
//                                └─► what changed and belongs to others is a conflict, or with force this manager's
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
  fieldsOf,
  intersection,
  isAtomic,
  isEmpty,
  parseFieldSet,
  paths,
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
  /** Leaves of a set of fields those that this manager may own. */
  ownable(set: FieldSet): FieldSet
  /** Conflicts over these are no conflicts: the manager owned them before it began to apply. */
  allowed?: FieldSet | undefined
}

/** Who owns the fields of an object that nobody applied to before. */
const beforeFirstApply = 'before-first-apply'

/** Applies `wanted`, which fits the schema, to `live`. Throws Conflict naming every contested field. */
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
  const object = withoutDropped(node, merged, mine?.fields, [wantedSet, ...others.map(other => other.fields)])
  const { changed, removed } = compare(node, bareLive, object)
  const changesNothing = isEmpty(changed) && isEmpty(removed)
  const touched = ownable(stripSystemFields(changed))
  const gone = ownable(stripSystemFields(removed))
  const conflicts = others
    .map(other => ({ other, fields: intersection(other.fields, touched) }))
    .filter(c => !isEmpty(c.fields))
  const contested = conflicts.reduce((sum, c) => union(sum, c.fields), emptySet())
  const isAllowed = options.allowed !== undefined && isEmpty(difference(contested, options.allowed))
  if (conflicts.length && !force && !isAllowed) throw conflictError(conflicts)
  const lost = union(touched, gone)
  const left = others.map(({ json, ...other }) => {
    const fields = difference(other.fields, lost)
    return { ...other, fields, ...(json && isEmpty(intersection(other.fields, lost)) && { json }) }
  })
  // An apply that changes nothing leaves no time, even where it adds an owner.
  const time = changesNothing ? mine?.time : now
  return { object, managedFields: writeManaged([...left, { ...manager, time, fields: wantedSet }]) }
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

/** `wanted` over `live`: fields it names take its values, all else stays. */
function mergeInto(node: Node, live: Json | undefined, wanted: Json): Json {
  if (live === undefined || live === null || wanted === null || isAtomic(node)) return wanted
  if (node.type === 'list')
    return mergeLists(node, Array.isArray(live) ? live : [], Array.isArray(wanted) ? wanted : [])
  if (!isObject(live) || !isObject(wanted)) return wanted
  const schema = node.type === 'struct' ? node.struct!() : undefined
  const out: JsonObject = { ...live }
  for (const [name, value] of Object.entries(wanted)) {
    const child = schema ? schema.fields[name] : node.item
    setKey(out, name, child ? mergeInto(child, live[name], value) : value)
  }
  return out
}

/**
 * The elements of both, each once. Shared elements come in the applied order, with those that are only live before
 * them where they stood; what is only applied comes where the applied order has it.
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
      // Shared, but not the one whose turn it is.
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

/** Whoever applies an object names it. */
const named = parseFieldSet({ 'f:metadata': { 'f:name': {} } })

/** What the manager owned and does not want any more goes, as far as nobody owns it now. */
function withoutDropped(
  node: Node,
  merged: JsonObject,
  before: FieldSet | undefined,
  owned: readonly FieldSet[],
): JsonObject {
  if (!before || isEmpty(before)) return merged
  const dropped = owned.reduce((left, set) => difference(left, set), before)
  return prune(node, merged, dropped, owned.reduce(union, named)) as JsonObject
}

/** `value` without the members of `set`, but for what has something in it that is owned. */
function prune(node: Node, value: Json, set: FieldSet, owned: FieldSet): Json {
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
    // What nobody owns anything in goes as a whole, with what the server had filled in.
    if (isEmpty(below(key))) delete out[name]
    else setKey(out, name, prune(childNode, child, childSet, below(key)))
  }
  return out
}
