// The bridge between objects and the store's bytes: one mirror per kind, kept current by one watch over the
// whole store, and a window of recent changes per kind from which watches resume. All reads but old pages
// come from here.
import type { Clock } from '../base/clock.ts'
import { messageOf, StatusError } from '../base/errors.ts'
import { type Log, silentLog } from '../base/log.ts'
import { counter } from '../base/metrics.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import { Item, logMirrorFailures, Mirror, type MirrorChange, objectKey, unknownRevision } from '../api/mirror.ts'
import type { JsonObject } from '../api/schema/node.ts'
import type { Change, Entry, Store } from '../store/index.ts'

const root = '/registry/'
/** Changes remembered per kind for watches that resume. */
const maxWindow = 4096

const unreadable = counter('kutter_storage_unreadable_total', 'Stored objects that cannot be read and are not served.')

export const prefixOf = (kind: AnyKind): string => `${root}${kind.group || 'core'}/${kind.plural}/`
export const storageKey = (kind: AnyKind, namespace: string, name: string): string =>
  prefixOf(kind) + (kind.namespaced ? `${namespace}/${name}` : name)

/** What is known of one kind. */
export class KindStorage {
  readonly kind: AnyKind
  readonly mirror: Mirror
  /** Every change after `windowStart`, oldest first. */
  window: MirrorChange[] = []
  windowStart = 0
  #sorted: Item[] | undefined

  constructor(kind: AnyKind, log: Log) {
    this.kind = kind
    this.mirror = new Mirror(logMirrorFailures(log, kind.plural))
  }

  /** All items, or those of one namespace, in the order of their keys. */
  sorted(namespace?: string): readonly Item[] {
    if (namespace) return sortByKey([...this.mirror.items(namespace)])
    return (this.#sorted ??= sortByKey([...this.mirror.items()]))
  }

  apply(changes: readonly MirrorChange[], revision: number): void {
    this.#sorted = undefined
    this.window.push(...this.mirror.apply(changes, revision))
    if (this.window.length <= maxWindow * 1.25) return
    const cut = this.window.length - maxWindow
    this.windowStart = this.window[cut - 1]!.item.revision
    this.window = this.window.slice(cut)
  }

  /** The changes after `revision`. Throws Expired when the window no longer reaches back that far. */
  since(revision: number): MirrorChange[] {
    if (revision < this.windowStart) {
      throw new StatusError('Expired', `too old resource version: ${revision} (${this.windowStart})`)
    }
    return this.window.filter(change => change.item.revision > revision)
  }
}

export function sortByKey(items: Item[]): Item[] {
  const key = ({ object: { metadata } }: Item) => `${metadata.namespace ?? ''}/${metadata.name}`
  return items
    .map(item => ({ item, key: key(item) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ item }) => item)
}

export class Storage {
  readonly store: Store
  readonly clock: Clock
  readonly #log: Log
  readonly #byPrefix = new Map<string, KindStorage>()
  readonly #byKind = new Map<AnyKind, KindStorage>()
  readonly #abort = new AbortController()
  /** Objects just written, by the very bytes handed to the store: saves parsing them again. */
  readonly #written = new WeakMap<Uint8Array, KubeObject>()
  #revision = 0
  #waiters: { revision: number; resolve: () => void; reject: (reason: unknown) => void }[] = []
  #failed: unknown
  #watching: Promise<void> | undefined

  constructor(store: Store, clock: Clock, log: Log = silentLog) {
    this.store = store
    this.clock = clock
    this.#log = log
  }

  /** The newest revision applied here. */
  get revision(): number {
    return this.#revision
  }

  /** Starts serving kinds: to be called before `load`, or later for a kind that comes at run time. */
  add(kind: AnyKind): KindStorage {
    const storage = new KindStorage(kind, this.#log)
    this.#byPrefix.set(prefixOf(kind), storage)
    this.#byKind.set(kind, storage)
    return storage
  }

  /** Whether objects of this kind are kept here. */
  has(kind: AnyKind): boolean {
    return this.#byKind.has(kind)
  }

  /** What is kept of a kind. Throws NotFound for one that is not stored. */
  of(kind: AnyKind): KindStorage {
    const storage = this.#byKind.get(kind) ?? this.#byPrefix.get(prefixOf(kind))
    if (!storage || kind.view) throw new StatusError('NotFound', 'the server could not find the requested resource')
    return storage
  }

  /** The mirror of a kind, typed. */
  mirror<T extends KubeObject>(kind: Kind<T>): Mirror<T> {
    return this.of(kind).mirror as unknown as Mirror<T>
  }

  /** Reads everything once and follows the store from there. */
  async load(): Promise<void> {
    const byKind = new Map<KindStorage, Item[]>()
    const { entries, revision } = await this.store.list(root)
    for (const entry of entries) {
      const storage = this.#owner(entry.key)
      if (!storage) continue
      const items = byKind.get(storage) ?? []
      const item = this.#readable(entry.key, () => this.#item(entry.value, entry.revision))
      if (item) items.push(item)
      byKind.set(storage, items)
    }
    for (const storage of this.#byPrefix.values()) {
      storage.windowStart = revision
      storage.mirror.reset(byKind.get(storage) ?? [], revision)
    }
    this.#revision = revision
    this.#watching = this.#follow(revision)
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await this.#watching
    for (const waiter of this.#waiters)
      waiter.reject(new StatusError('ServiceUnavailable', 'the server is shutting down'))
  }

  /** Resolves when everything acknowledged so far is visible here: reads after it are linearizable. */
  async fresh(signal?: AbortSignal): Promise<void> {
    await this.waitFor(await this.store.revision(), signal)
  }

  async waitFor(revision: number, signal?: AbortSignal): Promise<void> {
    if (this.#failed) throw this.#failed
    if (this.#revision >= revision) return
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ revision, resolve, reject })
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }

  /** Writes an object and returns it as stored. Throws StoreConflict when `expect` no longer holds. */
  async write(kind: AnyKind, object: KubeObject, expect: number | 'absent'): Promise<Item> {
    const { namespace = '', name = '' } = object.metadata
    // The revision is not known before the write: it is put in when the bytes are read back.
    object.metadata.resourceVersion = unknownRevision
    const bytes = Buffer.from(JSON.stringify(object))
    this.#written.set(bytes, object)
    const revision = await this.store.put(storageKey(kind, namespace, name), bytes, { expect })
    await this.waitFor(revision)
    const current: Item | undefined = this.of(kind).mirror.item(kind.namespaced ? namespace : undefined, name)
    return current?.revision === revision ? current : this.#item(bytes, revision)
  }

  /** Removes an object and returns its last state at the revision of the removal. */
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

  #item(value: Uint8Array, revision: number): Item {
    const object =
      this.#written.get(value) ??
      (JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()) as KubeObject)
    this.#written.delete(value)
    object.metadata.resourceVersion = String(revision)
    return new Item(freezeInTests(object), revision, value)
  }

  /** Stored bytes that are no object are left out by name: everything else is served. */
  #readable<R>(key: string, read: () => R): R | undefined {
    try {
      return read()
    } catch (error) {
      unreadable.add()
      this.#log.error('stored object left out: it cannot be read', { key, why: messageOf(error) })
      return undefined
    }
  }

  /** Reads a page as it was at `at`. */
  async page(
    kind: AnyKind,
    prefix: string,
    options: { limit?: number; after?: string; at?: number },
  ): Promise<{ items: { key: string; item: Item }[]; revision: number; next?: string; remaining?: number }> {
    const page = await this.store.list(prefix, options)
    return {
      items: page.entries.flatMap(({ key, value, revision }: Entry) => {
        const item = this.#readable(key, () => this.#item(value, revision))
        return item ? [{ key, item }] : []
      }),
      revision: page.revision,
      ...(page.next !== undefined && { next: page.next }),
      ...(page.remaining !== undefined && { remaining: page.remaining }),
    }
  }

  async #follow(after: number): Promise<void> {
    try {
      for await (const changes of this.store.watch(root, { after, signal: this.#abort.signal })) this.#apply(changes)
    } catch (error) {
      if (this.#abort.signal.aborted) return
      this.#failed = error
      for (const waiter of this.#waiters) waiter.reject(error)
    }
  }

  #apply(changes: readonly Change[]): void {
    const byKind = new Map<KindStorage, MirrorChange[]>()
    for (const change of changes) {
      const storage = this.#owner(change.key)
      if (!storage) continue
      const list = byKind.get(storage) ?? []
      const made = this.#readable(change.key, () => this.#mirrorChange(storage, change, list))
      if (!made) continue
      list.push(made)
      byKind.set(storage, list)
    }
    const revision = changes.at(-1)?.revision ?? 0
    this.#revision = Math.max(this.#revision, revision)
    for (const [storage, list] of byKind) storage.apply(list, revision)
    const ready = this.#waiters.filter(w => w.revision <= this.#revision)
    this.#waiters = this.#waiters.filter(w => w.revision > this.#revision)
    for (const waiter of ready) waiter.resolve()
  }

  /** `earlier` are the changes of the same batch, not yet in the mirror. */
  #mirrorChange(storage: KindStorage, change: Change, earlier: readonly MirrorChange[]): MirrorChange | undefined {
    if (change.type === 'put')
      return { type: 'MODIFIED', item: this.#item(change.value!, change.revision), before: undefined }
    const key = change.key.slice(prefixOf(storage.kind).length)
    const before = earlier.findLast(c => objectKey(c.item.object) === key)?.item ?? storage.mirror.itemByKey(key)
    return before && { type: 'DELETED', item: atRevision(before, change.revision), before: undefined }
  }
}

function atRevision(item: Item, revision: number): Item {
  return new Item(
    { ...item.object, metadata: { ...item.object.metadata, resourceVersion: String(revision) } },
    revision,
  )
}

const freezing = process.env.KUTTER_FREEZE === '1'

function freezeInTests(object: KubeObject): KubeObject {
  return freezing ? deepFreeze(object) : object
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value as JsonObject)) deepFreeze(inner)
  return Object.freeze(value)
}
