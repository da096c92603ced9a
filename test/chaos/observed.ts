// What is observed of a cluster under chaos, and what must hold of it. Each check is a pure function from observations to
// violations in sentences; cluster.test.ts makes the observations, observed.test.ts shows that each check can fail.
import type { Revision } from '../../src/store/store.ts'

/** For how long one process believed that it held a Lease, by a clock that nobody sets: until it last did work for it. */
export interface Leading {
  lease: string
  holder: string
  from: number
  to: number
}

/** No two processes work for one Lease at once. */
export function twoHolders(terms: readonly Leading[]): string[] {
  const found: string[] = []
  const last = new Map<string, Leading>()
  for (const term of [...terms].sort((a, b) => a.from - b.from)) {
    const before = last.get(term.lease)
    if (before && term.from < before.to && term.holder !== before.holder)
      found.push(
        `${term.holder} held ${term.lease} from ${term.from} on, and ${before.holder} worked for it until ${before.to}`,
      )
    if (!before || term.to > before.to) last.set(term.lease, term)
  }
  return found
}

/** What runs at one moment: every pod of which a container runs, on all nodes. */
export interface Running {
  at: number
  pods: readonly { name: string; uid: string; node: string; ip: string }[]
}

/** No name runs twice at once, and no address is that of two pods. */
export function runsTwice(moments: readonly Running[]): string[] {
  const found = new Set<string>()
  for (const { at, pods } of moments) {
    const names = new Map<string, (typeof pods)[number]>()
    const addresses = new Map<string, (typeof pods)[number]>()
    for (const pod of pods) {
      const same = names.get(pod.name)
      if (same) found.add(`${pod.name} runs on ${same.node} as ${same.uid} and on ${pod.node} as ${pod.uid} at ${at}`)
      names.set(pod.name, pod)
      const neighbour = pod.ip ? addresses.get(pod.ip) : undefined
      if (neighbour && neighbour.uid !== pod.uid)
        found.add(`${pod.ip} is the address of ${neighbour.name} and of ${pod.name} at ${at}`)
      addresses.set(pod.ip, pod)
    }
  }
  return [...found]
}

/** What an object claims from a revision on: addresses, ports, ranges. One that is deleted claims nothing. */
export interface Claim {
  revision: Revision
  owner: string
  claims: readonly string[]
}

/** Nothing is given to two owners. */
export function givenTwice(claims: readonly Claim[]): string[] {
  const found: string[] = []
  const held = new Map<string, string>()
  const byOwner = new Map<string, readonly string[]>()
  for (const { revision, owner, claims: now } of claims) {
    for (const claim of byOwner.get(owner) ?? []) if (held.get(claim) === owner) held.delete(claim)
    for (const claim of now) {
      const other = held.get(claim)
      if (other !== undefined) found.push(`${claim} of ${other} is given to ${owner} at revision ${revision}`)
      held.set(claim, owner)
    }
    byOwner.set(owner, now)
  }
  return found
}

/** A write as a watch shows it. A bookmark says that everything up to it has been shown. */
export interface Seen {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  key: string
  revision: Revision
}

/** One watch, or several that went on where the one before had ended. */
export interface Watched {
  watcher: string
  after: Revision
  events: Seen[]
}

/** Each watch shows every write after its beginning once and in order, and none that is not in the log. */
export function wrongWatches(writes: readonly Seen[], watches: readonly Watched[]): string[] {
  return watches.flatMap(watch => wrongWatch(writes, watch) ?? [])
}

function wrongWatch(writes: readonly Seen[], { watcher, after, events }: Watched): string | undefined {
  let next = writes.findIndex(({ revision }) => revision > after)
  if (next < 0) next = writes.length
  let last = after
  for (const event of events) {
    if (event.revision < last) return `${watcher} sees ${event.key} at ${event.revision} after ${last}`
    last = event.revision
    const write = writes[next]
    if (event.type === 'BOOKMARK') {
      if (write && write.revision <= event.revision)
        return `${watcher} has a bookmark at ${event.revision} before ${write.key} at ${write.revision}`
      continue
    }
    if (write?.revision !== event.revision || write.key !== event.key || write.type !== event.type)
      return `${watcher} sees ${event.type} ${event.key} at ${event.revision} where ${write ? `${write.type} ${write.key} at ${write.revision}` : 'nothing'} belongs`
    next++
  }
  return undefined
}
