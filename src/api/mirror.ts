// A mirror is an indexed, current copy of all objects of one kind, or of a part of them. The same class serves as the
// watch cache of the API server and as the source of controllers, scheduler, kubelet and proxy; each fills it by a list
// and a watch. In one process all share one copy, so its objects are never changed, only replaced.
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter } from '../base/metrics.ts'
import { Waiters } from '../base/waiters.ts'
import type { KubeObject } from './kind.ts'

/** Reads the objects of items that came from a store. Both throw for what is no object. */
export interface ItemReader<T extends KubeObject = KubeObject> {
  /** The JSON as it is stored. */
  load(key: string, revision: number): Uint8Array
  read(key: string, stored: Uint8Array, revision: number): T
}

const unread = Symbol('an object that has not been read yet')

/** One object with the revision of its last write and its JSON, encoded at most once. */
export class Item<T extends KubeObject = KubeObject> {
  readonly revision: number
  #object: T | typeof unread
  #bytes: Buffer | undefined
  /** The JSON as it was stored, without the revision of its own write. */
  #stored: Uint8Array | undefined
  #protobuf: Buffer | undefined
  /** The length of what is stored, for an item that does not have it yet. */
  #sizeBytes = 0
  #key: string | undefined
  #reader: ItemReader<T> | undefined

  /** @param stored the object's JSON with `unknownRevision` in place of its resourceVersion */
  constructor(object: T | typeof unread, revision: number, stored?: Uint8Array) {
    this.#object = object
    this.revision = revision
    this.#stored = stored
  }

  /** An item whose JSON and object are read when they are asked for first. */
  static unread<T extends KubeObject>(
    key: string,
    { revision, sizeBytes }: { readonly revision: number; readonly sizeBytes: number },
    reader: ItemReader<T>,
  ): Item<T> {
    const item = new Item<T>(unread, revision)
    item.#key = key
    item.#sizeBytes = sizeBytes
    item.#reader = reader
    return item
  }

  /** Whether its JSON has to be read first. */
  get isUnloaded(): boolean {
    return this.#object === unread && !this.#bytes && !this.#stored
  }

  /** Gives an unloaded item its JSON. */
  load(stored: Uint8Array): void {
    this.#stored = stored
  }

  /** Reads the JSON of an unloaded item. One that cannot be read stays as it is. */
  tryLoading(): void {
    try {
      this.#loaded()
    } catch {
      // Who asks for it gets the error.
    }
  }

  #loaded(): Uint8Array {
    return (this.#stored ??= this.#reader!.load(this.key, this.revision))
  }

  /** The object. For one that cannot be read, this throws what the reader throws. */
  get object(): T {
    return this.#object === unread ? this.#read() : this.#object
  }

  #read(): T {
    const object = this.#reader!.read(this.key, this.#bytes ?? this.#loaded(), this.revision)
    this.#object = object
    this.#reader = undefined
    return object
  }

  /** The key of the object within its kind, see `objectKey`. */
  get key(): string {
    return this.#key ?? objectKey(this.object)
  }

  /** The object's namespace; '' if its kind has none. */
  get namespace(): string {
    const key = this.#key
    return key === undefined ? (this.object.metadata.namespace ?? '') : key.slice(0, Math.max(0, key.indexOf('/')))
  }

  /** The length of the object's JSON, or 0 if it would have to be written first. */
  get storedBytes(): number {
    return this.#bytes?.length ?? this.#stored?.length ?? this.#sizeBytes
  }

  /** The object's protobuf message, which `encode` makes at the first call. */
  protobuf(encode: (object: T) => Buffer): Buffer {
    return (this.#protobuf ??= encode(this.object))
  }

  /** The object's JSON in UTF-8. */
  get bytes(): Buffer {
    if (this.#bytes) return this.#bytes
    const stored = this.isUnloaded ? this.#loaded() : this.#stored
    const bytes = (stored && atRevision(stored, this.revision)) ?? Buffer.from(JSON.stringify(this.object))
    this.#stored = undefined
    return (this.#bytes = bytes)
  }
}

/** The resourceVersion of an object whose revision is not known yet. */
export const unknownRevision = '0'
const unknownField = Buffer.from(`"resourceVersion":"${unknownRevision}"`)

/**
 * Puts the revision into stored JSON, which is far faster than writing it again. Undefined when it has no place for it.
 */
function atRevision(stored: Uint8Array, revision: number): Buffer | undefined {
  const source = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
  // Only kind and apiVersion precede the metadata.
  const at = source.indexOf(unknownField)
  if (at < 0) return undefined
  const text = `"resourceVersion":"${revision}"`
  const out = Buffer.allocUnsafe(source.length - unknownField.length + text.length)
  source.copy(out, 0, 0, at)
  out.write(text, at, 'latin1')
  source.copy(out, at + text.length, at + unknownField.length)
  return out
}

export interface MirrorChange<T extends KubeObject = KubeObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** The present object. For a deletion it is the last state, at the revision of the deletion. */
  item: Item<T>
  before: Item<T> | undefined
}

type MirrorListener<T extends KubeObject> = (changes: readonly MirrorChange<T>[]) => void

/** A mirror whose type of objects does not matter, as one of many kinds in a map. */
// biome-ignore lint: variance makes a common supertype impossible
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyMirror = Mirror<any>

/** Reports that a listener, or the key function of an index, threw for an object. */
export interface MirrorFailure {
  /** The name of the listener or index. */
  of: string
  /** The key of the object. For a listener of whole batches, it is the first of the batch. */
  key: string
  error: unknown
}

const failures = counter('kutter_mirror_failures_total', 'Objects that a listener or an index could not take.')

/** Returns a function that logs the failures of a kind's mirror. */
export const logMirrorFailures =
  (log: Log, resource: string) =>
  ({ of, key, error }: MirrorFailure): void =>
    log.error('an object is left out', { resource, key, by: of, why: messageOf(error), error })

const keyOf = (namespace: string | undefined, name: string) => (namespace ? `${namespace}/${name}` : name)

/** The key of an object within its kind: `namespace/name`, or `name` when it is cluster-scoped. */
export const objectKey = (object: {
  readonly metadata: { readonly namespace?: string; readonly name?: string }
}): string => keyOf(object.metadata.namespace, object.metadata.name ?? '')

/**
 * The cache itself: one copy of every object of a kind, filled by one source, read by many.
 *
 * Only the source calls `reset`, with a list, and `apply`, with changes after that list. It gives the items away:
 * nobody changes an object afterwards, and in tests objects are frozen.
 *
 * What readers may rely on:
 *
 * - A change is visible to `get`, `list` and every index before a listener is called with it. A listener may read the
 *   mirror, and must not write to it.
 * - Changes of one object arrive in the order in which they were stored. There is no order between objects, nor between
 *   mirrors: two mirrors may stand at different revisions, and `waitFor` is the way to bring one up to another.
 * - `revision` never goes back, and `waitFor(r)` resolves only after the change of revision `r` has been applied and
 *   all listeners have been called with it. It never resolves before the first list.
 * - When the source lists again, changes may be skipped: only the last state of an object is certain to be reported. An
 *   object that was deleted and created again in between is one MODIFIED with another UID, so a listener that depends
 *   on identity compares UIDs.
 * - The item of a DELETED change is the last state of the object, at the revision of the deletion if that is known.
 * - `items`, `list` and the indexes have no order. Arrays that they return belong to the caller, objects in them do
 *   not.
 * - A failure of a listener or a key function affects nothing else. It is counted and reported, and the object is
 *   absent from that index. Other listeners, and the source, go on.
 *
 * An index is built for the first reader that names it, and kept from then on. Its key function must be pure, since it
 * is called again when an object leaves. There are no queues: a slow listener delays the source, so listeners only
 * record what is to be done.
 *
 * A worked example. The mirror holds a@3, b@4 and c@5; the watch breaks, and the next list at revision 9 has a@3, b@7
 * and d@8. `reset` then reports MODIFIED b (before it was b@4), ADDED d, and DELETED c with the item c@5. It does not
 * mention a, which has not changed. The revision is 9, and waits for it resolve.
 */
export class Mirror<T extends KubeObject = KubeObject> {
  /** All changes up to this revision have been applied. */
  #revision = 0
  #synced = false
  readonly #items = new Map<string, Item<T>>()
  readonly #byNamespace = new Map<string, Map<string, Item<T>>>()
  readonly #indexes = new Map<string, Index<T>>()
  readonly #listeners = new Map<MirrorListener<T>, string>()
  readonly #onFailure: (failure: MirrorFailure) => void
  readonly #waiters = new Waiters()

  /** @param onFailure is called with each failure of a listener or index, and must not throw */
  constructor(onFailure: (failure: MirrorFailure) => void = () => {}) {
    this.#onFailure = onFailure
  }

  get revision(): number {
    return this.#revision
  }

  /** Whether the first list has arrived. */
  get synced(): boolean {
    return this.#synced
  }

  get size(): number {
    return this.#items.size
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#items.get(keyOf(namespace, name))?.object
  }

  item(namespace: string | undefined, name: string): Item<T> | undefined {
    return this.#items.get(keyOf(namespace, name))
  }

  byKey(key: string): T | undefined {
    return this.#items.get(key)?.object
  }

  itemByKey(key: string): Item<T> | undefined {
    return this.#items.get(key)
  }

  /** All items, or those of one namespace, in no order. */
  items(namespace?: string): Iterable<Item<T>> {
    return namespace ? (this.#byNamespace.get(namespace)?.values() ?? []) : this.#items.values()
  }

  list(namespace?: string): T[] {
    return Array.from(this.items(namespace), item => item.object)
  }

  /**
   * The objects for which `condition` holds. Those for which it throws are left out, and reported as failures of `by`.
   */
  matching(by: string, condition: (object: T) => boolean): T[] {
    const found: T[] = []
    for (const [key, item] of this.#items)
      this.#guard(by, key, () => {
        if (condition(item.object)) found.push(item.object)
      })
    return found
  }

  /** The objects with an owner reference to `owner`. */
  ownedBy(owner: { readonly metadata: { readonly uid?: string } } | string): T[] {
    const uid = typeof owner === 'string' ? owner : (owner.metadata.uid ?? '')
    return this.byIndex('owner', ownersOf, uid)
  }

  /** The objects for which `keys` returned this value. The index is built at the first use and kept from then on. */
  byIndex(name: string, keys: (object: T) => readonly string[], value: string): T[] {
    return Array.from(this.itemsByIndex(name, keys, value), item => item.object)
  }

  /** Like `byIndex`, but returns items. */
  itemsByIndex(name: string, keys: (object: T) => readonly string[], value: string): Iterable<Item<T>> {
    let index = this.#indexes.get(name)
    if (!index) {
      index = { name, keys, values: new Map() }
      this.#indexes.set(name, index)
      for (const [key, item] of this.#items) this.#enter(index, key, item)
    }
    return index.values.get(value)?.values() ?? []
  }

  /** Calls `listener` with each batch of changes after it was applied. Returns a function that ends this. */
  subscribe(listener: MirrorListener<T>, name = 'listener'): () => void {
    this.#listeners.set(listener, name)
    return () => this.#listeners.delete(listener)
  }

  /** Calls `listener` with each change. When it throws, it still gets the other changes of the batch. */
  subscribeEach(listener: (change: MirrorChange<T>) => void, name: string): () => void {
    return this.subscribe(changes => {
      for (const change of changes) this.#guard(name, change.item.key, () => listener(change))
    }, name)
  }

  /** Calls `listener` with all present objects as if they had just been added, then with each change. */
  follow(listener: (change: MirrorChange<T>) => void, name: string): () => void {
    for (const [key, item] of this.#items)
      this.#guard(name, key, () => listener({ type: 'ADDED', item, before: undefined }))
    return this.subscribeEach(listener, name)
  }

  /** Resolves once all changes up to `revision`, and the first list, have been applied. */
  async waitFor(revision: number, signal?: AbortSignal): Promise<void> {
    if (this.#synced && this.#revision >= revision) return
    await this.#waiters.wait(revision, signal)
  }

  /** Replaces everything by a new list, and calls listeners with the difference. */
  reset(items: Iterable<Item<T>>, revision: number): void {
    if (this.#items.size === 0 && this.#listeners.size === 0) return this.#fill(items, revision)
    const changes: MirrorChange<T>[] = []
    const gone = new Map(this.#items)
    for (const item of items) {
      const { key } = item
      const before = gone.get(key)
      gone.delete(key)
      if (!before) changes.push({ type: 'ADDED', item, before })
      else if (before.revision !== item.revision) changes.push({ type: 'MODIFIED', item, before })
    }
    for (const before of gone.values()) changes.push({ type: 'DELETED', item: before, before })
    this.#synced = true
    this.apply(changes, revision)
  }

  /** Takes the first list, of which there may be a hundred thousand items, when nobody has to be called. */
  #fill(items: Iterable<Item<T>>, revision: number): void {
    for (const item of items) this.#add(item.key, item)
    this.#synced = true
    this.apply([], revision)
  }

  /** Applies changes in order, moves on to `revision`, and returns the changes with the previous items in `before`. */
  apply(changes: readonly Omit<MirrorChange<T>, 'before'>[], revision: number): readonly MirrorChange<T>[] {
    const applied = changes.map(change => this.#applyOne(change))
    this.#revision = Math.max(this.#revision, revision)
    const first = applied[0]
    if (first)
      for (const [listener, name] of this.#listeners) this.#guard(name, first.item.key, () => listener(applied))
    if (this.#synced) this.#waiters.reach(this.#revision)
    return applied
  }

  /** Drops an item that cannot be read, as if it had never been there: no listener was called with its object. */
  leaveOut(key: string): void {
    const item = this.#items.get(key)
    if (item) this.#remove(key, item)
  }

  #applyOne({ type, item }: Omit<MirrorChange<T>, 'before'>): MirrorChange<T> {
    const { key } = item
    const before = this.#items.get(key)
    if (before) this.#remove(key, before)
    if (type === 'DELETED') return { type, item, before }
    this.#add(key, item)
    return { type: before ? 'MODIFIED' : 'ADDED', item, before }
  }

  #add(key: string, item: Item<T>): void {
    this.#items.set(key, item)
    put(this.#byNamespace, item.namespace, key, item)
    for (const index of this.#indexes.values()) this.#enter(index, key, item)
  }

  #remove(key: string, item: Item<T>): void {
    this.#items.delete(key)
    drop(this.#byNamespace, item.namespace, key)
    for (const index of this.#indexes.values())
      for (const value of valuesOf(index, item)) drop(index.values, value, key)
  }

  #enter(index: Index<T>, key: string, item: Item<T>): void {
    this.#guard(`index ${index.name}`, key, () => {
      for (const value of index.keys(item.object)) put(index.values, value, key, item)
    })
  }

  #guard(of: string, key: string, fn: () => void): void {
    try {
      fn()
    } catch (error) {
      failures.add({ of })
      this.#onFailure({ of, key, error })
    }
  }
}

interface Index<T extends KubeObject> {
  name: string
  keys: (object: T) => readonly string[]
  values: Map<string, Map<string, Item<T>>>
}

/** The values under which an object is in an index; none when the key function throws. */
function valuesOf<T extends KubeObject>({ keys }: Index<T>, item: Item<T>): readonly string[] {
  try {
    return keys(item.object)
  } catch {
    return []
  }
}

const ownersOf = (object: KubeObject): readonly string[] =>
  object.metadata.ownerReferences?.map(owner => owner.uid) ?? []

function put<V>(map: Map<string, Map<string, V>>, group: string, key: string, value: V): void {
  let inner = map.get(group)
  if (!inner) map.set(group, (inner = new Map()))
  inner.set(key, value)
}

function drop<V>(map: Map<string, Map<string, V>>, group: string, key: string): void {
  const inner = map.get(group)
  inner?.delete(key)
  if (inner?.size === 0) map.delete(group)
}
