// The volumes of one pod: set up before its sandbox is created, and kept up to date while the pod runs, when their
// sources have changed and when a token is due for renewal.
//
//   setUp ──▶ up to date ◀──┐ refresh: at once when something changed, at the time that the last one returned,
//                 │   └─────┘          or a minute after a failure
//                 └──stop──▶ nothing is written any more, and the volumes can be unmounted
//
// Only one of these writes runs at a time, since two writers of a directory would overwrite each other.
import { Chore } from '../../base/chore.ts'
import { messageOf } from '../../base/errors.ts'
import { joined, orAborted } from '../../base/waiters.ts'
import { VolumeFailure } from '../host.ts'
import { type NodeContext, podEvent } from './context.ts'
import type { Pod } from '../../kinds/core/pod.ts'

const retryMs = 60_000
/** When the first refresh is due. Only a refresh returns the time at which a token must be renewed. */
const firstMs = { token: 300_000, driver: 30_000 }

/** When the volumes of a pod are refreshed first, if nothing changes. Those of drivers may grow at any time. */
function firstRefresh({ spec: { volumes = [] } }: Pod, now: number): number | undefined {
  if (volumes.some(volume => volume.csi ?? volume.persistentVolumeClaim ?? volume.ephemeral))
    return now + firstMs.driver
  return volumes.some(volume => volume.projected) ? now + firstMs.token : undefined
}

type VolumesContext = Pick<NodeContext, 'clock'> & {
  host: Pick<NodeContext['host'], 'setUp' | 'refresh'>
  runtime: Pick<NodeContext['runtime'], 'real'>
  events: Pick<NodeContext['events'], 'event'>
}

export class PodVolumes {
  readonly #context: VolumesContext
  /** Returns the newest pod. Undefined when its files are not needed any more. */
  readonly #pod: () => Pod | undefined
  readonly #end = new AbortController()
  /** Interrupts the refresh under way. */
  #interrupt = new AbortController()
  readonly #refreshing = new Chore({ signal: this.#end.signal }, () => this.#refresh())
  /** The set-up under way. `isOutdated`: a source changed meanwhile, and may have been read before. */
  #settingUp: { isOutdated: boolean } | undefined
  #cancel: (() => void) | undefined

  constructor(context: VolumesContext, pod: () => Pod | undefined) {
    this.#context = context
    this.#pod = pod
  }

  /** Sets up everything that must exist before the first container. Throws VolumeFailure. */
  async setUp(pod: Pod, signal: AbortSignal): Promise<void> {
    const { host, runtime, clock } = this.#context
    const settingUp = { isOutdated: false }
    this.#settingUp = settingUp
    // A refresh under way may wait for the API server, and the set-up writes the same and more.
    this.#interrupt.abort(new Error('the volumes are set up again'))
    try {
      await orAborted(this.#refreshing.settled(), signal)
      await host.setUp(pod, signal)
      if (runtime.real) this.#plan(firstRefresh(pod, clock.now()))
    } finally {
      this.#settingUp = undefined
      if (settingUp.isOutdated) this.refresh()
    }
  }

  /** Writes the files as soon as possible. */
  refresh(): void {
    if (this.#settingUp) this.#settingUp.isOutdated = true
    else if (this.#pod()) this.#refreshing.wake()
  }

  /** Begins no further write, and interrupts the one under way. Resolves when it has ended. */
  stop(): Promise<void> {
    this.#end.abort(new Error('the volumes are not needed any more'))
    this.#cancel?.()
    return this.#refreshing.settled()
  }

  /** Sets the time of the next refresh, in ms since the epoch, in place of the former one. */
  #plan(at: number | undefined): void {
    this.#cancel?.()
    const { clock } = this.#context
    const isNeeded = at !== undefined && !this.#end.signal.aborted
    this.#cancel = isNeeded ? clock.after(Math.max(0, at - clock.now()), () => this.refresh()) : undefined
  }

  async #refresh(): Promise<void> {
    const pod = this.#pod()
    // One that was requested before the set-up began is left to it.
    if (!pod || this.#settingUp) return
    const { host, clock } = this.#context
    this.#interrupt = new AbortController()
    const { signal, release } = joined(this.#end.signal, this.#interrupt.signal)
    try {
      this.#plan(await host.refresh(pod, signal))
    } catch (error) {
      if (signal.aborted) return
      const isVolume = error instanceof VolumeFailure
      const message = isVolume ? error.eventMessage : messageOf(error)
      podEvent(this.#context, pod, 'Warning', isVolume ? error.reason : 'FailedMount', message)
      this.#plan(clock.now() + retryMs)
    } finally {
      release()
    }
  }
}
