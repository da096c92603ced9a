// The generic registry: reads, creates and updates objects of any kind. Every write is read, propose, check, compare
// and swap (write.ts); when somebody else was quicker it begins again from the newest state.
// Source: apiserver pkg/registry/generic/registry/store.go.
import type { Clock } from '../base/clock.ts'
import { goQuote } from '../base/go-text.ts'
import { nameSuffix, type Random } from '../base/random.ts'
import { StatusError } from '../base/errors.ts'
import type { KubeObject } from '../api/kind.ts'
import { Item } from '../api/mirror.ts'
import type { Operation } from '../api/operation.ts'
import { timeText } from '../api/time.ts'
import { StoreConflict } from '../store/index.ts'
import type { Admission } from './admission/request.ts'
import type { Warn } from './body.ts'
import { alreadyExists, conflict, notFound, objectModified } from './errors.ts'
import { waitForFuture } from './lists.ts'
import type { Storage } from './storage.ts'
import { changesNothing, createSteps, type Rules, run, soundSteps, updateSteps, type Write } from './write.ts'
import type { Mutable } from '../api/schema/node.ts'

/** Attempts of a read-change-write before its conflict is reported. */
const maxConflictRetries = 20
const maxNameAttempts = 8
const maxNameBase = 58

/** Makes of the stored object the one to be stored. May run more than once; must not change what it is given. */
type Propose = (live: KubeObject) => Mutable<KubeObject> | Promise<Mutable<KubeObject>>

interface UpdateOptions {
  rules?: Rules
  /** Whether to begin again when somebody else wrote in between: not when the client named a resourceVersion. */
  retry: boolean
  warn?: Warn
  /** What the client sent, where `propose` takes over a part of it; asked after `propose`. It owns all it changed. */
  sent?: () => Mutable<KubeObject> | undefined
}

const silent: Warn = () => {}

/**
 * The one way of writing objects.
 *
 * - `create` and `update` run the steps of write.ts on a copy and then store it by compare and swap: what is stored has
 *   passed every step against the very object it replaces. When another write came first, the whole proposal is made
 *   again from the newest state, at most `maxConflictRetries` times; a client that named a resourceVersion gets the
 *   Conflict at once.
 * - Nothing is stored when a step throws, nor on a dry run, and nothing is half stored: one write is one key.
 * - An update that changes nothing is checked and not stored; its answer is what is stored already.
 * - The object passed to `create`, and what a proposal returns, belong to the registry from then on.
 * - Aborting the operation's signal ends waits, never a write that has been given to the store.
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

  /** Throws NotFound. */
  async get(operation: Operation): Promise<Item> {
    const { kind, name, options, signal } = operation
    // resourceVersion=0 accepts any state; everything else gets the newest.
    const wanted = options.resourceVersion ?? ''
    if (!/^\d*$/.test(wanted))
      throw new StatusError(
        '',
        `resourceVersion: Invalid value: ${goQuote(wanted)}: strconv.ParseUint: parsing ${goQuote(wanted)}: invalid syntax`,
      )
    if (wanted === '') await this.storage.fresh(signal)
    else if (Number(wanted) > this.storage.revision) await waitForFuture(this.storage, Number(wanted), signal)
    const item = this.#live(operation)
    if (!item) throw notFound(kind, name)
    return item
  }

  /** Stores a new object, which becomes the registry's own. Throws AlreadyExists, Invalid, Forbidden. */
  async create(operation: Operation, object: Mutable<KubeObject>, warn: Warn = silent): Promise<Item> {
    const { kind } = operation
    const meta = object.metadata
    // A dry run never comes to the store, which is what refuses this.
    if (meta.resourceVersion && !operation.options.dryRun)
      throw new StatusError('BadRequest', 'resourceVersion should not be set on objects to be created')
    if (kind.bareGenerateName) meta.name ||= meta.generateName
    const generated = !meta.name && meta.generateName
    for (let attempt = 1; ; attempt++) {
      // Only a second attempt needs the object as it came.
      const next = generated ? structuredClone(object) : object
      if (generated) next.metadata.name = meta.generateName!.slice(0, maxNameBase) + nameSuffix(this.random)
      try {
        return await this.#createOnce(operation, next, warn)
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
        if (!generated || attempt >= maxNameAttempts) throw alreadyExists(kind, next.metadata.name ?? '')
      }
    }
  }

  async #createOnce(operation: Operation, object: Mutable<KubeObject>, warn: Warn): Promise<Item> {
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
    const write: Write = { operation: target, live: undefined, rules: 'whole', warn, now, next: object }
    await run(createSteps, write, this.admission)
    if (!options.dryRun) return this.storage.write(kind, write.next, 'absent')
    if (this.#live(target)) throw alreadyExists(kind, target.name)
    delete write.next.metadata.resourceVersion
    return new Item(write.next, 0)
  }

  /** Changes an object. Throws NotFound, Conflict, Invalid, Forbidden. */
  async update(operation: Operation, propose: Propose, options: UpdateOptions): Promise<Item> {
    const { kind, name } = operation
    await this.storage.fresh(operation.signal)
    for (let attempt = 1; ; attempt++) {
      const item = this.#live(operation)
      if (!item) throw notFound(kind, name)
      try {
        return await this.#updateOnce(operation, item, propose, options)
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
        if (!options.retry || attempt >= maxConflictRetries) throw conflict(kind, name, objectModified)
        await this.storage.fresh(operation.signal)
      }
    }
  }

  async #updateOnce(operation: Operation, live: Item, propose: Propose, options: UpdateOptions): Promise<Item> {
    const { kind } = operation
    const { rules = 'whole', warn = silent } = options
    const next = await propose(live.object)
    const write: Write = { operation, live, rules, warn, now: this.clock.now(), next, sent: options.sent?.() }
    await run(rules === 'none' ? soundSteps : updateSteps, write, this.admission)
    if (rules !== 'none' && changesNothing(write)) return live
    if (operation.options.dryRun) return new Item(write.next, live.revision)
    if (isReleased(write)) {
      await this.storage.remove(kind, live)
      return new Item(write.next, live.revision)
    }
    return this.storage.write(kind, write.next, live.revision)
  }

  #live({ kind, namespace, name }: Operation): Item | undefined {
    return this.storage.of(kind).mirror.item(kind.namespaced ? namespace : undefined, name)
  }
}

/** The last finalizer of an object in deletion is gone, and so the object goes. */
function isReleased({ operation: { kind }, next: { metadata }, next }: Write): boolean {
  return (
    metadata.deletionTimestamp !== undefined &&
    !metadata.finalizers?.length &&
    !metadata.deletionGracePeriodSeconds &&
    !kind.isHeld?.(next)
  )
}
