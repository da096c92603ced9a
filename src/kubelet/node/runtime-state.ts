// What a node says of its container runtime. One that does not answer is down only when that lasts: containerd comes
// back within a second after a crash, its containers go on running meanwhile, and a node that called itself not ready
// for that would have its pods evicted. Source: kubernetes pkg/kubelet/runtime.go.
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { ImageSeen, Runtime, RuntimeInfo } from '../runtime/runtime.ts'

/** maxWaitForContainerRuntime. */
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
  #answeredAt: number | undefined

  constructor(runtime: Runtime, clock: Clock, log: Log) {
    this.#runtime = runtime
    this.#clock = clock
    this.#log = log
  }

  get info(): RuntimeInfo {
    return this.#info
  }

  /** As they were when the runtime was last asked with success. */
  get images(): readonly ImageSeen[] {
    return this.#images
  }

  get problem(): string {
    return this.#info.runtimeProblem || this.#info.networkProblem
  }

  /** Asks the runtime; never throws. */
  async look(): Promise<void> {
    try {
      this.#info = await this.#runtime.info()
      this.#answeredAt = this.#clock.now()
      if (!this.#info.runtimeProblem) this.#images = await this.#runtime.images()
    } catch (error) {
      this.#log.warn('the container runtime does not say how it is', { why: messageOf(error) })
      const silent = this.#answeredAt !== undefined && this.#clock.now() - this.#answeredAt >= patienceMs
      if (silent) this.#info = { ...this.#info, runtimeProblem: 'container runtime is down' }
    }
  }
}
