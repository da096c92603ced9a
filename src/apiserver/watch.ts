// Watches: replay from the window of recent changes, then live from the mirror, filtered per watcher.
//
//   revision asked for ──► window (what happened since) ──► live changes ──► … ──► timeout, slow reader, abort
//        or none       ──► the present state as ADDED   ──►
//
// Sources: API concepts "efficient detection of changes", KEP-956 (bookmarks), KEP-3157 (watch-list).
import type { Clock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'
import type { AnyKind } from '../api/kind.ts'
import { Item, type MirrorChange } from '../api/mirror.ts'
import type { Operation, WatchEvent } from '../api/operation.ts'
import { type Filter, filterOf, passes } from './lists.ts'
import type { Storage } from './storage.ts'

/** Events that may wait for a slow reader before its watch is ended; it then resumes or lists again. */
const maxBacklog = 20_000
const bookmarkEveryMs = 60_000

/** Starts a watch; its events end at the timeout, or when the reader falls too far behind. */
export async function watch(storage: Storage, operation: Operation): Promise<AsyncIterable<readonly WatchEvent[]>> {
  const { kind, options } = operation
  const filter = filterOf(operation)
  const asked = options.resourceVersion ?? ''
  if (asked !== '' && !/^\d+$/.test(asked))
    throw new StatusError('BadRequest', `invalid resource version: ${JSON.stringify(asked)}`)
  const fromNow = asked === '' || asked === '0'
  if (fromNow) await storage.fresh(operation.signal)
  else if (Number(asked) > storage.revision)
    await storage.waitFor(Math.min(Number(asked), await storage.store.revision()), operation.signal)
  const of = storage.of(kind)
  const backlog: WatchEvent[] = []
  // From here to the subscription nothing may wait, or a change would be missed.
  const initial = options.sendInitialEvents ?? fromNow
  if (initial) {
    for (const item of of.sorted(filter.namespace))
      if (passes(kind, filter, item)) backlog.push({ type: 'ADDED', item })
    if (options.sendInitialEvents) backlog.push(bookmark(kind, storage.revision, true))
  } else if (!fromNow) for (const change of of.since(Number(asked))) pushFiltered(backlog, kind, filter, change)
  return stream(storage, operation, filter, backlog)
}

async function* stream(
  storage: Storage,
  operation: Operation,
  filter: Filter,
  backlog: WatchEvent[],
): AsyncGenerator<readonly WatchEvent[]> {
  const { kind, options, signal } = operation
  const done = new AbortController()
  let wake: () => void = () => {}
  const end = () => (done.abort(), wake())
  const unsubscribe = storage.of(kind).mirror.subscribe(changes => {
    for (const change of changes) pushFiltered(backlog, kind, filter, change)
    if (backlog.length > maxBacklog) end()
    wake()
  })
  const cancelBookmarks = options.allowWatchBookmarks
    ? every(storage.clock, bookmarkEveryMs, () => (backlog.push(bookmark(kind, storage.revision, false)), wake()))
    : undefined
  const cancelTimeout = options.timeoutSeconds ? storage.clock.after(options.timeoutSeconds * 1000, end) : undefined
  signal?.addEventListener('abort', end, { once: true })
  try {
    while (!done.signal.aborted && !signal?.aborted) {
      if (backlog.length) yield backlog.splice(0)
      else await new Promise<void>(resolve => (wake = resolve))
    }
  } finally {
    unsubscribe()
    cancelBookmarks?.()
    cancelTimeout?.()
    signal?.removeEventListener('abort', end)
  }
}

/** An object may come into or fall out of a watcher's selection without being made or deleted. */
function pushFiltered(out: WatchEvent[], kind: AnyKind, filter: Filter, { type, item, before }: MirrorChange): void {
  const was = before !== undefined && passes(kind, filter, before)
  const is = type !== 'DELETED' && passes(kind, filter, item)
  if (is) out.push({ type: was ? 'MODIFIED' : 'ADDED', item })
  else if (was) out.push({ type: 'DELETED', item: type === 'DELETED' ? item : lastState(before, item) })
}

// Who watches a selection sees the object as it was when it still belonged to it, at the revision of the change.
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

function every(clock: Clock, periodMs: number, fn: () => void): () => void {
  let cancel = clock.after(periodMs, function again() {
    fn()
    cancel = clock.after(periodMs, again)
  })
  return () => cancel()
}
