// Deletion, in one step or several. An object with finalizers is only marked as terminating. One with a grace period is
// marked with the time that it has. All others are removed at once.
//
//   live ──► terminating, grace period running ──► terminating, finalizers left ──► removed
//      └─────────────────────────────────────────────────────────────────────────►
//
// - The first deletion sets deletionTimestamp. Later ones may only shorten the grace period and add a policy.
// - The kubelet ends the grace period of its pods by a second deletion, with 0 seconds. The writer that removes the
//   last finalizer of a terminating object removes it (registry.ts).
// - Each attempt begins from the newest state, and is repeated when another write comes first.
//
// Source: apiserver pkg/registry/rest/delete.go, generic/registry/store.go.
import { isReason, StatusError } from '../base/errors.ts'
import { sameJson } from '../api/equal.ts'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import { Item } from '../api/mirror.ts'
import { DeleteOptions } from '../api/meta.ts'
import type { Operation, OperationResult } from '../api/operation.ts'
import { decode, DecodeError } from '../api/schema/decode.ts'
import { type Problem, root } from '../api/path.ts'
import type { Mutable } from '../api/schema/node.ts'
import { parseTime, timeText } from '../api/time.ts'
import { StoreConflict } from '../store/index.ts'
import type { AdmissionRequest } from './admission/request.ts'
import { conflict, notFound, objectModified } from './errors.ts'
import { dryRunProblems, refuse } from './option-checks.ts'
import { list } from './lists.ts'
import { editable, notRegistered, type Warn } from './body.ts'
import type { Registry } from './registry.ts'
import { shownItem } from './versions.ts'

const maxConflictRetries = 20
const parallelDeletes = 16

/**
 * Deletes an object, or marks it as terminating. Throws NotFound, Conflict, and the errors of admission.
 * @param isAdmitted whether the deletion is a part of a request that has passed admission
 */
export async function remove(
  registry: Registry,
  operation: Operation,
  warn: Warn = () => {},
  { isAdmitted = false } = {},
): Promise<OperationResult> {
  const options = deleteOptions(operation)
  warnOfOrphans(operation.kind, options, warn)
  const { kind, namespace, name } = operation
  await registry.storage.catchUp(operation.signal)
  for (let attempt = 1; ; attempt++) {
    const item = registry.storage.of(kind).mirror.item(kind.namespaced ? namespace : undefined, name)
    registry.storage.checkReadable(kind, namespace, name)
    if (!item) throw notFound(kind, name)
    try {
      checkPreconditions(kind, item, options)
      const shown = kind.versions ? await shownItem(kind, item) : item
      if (!isAdmitted) await admit(registry, operation, shown, warn)
      return await removeOnce(registry, operation, item, shown, options)
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
      if (attempt >= maxConflictRetries) throw conflict(kind, name, objectModified)
      await registry.storage.catchUp(operation.signal)
    }
  }
}

async function admit({ admission }: Registry, operation: Operation, shown: Item, warn: Warn): Promise<void> {
  const request: AdmissionRequest = { type: 'DELETE', operation, old: shown.object, warn }
  await admission.mutate(request)
  await admission.validate(request)
}

async function removeOnce(
  registry: Registry,
  operation: Operation,
  item: Item,
  shown: Item,
  options: DeleteOptions,
): Promise<OperationResult> {
  const { kind } = operation
  const next = planDeletion(kind, shown.object as KubeObject, options, registry.clock.now())
  if (operation.options.dryRun || options.dryRun?.length)
    return result(
      kind,
      next === 'unchanged' || next === 'remove' ? shown : new Item(next, item.revision),
      next === 'remove',
    )
  if (next === 'unchanged') return result(kind, shown, false)
  if (next === 'remove')
    return result(kind, await registry.storage.remove(kind, await overdue(registry, kind, item)), true)
  return result(kind, await registry.storage.write(kind, next, item.revision), false)
}

/** The effect of a deletion on an object: none, a marked copy to be stored, or its removal. Pure. */
function planDeletion(
  kind: AnyKind,
  object: KubeObject,
  options: DeleteOptions,
  now: number,
): Mutable<KubeObject> | 'unchanged' | 'remove' {
  const finalizers = planFinalizers(object, options, kind.orphansByDefault !== undefined)
  const finalizersChanged = !sameJson(finalizers, object.metadata.finalizers ?? [])
  const grace = kind.gracePeriod?.(object, options.gracePeriodSeconds) ?? 0
  const marked = object.metadata.deletionTimestamp !== undefined
  const held = finalizers.length > 0 || kind.isHeld?.(object) === true
  if (marked) {
    const left = object.metadata.deletionGracePeriodSeconds ?? 0
    if (left > 0 && grace < left && options.gracePeriodSeconds !== undefined) {
      if (grace === 0 && !held) return 'remove'
      const ends = parseTime(object.metadata.deletionTimestamp)!
      // Of a period that ends after all times it is not known when it began.
      const began = ends < lastTime ? ends - left * 1000 : now
      return mark(kind, object, finalizers, began + grace * 1000, grace)
    }
    if (left === 0 && !held) return 'remove'
    return finalizersChanged
      ? mark(kind, object, finalizers, parseTime(object.metadata.deletionTimestamp)!, left)
      : 'unchanged'
  }
  if (grace === 0 && !held) return 'remove'
  return mark(kind, object, finalizers, now + grace * 1000, grace)
}

/** The last second that a time in the API can name. */
const lastTime = Date.UTC(9999, 11, 31, 23, 59, 59)

function mark(
  kind: AnyKind,
  object: KubeObject,
  finalizers: readonly string[],
  at: number,
  grace: number,
): Mutable<KubeObject> {
  const next = editable<KubeObject>(kind, object)
  if (next.metadata.deletionTimestamp === undefined && next.metadata.generation) next.metadata.generation++
  // A pod may have any number of seconds as its grace period.
  next.metadata.deletionTimestamp = timeText(Math.min(at, lastTime))
  next.metadata.deletionGracePeriodSeconds = grace
  if (finalizers.length) next.metadata.finalizers = [...finalizers]
  else delete next.metadata.finalizers
  kind.terminating?.(next)
  return decode(kind.schema, next) as Mutable<KubeObject>
}

/** The finalizers after a deletion. A policy for dependents is recorded as one, for the garbage collector. */
function planFinalizers(object: KubeObject, options: DeleteOptions, orphans: boolean): string[] {
  const current = object.metadata.finalizers ?? []
  const policy =
    options.propagationPolicy ??
    (options.orphanDependents === undefined ? undefined : options.orphanDependents ? 'Orphan' : 'Background')
  if (policy === undefined && !orphans) return [...current]
  const rest = current.filter(f => f !== 'orphan' && f !== 'foregroundDeletion')
  if (policy === 'Orphan' || policy === undefined) return [...rest, 'orphan']
  if (policy === 'Foreground') return [...rest, 'foregroundDeletion']
  return rest
}

function checkPreconditions(kind: AnyKind, item: Item, { preconditions }: DeleteOptions): void {
  const { uid, name = '' } = item.object.metadata
  if (preconditions?.uid && preconditions.uid !== uid) {
    throw conflict(
      { ...kind, plural: kind.kind },
      name,
      `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    )
  }
  if (preconditions?.resourceVersion && preconditions.resourceVersion !== String(item.revision)) {
    throw conflict(
      kind,
      name,
      `Precondition failed: ResourceVersion in precondition: ${preconditions.resourceVersion}, ResourceVersion in object meta: ${item.revision}`,
    )
  }
}

function result(kind: AnyKind, item: Item, removed: boolean): OperationResult {
  if (!removed || kind.returnsDeleted) return { type: 'object', kind, item }
  const { name = '', uid = '' } = item.object.metadata
  const details = { name, ...(kind.group && { group: kind.group }), kind: kind.plural, uid }
  return { type: 'status', status: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details } }
}

/** Deletes all objects that a list returns, and returns that list. */
export async function removeCollection(
  registry: Registry,
  operation: Operation,
  warn: Warn = () => {},
): Promise<OperationResult> {
  warnOfOrphans(operation.kind, deleteOptions(operation), warn)
  const found = await list(registry.storage, operation)
  if (found.type !== 'list') return found
  const left = [...found.items]
  const worker = async () => {
    for (let item = left.shift(); item; item = left.shift()) {
      const { name = '', namespace = '' } = item.object.metadata
      try {
        await remove(registry, { ...operation, verb: 'delete', name, namespace }, warn)
      } catch (error) {
        if (!isReason(error, 'NotFound')) throw error
      }
    }
  }
  await Promise.all(Array.from({ length: parallelDeletes }, worker))
  return { ...found, revision: registry.storage.revision }
}

/** The options of a deletion, from its body. Throws BadRequest or Invalid. */
function deleteOptions(operation: Operation): DeleteOptions {
  let options: Mutable<DeleteOptions>
  const { kind = 'DeleteOptions', apiVersion = 'v1' } = (operation.body ?? {}) as { kind?: string; apiVersion?: string }
  if (kind && kind !== 'DeleteOptions') throw new StatusError('BadRequest', notRegistered(kind, apiVersion))
  try {
    options = decode(DeleteOptions, operation.body ?? {})
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new StatusError('BadRequest', error.message)
  }
  refuse('DeleteOptions', [...optionProblems(options)])
  if ((options.gracePeriodSeconds ?? 0) < 0) options.gracePeriodSeconds = 1
  return options
}

/** With a kind that has grace periods, watchers see an object as terminating, without time left, before its removal. */
async function overdue({ storage, clock }: Registry, kind: AnyKind, item: Item): Promise<Item> {
  const object = item.object as KubeObject
  const { deletionTimestamp, deletionGracePeriodSeconds: left = 0, finalizers = [] } = object.metadata
  if (!kind.gracePeriod || (deletionTimestamp !== undefined && left === 0)) return item
  const began = deletionTimestamp === undefined ? clock.now() : parseTime(deletionTimestamp)! - left * 1000
  return storage.write(kind, mark(kind, object, finalizers, began, 0), item.revision)
}

/** Warns that dependents are orphaned. Source: pkg/registry/batch/job/storage (Delete). */
function warnOfOrphans(kind: AnyKind, { propagationPolicy, orphanDependents }: DeleteOptions, warn: Warn): void {
  const text = kind.orphansByDefault?.warning
  if (text && propagationPolicy === undefined && orphanDependents === undefined) warn(text)
}

const policies = ['Foreground', 'Background', 'Orphan', 'nil']

/** The problems of the options of a deletion. Source: ValidateDeleteOptions. */
function* optionProblems({ orphanDependents, propagationPolicy, dryRun }: DeleteOptions): Iterable<Problem> {
  const at = root.field('propagationPolicy')
  if (orphanDependents !== undefined && propagationPolicy !== undefined)
    yield at.invalid(propagationPolicy, 'orphanDependents and deletionPropagation cannot be both set')
  if (propagationPolicy !== undefined && !policies.slice(0, 3).includes(propagationPolicy))
    yield at.notSupported(propagationPolicy, policies)
  yield* dryRunProblems(dryRun ?? [])
}
