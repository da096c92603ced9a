// What a pod has on its node besides containers: directories, volumes, a control group, /etc/hosts, logs. The real
// one works on files below the node's root directory:
//
//   pods/UID/volumes/kubernetes.io~TYPE/NAME   volumes         pods/UID/containers/NAME/ATTEMPT   last words
//   pods/UID/etc-hosts                         /etc/hosts      memory/UID/NAME   volumes that never reach a disk
//   pods/UID/volume-subpaths/…                 parts of them   logs/NAMESPACE_NAME_UID/…
//
// A simulated node has none of it (`simulatedHost`).
import type { ContainerConfig, Runtime, SandboxSeen } from './runtime/runtime.ts'
import { type ReadContainer, uidOf } from './pod/spec.ts'
import type { Pod } from '../kinds/core/pod.ts'

export interface MountRequest {
  attempt: number
  podIPs: SandboxSeen['ips']
  env: ReadonlyMap<string, string>
}

export interface PodHost {
  /** Makes everything that containers need before the first one. Throws VolumeFailure. */
  setUp(pod: Pod, signal: AbortSignal): Promise<void>
  /** Whether the volume shows its image already. */
  hasImage(pod: Pod, volume: string): Promise<boolean>
  /** Shows an image as a volume of the pod. `ref` is what pulling it returned, or its id. */
  mountImage(pod: Pod, volume: string, ref: string): Promise<void>
  /** A container's mounts; call `close` when the container has been created. */
  mounts(
    pod: Pod,
    container: ReadContainer,
    request: MountRequest,
  ): Promise<{ mounts: NonNullable<ContainerConfig['mounts']>; close(): Promise<void> }>
  /** Writes volumes anew whose contents changed. Throws VolumeFailure. Returns when to do so again. */
  refresh(pod: Pod): Promise<number | undefined>
  /** Unmounts and removes volumes and the control group. */
  tearDown(uid: string): Promise<void>
  /** Removes what `tearDown` left, logs included. */
  remove(uid: string): Promise<void>
  /** The pods that have something here. */
  known(): Promise<readonly string[]>
}

export class VolumeFailure extends Error {
  readonly volume: string

  constructor(volume: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'VolumeFailure'
    this.volume = volume
  }
}

/** A part of an image that a container wants to mount, and cannot. */
export class ImageMountFailure extends Error {
  constructor(message: string, cause?: unknown) {
    super(`failed to mount image volume: ImageVolumeMountFailed: ${message}`, { cause })
    this.name = 'ImageMountFailure'
  }
}

/** There are no files; what pods see of images is kept by the runtime alone. */
export const simulatedHost = (runtime: Runtime): PodHost => ({
  async setUp() {},
  hasImage: async (pod, volume) => (await runtime.views()).some(v => v.podUid === uidOf(pod) && v.volume === volume),
  async mountImage(pod, volume, ref) {
    await runtime.viewImage(ref, { podUid: uidOf(pod), volume })
  },
  async mounts() {
    return { mounts: [], async close() {} }
  },
  async refresh() {
    return undefined
  },
  tearDown: uid => runtime.releaseViews(uid),
  async remove() {},
  known: async () => [...new Set((await runtime.views()).map(view => view.podUid))],
})
