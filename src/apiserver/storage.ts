// The bridge between objects and the bytes in the store. Each kind has a mirror and a log of recent changes, and one
// watch of the whole store keeps all of them current. All reads except those of older states are answered from here.
import type { Clock } from '../base/clock.ts'
import { messageOf, StatusError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { counter } from '../base/metrics.ts'
import { Waiters } from '../base/waiters.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import { type AnyMirror, Item, type Mirror, type MirrorChange, objectKey, unknownRevision } from '../api/mirror.ts'
import type { Mutable } from '../api/schema/node.ts'
import type { Change, Entry, Head, PutOptions, Store } from '../store/index.ts'
import type { Encryption, Transformer } from './encryption/encryption.ts'
import { freezeInTests, KindStorage, parseStored, prefixOf, root, storageKey } from './kind-storage.ts'
import { shownItem } from './versions.ts'

/** How long old states can be read at least. Source: storagebackend.DefaultCompactInterval. */
const historyMs = 5 * 60_000
/** Limit of changes that are read from the store's history for one watch. */
const maxHistory = 20_000
/** Limit of keys for which it is kept why their objects cannot be read. */
const maxUnreadable = 10_000

/** With more objects than this, a server answers before it has read them all. */
const maxReadAtOnce = 2000
/** Of objects whose bytes are read from the store together: when somebody waits for them, and otherwise. */
const [loadedAtOnce, restAtOnce] = [4000, 250]
/** For how long objects are read at a time, and after which time when nobody has asked for them. */
const [readSliceMs, quietMs] = [4, 5000]

const unreadable = counter('kutter_storage_unreadable_total', 'Stored objects that cannot be read and are not served.')

/**
 * All objects of all kinds, in the store and in mirrors.
 *
 * What always holds:
 *
 * - The store is followed by one watch, in order. A batch is applied to the mirrors and change logs of all kinds before
 *   those who wait for `revision` are woken. The mirror of a kind moves only with changes of that kind.
 * - A write resolves when its bytes are on disk and its change has been applied here, so a client that reads after its
 *   own write sees it. `catchUp` waits for all writes that the store has acknowledged to anyone.
 * - The change log of a kind and its mirror agree: reading the log on from a position and applying it to the state at
 *   that position gives the mirror.
 * - A stored object that cannot be read is left out, counted, and logged with its key. All others are served.
 * - With many objects, most are read after the start: each when it is asked for first, or in the background. Until then
 *   a list in JSON has its bytes as they are stored.
 * - Items, mirrors and change logs have objects as they are. Only what is given to the store, and comes from it, is
 *   encrypted.
 *
 * Who may change what: only the registry calls `write` and `remove`. It gives the object away with the call. The
 * revision is set when the bytes come back from the store, and from then on the object is never changed.
 *
 * Limits: a kind's change log keeps a number of changes and bytes of each kind (change-log.ts); older positions are
 * read from the store's history, at most `maxHistory` changes for one watch, and history before the last five minutes
 * is compacted. When the store fails, all waits fail with its error, and so do all later ones.
 */
export class Storage {
  readonly store: Store
  readonly clock: Clock
  readonly #log: Log
  /** Cancels the next compaction; undefined when there has been no write since the last one. */
  #nextCompaction: (() => void) | undefined
  readonly #byPrefix = new Map<string, KindStorage>()
  readonly #byKind = new Map<AnyKind, KindStorage>()
  readonly #abort = new AbortController()
  /** Objects by the bytes that were given to the store, so that they need not be parsed when they come back. */
  readonly #written = new WeakMap<Uint8Array, Mutable<KubeObject>>()
  readonly #encryption: Encryption | undefined
  /** The JSON of encrypted bytes that were given to the store. */
  readonly #plain = new WeakMap<Uint8Array, Buffer>()
  /** What the values of encrypted items were written as. */
  readonly #writtenAs = new WeakMap<Item, string>()
  /** Why stored objects cannot be read, by their keys. */
  readonly #unreadable = new Map<string, string>()
  #revision = 0
  readonly #waiters = new Waiters()
  #failed: unknown
  #watching: Promise<void> | undefined

  constructor(store: Store, clock: Clock, log: Log, encryption?: Encryption) {
    this.store = store
    this.clock = clock
    this.#log = log
    this.#encryption = encryption
    encryption?.onChange(() => {
      for (const storage of this.#byPrefix.values()) storage.transformer = encryption.of(storage.kind)
    })
  }

  /** The newest revision that has been applied here. */
  get revision(): number {
    return this.#revision
  }

  /** Adds a kind before `load`. */
  add(kind: AnyKind): KindStorage {
    const storage = new KindStorage(kind, this.store, this.#log, (key, error) => this.#leftOut(key, error))
    storage.transformer = this.#encryption?.of(kind)
    this.#byPrefix.set(prefixOf(kind), storage)
    this.#byKind.set(kind, storage)
    return storage
  }

  /**
   * Adds a kind while the server runs, with its objects in the store. Does nothing if a kind with the same group and
   * plural was added, such as another version, since both have the same objects.
   */
  async open(kind: AnyKind): Promise<void> {
    if (this.#byPrefix.has(prefixOf(kind))) return
    const storage = this.add(kind)
    storage.waiting = []
    const { heads, revision } = await this.store.heads(prefixOf(kind))
    const items = await this.#readAtStart(storage, heads, heads.length)
    await this.waitFor(revision)
    // From here on nothing is awaited, so that no change is applied in between.
    const late = storage.waiting.filter(change => change.revision > revision)
    storage.waiting = undefined
    storage.log.start(revision)
    storage.mirror.reset(items, revision)
    const changes: MirrorChange[] = []
    for (const change of late) {
      const made = this.#readable(change.key, () => this.#mirrorChange(storage, change, changes))
      if (made) changes.push(made)
    }
    storage.apply(changes, this.#revision)
    if (heads.length > maxReadAtOnce) void this.#readRest([storage])
  }

  /** Removes a kind whose objects have been deleted. Its watches end. */
  drop(kind: AnyKind): void {
    const storage = this.#byPrefix.get(prefixOf(kind))
    if (!storage) return
    this.#byPrefix.delete(prefixOf(kind))
    this.#byKind.delete(storage.kind)
    storage.log.end()
  }

  /** Whether the kind is stored here. */
  has(kind: AnyKind): boolean {
    return !kind.view && this.#byPrefix.has(prefixOf(kind))
  }

  /** The objects of a kind. Throws NotFound for a kind that is not stored. */
  of(kind: AnyKind): KindStorage {
    const storage = this.#byKind.get(kind) ?? this.#byPrefix.get(prefixOf(kind))
    if (!storage || kind.view) throw new StatusError('NotFound', 'the server could not find the requested resource')
    return storage
  }

  /** The mirror of a kind, with its type. */
  mirror<T extends KubeObject>(kind: Kind<T>): Mirror<T> {
    const mirror: AnyMirror = this.of(kind).mirror
    return mirror
  }

  /** Reads all objects from the store, and follows its changes from there. */
  async load(): Promise<void> {
    const { heads, revision } = await this.store.heads(root)
    const byKind = Map.groupBy(heads, ({ key }) => this.#owner(key))
    for (const storage of this.#byPrefix.values()) {
      const items = await this.#readAtStart(storage, byKind.get(storage) ?? [], heads.length)
      storage.log.start(revision)
      storage.mirror.reset(items, revision)
    }
    this.#revision = revision
    this.#watching = this.#follow(revision)
    if (heads.length > maxReadAtOnce) void this.#readRest([...this.#byPrefix.values()])
  }

  /** The items of present entries. If `count` is large, they are read later, unless they are encrypted. */
  async #readAtStart(storage: KindStorage, heads: readonly Head[], count: number): Promise<Item[]> {
    const { kind, transformer } = storage
    if (count > maxReadAtOnce && !transformer) {
      const { length } = prefixOf(kind)
      return heads.map(head => Item.unread(head.key.slice(length), head, storage))
    }
    const items: Item[] = []
    for (let i = 0; i < heads.length; i += loadedAtOnce) {
      const some = heads.slice(i, i + loadedAtOnce)
      const values = this.store.values(some)
      for (const [k, { key, revision }] of some.entries()) {
        const value = values[k]!
        // Only a seed that is not there yet is waited for.
        const fetching = transformer?.fetch(value)
        if (fetching) await fetching
        const item = this.#readable(key, () => this.#item(storage, key, value, revision))
        if (item) items.push(item)
      }
    }
    return items
  }

  /**
   * Reads the objects that nobody has asked for yet, a few at a time, so that requests go on. What cannot be read is left
   * out, which is noticed here at the latest.
   */
  async #readRest(storages: readonly KindStorage[]): Promise<void> {
    await this.clock.sleep(quietMs)
    for (const storage of storages) {
      const items = Array.from(storage.mirror.items()).sort((a, b) => a.revision - b.revision)
      for (let i = 0; i < items.length; i += restAtOnce) {
        await this.clock.sleep(1)
        if (this.#abort.signal.aborted) return
        await this.#readSome(storage, items.slice(i, i + restAtOnce))
      }
    }
  }

  async #readSome(storage: KindStorage, items: readonly Item[]): Promise<void> {
    try {
      storage.loadAll(items.filter(item => item.isUnloaded && storage.mirror.itemByKey(item.key) === item))
    } catch (error) {
      // The store says what it means for everything else.
      this.#log.error('stored objects cannot be read', { resource: storage.kind.plural, why: messageOf(error) })
      return
    }
    let until = this.clock.steady() + readSliceMs
    for (const item of items) {
      if (this.clock.steady() >= until) {
        await this.clock.sleep(1)
        if (this.#abort.signal.aborted) return
        until = this.clock.steady() + readSliceMs
      }
      isReadable(item)
    }
  }

  /** The items with the JSON that those which have none yet have in the store. Those that are no objects are left out. */
  async loaded(kind: AnyKind, items: readonly Item[]): Promise<readonly Item[]> {
    const unloaded = items.filter(item => item.isUnloaded)
    if (unloaded.length === 0) return items
    // The array may change from the first pause on.
    const all = Array.from(items)
    for (let i = 0; i < unloaded.length; i += loadedAtOnce) {
      if (i > 0) await this.clock.sleep(0)
      this.of(kind).loadAll(unloaded.slice(i, i + loadedAtOnce).filter(item => item.isUnloaded))
    }
    return all.filter(item => !item.isUnloaded)
  }

  async close(): Promise<void> {
    this.#abort.abort()
    this.#nextCompaction?.()
    await this.#watching
    this.#waiters.fail(new StatusError('ServiceUnavailable', 'the server is shutting down'))
  }

  /** Resolves when all writes acknowledged so far have been applied here, so that reads after it are linearizable. */
  async catchUp(signal?: AbortSignal): Promise<void> {
    await this.waitFor(await this.store.revision(), signal)
  }

  /** Resolves when all changes up to `revision` have been applied here. */
  async waitFor(revision: number, signal?: AbortSignal): Promise<void> {
    if (this.#failed) throw this.#failed
    if (this.#revision >= revision) return
    await this.#waiters.wait(revision, signal)
  }

  /** Writes an object, and returns it as its kind shows it. Throws as `Store.put` does. */
  async write(
    kind: AnyKind,
    object: Mutable<KubeObject>,
    expect: number | 'absent',
    requires?: ReadonlyMap<string, number>,
  ): Promise<Item> {
    const options = { expect, ...(requires?.size && { requires }) }
    if (!kind.versions) return this.#write(kind, object, options)
    return shownItem(kind, await this.#write(kind, await kind.versions.toStored(object), options))
  }

  async #write(kind: AnyKind, object: Mutable<KubeObject>, options: PutOptions): Promise<Item> {
    const { namespace = '', name = '' } = object.metadata
    // The revision is not known before the write. It is set when the bytes come back from the store.
    object.metadata.resourceVersion = unknownRevision
    const storage = this.of(kind)
    const key = storageKey(kind, namespace, name)
    const plain = Buffer.from(JSON.stringify(object))
    const bytes = storage.transformer ? storage.transformer.seal(key, plain) : plain
    if (bytes !== plain) this.#plain.set(bytes, plain)
    this.#written.set(bytes, object)
    const revision = await this.store.put(key, bytes, options)
    await this.waitFor(revision)
    const current: Item | undefined = storage.mirror.item(kind.namespaced ? namespace : undefined, name)
    return current?.revision === revision ? current : this.#item(storage, key, bytes, revision)
  }

  /** Whether the value of an item should be written again, though the object is the same: it has an old key, or none. */
  isStale(kind: AnyKind, item: Item): boolean {
    const { transformer } = this.of(kind)
    return (this.#writtenAs.get(item) ?? '') !== (transformer?.writesAs ?? '')
  }

  /** Throws InternalError if there is an object of this name that cannot be read. */
  checkReadable(kind: AnyKind, namespace: string, name: string): void {
    const why = this.#unreadable.size ? this.#unreadable.get(storageKey(kind, namespace, name)) : undefined
    if (why !== undefined) throw new StatusError('InternalError', `Internal error occurred: ${why}`)
  }

  /** Removes an object, and returns its last state at the revision of the removal. */
  async remove(kind: AnyKind, item: Item): Promise<Item> {
    const { namespace = '', name = '' } = item.object.metadata
    const revision = await this.store.delete(storageKey(kind, namespace, name), { expect: item.revision })
    await this.waitFor(revision)
    return atRevision(item, revision)
  }

  #owner(key: string): KindStorage | undefined {
    const end = key.indexOf('/', key.indexOf('/', root.length) + 1)
    return this.#byPrefix.get(key.slice(0, end + 1))
  }

  #item({ kind, transformer }: KindStorage, key: string, value: Uint8Array, revision: number): Item {
    const written = this.#written.get(value)
    if (written) this.#written.delete(value)
    const opened = transformer && this.#open(transformer, key, value)
    const plain = opened?.plain ?? value
    const object = written ?? parseStored(kind, plain)
    object.metadata.resourceVersion = String(revision)
    const item = new Item(freezeInTests(object), revision, plain)
    if (opened) this.#writtenAs.set(item, opened.writtenAs)
    return item
  }

  #open(transformer: Transformer, key: string, value: Uint8Array): { plain: Buffer; writtenAs: string } {
    const plain = this.#plain.get(value)
    this.#plain.delete(value)
    return plain ? { plain, writtenAs: transformer.writesAs } : transformer.open(key, value)
  }

  /** Reads stored bytes. When they are not an object they are left out, so that all others are served. */
  #readable<R>(key: string, read: () => R): R | undefined {
    try {
      const result = read()
      if (this.#unreadable.size) this.#unreadable.delete(key)
      return result
    } catch (error) {
      this.#leftOut(key, error)
      return undefined
    }
  }

  #leftOut(key: string, error: unknown): void {
    unreadable.add()
    const why = messageOf(error)
    if (this.#unreadable.size < maxUnreadable) this.#unreadable.set(key, why)
    this.#log.error('a stored object cannot be read and is left out', { key, why })
  }

  /** Reads a page of the state at a revision from the store. */
  async page(
    kind: AnyKind,
    prefix: string,
    options: { limit?: number; after?: string; at?: number },
  ): Promise<{ items: { key: string; item: Item }[]; revision: number; next?: string; remaining?: number }> {
    const storage = this.of(kind)
    const page = await this.store.list(prefix, options)
    await this.#fetch(storage, page.entries)
    return {
      items: page.entries.flatMap(({ key, value, revision }: Entry) => {
        const item = this.#readable(key, () => this.#item(storage, key, value, revision))
        return item ? [{ key, item }] : []
      }),
      revision: page.revision,
      ...(page.next !== undefined && { next: page.next }),
      ...(page.remaining !== undefined && { remaining: page.remaining }),
    }
  }

  /**
   * The changes of a kind after `after` and up to the beginning of its log, from the store's history. Throws Expired
   * when they have been compacted, or are too many.
   */
  async history(kind: AnyKind, after: number): Promise<MirrorChange[]> {
    const of = this.of(kind)
    const options = { after, upTo: of.log.startRevision, limit: maxHistory }
    const changes = await this.store.changes(prefixOf(of.kind), options)
    await this.#fetch(
      of,
      changes.flatMap(({ previous, ...change }) => [
        ...(previous ? [previous] : []),
        ...('value' in change ? [change] : []),
      ]),
    )
    return changes.flatMap((change): MirrorChange | [] => {
      const { key, revision, previous } = change
      const read = (bytes: Uint8Array, at: number) => this.#readable(key, () => this.#item(of, key, bytes, at))
      const before = previous && read(previous.value, previous.revision)
      if (change.type === 'delete') return before ? { type: 'DELETED', item: atRevision(before, revision), before } : []
      const item = read(change.value, revision)
      return item ? { type: before ? 'MODIFIED' : 'ADDED', item, before } : []
    })
  }

  async #follow(after: number): Promise<void> {
    try {
      for await (const changes of this.store.watch(root, { after, signal: this.#abort.signal })) {
        const fetching = this.#fetchChanges(changes)
        if (fetching) await fetching
        this.#apply(changes)
      }
    } catch (error) {
      if (this.#abort.signal.aborted) return
      this.#failed = error
      this.#waiters.fail(error)
    }
  }

  /** Fetches the seeds of what another server wrote. Values of this server have theirs, so nothing is awaited for them. */
  #fetchChanges(changes: readonly Change[]): Promise<void> | undefined {
    if (!this.#encryption) return undefined
    const missing = changes.flatMap(change => {
      if (change.type !== 'put' || this.#plain.has(change.value)) return []
      return this.#owner(change.key)?.transformer?.fetch(change.value) ?? []
    })
    if (!missing.length) return undefined
    // What cannot be fetched cannot be read, and is left out by name.
    return Promise.allSettled(missing).then(() => undefined)
  }

  async #fetch({ transformer }: KindStorage, entries: readonly { value: Uint8Array }[]): Promise<void> {
    await Promise.all(entries.flatMap(entry => transformer?.fetch(entry.value) ?? []))
  }

  #apply(changes: readonly Change[]): void {
    const byKind = new Map<KindStorage, MirrorChange[]>()
    for (const change of changes) {
      const storage = this.#owner(change.key)
      if (!storage) continue
      if (storage.waiting) {
        storage.waiting.push(change)
        continue
      }
      const list = byKind.get(storage) ?? []
      const made = this.#readable(change.key, () => this.#mirrorChange(storage, change, list))
      if (!made) continue
      list.push(made)
      byKind.set(storage, list)
    }
    const revision = changes.at(-1)?.revision ?? 0
    this.#revision = Math.max(this.#revision, revision)
    for (const [storage, list] of byKind) storage.apply(list, revision)
    this.#waiters.reach(this.#revision)
    this.#compactLater()
  }

  /** Compacts history before the last five minutes. Without writes, no timer is set. */
  #compactLater(): void {
    const upTo = this.#revision
    this.#nextCompaction ??= this.clock.after(historyMs, () => {
      this.#nextCompaction = undefined
      this.store.compact(upTo).catch((error: unknown) => this.#log.warn('cannot compact the store', { upTo, error }))
    })
  }

  /** @param earlier previous changes of the same batch, which are not yet in the mirror */
  #mirrorChange(storage: KindStorage, change: Change, earlier: readonly MirrorChange[]): MirrorChange | undefined {
    if (change.type === 'put') {
      const item = this.#item(storage, change.key, change.value, change.revision)
      return { type: 'MODIFIED', item, before: undefined }
    }
    const key = change.key.slice(prefixOf(storage.kind).length)
    const before = earlier.findLast(c => objectKey(c.item.object) === key)?.item ?? storage.mirror.itemByKey(key)
    return before && { type: 'DELETED', item: atRevision(before, change.revision), before: undefined }
  }
}

function isReadable(item: Item): boolean {
  try {
    return item.object !== undefined
  } catch {
    return false
  }
}

function atRevision(item: Item, revision: number): Item {
  return new Item(
    { ...item.object, metadata: { ...item.object.metadata, resourceVersion: String(revision) } },
    revision,
  )
}
