// What the kubelet waits for before the first container of a pod starts: the network policies of its node.
import type { Clock } from '../base/clock.ts'
import { joined } from '../base/waiters.ts'
import type { Pod } from '../kinds/core/pod.ts'
import type { Policies } from '../network/index.ts'

/** How long a pod waits for the node to read the policies, which it cannot while the API server is away. */
const patienceMs = 10_000
/** Source: the annotation of static pods, pkg/kubelet/types/pod_update.go. */
const sourceAnnotation = 'kubernetes.io/config.source'

export class Isolation {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #policies: Policies | undefined
  #waiters: (() => void)[] = []

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
  }

  /** Uses these from when they are there. A failure is the caller's. */
  use(policies: Promise<Policies>): void {
    policies.then(
      found => {
        this.#policies = found
        for (const wake of this.#waiters.splice(0)) wake()
      },
      () => {},
    )
  }

  /**
   * Resolves when a pod's rules are in force. Rejects if the policies are not known, except for a static pod, which runs
   * without an API server.
   */
  beforeStart(pod: Pod, ips: readonly string[]): Promise<void> | undefined {
    return this.#policies ? this.#policies.beforeStart(pod, ips) : this.#wait(pod, ips)
  }

  async #wait(pod: Pod, ips: readonly string[]): Promise<void> {
    const found = new AbortController()
    const { signal, release } = joined(this.#signal, found.signal)
    this.#waiters.push(() => found.abort())
    // It rejects when they are there.
    await this.#clock.sleep(patienceMs, signal).catch(() => {})
    release()
    this.#signal.throwIfAborted()
    if (this.#policies) return this.#policies.beforeStart(pod, ips)
    const source = pod.metadata.annotations?.[sourceAnnotation]
    if (source === undefined || source === 'api')
      throw new Error('the network policies of the cluster are not known yet')
  }
}
