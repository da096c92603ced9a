// Managed fields: which manager set which field. Every write gives its manager the fields that it changed.
//
// - A manager is a name together with the operation, the subresource and, for updates, the version that it writes in.
//   Each has one entry.
// - After an update (`managedAfterUpdate`) a changed field has exactly one owner, the writer, and a removed one has
//   none. Only applies (apply.ts) can give one field several owners.
// - Entries without a field are dropped. They are ordered by operation, then time, then name.
// - More than ten managers by update are folded: the fields of the oldest are given to `ancient-changes`.
// - Arguments are not changed. Results share frozen parts, which must not be changed either.
//
// Source: apimachinery pkg/util/managedfields, KEP-555.
import type { ManagedFieldsEntry } from '../meta.ts'
import type { Json, JsonObject, Struct } from '../schema/node.ts'
import { compare } from './compare.ts'
import {
  difference,
  emptySet,
  type FieldSet,
  fieldSetJson,
  isFieldSet,
  isEmpty,
  overlaps,
  parseFieldSet,
  structNode,
  union,
} from './fieldset.ts'

/** Limit of managers by Update. The oldest ones beyond it are folded into one. */
const maxUpdateManagers = 10
const foldedManager = 'ancient-changes'

export interface Manager {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  subresource: string
}

export interface Managed extends Manager {
  time: string | undefined
  fields: FieldSet
  /** The JSON of `fields`, if they were parsed from it and are unchanged. */
  json?: JsonObject
}

/** Parses metadata.managedFields. A damaged entry owns no fields. */
export function readManaged(entries: readonly ManagedFieldsEntry[] | undefined): Managed[] {
  return (entries ?? []).map(e => ({
    manager: e.manager ?? '',
    operation: e.operation === 'Apply' ? 'Apply' : 'Update',
    apiVersion: e.apiVersion ?? '',
    subresource: e.subresource ?? '',
    time: e.time,
    fields: parseFieldSet(e.fieldsV1),
    ...(e.fieldsV1 !== undefined && { json: e.fieldsV1 as JsonObject }),
  }))
}

/** The entries for metadata.managedFields: applies first, then by time and name. */
export function writeManaged(managed: readonly Managed[]): ManagedFieldsEntry[] {
  return managed
    .filter(m => !isEmpty(m.fields))
    .sort(
      (a, b) =>
        compareText(a.operation, b.operation) ||
        compareText(a.time ?? '', b.time ?? '') ||
        compareText(a.manager, b.manager),
    )
    .map(m => ({
      manager: m.manager,
      operation: m.operation,
      apiVersion: m.apiVersion,
      ...(m.time && { time: m.time }),
      fieldsType: 'FieldsV1',
      fieldsV1: m.json ?? shared(fieldSetJson(m.fields)),
      ...(m.subresource && { subresource: m.subresource }),
    }))
}

/** Limit of parts of field sets that are kept for reuse. All pods of a workload have equal ones. */
const maxShared = 4096
const parts = new Map<string, JsonObject>()

/** Replaces larger parts of JSON by equal ones of earlier calls. Shared parts are never changed. */
function shared(fields: JsonObject): JsonObject {
  const out: JsonObject = {}
  for (const [key, value] of Object.entries(fields)) {
    const inner: JsonObject = {}
    for (const [name, part] of Object.entries(value as JsonObject)) inner[name] = sharedPart(part as JsonObject)
    out[key] = inner
  }
  return out
}

function sharedPart(part: JsonObject): JsonObject {
  const text = JSON.stringify(part)
  const kept = parts.get(text)
  if (kept) return kept
  if (parts.size >= maxShared) parts.clear()
  parts.set(text, part)
  return part
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Whether two entries are of the same manager. For one that applies, the version does not matter. */
export const sameManager = (a: Manager, b: Manager): boolean =>
  a.manager === b.manager &&
  a.operation === b.operation &&
  (a.operation === 'Apply' || a.apiVersion === b.apiVersion) &&
  a.subresource === b.subresource

interface UpdateOwnership {
  /** managedFields as the client sent them. It may edit them, or reset them with one empty entry. */
  sent: readonly ManagedFieldsEntry[] | undefined
  live: readonly ManagedFieldsEntry[] | undefined
  manager: Manager
  now: string
  /** Returns the members of a set that this write may own. */
  ownable(changed: FieldSet): FieldSet
  /** Whether the object is new. An existing object without any owners stays without them. */
  isNew: boolean
}

/**
 * The managed fields after a write other than apply turned `before` into `after`: the writer owns what it changed, and
 * nobody what it removed. The time of an entry is that of its manager's last change.
 * Source: apimachinery pkg/util/managedfields (fieldmanager.go, managedfieldsupdater.go, skipnonapplied.go).
 */
export function managedAfterUpdate(
  schema: Struct,
  before: JsonObject,
  after: JsonObject,
  { sent, live, manager, now, ownable, isNew }: UpdateOwnership,
): ManagedFieldsEntry[] {
  const isReset = sent?.length === 1 && Object.keys(sent[0]!).length === 0
  // Entries that cannot be parsed are treated as if none had been sent.
  const readable = sent?.every(entry => isFieldSet(entry.fieldsV1 as Json | undefined)) ?? false
  const edited = readable ? readManaged(sent).filter(entry => !isEmpty(entry.fields)) : []
  const managed = isReset ? [] : edited.length ? edited : readManaged(live)
  if (!managed.length && !isNew) return []
  const difference = compare(structNode(schema), before, after)
  const changed = ownable(stripSystemFields(difference.changed))
  return writeManaged(transfer(managed, manager, changed, ownable(stripSystemFields(difference.removed)), now))
}

/** Takes the fields of `changed` and `removed` from all managers, and gives those of `changed` to `manager`. */
function transfer(
  managed: readonly Managed[],
  manager: Manager,
  changed: FieldSet,
  removed: FieldSet,
  now: string,
): Managed[] {
  const touched = union(changed, removed)
  if (isEmpty(touched)) return [...managed]
  const left = managed.map(({ json, ...m }) =>
    overlaps(m.fields, touched) ? { ...m, fields: difference(m.fields, touched) } : { ...m, ...(json && { json }) },
  )
  if (isEmpty(changed)) return left
  const mine = left.find(m => sameManager(m, manager))
  const fields = mine ? union(mine.fields, changed) : changed
  return fold([...left.filter(m => m !== mine), { ...manager, time: now, fields }])
}

/** Merges the oldest managers by Update into one when there are too many. */
function fold(managed: Managed[]): Managed[] {
  const updates = managed.filter(m => m.operation === 'Update')
  if (updates.length <= maxUpdateManagers) return managed
  const oldest = [...updates]
    .sort((a, b) => compareText(a.time ?? '', b.time ?? ''))
    .slice(0, updates.length - maxUpdateManagers + 1)
  const merged = oldest.reduce((sum, m) => union(sum, m.fields), emptySet())
  const { json: _old, ...last } = oldest.at(-1)!
  return [...managed.filter(m => !oldest.includes(m)), { ...last, manager: foldedManager, fields: merged }]
}

const systemFields = [
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'generation',
  'managedFields',
  'resourceVersion',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
]

/** Removes the fields that no manager can own from a set, in place. */
export function stripSystemFields(set: FieldSet): FieldSet {
  set.children.delete('f:apiVersion')
  set.children.delete('f:kind')
  set.self = false
  const metadata = set.children.get('f:metadata')
  if (!metadata) return set
  metadata.self = false
  for (const field of systemFields) metadata.children.delete(`f:${field}`)
  if (isEmpty(metadata)) set.children.delete('f:metadata')
  return set
}
