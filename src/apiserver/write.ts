// A write as a list of steps, from the object that a request proposes to the one that is stored. All creations and
// updates, of whole objects and of parts, take these steps:
//
//   propose ─► preconditions ─► single owners ─► own ─► complete ─► admit (mutate) ─► keep other parts ─► prepare
//           ─► canonical ─► count generation ─► check ─► admit (validate) ─► complete again ─► store
//
// A step changes `write.next` or throws a StatusError, and never stores anything. Field ownership is computed from what
// the client sent, before admission completes it, so that no manager owns what the server sets.
// Source: apiserver pkg/endpoints/handlers (create.go, update.go), pkg/registry/rest (create.go, update.go).
import { goQuote } from '../base/go-text.ts'
import { StatusError } from '../base/errors.ts'
import { managedAfterUpdate } from '../api/apply/managed.ts'
import { sameJson } from '../api/equal.ts'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import { type Item, unknownRevision } from '../api/mirror.ts'
import type { Operation } from '../api/operation.ts'
import { invalidError, type Problem, root } from '../api/path.ts'
import { decode } from '../api/schema/decode.ts'
import { isObject } from '../api/patch/merge.ts'
import { asJson, type Json, type Mutable } from '../api/schema/node.ts'
import { timeText } from '../api/time.ts'
import { ownProblems, validateObject, validateStatusUpdate, validateUpdate } from '../api/validate.ts'
import type { Admission, AdmissionRequest } from './admission/request.ts'
import type { Requirements } from './admission/requirements.ts'
import { canonical, type Warn } from './body.ts'
import { dropDuplicateOwners } from './duplicate-owners.ts'
import { conflict, objectModified, otherUid } from './errors.ts'
import { managerOf } from './manager.ts'
import { ownableBy } from './parts.ts'

/**
 * By which rules a write is validated:
 * - `whole`: by all rules of its kind.
 * - `part`: as an object, without the kind's rules for updates. The caller changed one part, and checks its rules.
 * - `none`: not at all, and without field ownership. The caller guarantees a valid object in canonical form.
 */
export type Rules = 'whole' | 'part' | 'none'

export interface Write {
  readonly operation: Operation
  /** The stored object; undefined for a creation. */
  readonly live: Item | undefined
  readonly rules: Rules
  readonly warn: Warn
  /**
   * The object that the client sent, if only a part of it is taken. The client owns everything that it changed there.
   */
  readonly sent?: Mutable<KubeObject> | undefined
  readonly now: number
  /** Whether the server has made up the name of a new object. */
  readonly nameIsGenerated?: boolean
  /** See AdmissionRequest. */
  readonly requires: Requirements
  /** The object to be stored. Only this write has it, and steps change or replace it. */
  next: Mutable<KubeObject>
}

type Step = (write: Write, admission: Admission) => void | Promise<void>

/** The steps of a creation. */
export const createSteps: readonly Step[] = [
  singleOwners,
  own,
  mutate,
  singlePatchedOwners,
  startStatus,
  prepare,
  holdRevision,
  makeCanonical,
  check,
  validate,
  complete,
]

/** The steps of an update. One that changes nothing takes them, too. */
export const updateSteps: readonly Step[] = [
  preconditions,
  singleOwners,
  own,
  keepSystemFields,
  mutate,
  singlePatchedOwners,
  keepStatus,
  prepare,
  keepRevision,
  makeCanonical,
  countGeneration,
  check,
  validate,
]

/** The steps of an update that its caller has checked. */
export const uncheckedSteps: readonly Step[] = [preconditions, mutate, validate]

/** The admission of a write that is a part of a request which has been admitted as a whole. */
export const admitted: Admission = { mutate() {}, validate() {} }

/** Runs steps in order. */
export async function run(steps: readonly Step[], write: Write, admission: Admission): Promise<void> {
  for (const step of steps) {
    const waiting = step(write, admission)
    if (waiting) await waiting
  }
}

/** Whether the write would not change the stored object. Times in managed fields do not count as changes. */
export const changesNothing = ({ next, live }: Write): boolean => live !== undefined && sameButTimes(next, live.object)

/** Whether two objects are equal but for the times in their managed fields. */
export const sameButTimes = (a: KubeObject, b: KubeObject): boolean => sameJson(untimed(a), untimed(b))

/** The object without the times in its managed fields. */
const untimed = ({ metadata, ...rest }: KubeObject) => ({
  ...rest,
  metadata: { ...metadata, managedFields: metadata.managedFields?.map(({ time: _, ...entry }) => entry) },
})

/** Throws Conflict for another UID or an old resourceVersion, Invalid when the kind requires a resourceVersion. */
function preconditions({ operation, next, live }: Write): void {
  const { kind, name } = operation
  const { resourceVersion, uid } = next.metadata
  const { object, revision } = live!
  if (resourceVersion && !/^\d+$/.test(resourceVersion))
    throw new StatusError('', `strconv.ParseUint: parsing ${goQuote(resourceVersion)}: invalid syntax`)
  // For a patch the UID is a field like others, which may not change.
  if (uid && uid !== object.metadata.uid && !operation.patchType) throw otherUid(kind, object.metadata, uid)
  if (resourceVersion && resourceVersion !== '0' && resourceVersion !== String(revision))
    throw conflict(kind, name, objectModified)
  if (!resourceVersion && kind.conditionalUpdate)
    throw invalidError({ group: kind.group, kind: kind.plural }, name, [
      root.field('metadata', 'resourceVersion').invalid(0, 'must be specified for an update'),
    ])
}

/** Removes duplicate owner references from an object that was sent as a whole, before fields get their owners. */
function singleOwners({ operation, next, warn }: Write): void {
  if (!operation.patchType) dropDuplicateOwners(next.metadata, false, warn)
}

/** Removes duplicate owner references from the result of a patch, after mutating admission. */
function singlePatchedOwners({ operation, next, warn }: Write): void {
  if (operation.patchType) dropDuplicateOwners(next.metadata, true, warn)
}

/** Gives the fields that the client changed to its manager. An apply has done so itself. */
function own({ operation, next, sent, live, now }: Write): void {
  if (operation.patchType === 'apply') return
  const { kind } = operation
  if (!sent) return ownChanges(operation, kind, next, live?.object, now)
  ownChanges(operation, kind, sent, live?.object, now)
  if (sent.metadata.managedFields) next.metadata.managedFields = sent.metadata.managedFields
}

/** Sets the managed fields of a new or changed object. */
export function ownChanges(
  operation: Operation,
  kind: AnyKind,
  next: Mutable<KubeObject>,
  old: KubeObject | undefined,
  now: number,
): void {
  const before = old ?? (decode(kind.schema, {}) as KubeObject)
  // With a subresource, a client cannot set managed fields itself.
  const sent = operation.subresource ? undefined : next.metadata.managedFields
  const entries = managedAfterUpdate(kind.schema, asJson(before), asJson(next), {
    sent,
    live: old?.metadata.managedFields as KubeObject['metadata']['managedFields'],
    manager: { ...managerOf(operation), apiVersion: kind.apiVersion },
    now: timeText(now),
    ownable: ownableBy(kind, operation.subresource),
    isNew: old === undefined,
  })
  if (entries.length) next.metadata.managedFields = entries
  else delete next.metadata.managedFields
}

/** Restores metadata that a client cannot change: some fields always, others if the client left them out. */
function keepSystemFields({ next, live }: Write): void {
  const old = live!.object.metadata
  const meta = next.metadata
  for (const field of ['creationTimestamp', 'deletionTimestamp', 'generation'] as const)
    if (old[field] !== undefined) Object.assign(meta, { [field]: old[field] })
  for (const field of ['uid', 'deletionGracePeriodSeconds', 'generateName'] as const)
    if (old[field] !== undefined) Object.assign(meta, { [field]: meta[field] ?? old[field] })
  if (old.generation === undefined) delete meta.generation
  delete meta.selfLink
}

function mutate(write: Write, admission: Admission): void | Promise<void> {
  return admission.mutate(requestOf(write))
}

function validate(write: Write, admission: Admission): void | Promise<void> {
  return admission.validate(requestOf(write))
}

const requestOf = ({ operation, next, live, warn, requires, nameIsGenerated = false }: Write): AdmissionRequest =>
  live
    ? { type: 'UPDATE', operation, object: next, old: live.object, warn, requires }
    : { type: 'CREATE', operation, object: next, warn, requires, nameIsGenerated }

/** Sets the status. Objects of built-in kinds have one always, even if it is empty. */
function setStatus({ custom }: AnyKind, object: Mutable<KubeObject>, status: Json | undefined): void {
  if (status === undefined && custom) delete asJson(object).status
  else asJson(object).status = status ?? {}
}

/** Clears the status of a new object, except for kinds whose creators report it. */
function startStatus({ operation, next }: Write): void {
  const { kind } = operation
  if (kind.status && !kind.keepsStatus) setStatus(kind, next, undefined)
}

/** Keeps the live status, which only writes to the subresource status may change. */
function keepStatus({ operation, next, live }: Write): void {
  if (!operation.kind.status || operation.subresource) return
  const { status } = asJson(live!.object)
  // A copy, since what follows may set its fields: the storage version of a definition joins its stored versions.
  setStatus(operation.kind, next, isObject(status) ? { ...status } : status)
}

function prepare({ operation, next, live, rules, now, warn }: Write): void {
  if (rules === 'whole') operation.kind.prepare?.(next, live?.object, timeText(now), warn)
}

/** Sets defaults that depend on what `prepare` has set. Upstream, they are set whenever the object is read. */
function complete(write: Write): void {
  const { kind } = write.operation
  if (!kind.completesAgain) return
  kind.defaults?.(write.next)
  makeCanonical(write)
}

/** Reserves the place of the revision, which is known only after the write. */
function holdRevision({ next }: Write): void {
  next.metadata.resourceVersion = unknownRevision
}

function keepRevision({ next, live }: Write): void {
  next.metadata.resourceVersion = live!.object.metadata.resourceVersion ?? ''
}

function makeCanonical(write: Write): void {
  write.next = canonical(write.operation.kind, write.next)
}

/** Counts a change of anything other than metadata and status in metadata.generation. */
function countGeneration({ operation, next, live }: Write): void {
  if (!operation.kind.generation) return
  const [a, b] = [asJson(next), asJson(live!.object)]
  const desired = new Set([...Object.keys(a), ...Object.keys(b)])
  desired.delete('metadata')
  if (operation.kind.status) desired.delete('status')
  const changed = [...desired].some(field => !sameJson(a[field], b[field]))
  next.metadata.generation = (live!.object.metadata.generation ?? 0) + (changed ? 1 : 0)
}

/** Throws Invalid with all problems of the object and of the change. */
function check({ operation, next, live, rules, warn }: Write): void {
  const { kind } = operation
  const old = live?.object
  throwProblems(kind, next.metadata.name ?? '', problemsOf(kind, next, old, rules, operation.subresource))
  for (const text of kind.warnings?.(next, old, root) ?? []) warn(text)
}

function problemsOf(
  kind: AnyKind,
  next: KubeObject,
  old: KubeObject | undefined,
  rules: Rules,
  subresource: string | undefined,
): Iterable<Problem> {
  if (!old) return validateObject(kind, next)
  if (rules !== 'whole') return ownProblems(kind, next, old)
  return subresource === 'status' ? validateStatusUpdate(kind, next, old) : validateUpdate(kind, next, old)
}

/** Throws Invalid if there are problems. */
export function throwProblems(kind: AnyKind, name: string, problems: Iterable<Problem>): void {
  const list = [...problems]
  if (list.length) throw invalidError(kind, name, list)
}
