// The state of the container runtime, for the node's status. A runtime that does not answer counts as down only after
// 30 seconds: after a crash containerd is back within seconds and its containers go on running, so a node that
// reported itself not ready at once would lose its pods for nothing. That holds for a kubelet that has just started,
// too, since kubelet and runtime may have ended together. Source: kubernetes pkg/kubelet/runtime.go.
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { ImageSeen, Runtime, RuntimeInfo } from '../runtime/runtime.ts'

/** Source: maxWaitForContainerRuntime upstream. */
const patienceMs = 30_000

export class RuntimeState {
  readonly #runtime: Runtime
  readonly #clock: Clock
  readonly #log: Log
  #info: RuntimeInfo = {
    name: 'unknown',
    version: '',
    apiVersion: 'v1',
    runtimeProblem: 'container runtime status check may not have completed yet',
    networkProblem: '',
    handlers: [],
  }
  #images: readonly ImageSeen[] = []
  #answered = false
  /** When the runtime answered last; before the first answer, when the waiting for it began. */
  #heardAt: number

  constructor(runtime: Runtime, clock: Clock, log: Log) {
    this.#runtime = runtime
    this.#clock = clock
    this.#heardAt = clock.steady()
    this.#log = log
  }

  get info(): RuntimeInfo {
    return this.#info
  }

  /** The images at the last successful check. */
  get images(): readonly ImageSeen[] {
    return this.#images
  }

  get problem(): string {
    return this.#info.runtimeProblem || this.#info.networkProblem
  }

  /** Whether nothing can be said yet: the runtime has never answered, and its time to do so is not over. */
  get undecided(): boolean {
    return !this.#answered && !this.#overdue
  }

  get #overdue(): boolean {
    return this.#clock.steady() - this.#heardAt >= patienceMs
  }

  /** Reads the state of the runtime. Never throws. */
  async look(): Promise<void> {
    try {
      this.#info = await this.#runtime.info()
      this.#answered = true
      this.#heardAt = this.#clock.steady()
      if (!this.#info.runtimeProblem) this.#images = await this.#runtime.images()
    } catch (error) {
      this.#log.warn('the state of the container runtime could not be read', { why: messageOf(error) })
      if (this.#overdue) this.#info = { ...this.#info, runtimeProblem: 'container runtime is down' }
    }
  }
}
