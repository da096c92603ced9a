// The generic registry: gets, creates and updates objects of any kind. An update reads the live object, makes a
// proposal from it, runs the steps of write.ts, and stores the result by compare and swap. When another write came
// first, it begins again from the newest state.
// Source: apiserver pkg/registry/generic/registry/store.go.
import type { Clock } from '../base/clock.ts'
import { goQuote } from '../base/go-text.ts'
import { nameSuffix, type Random } from '../base/random.ts'
import { StatusError } from '../base/errors.ts'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import { Item } from '../api/mirror.ts'
import type { Operation } from '../api/operation.ts'
import { timeText } from '../api/time.ts'
import { RequirementLost, StoreConflict } from '../store/index.ts'
import type { Admission } from './admission/request.ts'
import { Requirements } from './admission/requirements.ts'
import type { Warn } from './body.ts'
import { alreadyExists, conflict, notFound, objectModified } from './errors.ts'
import { waitForFuture } from './lists.ts'
import type { Storage } from './storage.ts'
import { shownItem } from './versions.ts'
import {
  admitted,
  changesNothing,
  sameButTimes,
  createSteps,
  type Rules,
  run,
  uncheckedSteps,
  updateSteps,
  type Write,
} from './write.ts'
import type { Mutable } from '../api/schema/node.ts'

/** Attempts of a write before its conflict is reported. */
const maxConflictRetries = 20
const maxNameAttempts = 8
const maxNameBase = 58

/** Makes the object to be stored from the live one, which it must not change. It may be called more than once. */
type Propose = (live: KubeObject) => Mutable<KubeObject> | Promise<Mutable<KubeObject>>

interface UpdateOptions {
  rules?: Rules
  /** Whether to begin again after another write. It is false if the client named a resourceVersion. */
  retry: boolean
  /** Whether the write is a part of a request that has passed admission. */
  isAdmitted?: boolean
  warn?: Warn
  /**
   * Returns the object that the client sent, if `propose` takes only a part of it. It is called after `propose`, and
   * the client owns everything in which it differs from the live object.
   */
  sent?: () => Mutable<KubeObject> | undefined
}

const silent: Warn = () => {}

/**
 * The only way to write objects.
 *
 * - `create` and `update` run the steps of write.ts on a copy and then store it by compare and swap: what is stored has
 *   passed every step against the very object that it replaces. When another write came first, the whole proposal is
 *   made again from the newest state, at most `maxConflictRetries` times. A client that named a resourceVersion gets
 *   the Conflict at once.
 * - Nothing is stored when a step throws, or in a dry run. A write is one key, so nothing is stored partly.
 * - An update that changes nothing is checked but not stored, and returns the live object.
 * - The object passed to `create`, and the one that a proposal returns, belong to the registry from then on.
 * - Aborting the operation's signal ends waits, but never a write that has been given to the store.
 */
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

  /** Returns an object, at the newest state or at least at the given resourceVersion. Throws NotFound, Timeout. */
  async get(operation: Operation): Promise<Item> {
    const { kind, name, options, signal } = operation
    // Without a resourceVersion the newest state is required, and with 0 any state is accepted.
    const wanted = options.resourceVersion ?? ''
    if (!/^\d*$/.test(wanted))
      throw new StatusError(
        '',
        `resourceVersion: Invalid value: ${goQuote(wanted)}: strconv.ParseUint: parsing ${goQuote(wanted)}: invalid syntax`,
      )
    if (wanted === '') await this.storage.catchUp(signal)
    else if (Number(wanted) > this.storage.revision) await waitForFuture(this.storage, Number(wanted), signal)
    const item = this.#live(operation)
    if (!item) throw notFound(kind, name)
    return shownItem(kind, item)
  }

  /** Stores a new object, which is given away with the call. Throws AlreadyExists, Invalid, Forbidden. */
  async create(operation: Operation, object: Mutable<KubeObject>, warn: Warn = silent): Promise<Item> {
    const { kind } = operation
    if (kind.closed)
      throw new StatusError(
        'MethodNotAllowed',
        `${operation.verb} not allowed while custom resource definition is terminating`,
      )
    const meta = object.metadata
    // Upstream's store refuses this, which a dry run does not reach.
    if (meta.resourceVersion && !operation.options.dryRun)
      throw new StatusError('BadRequest', 'resourceVersion should not be set on objects to be created')
    if (kind.bareGenerateName) meta.name ||= meta.generateName
    const generated = !meta.name && meta.generateName
    for (let attempt = 1; ; attempt++) {
      // With a generated name there may be another attempt, which needs the object as it was sent.
      const next = generated ? structuredClone(object) : object
      if (generated) next.metadata.name = meta.generateName!.slice(0, maxNameBase) + nameSuffix(this.random)
      try {
        return await this.#createOnce(operation, next, Boolean(generated), warn)
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
        if (!generated || attempt >= maxNameAttempts) throw alreadyExists(kind, next.metadata.name ?? '')
      }
    }
  }

  async #createOnce(
    operation: Operation,
    object: Mutable<KubeObject>,
    nameIsGenerated: boolean,
    warn: Warn,
  ): Promise<Item> {
    const { kind, options } = operation
    const { metadata } = object
    const now = this.clock.now()
    metadata.uid = this.random.uuid()
    metadata.creationTimestamp = timeText(now)
    delete metadata.deletionTimestamp
    delete metadata.deletionGracePeriodSeconds
    delete metadata.selfLink
    if (kind.generation) metadata.generation = kind.generation === 'changes' ? 0 : 1
    const target = { ...operation, name: metadata.name ?? '' }
    const write: Write = {
      operation: target,
      live: undefined,
      rules: 'whole',
      warn,
      now,
      nameIsGenerated,
      requires: new Requirements(),
      next: object,
    }
    await run(createSteps, write, this.admission)
    if (!options.dryRun) return this.#storeNew(write)
    if (this.#live(target)) throw alreadyExists(kind, target.name)
    delete write.next.metadata.resourceVersion
    return new Item(write.next, 0)
  }

  /** Stores a new object. What it depends on may have changed since, in ways that make no difference to it. */
  async #storeNew({ operation: { kind }, next, requires }: Write): Promise<Item> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.storage.write(kind, next, 'absent', requires.revisions)
      } catch (error) {
        if (!(error instanceof RequirementLost) || attempt >= maxConflictRetries) throw error
        if (!(await requires.renew(error.key))) throw error
      }
    }
  }

  /** Changes an object, and returns it as it is stored. Throws NotFound, Conflict, Invalid, Forbidden. */
  async update(operation: Operation, propose: Propose, options: UpdateOptions): Promise<Item> {
    const { kind, name } = operation
    await this.storage.catchUp(operation.signal)
    for (let attempt = 1; ; attempt++) {
      const item = this.#live(operation)
      if (!item) throw notFound(kind, name)
      try {
        return await this.#updateOnce(operation, item, propose, options)
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
        if (!options.retry || attempt >= maxConflictRetries) throw conflict(kind, name, objectModified)
        await this.storage.catchUp(operation.signal)
      }
    }
  }

  async #updateOnce(operation: Operation, stored: Item, propose: Propose, options: UpdateOptions): Promise<Item> {
    const { kind } = operation
    const live = kind.versions ? await shownItem(kind, stored) : stored
    const { rules = 'whole', warn = silent } = options
    const next = await propose(live.object)
    const write: Write = {
      operation,
      live,
      rules,
      warn,
      now: this.clock.now(),
      requires: new Requirements(),
      next,
      sent: options.sent?.(),
    }
    const admission = options.isAdmitted ? admitted : this.admission
    await run(rules === 'none' ? uncheckedSteps : updateSteps, write, admission)
    const isCurrent = async () => !this.storage.isStale(kind, stored) && (await isStoredSo(kind, write.next, stored))
    if (rules !== 'none' && changesNothing(write) && (await isCurrent())) return live
    if (operation.options.dryRun) return new Item(write.next, live.revision)
    if (isReleased(write)) {
      await this.storage.remove(kind, stored)
      return new Item(write.next, live.revision)
    }
    return this.storage.write(kind, write.next, live.revision, write.requires.revisions)
  }

  #live({ kind, namespace, name }: Operation): Item | undefined {
    const item = this.storage.of(kind).mirror.item(kind.namespaced ? namespace : undefined, name)
    this.storage.checkReadable(kind, namespace, name)
    return item
  }
}

/**
 * Whether an object is stored just as it would be stored now. What was stored by an old schema or in another storage
 * version is not, so that it is written again, which migrates it.
 */
async function isStoredSo({ versions }: AnyKind, object: Mutable<KubeObject>, stored: Item): Promise<boolean> {
  return !versions || sameButTimes(await versions.toStored(object), stored.object)
}

/** Whether the write has removed the last finalizer of a terminating object, which is to be removed then. */
function isReleased({ operation: { kind }, next: { metadata }, next }: Write): boolean {
  return (
    metadata.deletionTimestamp !== undefined &&
    !metadata.finalizers?.length &&
    !metadata.deletionGracePeriodSeconds &&
    !kind.isHeld?.(next)
  )
}
