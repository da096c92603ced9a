// Keeps the files in a pod's volumes up to date: writes them when their sources have changed and when a token is due
// for renewal. Only one write runs at a time, since two writers of a directory would overwrite each other.
import { Chore } from '../../base/chore.ts'
import { messageOf } from '../../base/errors.ts'
import { VolumeFailure } from '../host.ts'
import { type NodeContext, podEvent } from './context.ts'
import type { Pod } from '../../kinds/core/pod.ts'

const retryMs = 60_000
/** When the first refresh is due. Only a refresh returns the time at which a token must be renewed. */
const firstMs = 300_000

export class VolumeRefresher {
  readonly #context: NodeContext
  /** Returns the newest pod. Undefined when its files are not needed any more. */
  readonly #pod: () => Pod | undefined
  readonly #writing = new Chore({}, () => this.#write())
  #cancel: (() => void) | undefined
  #stopped = false

  constructor(context: NodeContext, pod: () => Pod | undefined) {
    this.#context = context
    this.#pod = pod
  }

  /** Writes the files as soon as possible. */
  refresh(): void {
    if (!this.#stopped && this.#pod()) this.#writing.wake()
  }

  /** The pod's volumes have been made. */
  volumesMade(pod: Pod): void {
    const { runtime, clock } = this.#context
    if (runtime.real && pod.spec.volumes?.some(volume => volume.projected)) this.#plan(clock.now() + firstMs)
  }

  /** Begins no further refresh; one that is under way ends by itself. */
  stop(): void {
    this.#stopped = true
    this.#cancel?.()
  }

  /** Sets the time of the next refresh, in ms since the epoch, in place of the former one. */
  #plan(at: number | undefined): void {
    this.#cancel?.()
    if (this.#stopped) return
    const { clock } = this.#context
    this.#cancel = at === undefined ? undefined : clock.after(Math.max(0, at - clock.now()), () => this.refresh())
  }

  async #write(): Promise<void> {
    const pod = this.#pod()
    if (!pod) return
    try {
      this.#plan(await this.#context.host.refresh(pod))
    } catch (error) {
      const volume = error instanceof VolumeFailure ? error.volume : ''
      const message = `MountVolume.SetUp failed for volume "${volume}" : ${messageOf(error)}`
      podEvent(this.#context, pod, 'Warning', 'FailedMount', message)
      this.#plan(this.#context.clock.now() + retryMs)
    }
  }
}
