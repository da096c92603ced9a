// Managed fields: who set which field. Every write moves ownership of what it changed to its manager.
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

/** More managers than this by Update are folded into one. */
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
  /** What `fields` was read from, as long as it says the same. */
  json?: JsonObject
}

/** Reads metadata.managedFields; a damaged entry counts as owning nothing. */
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

/** As metadata.managedFields: applies first, then by time. */
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

/** Parts of field sets kept for reuse: all pods of a workload have the same. */
const maxShared = 4096
const parts = new Map<string, JsonObject>()

/** The same JSON, with its larger parts taken from earlier ones that were equal. Shared objects are never changed. */
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
  const known = parts.get(text)
  if (known) return known
  if (parts.size >= maxShared) parts.clear()
  parts.set(text, part)
  return part
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** Whether two entries are of one manager. One that applies stays the same whatever version it applies in. */
export const sameManager = (a: Manager, b: Manager): boolean =>
  a.manager === b.manager &&
  a.operation === b.operation &&
  (a.operation === 'Apply' || a.apiVersion === b.apiVersion) &&
  a.subresource === b.subresource

interface UpdateOwnership {
  /** managedFields as the client sent them: it may edit them by hand, or reset them by one empty entry. */
  sent: readonly ManagedFieldsEntry[] | undefined
  live: readonly ManagedFieldsEntry[] | undefined
  manager: Manager
  now: string
  /** Leaves of a set of changed fields those that this write may own. */
  ownable(changed: FieldSet): FieldSet
  /** The object is new: an object that nobody owns anything of, and that is not new, stays so. */
  isNew: boolean
}

/**
 * Ownership after a write by anything but apply turned `before` into `after`: what changed is the writer's, what was
 * removed nobody's. The time of an entry is that of its manager's last change.
 * Source: apimachinery pkg/util/managedfields (fieldmanager.go, managedfieldsupdater.go, skipnonapplied.go).
 */
export function managedAfterUpdate(
  schema: Struct,
  before: JsonObject,
  after: JsonObject,
  { sent, live, manager, now, ownable, isNew }: UpdateOwnership,
): ManagedFieldsEntry[] {
  const isReset = sent?.length === 1 && Object.keys(sent[0]!).length === 0
  // What cannot be read is as good as not sent.
  const readable = sent?.every(entry => isFieldSet(entry.fieldsV1 as Json | undefined)) ?? false
  const edited = readable ? readManaged(sent).filter(entry => !isEmpty(entry.fields)) : []
  const managed = isReset ? [] : edited.length ? edited : readManaged(live)
  if (!managed.length && !isNew) return []
  const difference = compare(structNode(schema), before, after)
  const changed = ownable(stripSystemFields(difference.changed))
  return writeManaged(transfer(managed, manager, changed, ownable(stripSystemFields(difference.removed)), now))
}

/** Takes `changed` and `removed` from everybody and gives `changed` to `manager`. */
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

/** Takes out what no client owns. Changes the set in place. */
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
