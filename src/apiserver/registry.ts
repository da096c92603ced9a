// The generic registry: create, update, patch and delete for any kind, by the rules in its description. Every
// write is read, change, compare and swap; the object stored is always canonical.
// Source: apiserver pkg/registry/generic/registry/store.go, pkg/registry/rest.
import type { Clock } from '../base/clock.ts'
import { nameSuffix, type Random } from '../base/random.ts'
import { StatusError } from '../base/errors.ts'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import type { Item } from '../api/mirror.ts'
import type { Operation } from '../api/operation.ts'
import { invalidError, type Problem } from '../api/path.ts'
import { decode } from '../api/schema/decode.ts'
import type { DeepReadonly, Json, JsonObject } from '../api/schema/node.ts'
import { timeText } from '../api/time.ts'
import { ownProblems, validateObject, validateUpdate } from '../api/validate.ts'
import { root } from '../api/path.ts'
import { Item as ItemClass, unknownRevision } from '../api/mirror.ts'
import { StoreConflict } from '../store/index.ts'
import { canonical } from './body.ts'
import { alreadyExists, conflict, notFound, objectModified } from './errors.ts'
import type { Storage } from './storage.ts'
import { trackFields } from './managed.ts'

/** Attempts of a read-change-write before its conflict is reported. */
const maxConflictRetries = 20
const maxNameAttempts = 8
const maxNameBase = 58

/** What the server does to and demands of objects besides their kind's own rules. */
export interface Admission {
  /** May change the object. Throws to refuse. */
  mutate(request: AdmissionRequest): Promise<void> | void
  /** May only refuse. */
  validate(request: AdmissionRequest): Promise<void> | void
}

export interface AdmissionRequest {
  type: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  operation: Operation
  /** The object to be stored; absent on DELETE. */
  object?: KubeObject
  old?: DeepReadonly<KubeObject>
}

/** Makes the object to be stored of the one that is; returning the same means there is nothing to write. */
export type Change = (old: DeepReadonly<KubeObject>) => KubeObject | Promise<KubeObject>

export interface UpdateOptions {
  subresource?: string
  /** The change keeps the rules about updates by itself. */
  trusted?: boolean
  /** The change leaves an object that is valid and in canonical form, and that nobody owns fields of by this write. */
  sound?: boolean
}

export class Registry {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  readonly admission: Admission

  constructor(options: { storage: Storage; clock: Clock; random: Random; admission: Admission }) {
    this.storage = options.storage
    this.clock = options.clock
    this.random = options.random
    this.admission = options.admission
  }

  async get(operation: Operation): Promise<Item> {
    const { kind, namespace, name, options, signal } = operation
    // resourceVersion=0 accepts any state; everything else gets the newest.
    if (options.resourceVersion !== '0') await this.storage.fresh(signal)
    const item = this.storage.of(kind).mirror.item(kind.namespaced ? namespace : undefined, name)
    if (!item) throw notFound(kind, name)
    return item
  }

  async create(operation: Operation, object: KubeObject): Promise<Item> {
    const { kind } = operation
    const meta = object.metadata
    // A dry run never comes to the store, which is what refuses this.
    if (meta.resourceVersion && !operation.options.dryRun)
      throw new StatusError('BadRequest', 'resourceVersion should not be set on objects to be created')
    const generated = !meta.name && meta.generateName
    for (let attempt = 1; ; attempt++) {
      // Only a second attempt needs the object as it came.
      const next = generated ? structuredClone(object) : object
      if (generated) next.metadata.name = meta.generateName!.slice(0, maxNameBase) + nameSuffix(this.random)
      try {
        return await this.#createOnce(operation, next)
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
        if (!generated || attempt >= maxNameAttempts) throw alreadyExists(kind, next.metadata.name ?? '')
      }
    }
  }

  async #createOnce(operation: Operation, object: KubeObject): Promise<Item> {
    const { kind, options } = operation
    const { metadata } = object
    metadata.uid = this.random.uuid()
    metadata.creationTimestamp = timeText(this.clock.now())
    delete metadata.deletionTimestamp
    delete metadata.deletionGracePeriodSeconds
    delete metadata.selfLink
    if (kind.generation) metadata.generation = 1
    else delete metadata.generation
    const target = { ...operation, name: metadata.name ?? '' }
    await this.admission.mutate({ type: 'CREATE', operation: target, object })
    if (kind.status && !kind.keepsStatus) (object as unknown as JsonObject).status = {}
    kind.prepare?.(object, undefined)
    // Holds the place of the revision, which is known after the write.
    metadata.resourceVersion = unknownRevision
    const next = canonical(kind, object)
    throwProblems(kind, next.metadata.name ?? '', validateObject(kind, next))
    await this.admission.validate({ type: 'CREATE', operation: target, object: next })
    if (operation.patchType !== 'apply') trackFields(operation, next, undefined, this.clock.now())
    if (options.dryRun) {
      if (this.storage.of(kind).mirror.item(kind.namespaced ? metadata.namespace : undefined, metadata.name ?? ''))
        throw alreadyExists(kind, metadata.name ?? '')
      delete next.metadata.resourceVersion
      return new ItemClass(next, 0)
    }
    return this.storage.write(kind, next, 'absent')
  }

  /** Changes an object, again from the newest state as long as others change it too. */
  async update(operation: Operation, change: Change, options: UpdateOptions & { retry: boolean }): Promise<Item> {
    const { kind, namespace, name } = operation
    await this.storage.fresh(operation.signal)
    for (let attempt = 1; ; attempt++) {
      const item = this.storage.of(kind).mirror.item(kind.namespaced ? namespace : undefined, name)
      if (!item) throw notFound(kind, name)
      try {
        return await this.#updateOnce(operation, item, change, options)
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
        if (!options.retry || attempt >= maxConflictRetries) throw conflict(kind, name, objectModified)
        await this.storage.fresh(operation.signal)
      }
    }
  }

  async #updateOnce(operation: Operation, item: Item, change: Change, options: UpdateOptions): Promise<Item> {
    const { kind, name } = operation
    const old = item.object
    const object = await change(old)
    this.#checkPreconditions(operation, object, item)
    if (options.sound) return this.#writeSound(operation, item, object)
    keepSystemFields(object, old)
    await this.admission.mutate({ type: 'UPDATE', operation, object, old })
    if (!options.subresource) keepStatus(kind, object, old)
    if (!options.trusted) kind.prepare?.(object, old)
    object.metadata.resourceVersion = old.metadata.resourceVersion ?? ''
    // Shared with the old object only until the next line, which copies.
    if (!object.metadata.managedFields && old.metadata.managedFields)
      object.metadata.managedFields = old.metadata.managedFields as NonNullable<typeof object.metadata.managedFields>
    const next = canonical(kind, object)
    countGeneration(kind, next, old)
    if (sameObject(next, old)) return item
    throwProblems(kind, name, options.trusted ? ownProblems(kind, next, old) : validateUpdate(kind, next, old))
    await this.admission.validate({ type: 'UPDATE', operation, object: next, old })
    if (operation.patchType !== 'apply') trackFields(operation, next, old, this.clock.now())
    if (operation.options.dryRun) return new ItemClass(next, item.revision)
    // The last finalizer of an object in deletion has gone: so has the object.
    if (
      next.metadata.deletionTimestamp &&
      !next.metadata.finalizers?.length &&
      !next.metadata.deletionGracePeriodSeconds &&
      !hasOtherFinalizers(next)
    ) {
      await this.storage.remove(kind, item)
      return new ItemClass(next, item.revision)
    }
    return this.storage.write(kind, next, item.revision)
  }

  async #writeSound(operation: Operation, { object: old, revision }: Item, object: KubeObject): Promise<Item> {
    const request = { type: 'UPDATE', operation, object, old } as const
    await this.admission.mutate(request)
    await this.admission.validate(request)
    return operation.options.dryRun
      ? new ItemClass(object, revision)
      : this.storage.write(operation.kind, object, revision)
  }

  #checkPreconditions(operation: Operation, object: KubeObject, item: Item): void {
    const { kind, name } = operation
    const { resourceVersion, uid } = object.metadata
    if (uid && uid !== item.object.metadata.uid) {
      throw conflict(
        kind,
        name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${item.object.metadata.uid}`,
      )
    }
    if (resourceVersion && resourceVersion !== '0' && resourceVersion !== String(item.revision))
      throw conflict(kind, name, objectModified)
    if (!resourceVersion && kind.conditionalUpdate) {
      throw invalidError(kind, name, [
        root.field('metadata', 'resourceVersion').invalid(0, 'must be specified for an update'),
      ])
    }
  }
}

/** Throws the 422 when there is anything to report. */
export function throwProblems(kind: AnyKind, name: string, problems: Iterable<Problem>): void {
  const list = [...problems]
  if (list.length) throw invalidError(kind, name, list)
}

/** A namespace keeps its finalizers in spec. */
export const hasOtherFinalizers = (object: DeepReadonly<KubeObject>): boolean =>
  object.kind === 'Namespace' &&
  ((object as unknown as { spec?: { finalizers?: string[] } }).spec?.finalizers?.length ?? 0) > 0

// What a client cannot change by leaving it out.
function keepSystemFields(object: KubeObject, old: DeepReadonly<KubeObject>): void {
  const meta = object.metadata
  for (const field of [
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
    'generateName',
  ] as const) {
    if (old.metadata[field] === undefined) delete meta[field]
    else if (meta[field] === undefined || field === 'generation') Object.assign(meta, { [field]: old.metadata[field] })
  }
  delete meta.selfLink
  meta.resourceVersion ??= ''
}

function keepStatus(kind: AnyKind, object: KubeObject, old: DeepReadonly<KubeObject>): void {
  if (kind.status) (object as unknown as JsonObject).status = (old as unknown as JsonObject).status ?? {}
}

function countGeneration(kind: AnyKind, next: KubeObject, old: DeepReadonly<KubeObject>): void {
  if (!kind.generation) return
  const [a, b] = [next as unknown as JsonObject, old as unknown as JsonObject]
  const desired = new Set([...Object.keys(a), ...Object.keys(b)])
  desired.delete('metadata')
  desired.delete('status')
  const changed = [...desired].some(field => !sameValue(a[field], b[field]))
  next.metadata.generation = (old.metadata.generation ?? 0) + (changed ? 1 : 0)
}

/** Equal but for the time stamps of managed fields, which alone are no reason to write. */
const sameObject = (next: KubeObject, old: DeepReadonly<KubeObject>): boolean =>
  sameValue(next as unknown as Json, old as unknown as Json)

function sameValue(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((element, i) => sameValue(element, b[i]))
    )
  }
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  const stamped = 'fieldsV1' in a
  return keys.every(key => (stamped && key === 'time') || sameValue(a[key], b[key]))
}

/** A copy that may be changed. */
export function editable<T extends KubeObject>(kind: AnyKind, object: DeepReadonly<T>): T {
  // Decoding copies everything but what is opaque, which nobody changes in place.
  return decode(kind.schema, object) as T
}
