// Pods that wait at `permit`: they have a node, but a plugin makes them wait, for example for others of their group.
// Each such plugin must allow the pod before its time is over; otherwise the pod returns to the queue.
import type { Clock } from '../base/clock.ts'
import { durationText } from '../api/time.ts'
import type { WaitingPods } from './framework.ts'
import type { PodInfo } from './info.ts'

/** The longest wait, whatever a plugin asks for. */
const maxWaitMs = 15 * 60_000

type Verdict = { allowed: true } | { allowed: false; plugin: string; message: string }

interface Waiting {
  pod: PodInfo
  node: string
  /** The plugins that have not allowed it yet, each with a function that cancels its timer. */
  plugins: Map<string, () => void>
  settle(verdict: Verdict): void
}

export class WaitingRoom implements WaitingPods {
  readonly #clock: Clock
  readonly #pods = new Map<string, Waiting>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when every plugin has allowed the pod or one has rejected it. When the signal aborts, it is rejected. */
  wait(pod: PodInfo, node: string, plugins: ReadonlyMap<string, number>, signal: AbortSignal): Promise<Verdict> {
    return new Promise(resolve => {
      const waiting: Waiting = { pod, node, plugins: new Map(), settle: resolve }
      this.#pods.set(pod.uid, waiting)
      for (const [plugin, waitMs] of plugins) {
        const limitMs = Math.min(waitMs, maxWaitMs)
        const why = `rejected due to timeout after waiting ${durationText(limitMs * 1e6)} at plugin ${plugin}`
        waiting.plugins.set(
          plugin,
          this.#clock.after(limitMs, () => this.reject(pod.uid, plugin, why)),
        )
      }
      const onAbort = () => this.reject(pod.uid, 'scheduler', 'the scheduler is stopping')
      signal.addEventListener('abort', onAbort, { once: true })
      waiting.settle = verdict => {
        signal.removeEventListener('abort', onAbort)
        resolve(verdict)
      }
      // The signal may have aborted while the plugins were asked.
      if (signal.aborted) onAbort()
    })
  }

  has(uid: string): boolean {
    return this.#pods.has(uid)
  }

  list(): { pod: PodInfo; node: string; plugins: readonly string[] }[] {
    return Array.from(this.#pods.values(), ({ pod, node, plugins }) => ({ pod, node, plugins: [...plugins.keys()] }))
  }

  allow(uid: string, plugin: string): void {
    const waiting = this.#pods.get(uid)
    waiting?.plugins.get(plugin)?.()
    if (!waiting?.plugins.delete(plugin) || waiting.plugins.size) return
    this.#pods.delete(uid)
    waiting.settle({ allowed: true })
  }

  reject(uid: string, plugin: string, message: string): void {
    const waiting = this.#pods.get(uid)
    if (!waiting) return
    this.#pods.delete(uid)
    for (const stop of waiting.plugins.values()) stop()
    waiting.settle({ allowed: false, plugin, message })
  }
}
