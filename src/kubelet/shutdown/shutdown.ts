// Ends the pods of a node in order before its machine shuts down, as far as its configuration gives them time for it:
//
//   the machine is about to shut down ─▶ node not ready, no more pods ─▶ phase by phase: pods end ─▶ it may go on
//                                   └─ called off ─▶ node ready again
//
// Source: kubernetes pkg/kubelet/nodeshutdown/nodeshutdown_manager_linux.go.
import { livePods, untilEnded } from '../on-node.ts'
import { type NodeContext, nodeEvent } from '../pod/context.ts'
import { nameOf, uidOf } from '../pod/spec.ts'
import type { Workers } from '../pods.ts'
import type { ShutdownSource } from './logind.ts'
import { type PhasePlan, planShutdown, type ShutdownPhase } from './plan.ts'

interface ShutdownOptions {
  context: NodeContext
  nodeName: string
  workers: Workers
  phases: readonly ShutdownPhase[]
  source: ShutdownSource | undefined
  /** Called when the node begins or ceases to shut down. */
  onChange: () => void
  signal: AbortSignal
}

const message = 'Pod was terminated in response to imminent node shutdown.'
const terminated = { reason: 'Terminated', message, isDisruption: true, isReported: false }
const pauseMs = 500
/** The pause before shutdowns are followed again, after one was called off or the signals ended. */
const againMs = 5_000

export class NodeShutdown {
  readonly #options: ShutdownOptions
  #isShuttingDown = false
  #lock: { release(): void } | undefined
  /** Ends the phases under way. */
  #phases: AbortController | undefined

  constructor(options: ShutdownOptions) {
    this.#options = options
  }

  get isShuttingDown(): boolean {
    return this.#isShuttingDown
  }

  /** Does nothing without phases, and where shutdowns cannot be delayed. */
  start(): void {
    const { phases, signal } = this.#options
    if (!phases.length || signal.aborted) return
    signal.addEventListener('abort', () => this.#lock?.release(), { once: true })
    this.#follow()
  }

  #follow(): void {
    const { source, context, signal } = this.#options
    if (signal.aborted) return
    this.#lock = source?.follow(
      isShuttingDown => this.#changed(isShuttingDown),
      why => {
        context.log.warn('shutdowns of the machine are not delayed', { why })
        this.#lock?.release()
        context.clock.after(againMs, () => this.#follow())
      },
    )
    if (!this.#lock) context.log.info('shutdowns of this machine cannot be delayed: it has no systemd-logind')
  }

  #changed(isShuttingDown: boolean): void {
    if (isShuttingDown === this.#isShuttingDown) return
    const { context, nodeName, onChange, signal } = this.#options
    this.#isShuttingDown = isShuttingDown
    const text = isShuttingDown ? 'shutdown event' : 'shutdown cancellation'
    nodeEvent(context, nodeName, 'Normal', 'NodeShutdown', `Shutdown manager detected ${text}`)
    onChange()
    this.#phases?.abort(new Error('the shutdown is called off'))
    if (!isShuttingDown) {
      // The delay of the shutdown that was called off may have been released.
      this.#lock?.release()
      context.clock.after(againMs, () => this.#follow())
      return
    }
    const phases = (this.#phases = new AbortController())
    const lock = this.#lock
    void this.#endPods(phases.signal)
      .catch((error: unknown) => signal.aborted || context.log.warn('not all pods have ended', { error }))
      .finally(() => lock?.release())
  }

  async #endPods(signal: AbortSignal): Promise<void> {
    const { workers, phases, context } = this.#options
    for (const phase of planShutdown(phases, livePods(workers))) {
      signal.throwIfAborted()
      context.log.info('pods end before the machine shuts down', { pods: phase.pods.map(({ pod }) => nameOf(pod)) })
      await this.#endPhase(phase, signal)
    }
  }

  /** Ends when all pods of the phase have ended, or its time is over. */
  async #endPhase({ pods, limitSeconds }: PhasePlan, signal: AbortSignal): Promise<void> {
    const { workers, context } = this.#options
    for (const { pod, graceSeconds } of pods) workers.get(uidOf(pod))?.evict(terminated, graceSeconds)
    const ending = pods.map(({ pod }) => pod)
    await untilEnded(ending, workers, { clock: context.clock, mostMs: limitSeconds * 1000, pauseMs, signal })
  }
}
