// Watches. A watch is a position in the change log of its kind: it gives the changes from there on that match, and
// waits for more. It begins with the present state, or with the changes after a revision:
//
//   none, 0, sendInitialEvents ──► the present state as ADDED ──┐
//   a revision in the log      ─────────────────────────────────┼──► changes from a position on ──► timeout, abort,
//   an older one               ──► the store's history ─────────┘                                   fell behind
//
// - The state and the position that follows it are taken in one turn of the event loop, so no change is lost between
//   them. The position counts from the moment when `watch` resolves, even if the first read comes later.
// - Events of one object are in the order of its writes, none twice and none left out. Their revisions rise.
// - An object that begins to match the selector is ADDED. One that ceases to match is DELETED, with its last matching
//   state at the revision of the change.
// - A bookmark has a revision up to which all events have been sent. It is sent at most once a minute, and with initial
//   events once at their end.
// - A watch that is too slow for the log ends without an error, and its client begins again. Nothing is kept for it.
// - Watches with the same selection and position share events and their encoded bytes.
// - The iterator ends at the timeout, or when the signal aborts. Returning from it early stops its timers.
//
// Source: API concepts "efficient detection of changes", KEP-956 (bookmarks), KEP-3157 (watch-list).
import { joined } from '../base/waiters.ts'
import type { Clock } from '../base/clock.ts'
import { goQuote } from '../base/go-text.ts'
import { StatusError } from '../base/errors.ts'
import { asObject, type AnyKind } from '../api/kind.ts'
import { Item, type MirrorChange } from '../api/mirror.ts'
import type { Operation, WatchEvent } from '../api/operation.ts'
import { statusOf } from './errors.ts'
import { tooLarge } from '../store/index.ts'
import { type Filter, filterOf, makeReadable, passes } from './lists.ts'
import type { Storage } from './storage.ts'
import { shownItems } from './versions.ts'

const bookmarkEveryMs = 60_000

interface Start {
  events: WatchEvent[]
  position: number
}

/** Starts a watch and returns batches of its events. Throws Expired when its revision has been compacted. */
export async function watch(storage: Storage, operation: Operation): Promise<AsyncIterable<readonly WatchEvent[]>> {
  const { options } = operation
  const filter = filterOf(operation)
  const asked = options.resourceVersion ?? ''
  if (asked !== '' && !/^\d+$/.test(asked))
    throw new StatusError(
      '',
      `resourceVersion: Invalid value: ${goQuote(asked)}: strconv.ParseUint: parsing ${goQuote(asked)}: invalid syntax`,
    )
  const fromNow = asked === '' || asked === '0'
  if (fromNow) await storage.catchUp(operation.signal)
  else if (Number(asked) > storage.revision) {
    const newest = await storage.store.revision()
    if (options.sendInitialEvents && Number(asked) > newest) return failed(tooLarge(Number(asked), newest))
    await storage.waitFor(Math.min(Number(asked), newest), operation.signal)
  }
  const { events, position } = await startOf(storage, operation, filter, fromNow ? undefined : Number(asked))
  const found = stream(storage, operation, filter, events, position)
  return operation.kind.versions ? shownEvents(operation.kind, found) : found
}

/** The events of a watch as the kind shows them. A conversion that fails ends the watch with an error. */
async function* shownEvents(
  kind: AnyKind,
  batches: AsyncIterable<readonly WatchEvent[]>,
): AsyncGenerator<readonly WatchEvent[]> {
  try {
    for await (const batch of batches) {
      const objects = batch.filter(event => isObjectEvent(event))
      const items = await shownItems(
        kind,
        objects.map(event => event.item),
      )
      const left = [...items]
      yield batch.map(event => (isObjectEvent(event) ? { ...event, item: left.shift()! } : event))
    }
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    yield [{ type: 'ERROR', item: new Item(asObject(statusOf(error)), 0) }]
  }
}

const isObjectEvent = ({ type }: WatchEvent) => type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED'

/** A watch with only an error. */
async function* failed(error: StatusError): AsyncGenerator<readonly WatchEvent[]> {
  yield [{ type: 'ERROR', item: new Item(asObject(statusOf(error)), 0) }]
}

/** The events with which a watch begins, and the position after them. */
async function startOf(
  storage: Storage,
  { kind, options }: Operation,
  filter: Filter,
  after: number | undefined,
): Promise<Start> {
  const of = storage.of(kind)
  if (options.sendInitialEvents ?? after === undefined) {
    const [items, revision, position] = [of.sorted(filter.namespace), storage.revision, of.log.endPosition]
    await makeReadable(kind, filter, () => items)
    const events: WatchEvent[] = []
    for (const item of items) if (passes(kind, filter, item)) events.push({ type: 'ADDED', item })
    // Clients that do not use sendInitialEvents get this bookmark as well.
    if (options.allowWatchBookmarks) events.push(bookmark(kind, revision, true))
    return { events, position }
  }
  if (after === undefined) return { events: [], position: of.log.endPosition }
  const position = of.log.positionAfter(after)
  if (position !== undefined) return { events: [], position }
  // Taken before the history is awaited, because the log may move on meanwhile.
  const start = of.log.positionAfter(of.log.startRevision)!
  const history = await storage.history(kind, after)
  await makeReadable(kind, filter, () => itemsOf(history))
  return { events: history.flatMap(change => filtered(kind, filter, change)), position: start }
}

const itemsOf = (changes: readonly MirrorChange[]): Item[] =>
  changes.flatMap(({ item, before }) => (before ? [before, item] : [item]))

async function* stream(
  storage: Storage,
  operation: Operation,
  filter: Filter,
  first: readonly WatchEvent[],
  start: number,
): AsyncGenerator<readonly WatchEvent[]> {
  const { kind, options } = operation
  const { log } = storage.of(kind)
  const { labelSelector, fieldSelector } = options
  const selection = JSON.stringify([kind.apiVersion, filter.namespace, operation.name, labelSelector, fieldSelector])
  const ending = new AbortController()
  const end = () => ending.abort()
  const cancelTimeout = options.timeoutSeconds ? storage.clock.after(options.timeoutSeconds * 1000, end) : undefined
  operation.signal?.addEventListener('abort', end, { once: true })
  if (operation.signal?.aborted) end()
  const bookmarks = options.allowWatchBookmarks ? new Bookmarks(storage.clock) : undefined
  try {
    if (first.length) yield first
    for (let position = start; !ending.signal.aborted; ) {
      const [changes, revision] = [log.from(position), storage.revision]
      if (!changes) return
      const waiting = makeReadable(kind, filter, () => itemsOf(changes))
      if (waiting) await waiting
      const events = log.view(position, selection, changes, () =>
        changes.flatMap(change => filtered(kind, filter, change)),
      )
      position += changes.length
      if (events.length) yield events
      if (changes.length) continue
      // Not after events: there may have been more while a slow client took them, and a bookmark would pass those.
      if (bookmarks?.takeDue()) yield [bookmark(kind, revision, false)]
      await quietly(bookmarks, ending.signal, signal => log.reach(position, signal))
      await operation.gather?.()
    }
  } finally {
    end()
    bookmarks?.stop()
    cancelTimeout?.()
    operation.signal?.removeEventListener('abort', end)
  }
}

/** Waits for a change, the time of the next bookmark, or the end. */
async function quietly(
  bookmarks: Bookmarks | undefined,
  ending: AbortSignal,
  wait: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { signal, release } = joined(ending, bookmarks?.due)
  try {
    await wait(signal)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    release()
  }
}

/** The timer of bookmarks. */
class Bookmarks {
  readonly #clock: Clock
  #timer: () => void
  #due = new AbortController()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#timer = this.#arm()
  }

  /** A signal that aborts when the next bookmark is due. */
  get due(): AbortSignal {
    return this.#due.signal
  }

  /** Whether a bookmark is due. If so, the next one is due a period later. */
  takeDue(): boolean {
    if (!this.#due.signal.aborted) return false
    this.#due = new AbortController()
    this.#timer = this.#arm()
    return true
  }

  stop(): void {
    this.#timer()
  }

  #arm(): () => void {
    return this.#clock.after(bookmarkEveryMs, () => this.#due.abort())
  }
}

/** The event of a change for a selection, which an object may enter and leave without being created or deleted. */
function filtered(kind: AnyKind, filter: Filter, { type, item, before }: MirrorChange): WatchEvent[] {
  const was = before !== undefined && passes(kind, filter, before)
  const is = type !== 'DELETED' && passes(kind, filter, item)
  if (is) return [{ type: was ? 'MODIFIED' : 'ADDED', item }]
  if (was) return [{ type: 'DELETED', item: type === 'DELETED' ? item : lastState(before, item) }]
  return []
}

/** The last state of an object that matched, at the revision at which it ceased to match. */
function lastState(before: Item, now: Item): Item {
  const metadata = { ...before.object.metadata, resourceVersion: String(now.revision) }
  return new Item({ ...before.object, metadata }, now.revision)
}

function bookmark(kind: AnyKind, revision: number, initialEnd: boolean): WatchEvent {
  const metadata = {
    resourceVersion: String(revision),
    ...(initialEnd && { annotations: { 'k8s.io/initial-events-end': 'true' } }),
  }
  return { type: 'BOOKMARK', item: new Item({ kind: kind.kind, apiVersion: kind.apiVersion, metadata }, revision) }
}
