// What a pod has on its node in addition to containers: directories, volumes, a control group, /etc/hosts, logs. The
// real implementation (host-real.ts) works on files below the node's root directory:
//
//   pods/UID/volumes/kubernetes.io~TYPE/NAME   volumes         pods/UID/containers/NAME/ATTEMPT   termination message
//   pods/UID/etc-hosts                         /etc/hosts      memory/UID/NAME   volumes that never reach a disk
//   pods/UID/volume-subpaths/…                 parts of them   logs/NAMESPACE_NAME_UID/…
//   pods/UID/volumeDevices/…                   block volumes   plugins/… volumes of drivers, staged (csi/places.ts)
//
// A simulated node has none of these (`simulatedHost`).
//
// All methods can be repeated: `setUp` completes what an earlier call left unfinished, and `tearDown` and `remove`
// succeed if there is nothing left.
import type { ContainerConfig, Runtime, SandboxSeen } from './runtime/runtime.ts'
import { type ReadContainer, uidOf } from './pod/spec.ts'
import type { VolumeUsage } from './volumes/volume.ts'
import type { Pod } from '../kinds/core/pod.ts'

export interface MountRequest {
  attempt: number
  podIPs: SandboxSeen['ips']
  env: ReadonlyMap<string, string>
  /** Whether the runtime can make mounts read-only with all that is mounted below them. */
  canBeRecursive: boolean
}

interface ContainerVolumes {
  mounts: NonNullable<ContainerConfig['mounts']>
  devices: NonNullable<ContainerConfig['devices']>
  close(): Promise<void>
}

export interface PodHost {
  /** Creates everything that must exist before the first container. Throws VolumeFailure. */
  setUp(pod: Pod, signal: AbortSignal): Promise<void>
  /**
   * Sets the limits of the pod's control group. `loose`: nothing but its share of CPU time and processes is limited, so
   * that its containers can be changed in any order.
   */
  limit(pod: Pod, how: 'exact' | 'loose'): Promise<void>
  /** The memory that the pod uses, in bytes. */
  memoryUsage(pod: Pod): Promise<number>
  /** Whether the image of an image volume is mounted. */
  hasImage(pod: Pod, volume: string): Promise<boolean>
  /** Mounts an image as a volume of the pod. `ref` is the result of its pull, or its id. */
  mountImage(pod: Pod, volume: string, ref: string): Promise<void>
  /** The mounts and block devices of a container. `close` must be called once the container has been created. */
  mounts(pod: Pod, container: ReadContainer, request: MountRequest): Promise<ContainerVolumes>
  /**
   * Writes the volumes whose contents have changed. Returns when it must be called again, in ms since the epoch, if a
   * volume will be out of date then. Throws VolumeFailure.
   */
  refresh(pod: Pod, signal: AbortSignal): Promise<number | undefined>
  /** How full the pod's volumes behind claims are. */
  volumeUsage(pod: Pod): Promise<readonly VolumeUsage[]>
  /** Unmounts and removes volumes and the control group. */
  tearDown(uid: string): Promise<void>
  /** Removes everything else, logs included. */
  remove(uid: string): Promise<void>
  /** The uids of the pods that have anything on the node. */
  known(): Promise<readonly string[]>
}

interface VolumeFailureOptions {
  cause?: unknown
  /** What failed, in upstream's words, such as `MountVolume.SetUp`. Undefined if the message says it. */
  step?: string | undefined
  /** The reason of the event. Default FailedMount. */
  reason?: string
}

export class VolumeFailure extends Error {
  readonly volume: string
  readonly reason: string
  readonly #step: string | undefined

  constructor(volume: string, message: string, o: VolumeFailureOptions = { step: 'MountVolume.SetUp' }) {
    super(message, { cause: o.cause })
    this.name = 'VolumeFailure'
    this.volume = volume
    this.reason = o.reason ?? 'FailedMount'
    this.#step = o.step
  }

  /** The message of the pod's event. */
  get eventMessage(): string {
    return this.#step === undefined
      ? this.message
      : `${this.#step} failed for volume "${this.volume}" : ${this.message}`
  }
}

/** A subPath of an image volume that cannot be mounted. */
export class ImageMountFailure extends Error {
  constructor(message: string, cause?: unknown) {
    super(`failed to mount image volume: ImageVolumeMountFailed: ${message}`, { cause })
    this.name = 'ImageMountFailure'
  }
}

/** The host of simulated pods, which have no files. Only the runtime's record of image volumes is real. */
export const simulatedHost = (runtime: Runtime): PodHost => ({
  async setUp() {},
  async limit() {},
  async memoryUsage() {
    return 0
  },
  hasImage: async (pod, volume) => (await runtime.views()).some(v => v.podUid === uidOf(pod) && v.volume === volume),
  async mountImage(pod, volume, ref) {
    await runtime.viewImage(ref, { podUid: uidOf(pod), volume })
  },
  async mounts() {
    return { mounts: [], devices: [], async close() {} }
  },
  async refresh() {
    return undefined
  },
  volumeUsage: async () => [],
  tearDown: uid => runtime.releaseViews(uid),
  async remove() {},
  known: async () => [...new Set((await runtime.views()).map(view => view.podUid))],
})
