// Keeps the files of one pod current: writes them again when their sources changed, and when a token is to be renewed.
// One at a time, for two writers of one directory would undo each other.
import { Chore } from '../../base/chore.ts'
import { messageOf } from '../../base/errors.ts'
import { VolumeFailure } from '../host.ts'
import { type NodeContext, podEvent } from './context.ts'
import type { Pod } from '../../kinds/core/pod.ts'

const retryMs = 60_000

export class VolumeRefresher {
  readonly #context: NodeContext
  /** The pod as it is now; undefined when its files need not be kept any more. */
  readonly #pod: () => Pod | undefined
  readonly #writing = new Chore({}, () => this.#write())
  #cancel: (() => void) | undefined

  constructor(context: NodeContext, pod: () => Pod | undefined) {
    this.#context = context
    this.#pod = pod
  }

  /** Writes the files again, as soon as it can. */
  refresh(): void {
    if (this.#pod()) this.#writing.wake()
  }

  /** Refreshes at a time, in milliseconds since the epoch, instead of when it was to be before. */
  plan(at: number | undefined): void {
    this.#cancel?.()
    const { clock } = this.#context
    this.#cancel = at === undefined ? undefined : clock.after(Math.max(0, at - clock.now()), () => this.refresh())
  }

  stop(): void {
    this.#cancel?.()
  }

  async #write(): Promise<void> {
    const pod = this.#pod()
    if (!pod) return
    try {
      this.plan(await this.#context.host.refresh(pod))
    } catch (error) {
      const volume = error instanceof VolumeFailure ? error.volume : ''
      const message = `MountVolume.SetUp failed for volume "${volume}" : ${messageOf(error)}`
      podEvent(this.#context, pod, 'Warning', 'FailedMount', message)
      this.plan(this.#context.clock.now() + retryMs)
    }
  }
}
