// Server-side apply: a manager states what it wants of an object; the server merges that in, removes what the
// manager wanted before and no longer does, and refuses to touch what others own unless forced.
// Source: KEP-555; structured-merge-diff merge/update.go, typed/merge.go.
import { type Cause, StatusError } from '../../base/errors.ts'
import { isObject, setKey } from '../patch/merge.ts'
import type { ManagedFieldsEntry } from '../meta.ts'
import type { Json, JsonObject, Node, Struct } from '../schema/node.ts'
import { compare } from './compare.ts'
import {
  childrenOf,
  difference,
  elementKey,
  emptySet,
  equalSets,
  type FieldSet,
  fieldsOf,
  intersection,
  isAtomic,
  isEmpty,
  paths,
  structNode,
} from './fieldset.ts'
import { type Manager, type Managed, readManaged, sameManager, stripSystemFields, writeManaged } from './managed.ts'

export interface Applied {
  object: JsonObject
  managedFields: ManagedFieldsEntry[]
}

/** Applies `wanted` to `live`. Throws Conflict naming every contested field, BadRequest on duplicate list keys. */
export function apply(
  schema: Struct,
  live: JsonObject,
  wanted: JsonObject,
  options: { manager: Manager; force: boolean; now: string },
): Applied {
  const node = structNode(schema)
  checkDuplicates(node, wanted, '')
  const { managedFields, ...bareMeta } = (live.metadata ?? {}) as JsonObject
  const bareLive: JsonObject = { ...live, metadata: bareMeta }
  const managed = readManaged(managedFields as unknown as ManagedFieldsEntry[])
  const wantedSet = stripSystemFields(fieldsOf(node, wanted))
  const merged = mergeInto(node, bareLive, wanted) as JsonObject
  const { changed } = compare(node, bareLive, merged)
  const mine = managed.find(m => sameManager(m, options.manager))
  let others = managed.filter(m => m !== mine)
  const contested = intersection(stripSystemFields(changed), wantedSet)
  const conflicts = others
    .map(other => ({ other, fields: intersection(other.fields, contested) }))
    .filter(c => !isEmpty(c.fields))
  if (conflicts.length && !options.force) throw conflictError(conflicts)
  others = others.map(({ json: _old, ...other }) => ({ ...other, fields: difference(other.fields, contested) }))
  const dropped = mine
    ? others.reduce((left, other) => difference(left, other.fields), difference(mine.fields, wantedSet))
    : emptySet()
  const object = prune(node, merged, dropped) as JsonObject
  const time = mine && equalSets(mine.fields, wantedSet) ? mine.time : options.now
  return { object, managedFields: writeManaged([...others, { ...options.manager, time, fields: wantedSet }]) }
}

function conflictError(conflicts: { other: Managed; fields: FieldSet }[]): StatusError {
  const causes: Cause[] = []
  const groups: string[] = []
  for (const { other, fields } of conflicts) {
    const who = `conflict with ${JSON.stringify(other.manager)}${other.subresource ? ` with subresource ${JSON.stringify(other.subresource)}` : ''}${other.operation === 'Update' ? ` using ${other.apiVersion}` : ''}`
    const fieldList = [...paths(fields)]
    for (const field of fieldList) causes.push({ reason: 'FieldManagerConflict', message: who, field })
    groups.push(
      fieldList.length === 1 ? `${who}: ${fieldList[0]}` : `${who}:\n${fieldList.map(f => `- ${f}`).join('\n')}`,
    )
  }
  const count = `${causes.length} conflict${causes.length === 1 ? '' : 's'}`
  const text = groups.length === 1 ? groups[0] : groups.join('\n')
  return new StatusError('Conflict', `Apply failed with ${count}: ${text}`, { details: { causes } })
}

/** `wanted` over `live`: fields it names take its values, all else stays. */
function mergeInto(node: Node, live: Json | undefined, wanted: Json): Json {
  if (live === undefined || live === null || isAtomic(node)) return wanted
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

// The applied order wins among the elements it names; the others stay where they were.
function mergeLists(node: Node, live: Json[], wanted: Json[]): Json[] {
  const byKey = new Map(live.map(element => [elementKey(node, element)!, element]))
  const wantedKeys = wanted.map(element => elementKey(node, element)!)
  const merged = wanted.map((element, i) => {
    const existing = byKey.get(wantedKeys[i]!)
    return existing === undefined ? element : mergeInto(node.item!, existing, element)
  })
  const out: Json[] = []
  let next = 0
  for (const element of live) {
    const at = wantedKeys.indexOf(elementKey(node, element)!)
    if (at < 0) out.push(element)
    else while (next <= at) out.push(merged[next++]!)
  }
  return [...out, ...merged.slice(next)]
}

/** `value` without the members of `set`. */
function prune(node: Node, value: Json, set: FieldSet): Json {
  if (isEmpty(set) || isAtomic(node)) return value
  if (node.type === 'list' && Array.isArray(value)) {
    return value.flatMap(element => {
      const child = set.children.get(elementKey(node, element)!)
      if (!child) return [element]
      return child.self ? [] : [prune(node.item!, element, child)]
    })
  }
  if (!isObject(value)) return value
  const out: JsonObject = { ...value }
  for (const [key, childNode, child] of childrenOf(node, value)) {
    const childSet = set.children.get(key)
    if (!childSet) continue
    const name = key.slice(2)
    if (childSet.self && childSet.children.size === 0) delete out[name]
    else {
      const left = prune(childNode, child, childSet)
      if (isObject(left) && Object.keys(left).length === 0 && childNode.type === 'map') delete out[name]
      else if (Array.isArray(left) && left.length === 0) delete out[name]
      else setKey(out, name, left)
    }
  }
  return out
}

function checkDuplicates(node: Node, value: Json, at: string): void {
  if (isAtomic(node) || value === null) return
  const seen = new Set<string>()
  for (const [key, child, element] of childrenOf(node, value)) {
    if (seen.has(key))
      throw new StatusError(
        'BadRequest',
        `failed to create manager for existing fields: ${at}: duplicate entries for key [${key.slice(2)}]`,
      )
    seen.add(key)
    checkDuplicates(child, element, key.startsWith('f:') ? `${at}.${key.slice(2)}` : at)
  }
}
