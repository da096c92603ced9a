// The queue of pods without a node. It decides which pod is next, and keeps a pod that no node can take until a change
// may help it.
//
//   new ─► gated ─ preEnqueue lets it ─┐   ┌──────── wake-up, back-off over ────────┐
//    └─────────────────────────────────▼   ▼                                        │
//                                      active ─► a decision ─► bound                │
//                                          ▲            └── no node ─► unschedulable ─ wake-up ─► backoff
//                                          └──────────────────── back-off over ────────────────────┘
//
// What always holds:
//
// - A pod is in exactly one place, from `set` with a pod of a served scheduler until `remove`.
// - `take` moves a pod to `deciding`. Exactly one of `remove`, `unschedulable` and `failed` must follow; the latter two
//   do nothing if the pod was removed meanwhile.
// - No wake-up is lost. Each one raises `#changes`; if the number has changed when a decision ends without a node, the
//   pod backs off instead of waiting for the next wake-up. A change that the decision itself made does not count.
// - A pod in `unschedulable` is woken by the changes that the plugins which refused its nodes name in `wakeOn`, and
//   after five minutes in any case, in case a plugin names too few.
// - The back-off counts from the last refusal: 1 s, then 2, 4, 8 and 10 s by default. A pod that is woken later than
//   that enters the active queue at once.
// - Active pods are ordered by the QueueSort plugin, equal ones by when they came or were refused.
//
// Example: NodeResourcesFit refuses all nodes for pod a, which joins the group of pods with its signature that this
// plugin blocks. Node n is added: its wake-up asks the plugin once for the whole group, and all members back off. After
// one second a is active, and its second attempt chooses n.
//
// Limits: everything has one entry for each pod, but for two heaps. The heap of active pods has at most twice as many
// entries as pods, and 1000. The heap of times keeps entries of woken pods until they are due, five minutes at most.
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

/** How long a pod waits for a wake-up before it is tried again without one. */
const tryAnywayMs = 300_000

export type Place = 'active' | 'backoff' | 'unschedulable' | 'gated' | 'deciding'

/** A pod to be decided on. */
export interface Taken {
  pod: PodInfo
  profile: Profile
  /** How often it was taken, including this time. */
  attempts: number
  /** When it first entered the active queue. */
  since: number
}

interface Waiting {
  info: PodInfo
  profile: Profile
  since: number
  /** Orders pods that the QueueSort plugin regards as equal. A refused pod gets a new one. */
  sequence: number
  attempts: number
  place: Place
  group: Group | undefined
  /** Why it was last gated. */
  gate: string
  /** When its back-off or its wait for a wake-up ends, in ms since the epoch. */
  until: number
  /** When it was last refused. */
  refusedAt: number
  /** The queue's number of changes when it was taken; -1 if the pod itself was changed or woken since. */
  changes: number
  /** Its valid entry in the active queue. Older entries of the same pod are skipped. */
  entry: Entry | undefined
}

/** An entry of the active queue. It keeps the pod's state from when it was added, since a heap needs stable keys. */
interface Entry {
  waiting: Waiting
  info: PodInfo
  sequence: number
}

/** Invalid entries are removed from the active heap when there are more than valid ones and this many. */
const maxStale = 1000

/** Pods that the same changes wake: the same plugins block them, and their signature is the same. */
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
  /** Is called when a plugin throws in `preEnqueue`. The pod is tried again after five minutes. */
  onFailure: (pod: PodInfo, error: PluginError) => void
}

export class SchedulingQueue {
  readonly #options: QueueOptions
  readonly #pods = new Map<string, Waiting>()
  /** Both heaps may have invalid entries, which are skipped. */
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
    // There is one queue, since all profiles must have the same QueueSort plugin.
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

  /** The number of pods in each place. */
  counts(): Record<Place, number> {
    return { ...this.#counts }
  }

  /** The place of a pod, the plugins that block it, and why it is gated. */
  find(uid: string): { place: Place; blockedBy: readonly string[]; gate: string } | undefined {
    const known = this.#pods.get(uid)
    return known && { place: known.place, blockedBy: [...(known.group?.blockedBy ?? [])], gate: known.gate }
  }

  /** The newest state of a pod in the queue. */
  get(uid: string): PodInfo | undefined {
    return this.#pods.get(uid)?.info
  }

  /**
   * Adds a pod without a node, or takes over its newer state.
   * @param matters whether the change may let the pod run
   */
  set(info: PodInfo, matters: boolean): void {
    const profile = this.#options.profiles.get(info.pod.spec.schedulerName)
    if (!profile) return
    const known = this.#pods.get(info.uid)
    if (!known) return this.#add(info, profile)
    known.info = info
    if (known.place === 'gated') this.#enqueue(known, 'PodUpdate')
    // The change may have moved it in the order.
    else if (known.place === 'active') this.#enter(known)
    else if (!matters) return
    else if (known.place === 'unschedulable') this.#backOff(known, 'PodUpdate')
    // The decision under way is based on the older state, so it must not put the pod to sleep.
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

  /** The next pod to decide on, which is then in `deciding`. */
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

  /** Ends a decision without a node. `blockedBy` names the plugins that refused nodes. */
  unschedulable(uid: string, blockedBy: ReadonlySet<string>): void {
    const known = this.#pods.get(uid)
    if (known?.place !== 'deciding') return
    known.sequence = this.#sequence++
    known.refusedAt = this.#options.clock.steady()
    // A change during the decision may have been the one that the pod would wait for.
    if (known.changes !== this.#changes) return this.#backOff(known, 'ScheduleAttemptFailure')
    this.#move(known, 'unschedulable')
    incomingPods.add({ queue: 'unschedulable', event: 'ScheduleAttemptFailure' })
    this.#joinGroup(known, blockedBy)
    this.#wakeAt(known, known.refusedAt + tryAnywayMs)
  }

  /** Ends a decision that failed for another reason than the nodes. The pod backs off. */
  failed(uid: string): void {
    const known = this.#pods.get(uid)
    if (known?.place !== 'deciding') return
    known.sequence = this.#sequence++
    known.refusedAt = this.#options.clock.steady()
    this.#backOff(known, 'ScheduleAttemptFailure')
  }

  /** Wakes one pod for a reason that is no change of the cluster, such as a failed eviction. */
  activate(uid: string): void {
    const known = this.#pods.get(uid)
    if (known?.place === 'unschedulable') this.#backOff(known, 'ForceActivate')
    else if (known?.place === 'deciding') known.changes = -1
  }

  /**
   * Wakes the pods that a change of the cluster may help.
   * @param except the pod whose own attempt made the change
   */
  wake(kind: AnyKind, change: MirrorChange, except?: string): void {
    const own = except === undefined ? undefined : this.#pods.get(except)
    if (own?.changes === this.#changes) own.changes++
    this.#changes++
    const event = `${kind.kind}${{ ADDED: 'Add', MODIFIED: 'Update', DELETED: 'Delete' }[change.type]}`
    // A gated pod may join its group again, so the groups are left alone until all of them have been asked.
    const woken: Waiting[] = []
    for (const group of this.#groups.values())
      if (helps(group, kind, change)) for (const waiting of group.members) woken.push(waiting)
    for (const waiting of woken) {
      if (waiting.place === 'gated') this.#enqueue(waiting, event)
      else this.#backOff(waiting, event)
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
    const now = this.#options.clock.steady()
    const waiting: Waiting = {
      info,
      profile,
      since: now,
      sequence: this.#sequence++,
      attempts: 0,
      place: 'gated',
      group: undefined,
      gate: '',
      until: 0,
      refusedAt: now,
      changes: 0,
      entry: undefined,
    }
    this.#pods.set(info.uid, waiting)
    this.#counts.gated++
    this.#enqueue(waiting, 'PodAdd')
  }

  /** Moves a pod to the active queue, or to `gated` if a plugin does not let it in. */
  #enqueue(waiting: Waiting, event: string): void {
    for (const plugin of waiting.profile.preEnqueue) {
      try {
        const answer = plugin.preEnqueue!(waiting.info)
        if (answer === true) continue
        waiting.gate = answer
      } catch (cause) {
        return this.#setAside(waiting, new PluginError('PreEnqueue', plugin.name, cause))
      }
      if (waiting.place !== 'gated') this.#move(waiting, 'gated')
      this.#leaveGroup(waiting)
      // The answer of a plugin without wake-ups depends only on the pod, and `set` asks it again.
      if (plugin.wakeOn.length) this.#joinGroup(waiting, new Set([plugin.name]))
      return
    }
    if (waiting.attempts === 0) waiting.since = this.#options.clock.steady()
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
    this.#wakeAt(waiting, this.#options.clock.steady() + tryAnywayMs)
    this.#options.onFailure(waiting.info, error)
  }

  /** Lets a pod wait for the rest of its back-off, or moves it on if that is over. */
  #backOff(waiting: Waiting, event: string): void {
    const { initialBackoffMs, maxBackoffMs, clock } = this.#options
    const delayMs = Math.min(initialBackoffMs * 2 ** Math.min(waiting.attempts - 1, 30), maxBackoffMs)
    const until = waiting.refusedAt + delayMs
    this.#leaveGroup(waiting)
    if (until <= clock.steady()) return this.#enqueue(waiting, event)
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
    // A plugin without `depends` may read more than the signature covers, so each pod has a group of its own.
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
    const cancel = clock.after(next.until - clock.steady(), () => this.#due())
    this.#timer = { at: next.until, cancel }
  }

  #due(): void {
    this.#timer = undefined
    const now = this.#options.clock.steady()
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

/** Whether a change may help the pods of a group. */
function helps({ sample, profile, blockedBy }: Group, kind: AnyKind, change: MirrorChange): boolean {
  // An extender names no wake-ups, so every change may help.
  if (blockedBy.has(extenderName)) return true
  for (const plugin of profile.plugins) {
    if (!blockedBy.has(plugin.name)) continue
    if (plugin.wakeOn.some(wake => sameKind(wake.kind, kind) && mayHelp(plugin.name, wake, sample, change))) return true
  }
  return false
}

/**
 * Whether a plugin considers a change helpful. If it throws, the change counts, since an extra attempt does no harm.
 */
function mayHelp(plugin: string, { when }: Wake, sample: PodInfo, change: MirrorChange): boolean {
  try {
    return when(sample, change)
  } catch {
    pluginFailures.add({ plugin, point: 'QueueingHint' })
    return true
  }
}

/** Whether two values stand for the same kind. Plugins from other files may define the value of a kind themselves. */
export const sameKind = (a: AnyKind, b: AnyKind): boolean =>
  a === b || (a.plural === b.plural && a.apiVersion === b.apiVersion)
