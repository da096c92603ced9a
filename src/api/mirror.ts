// A mirror is an indexed, always current copy of all objects of one kind. The same class is the API server's
// watch cache, a controller's informer, the kubelet's and the proxy's source: whoever fills it by list and watch.
// In one process all share one copy, so its objects are never changed, only replaced.
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter } from '../base/metrics.ts'
import { Waiters } from '../base/waiters.ts'
import type { KubeObject } from './kind.ts'

/** One object with the revision of its last write and its JSON, encoded at most once. */
export class Item<T extends KubeObject = KubeObject> {
  readonly object: T
  readonly revision: number
  #bytes: Buffer | undefined
  /** The JSON as it was stored, which does not know its own revision. */
  #stored: Uint8Array | undefined
  #protobuf: Buffer | undefined

  /** @param stored the object's JSON with `unknownRevision` in place of its resourceVersion */
  constructor(object: T, revision: number, stored?: Uint8Array) {
    this.object = object
    this.revision = revision
    this.#stored = stored
  }

  /** How long the object's JSON is, as far as that is known without writing it. */
  get storedBytes(): number {
    return this.#bytes?.length ?? this.#stored?.length ?? 0
  }

  /** The object's protobuf message, made by `encode` when it is first asked for. */
  protobuf(encode: (object: T) => Buffer): Buffer {
    return (this.#protobuf ??= encode(this.object))
  }

  /** The object's JSON in UTF-8. */
  get bytes(): Buffer {
    if (this.#bytes) return this.#bytes
    const stored = this.#stored
    this.#stored = undefined
    return (this.#bytes = (stored && atRevision(stored, this.revision)) ?? Buffer.from(JSON.stringify(this.object)))
  }
}

/** What the resourceVersion of an object says while its revision is not known. */
export const unknownRevision = '0'
const unknownField = Buffer.from(`"resourceVersion":"${unknownRevision}"`)

/** Stored JSON with its revision put in: far quicker than writing the object down again. Undefined where it has no place for it. */
function atRevision(stored: Uint8Array, revision: number): Buffer | undefined {
  const source = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
  // Only kind and apiVersion stand before the metadata.
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
  /** The object now; of a deletion its last state, at the revision of the deletion. */
  item: Item<T>
  before: Item<T> | undefined
}

type MirrorListener<T extends KubeObject> = (changes: readonly MirrorChange<T>[]) => void

/** A listener, or the key function of an index, threw on an object. */
export interface MirrorFailure {
  /** Name of the listener or index. */
  of: string
  /** The object; for a listener that takes whole batches the first of the batch. */
  key: string
  error: unknown
}

const failures = counter('kutter_mirror_failures_total', 'Objects that a listener or an index could not take.')

/** Writes failures of a kind's mirror to the log. */
export const logMirrorFailures =
  (log: Log, resource: string) =>
  ({ of, key, error }: MirrorFailure): void =>
    log.error('object left out', { resource, key, by: of, why: messageOf(error), error })

const keyOf = (namespace: string | undefined, name: string) => (namespace ? `${namespace}/${name}` : name)

/** Names an object within its kind: `namespace/name`, or `name` for cluster-scoped ones. */
export const objectKey = (object: {
  readonly metadata: { readonly namespace?: string; readonly name?: string }
}): string => keyOf(object.metadata.namespace, object.metadata.name ?? '')

/**
 * The cache itself: one copy of every object of a kind, filled by one source, read by many.
 *
 * The source alone calls `reset` (with a list) and `apply` (with changes after that list). It gives away the items it
 * passes in: nobody changes an object afterwards, and in tests objects are frozen.
 *
 * What readers may rely on:
 *
 * - A change is visible to `get`, `list` and every index before any listener is called with it. A listener may read
 *   the mirror; it must not write to it.
 * - Changes of one object arrive in the order in which they were stored. There is no order between objects, nor between
 *   mirrors: two mirrors may stand at different revisions, and `waitFor` is the way to bring one up to another.
 * - `revision` never goes back, and `waitFor(r)` resolves only after the change of revision `r` has been applied and all
 *   listeners have been called with it. Before the first list it resolves for nobody.
 * - Changes may be skipped when the source lists again: only the last state of an object is certain to be seen. An
 *   object that was deleted and created again in between is one MODIFIED with another UID, so who cares about identity
 *   compares UIDs.
 * - The item of a DELETED change is the last state that was seen, at the revision of the deletion where that is known.
 * - `items`, `list` and the indexes have no order. Arrays that they return belong to the caller, objects in them do not.
 * - A listener or a key function that throws is on its own: the failure is counted and reported, the object is absent
 *   from that index, and everybody else, the mirror's source included, goes on.
 *
 * An index is built by the first reader that names it and kept from then on; its key function must be pure, since it is
 * asked again when an object leaves. Nothing here queues: a slow listener holds up the source, so listeners only note
 * what there is to do.
 *
 * A worked example. The mirror holds a@3, b@4 and c@5; the watch breaks, and the next list at revision 9 has a@3, b@7
 * and d@8. `reset` then reports MODIFIED b (before b@4), ADDED d and DELETED c (its item is c@5): a has not changed and
 * is not mentioned, and the revision is 9 for everybody who waits.
 */
export class Mirror<T extends KubeObject = KubeObject> {
  /** Everything up to here has been applied. */
  #revision = 0
  #synced = false
  readonly #items = new Map<string, Item<T>>()
  readonly #byNamespace = new Map<string, Map<string, Item<T>>>()
  readonly #indexes = new Map<string, Index<T>>()
  readonly #listeners = new Map<MirrorListener<T>, string>()
  readonly #onFailure: (failure: MirrorFailure) => void
  readonly #waiters = new Waiters()

  /** @param onFailure called with each failure of a listener or index; it must not throw */
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

  /** The objects that `condition` holds for; those it throws on are left out and reported as failures of `by`. */
  matching(by: string, condition: (object: T) => boolean): T[] {
    const found: T[] = []
    for (const [key, { object }] of this.#items)
      this.#guard(by, key, () => {
        if (condition(object)) found.push(object)
      })
    return found
  }

  /** The objects that name `owner` in an owner reference. */
  ownedBy(owner: { readonly metadata: { readonly uid?: string } } | string): T[] {
    const uid = typeof owner === 'string' ? owner : (owner.metadata.uid ?? '')
    return this.byIndex('owner', ownersOf, uid)
  }

  /** The objects that `keys` gave this value; the index is built on first use and kept from then on. */
  byIndex(name: string, keys: (object: T) => readonly string[], value: string): T[] {
    return Array.from(this.itemsByIndex(name, keys, value), item => item.object)
  }

  /** As `byIndex`, with the items around the objects. */
  itemsByIndex(name: string, keys: (object: T) => readonly string[], value: string): Iterable<Item<T>> {
    let index = this.#indexes.get(name)
    if (!index) {
      index = { name, keys, values: new Map() }
      this.#indexes.set(name, index)
      for (const [key, item] of this.#items) this.#enter(index, key, item)
    }
    return index.values.get(value)?.values() ?? []
  }

  /** Calls `listener` with every batch of changes after it was applied; returns how to stop. `name` is for failures. */
  subscribe(listener: MirrorListener<T>, name = 'listener'): () => void {
    this.#listeners.set(listener, name)
    return () => this.#listeners.delete(listener)
  }

  /** As `subscribe`, change by change: one that makes `listener` throw does not cost it the others of the batch. */
  subscribeEach(listener: (change: MirrorChange<T>) => void, name: string): () => void {
    return this.subscribe(changes => {
      for (const change of changes) this.#guard(name, objectKey(change.item.object), () => listener(change))
    }, name)
  }

  /** Calls `listener` with what is there, as if it had just been added, and then as `subscribeEach` does. */
  follow(listener: (change: MirrorChange<T>) => void, name: string): () => void {
    for (const [key, item] of this.#items)
      this.#guard(name, key, () => listener({ type: 'ADDED', item, before: undefined }))
    return this.subscribeEach(listener, name)
  }

  /** Resolves once everything up to `revision` has been applied (and the first list has arrived). */
  async waitFor(revision: number, signal?: AbortSignal): Promise<void> {
    if (this.#synced && this.#revision >= revision) return
    await this.#waiters.wait(revision, signal)
  }

  /** Replaces everything by a new list; listeners are called with the difference. */
  reset(items: Iterable<Item<T>>, revision: number): void {
    const changes: MirrorChange<T>[] = []
    const gone = new Map(this.#items)
    for (const item of items) {
      const key = objectKey(item.object)
      const before = gone.get(key)
      gone.delete(key)
      if (!before) changes.push({ type: 'ADDED', item, before })
      else if (before.revision !== item.revision) changes.push({ type: 'MODIFIED', item, before })
    }
    for (const before of gone.values()) changes.push({ type: 'DELETED', item: before, before })
    this.#synced = true
    this.apply(changes, revision)
  }

  /** Applies changes in order, moves on to `revision` and returns the changes with `before` filled in. */
  apply(changes: readonly Omit<MirrorChange<T>, 'before'>[], revision: number): readonly MirrorChange<T>[] {
    const applied = changes.map(change => this.#applyOne(change))
    this.#revision = Math.max(this.#revision, revision)
    const first = applied[0]
    if (first)
      for (const [listener, name] of this.#listeners)
        this.#guard(name, objectKey(first.item.object), () => listener(applied))
    if (this.#synced) this.#waiters.reach(this.#revision)
    return applied
  }

  #applyOne({ type, item }: Omit<MirrorChange<T>, 'before'>): MirrorChange<T> {
    const key = objectKey(item.object)
    const before = this.#items.get(key)
    if (before) this.#remove(key, before)
    if (type === 'DELETED') return { type, item, before }
    this.#items.set(key, item)
    put(this.#byNamespace, item.object.metadata.namespace ?? '', key, item)
    for (const index of this.#indexes.values()) this.#enter(index, key, item)
    return { type: before ? 'MODIFIED' : 'ADDED', item, before }
  }

  #remove(key: string, item: Item<T>): void {
    this.#items.delete(key)
    drop(this.#byNamespace, item.object.metadata.namespace ?? '', key)
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

/** The values an object is entered under; none where that failed when it came. */
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
