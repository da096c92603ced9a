// Where pods wait for a node.
//
//            ┌───────────── wake-up, back-off over ─────────────┐
//            ▼                                                  │
//   new ─► active ─► a decision ─► bound                        │
//            ▲            └── no node ─► unschedulable ─ wake-up ─► backoff
//            └──────────────── back-off over ──────────────────────┘
//
// A pod is in exactly one place. A pod without a node sleeps until something changes that one of the plugins that
// kept it out says could help; after five minutes it is tried anyway, so that none is forgotten.
// Source: pkg/scheduler/backend/queue.
import type { Clock } from '../base/clock.ts'
import type { AnyKind } from '../api/kind.ts'
import type { MirrorChange } from '../api/mirror.ts'
import type { Plugin } from './framework.ts'
import { PodInfo } from './info.ts'

const firstBackoffMs = 1000
const maxBackoffMs = 10_000
const tryAnywayMs = 300_000

interface Waiting {
  info: PodInfo
  /** When it came, for first come, first served. */
  since: number
  sequence: number
  attempts: number
  place: 'active' | 'backoff' | 'unschedulable' | 'gated' | 'deciding'
  /** Plugins that kept it from every node. */
  blockedBy: ReadonlySet<string>
  /** When its back-off or its sleep ends. */
  until: number
}

export class SchedulingQueue {
  readonly #clock: Clock
  readonly #plugins: readonly Plugin[]
  readonly #onReady: () => void
  readonly #pods = new Map<string, Waiting>()
  /** A heap: highest priority first, then oldest. Entries that have left the active state are skipped. */
  readonly #active: Waiting[] = []
  /** Those that wait for a change of the cluster. */
  readonly #asleep = new Set<Waiting>()
  #sequence = 0
  #timer: { at: number; cancel: () => void } | undefined

  constructor(clock: Clock, plugins: readonly Plugin[], onReady: () => void) {
    this.#clock = clock
    this.#plugins = plugins
    this.#onReady = onReady
  }

  /** How many pods are in each place. */
  counts(): Record<Waiting['place'], number> {
    const counts = { active: 0, backoff: 0, unschedulable: 0, gated: 0, deciding: 0 }
    for (const { place } of this.#pods.values()) counts[place]++
    return counts
  }

  get(uid: string): PodInfo | undefined {
    return this.#pods.get(uid)?.info
  }

  /** A pod without a node is there, or has changed. `matters`: the change could let it run. */
  set(info: PodInfo, matters: boolean): void {
    const known = this.#pods.get(info.uid)
    const gated = (info.pod.spec.schedulingGates?.length ?? 0) > 0
    if (!known) {
      const now = this.#clock.now()
      const fresh: Waiting = {
        info,
        since: now,
        sequence: this.#sequence++,
        attempts: 0,
        place: 'gated',
        blockedBy: new Set(),
        until: 0,
      }
      this.#pods.set(info.uid, fresh)
      if (!gated) this.#activate(fresh)
      return
    }
    known.info = info
    if (gated) {
      known.place = 'gated'
      this.#asleep.delete(known)
    } else if (known.place === 'gated') this.#activate(known)
    else if (known.place === 'unschedulable' && matters) this.#backOff(known)
  }

  remove(uid: string): void {
    const known = this.#pods.get(uid)
    if (!known) return
    this.#pods.delete(uid)
    this.#asleep.delete(known)
    known.place = 'deciding'
  }

  /** The next pod to decide on. It stays known until `bound`, `failed` or `unschedulable`. */
  take(): PodInfo | undefined {
    for (let top = popTop(this.#active); top; top = popTop(this.#active)) {
      if (top.place !== 'active' || this.#pods.get(top.info.uid) !== top) continue
      top.place = 'deciding'
      top.attempts++
      return top.info
    }
    return undefined
  }

  /** No node can take it now. */
  unschedulable(uid: string, blockedBy: ReadonlySet<string>): void {
    const known = this.#pods.get(uid)
    if (known?.place !== 'deciding') return
    known.place = 'unschedulable'
    this.#asleep.add(known)
    known.blockedBy = blockedBy
    known.until = this.#clock.now() + tryAnywayMs
    this.#setTimer(known.until)
  }

  /** Something went wrong that is not about nodes: try again after a while. */
  failed(uid: string): void {
    const known = this.#pods.get(uid)
    if (known?.place === 'deciding') this.#backOff(known)
  }

  /** Wakes the pods that a change of the cluster may help. */
  wake(kind: AnyKind, change: MirrorChange): void {
    for (const waiting of this.#asleep) if (this.#helps(waiting, kind, change)) this.#backOff(waiting)
  }

  close(): void {
    this.#timer?.cancel()
    this.#pods.clear()
  }

  #helps({ info, blockedBy }: Waiting, kind: AnyKind, change: MirrorChange): boolean {
    for (const plugin of this.#plugins) {
      if (!blockedBy.has(plugin.name)) continue
      if (plugin.wakeOn.some(wake => wake.kind === kind && wake.when(info, change))) return true
    }
    return false
  }

  /** Waits out the rest of the back-off that its attempts have earned, counted from the last of them. */
  #backOff(waiting: Waiting): void {
    const delayMs = Math.min(firstBackoffMs * 2 ** Math.min(waiting.attempts - 1, 10), maxBackoffMs)
    const decidedAt = waiting.place === 'unschedulable' ? waiting.until - tryAnywayMs : this.#clock.now()
    const until = decidedAt + delayMs
    this.#asleep.delete(waiting)
    if (until <= this.#clock.now()) return this.#activate(waiting)
    waiting.place = 'backoff'
    waiting.until = until
    this.#setTimer(until)
  }

  #activate(waiting: Waiting): void {
    waiting.place = 'active'
    this.#asleep.delete(waiting)
    push(this.#active, waiting)
    this.#onReady()
  }

  #setTimer(at: number): void {
    if (this.#timer && this.#timer.at <= at) return
    this.#timer?.cancel()
    const cancel = this.#clock.after(at - this.#clock.now(), () => this.#due())
    this.#timer = { at, cancel }
  }

  #due(): void {
    this.#timer = undefined
    const now = this.#clock.now()
    let next: number | undefined
    for (const waiting of this.#pods.values()) {
      if (waiting.place !== 'backoff' && waiting.place !== 'unschedulable') continue
      if (waiting.until <= now) this.#activate(waiting)
      else next = Math.min(next ?? waiting.until, waiting.until)
    }
    if (next !== undefined) this.#setTimer(next)
  }
}

const before = (a: Waiting, b: Waiting): boolean =>
  a.info.priority !== b.info.priority ? a.info.priority > b.info.priority : a.sequence < b.sequence

function push(heap: Waiting[], item: Waiting): void {
  let at = heap.push(item) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!before(heap[at]!, heap[parent]!)) return
    ;[heap[at], heap[parent]] = [heap[parent]!, heap[at]!]
    at = parent
  }
}

function popTop(heap: Waiting[]): Waiting | undefined {
  const top = heap[0]
  const last = heap.pop()
  if (!top || !last || heap.length === 0) return top
  heap[0] = last
  for (let at = 0; ; ) {
    const left = 2 * at + 1
    const right = left + 1
    let best = at
    if (left < heap.length && before(heap[left]!, heap[best]!)) best = left
    if (right < heap.length && before(heap[right]!, heap[best]!)) best = right
    if (best === at) return top
    ;[heap[at], heap[best]] = [heap[best]!, heap[at]!]
    at = best
  }
}
