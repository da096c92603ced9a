// A mirror is an indexed, always current copy of all objects of one kind. The same class is the API server's
// watch cache, a controller's informer, the kubelet's and the proxy's source: whoever fills it by list and watch.
// In one process all share one copy, so its objects are never changed, only replaced.
import { Waiters } from '../base/waiters.ts'
import type { KubeObject } from './kind.ts'
import type { DeepReadonly } from './schema/node.ts'

/** One object with the revision of its last write and its JSON, encoded at most once. */
export class Item<T extends KubeObject = KubeObject> {
  readonly object: DeepReadonly<T>
  readonly revision: number
  #bytes: Buffer | undefined
  /** The JSON as it was stored, which does not know its own revision. */
  #stored: Uint8Array | undefined

  /** @param stored the object's JSON with `unknownRevision` in place of its resourceVersion */
  constructor(object: DeepReadonly<T>, revision: number, stored?: Uint8Array) {
    this.object = object
    this.revision = revision
    this.#stored = stored
  }

  /** How long the object's JSON is, as far as that is known without writing it. */
  get storedBytes(): number {
    return this.#bytes?.length ?? this.#stored?.length ?? 0
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

export type MirrorListener<T extends KubeObject> = (changes: readonly MirrorChange<T>[]) => void

const keyOf = (namespace: string | undefined, name: string) => (namespace ? `${namespace}/${name}` : name)

/** Names an object within its kind: `namespace/name`, or `name` for cluster-scoped ones. */
export const objectKey = (object: {
  readonly metadata: { readonly namespace?: string; readonly name?: string }
}): string => keyOf(object.metadata.namespace, object.metadata.name ?? '')

export class Mirror<T extends KubeObject = KubeObject> {
  /** Everything up to here has been applied. */
  #revision = 0
  #synced = false
  readonly #items = new Map<string, Item<T>>()
  readonly #byNamespace = new Map<string, Map<string, Item<T>>>()
  readonly #byOwner = new Map<string, Map<string, Item<T>>>()
  readonly #indexes = new Map<string, Index<T>>()
  readonly #listeners = new Set<MirrorListener<T>>()
  readonly #waiters = new Waiters()

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

  get(namespace: string | undefined, name: string): DeepReadonly<T> | undefined {
    return this.#items.get(keyOf(namespace, name))?.object
  }

  item(namespace: string | undefined, name: string): Item<T> | undefined {
    return this.#items.get(keyOf(namespace, name))
  }

  byKey(key: string): DeepReadonly<T> | undefined {
    return this.#items.get(key)?.object
  }

  itemByKey(key: string): Item<T> | undefined {
    return this.#items.get(key)
  }

  /** All items, or those of one namespace, in no order. */
  items(namespace?: string): Iterable<Item<T>> {
    return namespace ? (this.#byNamespace.get(namespace)?.values() ?? []) : this.#items.values()
  }

  list(namespace?: string): DeepReadonly<T>[] {
    return Array.from(this.items(namespace), item => item.object)
  }

  /** The objects that name `owner` in an owner reference. */
  ownedBy(owner: { readonly metadata: { readonly uid?: string } } | string): DeepReadonly<T>[] {
    const uid = typeof owner === 'string' ? owner : (owner.metadata.uid ?? '')
    return Array.from(this.#byOwner.get(uid)?.values() ?? [], item => item.object)
  }

  /** The objects that `keys` gave this value; the index is built on first use and kept from then on. */
  byIndex(name: string, keys: (object: DeepReadonly<T>) => readonly string[], value: string): DeepReadonly<T>[] {
    let index = this.#indexes.get(name)
    if (!index) {
      index = { keys, values: new Map() }
      for (const [key, item] of this.#items) enter(index, key, item)
      this.#indexes.set(name, index)
    }
    return Array.from(index.values.get(value)?.values() ?? [], item => item.object)
  }

  /** Hears every change after it was applied; returns how to stop. */
  subscribe(listener: MirrorListener<T>): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves once everything up to `revision` has been applied (and the first list has arrived). */
  async waitFor(revision: number, signal?: AbortSignal): Promise<void> {
    if (this.#synced && this.#revision >= revision) return
    await this.#waiters.wait(revision, signal)
  }

  /** Replaces everything by a fresh list; listeners hear the difference. */
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
    if (applied.length) for (const listener of this.#listeners) listener(applied)
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
    for (const owner of item.object.metadata.ownerReferences ?? []) put(this.#byOwner, owner.uid, key, item)
    for (const index of this.#indexes.values()) enter(index, key, item)
    return { type: before ? 'MODIFIED' : 'ADDED', item, before }
  }

  #remove(key: string, item: Item<T>): void {
    this.#items.delete(key)
    drop(this.#byNamespace, item.object.metadata.namespace ?? '', key)
    for (const owner of item.object.metadata.ownerReferences ?? []) drop(this.#byOwner, owner.uid, key)
    for (const index of this.#indexes.values())
      for (const value of index.keys(item.object)) drop(index.values, value, key)
  }
}

interface Index<T extends KubeObject> {
  keys: (object: DeepReadonly<T>) => readonly string[]
  values: Map<string, Map<string, Item<T>>>
}

function enter<T extends KubeObject>(index: Index<T>, key: string, item: Item<T>): void {
  for (const value of index.keys(item.object)) put(index.values, value, key, item)
}

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
