// Where pods wait for a node.
//
//   new ─► gated ─ preEnqueue lets it ─┐   ┌──────── wake-up, back-off over ────────┐
//    └─────────────────────────────────▼   ▼                                        │
//                                      active ─► a decision ─► bound                │
//                                          ▲            └── no node ─► unschedulable ─ wake-up ─► backoff
//                                          └──────────────────── back-off over ────────────────────┘
//
// A pod is in exactly one place. A pod without a node sleeps until something changes that one of the plugins that
// kept it out says could help; after five minutes it is tried anyway, so that none is forgotten.
// Source: pkg/scheduler/backend/queue.
import type { Clock } from '../base/clock.ts'
import type { AnyKind } from '../api/kind.ts'
import type { MirrorChange } from '../api/mirror.ts'
import { extenderName } from './extender.ts'
import { PluginError, type Wake } from './framework.ts'
import { Heap } from './heap.ts'
import type { PodInfo } from './info.ts'
import { incomingPods, pluginFailures } from './metrics.ts'
import type { Profile } from './profile.ts'

const tryAnywayMs = 300_000

export type Place = 'active' | 'backoff' | 'unschedulable' | 'gated' | 'deciding'

/** A pod that is to be decided on. */
export interface Taken {
  pod: PodInfo
  profile: Profile
  /** How often it was taken, this time included. */
  attempts: number
  /** When it first entered the active queue. */
  since: number
}

interface Waiting {
  info: PodInfo
  profile: Profile
  since: number
  /** First come, first served. */
  sequence: number
  attempts: number
  place: Place
  /** Pods that are woken by the same changes. */
  group: Group | undefined
  /** When its back-off or its sleep ends. */
  until: number
  /** When it was last refused. */
  refusedAt: number
  /** How many changes there had been when it was taken. */
  changes: number
  /** The one of its entries in the active queue that counts. */
  entry: Entry | undefined
}

/** A pod in the active queue as it was when it came, or was last changed there: a heap needs keys that stay. */
interface Entry {
  waiting: Waiting
  info: PodInfo
  sequence: number
}

/** Entries that do not count any more stay in the heap until they are most of it, and more than these. */
const maxStale = 1000

interface Group {
  key: string
  sample: PodInfo
  profile: Profile
  blockedBy: ReadonlySet<string>
  members: Set<Waiting>
}

interface QueueOptions {
  clock: Clock
  /** Profiles by scheduler name. */
  profiles: ReadonlyMap<string, Profile>
  initialBackoffMs: number
  maxBackoffMs: number
  onReady: () => void
  /** A plugin threw on a pod: it sleeps, and is tried again later. */
  onFailure: (pod: PodInfo, error: PluginError) => void
}

export class SchedulingQueue {
  readonly #options: QueueOptions
  readonly #pods = new Map<string, Waiting>()
  /** Entries that do not count any more are skipped, as are those below whose time has changed. */
  readonly #active: Heap<Entry>
  readonly #timed = new Heap<{ waiting: Waiting; until: number }>((a, b) => a.until < b.until)
  readonly #groups = new Map<string, Group>()
  readonly #counts: Record<Place, number> = { active: 0, backoff: 0, unschedulable: 0, gated: 0, deciding: 0 }
  #sequence = 0
  #changes = 0
  #timer: { at: number; cancel: () => void } | undefined

  constructor(options: QueueOptions) {
    this.#options = options
    const [profile] = options.profiles.values()
    // All profiles sort alike: there is one queue.
    this.#active = new Heap((a, b) => {
      try {
        if (profile!.before(a.info, b.info)) return true
        return !profile!.before(b.info, a.info) && a.sequence < b.sequence
      } catch {
        pluginFailures.add({ plugin: profile!.queueSort, point: 'QueueSort' })
        return a.sequence < b.sequence
      }
    })
  }

  /** How many pods are in each place. */
  counts(): Record<Place, number> {
    return { ...this.#counts }
  }

  /** Where a pod is, and what keeps it there. */
  find(uid: string): { place: Place; blockedBy: readonly string[] } | undefined {
    const known = this.#pods.get(uid)
    return known && { place: known.place, blockedBy: [...(known.group?.blockedBy ?? [])] }
  }

  /** The newest state of a pod that waits. */
  get(uid: string): PodInfo | undefined {
    return this.#pods.get(uid)?.info
  }

  /** A pod without a node is there, or has changed. `matters`: the change could let it run. */
  set(info: PodInfo, matters: boolean): void {
    const profile = this.#options.profiles.get(info.pod.spec.schedulerName)
    if (!profile) return
    const known = this.#pods.get(info.uid)
    if (!known) return this.#add(info, profile)
    known.info = info
    if (known.place === 'gated') this.#enqueue(known, 'PodUpdate')
    // Its turn may be another now.
    else if (known.place === 'active') this.#enter(known)
    else if (!matters) return
    else if (known.place === 'unschedulable') this.#backOff(known, 'PodUpdate')
    // The decision under way is about the pod as it was.
    else if (known.place === 'deciding') known.changes = -1
  }

  remove(uid: string): void {
    const known = this.#pods.get(uid)
    if (!known) return
    this.#pods.delete(uid)
    known.entry = undefined
    this.#counts[known.place]--
    this.#leaveGroup(known)
  }

  /** The next pod to decide on. It stays known until `remove`, `failed` or `unschedulable`. */
  take(): Taken | undefined {
    for (let top = this.#active.pop(); top; top = this.#active.pop()) {
      const { waiting } = top
      if (waiting.entry !== top) continue
      waiting.entry = undefined
      this.#move(waiting, 'deciding')
      waiting.attempts++
      waiting.changes = this.#changes
      return { pod: waiting.info, profile: waiting.profile, attempts: waiting.attempts, since: waiting.since }
    }
    return undefined
  }

  /** No node can take it now. */
  unschedulable(uid: string, blockedBy: ReadonlySet<string>): void {
    const known = this.#pods.get(uid)
    if (known?.place !== 'deciding') return
    known.sequence = this.#sequence++
    known.refusedAt = this.#options.clock.now()
    // Something has changed while it was decided on, and may have been what it waits for.
    if (known.changes !== this.#changes) return this.#backOff(known, 'ScheduleAttemptFailure')
    this.#move(known, 'unschedulable')
    incomingPods.add({ queue: 'unschedulable', event: 'ScheduleAttemptFailure' })
    this.#joinGroup(known, blockedBy)
    this.#wakeAt(known, known.refusedAt + tryAnywayMs)
  }

  /** Something went wrong that is not about nodes: try again after a while. */
  failed(uid: string): void {
    const known = this.#pods.get(uid)
    if (known?.place !== 'deciding') return
    known.sequence = this.#sequence++
    known.refusedAt = this.#options.clock.now()
    this.#backOff(known, 'ScheduleAttemptFailure')
  }

  /** Wakes one pod, for a reason of the scheduler's own. */
  rouse(uid: string): void {
    const known = this.#pods.get(uid)
    if (known?.place === 'unschedulable') this.#backOff(known, 'ForceActivate')
    else if (known?.place === 'deciding') known.changes = -1
  }

  /** Wakes the pods that a change of the cluster may help, except the one that made it. */
  wake(kind: AnyKind, change: MirrorChange, except?: string): void {
    const own = except === undefined ? undefined : this.#pods.get(except)
    if (own?.changes === this.#changes) own.changes++
    this.#changes++
    const event = `${kind.kind}${{ ADDED: 'Add', MODIFIED: 'Update', DELETED: 'Delete' }[change.type]}`
    for (const group of this.#groups.values()) {
      if (!helps(group, kind, change)) continue
      for (const waiting of group.members) {
        if (waiting.place === 'gated') this.#enqueue(waiting, event)
        else this.#backOff(waiting, event)
      }
    }
  }

  close(): void {
    this.#timer?.cancel()
    this.#pods.clear()
    this.#groups.clear()
    this.#active.clear()
    this.#timed.clear()
    for (const place in this.#counts) this.#counts[place as Place] = 0
  }

  #add(info: PodInfo, profile: Profile): void {
    const now = this.#options.clock.now()
    const fresh: Waiting = {
      info,
      profile,
      since: now,
      sequence: this.#sequence++,
      attempts: 0,
      place: 'gated',
      group: undefined,
      until: 0,
      refusedAt: now,
      changes: 0,
      entry: undefined,
    }
    this.#pods.set(info.uid, fresh)
    this.#counts.gated++
    this.#enqueue(fresh, 'PodAdd')
  }

  /** Into the active queue, unless a plugin keeps it out. */
  #enqueue(waiting: Waiting, event: string): void {
    for (const plugin of waiting.profile.preEnqueue) {
      try {
        if (plugin.preEnqueue!(waiting.info) === true) continue
      } catch (cause) {
        return this.#setAside(waiting, new PluginError('PreEnqueue', plugin.name, cause))
      }
      if (waiting.place !== 'gated') this.#move(waiting, 'gated')
      this.#leaveGroup(waiting)
      // A plugin without wake-ups looks at nothing but the pod.
      if (plugin.wakeOn.length) this.#joinGroup(waiting, new Set([plugin.name]))
      return
    }
    if (waiting.attempts === 0) waiting.since = this.#options.clock.now()
    this.#leaveGroup(waiting)
    this.#move(waiting, 'active')
    incomingPods.add({ queue: 'active', event })
    this.#enter(waiting)
    this.#options.onReady()
  }

  #enter(waiting: Waiting): void {
    waiting.entry = { waiting, info: waiting.info, sequence: waiting.sequence }
    this.#active.push(waiting.entry)
    if (this.#active.size <= 2 * this.#counts.active + maxStale) return
    this.#active.clear()
    for (const { entry } of this.#pods.values()) if (entry) this.#active.push(entry)
  }

  #setAside(waiting: Waiting, error: PluginError): void {
    this.#leaveGroup(waiting)
    this.#move(waiting, 'unschedulable')
    this.#wakeAt(waiting, this.#options.clock.now() + tryAnywayMs)
    this.#options.onFailure(waiting.info, error)
  }

  /** Waits out the rest of the back-off that its attempts have earned, counted from the last of them. */
  #backOff(waiting: Waiting, event: string): void {
    const { initialBackoffMs, maxBackoffMs, clock } = this.#options
    const delayMs = Math.min(initialBackoffMs * 2 ** Math.min(waiting.attempts - 1, 30), maxBackoffMs)
    const until = waiting.refusedAt + delayMs
    this.#leaveGroup(waiting)
    if (until <= clock.now()) return this.#enqueue(waiting, event)
    this.#move(waiting, 'backoff')
    incomingPods.add({ queue: 'backoff', event })
    this.#wakeAt(waiting, until)
  }

  #move(waiting: Waiting, place: Place): void {
    this.#counts[waiting.place]--
    this.#counts[place]++
    waiting.place = place
  }

  #joinGroup(waiting: Waiting, blockedBy: ReadonlySet<string>): void {
    const { info, profile } = waiting
    // Plugins that may look at more than the signature has a group for each pod.
    const alike = profile.plugins.every(({ name, depends }) => depends !== undefined || !blockedBy.has(name))
    const sort = alike ? info.signature : info.uid
    const key = `${profile.schedulerName} ${[...blockedBy].sort().join(' ')} ${sort}`
    let group = this.#groups.get(key)
    if (!group) this.#groups.set(key, (group = { key, sample: info, profile, blockedBy, members: new Set() }))
    group.members.add(waiting)
    waiting.group = group
  }

  #leaveGroup(waiting: Waiting): void {
    const { group } = waiting
    if (!group) return
    waiting.group = undefined
    group.members.delete(waiting)
    if (group.members.size === 0) this.#groups.delete(group.key)
  }

  #wakeAt(waiting: Waiting, until: number): void {
    waiting.until = until
    this.#timed.push({ waiting, until })
    this.#setTimer()
  }

  #setTimer(): void {
    const next = this.#timed.first
    if (!next || (this.#timer && this.#timer.at <= next.until)) return
    this.#timer?.cancel()
    const { clock } = this.#options
    const cancel = clock.after(next.until - clock.now(), () => this.#due())
    this.#timer = { at: next.until, cancel }
  }

  #due(): void {
    this.#timer = undefined
    const now = this.#options.clock.now()
    for (let next = this.#timed.first; next && next.until <= now; next = this.#timed.first) {
      this.#timed.pop()
      const { waiting, until } = next
      if (waiting.until !== until || this.#pods.get(waiting.info.uid) !== waiting) continue
      if (waiting.place === 'backoff') this.#enqueue(waiting, 'BackoffComplete')
      else if (waiting.place === 'unschedulable') this.#enqueue(waiting, 'UnschedulableTimeout')
    }
    this.#setTimer()
  }
}

function helps({ sample, profile, blockedBy }: Group, kind: AnyKind, change: MirrorChange): boolean {
  // An extender does not say what would change its mind: anything might.
  if (blockedBy.has(extenderName)) return true
  for (const plugin of profile.plugins) {
    if (!blockedBy.has(plugin.name)) continue
    if (plugin.wakeOn.some(wake => sameKind(wake.kind, kind) && mayHelp(plugin.name, wake, sample, change))) return true
  }
  return false
}

/** Where a plugin cannot say, the change may help: to look once too often does no harm. */
function mayHelp(plugin: string, { when }: Wake, sample: PodInfo, change: MirrorChange): boolean {
  try {
    return when(sample, change)
  } catch {
    pluginFailures.add({ plugin, point: 'QueueingHint' })
    return true
  }
}

/** Plugins from files of their own may come with kinds of their own. */
export const sameKind = (a: AnyKind, b: AnyKind): boolean =>
  a === b || (a.plural === b.plural && a.apiVersion === b.apiVersion)
