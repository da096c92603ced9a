// The objects of one kind as the API server has them.
import { messageOf, StatusError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import { type Item, type ItemReader, logMirrorFailures, Mirror, type MirrorChange } from '../api/mirror.ts'
import { fillNilLists } from '../api/schema/nil.ts'
import { asJson, type JsonObject, type Mutable } from '../api/schema/node.ts'
import type { Change, Store } from '../store/index.ts'
import { ChangeLog } from './change-log.ts'
import type { Transformer } from './encryption/encryption.ts'
import { encryptedPrefix, startsWith } from './encryption/provider.ts'
import { SortedItems, sortByKey, withPast } from './sorted.ts'
import { parseJson } from '../wire/json.ts'

export const root = '/registry/'

export const prefixOf = (kind: AnyKind): string => `${root}${kind.group || 'core'}/${kind.plural}/`
export const storageKey = (kind: AnyKind, namespace: string, name: string): string =>
  prefixOf(kind) + (kind.namespaced ? `${namespace}/${name}` : name)

/** Limits of namespaces whose items are kept sorted, of labels with an index, and of labels that are counted. */
const maxSorted = 64
const maxLabelIndexes = 16
const maxAskedLabels = 1000
/** After this many lists by a label it gets an index. */
const listsUntilIndex = 3

/** The objects of one kind: mirror, change log, and orders and indexes for lists. It reads objects from the store. */
export class KindStorage implements ItemReader {
  readonly kind: AnyKind
  readonly mirror: Mirror
  readonly log = new ChangeLog()
  /** Encrypts the objects in the store; undefined if they are stored as they are. */
  transformer: Transformer | undefined
  /** Changes that came while the objects were read; undefined once they have been. */
  waiting: Change[] | undefined
  /** Sorted items by namespace, with '' for all. */
  readonly #sorted = new Map<string, SortedItems>()
  /** The number of lists by each label without an index. */
  readonly #askedLabels = new Map<string, number>()
  readonly #indexedLabels = new Set<string>()

  readonly #store: Store
  readonly #onUnreadable: (key: string, error: unknown) => void

  /** @param onUnreadable is called with the key in the store of each object that turns out to be unreadable */
  constructor(kind: AnyKind, store: Store, log: Log, onUnreadable: (key: string, error: unknown) => void) {
    this.kind = kind
    this.#store = store
    this.mirror = new Mirror(logMirrorFailures(log, kind.plural))
    this.#onUnreadable = onUnreadable
  }

  /** Reads the bytes of an object when they are asked for first. */
  load(key: string, revision: number): Uint8Array {
    const [stored] = this.#store.values([{ key: prefixOf(this.kind) + key, revision }])
    if (stored && looksLikeObject(stored)) return stored
    this.#leaveOut(key, revision, noObject())
    throw new StatusError('InternalError', `Internal error occurred: ${noObject().message}`)
  }

  /**
   * Reads the bytes of unloaded items, which is far cheaper together. Leaves out those that are no objects, and they stay
   * unloaded. Throws when the store cannot be read.
   */
  loadAll(items: readonly Item[]): void {
    const prefix = prefixOf(this.kind)
    const values = this.#store.values(items.map(({ key, revision }) => ({ key: prefix + key, revision })))
    for (const [i, item] of items.entries()) {
      const stored = values[i]!
      if (looksLikeObject(stored)) item.load(stored)
      else this.#leaveOut(item.key, item.revision, noObject())
    }
  }

  /** Reads an object when it is asked for first. One that cannot be read is left out from then on. */
  read(key: string, stored: Uint8Array, revision: number): KubeObject {
    try {
      const object = parseStored(this.kind, stored)
      object.metadata.resourceVersion = String(revision)
      return freezeInTests(object)
    } catch (error) {
      this.#leaveOut(key, revision, error)
      throw new StatusError('InternalError', `Internal error occurred: ${messageOf(error)}`, { cause: error })
    }
  }

  #leaveOut(key: string, revision: number, error: unknown): void {
    // What was there before another write may be unreadable as well, and says nothing of what is there now.
    if (this.mirror.itemByKey(key)?.revision !== revision) return
    this.mirror.leaveOut(key)
    this.#sorted.clear()
    this.#onUnreadable(prefixOf(this.kind) + key, error)
  }

  /** All items, or those of one namespace, sorted by key. The array is valid until the next change. */
  sorted(namespace = ''): readonly Item[] {
    let sorted = this.#sorted.get(namespace)
    if (!sorted) {
      if (this.#sorted.size >= maxSorted) this.#sorted.clear()
      this.#sorted.set(namespace, (sorted = new SortedItems(this.mirror.items(namespace || undefined))))
    }
    return sorted.items
  }

  /**
   * The items as they were at a revision, sorted by key; undefined if the log of changes does not go back to it. The array is
   * valid until the next change.
   */
  sortedAt(namespace: string, revision: number): readonly Item[] | undefined {
    let position = this.log.positionAfter(revision)
    if (position === undefined) return undefined
    const past = new Map<string, Item | undefined>()
    for (let changes = this.log.from(position); changes?.length; changes = this.log.from(position)) {
      for (const { item, before } of changes)
        if ((!namespace || item.namespace === namespace) && !past.has(item.key)) past.set(item.key, before)
      position += changes.length
    }
    return past.size ? withPast(this.sorted(namespace), past) : this.sorted(namespace)
  }

  /** The items that have one of the values of a label, sorted by key; undefined for a label without an index. */
  labelled(label: string, values: readonly string[]): readonly Item[] | undefined {
    if (!this.#indexedLabels.has(label)) {
      if (this.#indexedLabels.size >= maxLabelIndexes || this.#askedLabels.size > maxAskedLabels) return undefined
      const asked = (this.#askedLabels.get(label) ?? 0) + 1
      this.#askedLabels.set(label, asked)
      if (asked < listsUntilIndex) return undefined
      this.#indexedLabels.add(label)
    }
    const keys = ({ metadata }: KubeObject): readonly string[] => {
      const value = metadata.labels?.[label]
      return value === undefined ? [] : [value]
    }
    const found = values.flatMap(value => [...this.mirror.itemsByIndex(`label ${label}`, keys, value)])
    return sortByKey(found)
  }

  apply(changes: readonly MirrorChange[], revision: number): void {
    const applied = this.mirror.apply(changes, revision)
    // What is no longer present is loaded while it can be: the store may compact it at any time from now on.
    for (const { before } of applied) if (before?.isUnloaded) before.tryLoading()
    for (const change of applied)
      for (const namespace of new Set(['', change.item.namespace]))
        if (this.#sorted.get(namespace)?.apply(change) === false) this.#sorted.delete(namespace)
    this.log.append(applied)
  }
}

/** Throws for bytes that are not an object, and for those of a kind that is no longer encrypted. */
export function parseStored(kind: AnyKind, value: Uint8Array): Mutable<KubeObject> {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (startsWith(bytes, encryptedPrefix)) throw new Error('identity transformer tried to read encrypted data')
  const object = parseJson(bytes.toString()) as Mutable<KubeObject>
  fillNilLists(kind.schema, asJson(object))
  return object
}

const noObject = () => new Error('the stored bytes are no object in JSON')

/** Whether bytes may be an object in JSON. Whether they are is clear only when it is read. */
const looksLikeObject = (value: Uint8Array): boolean => value[0] === 0x7b && value.at(-1) === 0x7d

const freezing = process.env.KUTTER_FREEZE === '1'

export function freezeInTests(object: KubeObject): KubeObject {
  return freezing ? deepFreeze(object) : object
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value as JsonObject)) deepFreeze(inner)
  return Object.freeze(value)
}
