// What was observed of a cluster whose store was restored from snapshots, judged for each part of its time by the history
// that counts in it. A restore begins another era: what was written after its snapshot is lost, and all else is kept.
//
//   era 0:  1 ── 2 ── 3 ── 4 ── 5        a snapshot is taken at 3
//                     └─── 1000000006 ── 1000000007      era 1: restored from it, so 4 and 5 are lost
import type { Change, Entry, Revision } from '../../src/store/store.ts'
import { type Operation, type Past, violations } from './history.ts'
import { logOf, withRevisions, writesOf } from './objects.ts'
import { givenTwice, type Running, runsTwice, type Watched, wrongWatches } from './observed.ts'
import { claimsOf, leftBehind, placesOf } from './workloads.ts'

/** The time of a cluster from one restore to the next. */
export interface Era {
  /** The era in which the snapshot was taken that it began with, by its index; its own for the first, without one. */
  from: number
  /** The revision of the snapshot; 0 without one. */
  kept: Revision
  /** The newest revision when it began. */
  begins: Revision
  /** What the store held when it began. */
  entries: readonly Entry[]
  /** What was written in it. */
  changes: readonly Change[]
}

/** When an era began. */
export interface Beginning {
  /** By the clock of the cluster. */
  at: number
  /** By the count of the beginnings and ends of operations. */
  tick: number
}

export interface Observations {
  operations: readonly Operation[]
  watches: readonly Watched[]
  running: readonly Running[]
}

/** What a restore has lost may run for so long: until its node can be reached and has listed its pods. */
const strayMs = 10 * 60_000

/** Everything that is wrong with what was observed, each thing once. Each era has its beginning. */
export function wrongEras(eras: readonly Era[], beginnings: readonly Beginning[], seen: Observations): string[] {
  const found = eras.flatMap((era, i) => {
    const { changes, past } = historyOf(eras, i)
    const log = logOf(changes)
    // A pod that had gone before the snapshot runs again where an era between had its object: that is lost like any other.
    const live = [...era.entries.map(entry => ({ type: 'put' as const, ...entry })), ...era.changes]
    const [now, next] = [beginnings[i]!, beginnings[i + 1] ?? never]
    const operations = seen.operations.filter(({ start }) => start >= now.tick && start < next.tick)
    const running = seen.running.filter(({ at }) => at >= now.at && at < next.at)
    const end = eras[i + 1]?.begins ?? Number.POSITIVE_INFINITY
    const watches = seen.watches.filter(({ after }) => after >= era.begins && after < end)
    const { moments, stale } = withoutStrays(running, placesOf(live), i === 0 ? 0 : now.at + strayMs)
    return [
      ...wrongRestore(eras, i),
      ...violations(log, withRevisions(log, operations), past),
      ...wrongWatches(writesOf(changes), watches),
      ...runsTwice(moments),
      ...stale,
      ...givenTwice(claimsOf(changes)),
      ...leftBehind(changes),
    ]
  })
  return [...new Set(found)]
}

const never: Beginning = { at: Number.POSITIVE_INFINITY, tick: Number.POSITIVE_INFINITY }

/** The changes that count in an era: those of it, and what its snapshot had of the era that it was taken in. */
function historyOf(eras: readonly Era[], index: number): { changes: Change[]; past: Past } {
  const era = eras[index]!
  if (index === 0) return { changes: [...era.changes], past: { begins: era.begins, jumps: new Map() } }
  const before = historyOf(eras, era.from)
  const changes = before.changes.filter(({ revision }) => revision <= era.kept)
  const jumps = new Map([...before.past.jumps].filter(([, to]) => to <= era.kept)).set(era.kept, era.begins)
  return { changes: [...changes, ...era.changes], past: { begins: era.begins, jumps } }
}

/** An era begins with exactly what there was at the snapshot, and at a revision that nobody has seen. */
export function* wrongRestore(eras: readonly Era[], index: number): Iterable<string> {
  const era = eras[index]!
  if (index === 0) return
  const given = Math.max(...eras.slice(0, index).map(({ begins, changes }) => changes.at(-1)?.revision ?? begins))
  if (era.begins <= given) yield `a restored store begins at ${era.begins}, and ${given} had been given`
  const held = new Map<string, Change & { type: 'put' }>()
  for (const change of historyOf(eras, era.from).changes) {
    if (change.revision > era.kept) break
    if (change.type === 'put') held.set(change.key, change)
    else held.delete(change.key)
  }
  for (const { key, revision, created, value } of era.entries) {
    const is = held.get(key)
    held.delete(key)
    if (is?.revision !== revision || is.created !== created || Buffer.compare(is.value, value) !== 0)
      yield `${key} at ${revision} is restored from ${era.kept}, where it was at ${is?.revision ?? 'no revision'}`
  }
  for (const { key, revision } of held.values())
    yield `${key} at ${revision} is not restored from ${era.kept}, where it was`
}

/**
 * Gives pods that run where no object of this era has been bound names of their own, since a restore has lost their
 * objects while they ran. Their addresses still count.
 */
function withoutStrays(
  running: readonly Running[],
  places: ReadonlySet<string>,
  until: number,
): { moments: Running[]; stale: string[] } {
  const stale = new Set<string>()
  const moments = running.map(({ at, pods }) => ({
    at,
    pods: pods.map(pod => {
      if (places.has(`${pod.uid} ${pod.node}`)) return pod
      if (at > until) stale.add(`${pod.name} still runs on ${pod.node} as ${pod.uid}, which is no object`)
      return { ...pod, name: `${pod.name} as ${pod.uid} on ${pod.node}` }
    }),
  }))
  return { moments, stale: [...stale] }
}
