// Clients of the API of a cluster under chaos: writers of a few ConfigMaps that note what they have seen, watchers of
// them, and candidates for a Lease.
import type { Clock } from '../../src/base/clock.ts'
import { isReason } from '../../src/base/errors.ts'
import type { Random } from '../../src/base/random.ts'
import type { Serve } from '../../src/api/operation.ts'
import { type Client, leadWithLease } from '../../src/client/index.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import type { Change } from '../../src/store/store.ts'
import { below } from './clients.ts'
import type { Operation } from './history.ts'
import type { Leading, Seen, Watched } from './observed.ts'

export const namespace = 'default'
export const prefix = `/registry/core/configmaps/${namespace}/chaos-`
const names = ['chaos-a', 'chaos-b', 'chaos-c', 'chaos-d']
const labels = { app: 'chaos' }
const keyOf = (name: string) => `/registry/core/configmaps/${namespace}/${name}`
const revisionOf = ({ metadata }: ConfigMap) => Number(metadata.resourceVersion)

/** Counts the beginnings and ends of operations: in one process their order is that of time. */
export class Ticks {
  #last = 0
  next(): number {
    return ++this.#last
  }
}

/** Reads and writes one object after the other until the signal aborts. */
export async function runWriter(
  client: () => Client,
  name: string,
  random: Random,
  { clock, ticks, operations, signal }: { clock: Clock; ticks: Ticks; operations: Operation[]; signal: AbortSignal },
): Promise<void> {
  for (let i = 0; !signal.aborted; i++) {
    const asked = client()
    const object = names[below(random, names.length)]!
    const kind = random.float()
    const start = ticks.next()
    try {
      if (kind < 0.2) {
        const { items, revision } = await asked.list(ConfigMap, { namespace, labelSelector: 'app=chaos' })
        const seen = new Map(items.map(item => [keyOf(item.metadata.name!), revisionOf(item)]))
        operations.push({ type: 'list', start, end: ticks.next(), prefix, at: revision, seen })
      } else {
        const now = await asked.find(ConfigMap, { namespace, name: object })
        const seen = now ? revisionOf(now) : 0
        operations.push({ type: 'get', start, end: ticks.next(), key: keyOf(object), seen })
        if (kind > 0.4) await write(asked, object, now, kind > 0.9, `${name}-${i}`, ticks, operations)
      }
    } catch {
      // A read that failed has seen nothing.
    }
    await clock.sleep(200 + random.float() * 1500)
  }
}

async function write(
  client: Client,
  name: string,
  now: ConfigMap | undefined,
  deletes: boolean,
  value: string,
  ticks: Ticks,
  operations: Operation[],
): Promise<void> {
  const start = ticks.next()
  const key = keyOf(name)
  if (deletes && now) {
    const expect = revisionOf(now)
    // The answer has no revision: that of the deletion is looked up in the log.
    const gone = client.delete(ConfigMap, { namespace, name }, { resourceVersion: String(expect) }).then(() => 0)
    const outcome = await outcomeOf(gone)
    operations.push({ type: 'delete', start, end: ticks.next(), key, expect, outcome })
    return
  }
  const metadata = { name, namespace, labels }
  const written = now
    ? client.update(ConfigMap, { ...now, data: { value } })
    : client.create(ConfigMap, { metadata, data: { value } })
  const outcome = await outcomeOf(written.then(revisionOf))
  operations.push({ type: 'put', start, end: ticks.next(), key, value, outcome })
}

async function outcomeOf(write: Promise<number>): Promise<number | 'refused' | 'unknown'> {
  try {
    return await write
  } catch (error) {
    return isReason(error, 'Conflict', 'AlreadyExists', 'NotFound') ? 'refused' : 'unknown'
  }
}

/** The log as the writers see it: the value of their objects is what they wrote. */
export function logOf(changes: readonly Change[]): Change[] {
  const before = new Map<string, Change & { type: 'put' }>()
  return changes.map(change => {
    const last = before.get(change.key)
    if (change.type === 'put') {
      const value = change.key.startsWith(prefix)
        ? Buffer.from(valueOf(change.value))
        : Buffer.from(`${change.revision}`)
      const put = { ...change, value }
      before.set(change.key, put)
      return put
    }
    before.delete(change.key)
    return { ...change, ...(last && { previous: last }) }
  })
}

const valueOf = (bytes: Uint8Array): string =>
  (JSON.parse(Buffer.from(bytes).toString()) as ConfigMap).data?.value ?? ''

/** Gives deletions that were acknowledged the revision that they have in the log; -1 where there is none. */
export function withRevisions(log: readonly Change[], operations: readonly Operation[]): Operation[] {
  const deleted = new Map<string, number>()
  for (const change of log)
    if (change.type === 'delete' && change.previous)
      deleted.set(`${change.key} ${change.previous.revision}`, change.revision)
  return operations.map(op =>
    op.type === 'delete' && op.outcome === 0 ? { ...op, outcome: deleted.get(`${op.key} ${op.expect}`) ?? -1 } : op,
  )
}

/** The writes of the objects, as a watch must show them. */
export function writesOf(changes: readonly Change[]): Seen[] {
  const live = new Set<string>()
  const seen: Seen[] = []
  for (const { type, key, revision } of changes) {
    if (!key.startsWith(prefix)) continue
    seen.push({ type: type === 'delete' ? 'DELETED' : live.has(key) ? 'MODIFIED' : 'ADDED', key, revision })
    if (type === 'delete') live.delete(key)
    else live.add(key)
  }
  return seen
}

/** Watches the objects, and goes on where a watch has ended, or from a list when that is too old. */
export async function runWatcher(
  serve: () => Serve,
  watcher: string,
  { clock, watches, signal }: { clock: Clock; watches: Watched[]; signal: AbortSignal },
): Promise<void> {
  let watched: Watched | undefined
  while (!signal.aborted) {
    try {
      watched ??= await begin(serve(), watcher, watches)
      const after = watched.events.at(-1)?.revision ?? watched.after
      const options = { labelSelector: 'app=chaos', resourceVersion: String(after), allowWatchBookmarks: true }
      const result = await serve()({ ...asked, verb: 'watch', options: { ...options, timeoutSeconds: 120 }, signal })
      if (result.type !== 'watch') throw new Error(`a ${result.type} is no watch`)
      for await (const events of result.events)
        for (const { type, item } of events) {
          if (type === 'ERROR') throw new Error(String((item.object as { reason?: string }).reason))
          const { metadata } = item.object
          const revision = Number(metadata.resourceVersion)
          watched.events.push({ type, key: type === 'BOOKMARK' ? '' : keyOf(metadata.name!), revision })
        }
    } catch (error) {
      if (isReason(error, 'Expired', 'Gone') || /Expired/.test(String(error))) watched = undefined
      await clock.sleep(500)
    }
  }
}

const asked = {
  kind: ConfigMap,
  namespace,
  name: '',
  subresource: '',
  user: { name: 'watcher', groups: ['system:masters', 'system:authenticated'] },
  userAgent: 'watcher',
}

async function begin(serve: Serve, watcher: string, watches: Watched[]): Promise<Watched> {
  const result = await serve({ ...asked, verb: 'list', options: { labelSelector: 'app=chaos' } })
  if (result.type !== 'list') throw new Error(`a ${result.type} is no list`)
  const watched: Watched = { watcher, after: result.revision, events: [] }
  watches.push(watched)
  return watched
}

/** Wants a Lease, and works while it has it. */
export async function runCandidate(
  client: Client,
  holder: string,
  { random, leading, signal }: { random: Random; leading: Leading[]; signal: AbortSignal },
): Promise<void> {
  const { clock } = client
  const lease = 'fought'
  await leadWithLease({ client, name: lease, identity: holder, random, signal }, async (until, holds) => {
    const term: Leading = { lease, holder, from: clock.steady(), to: clock.steady() }
    leading.push(term)
    while (!until.aborted) {
      if (holds()) term.to = clock.steady()
      await clock.sleep(100, until).catch(() => {})
    }
  })
}
