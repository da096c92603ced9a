// What a pod has on its node besides containers: directories, volumes, a control group, /etc/hosts, logs. The real
// one works on files below the node's root directory:
//
//   pods/UID/volumes/kubernetes.io~TYPE/NAME   volumes         pods/UID/containers/NAME/ATTEMPT   last words
//   pods/UID/etc-hosts                         /etc/hosts      memory/UID/NAME   volumes that never reach a disk
//   pods/UID/volume-subpaths/…                 parts of them   logs/NAMESPACE_NAME_UID/…
//
// A simulated node has none of it (`noHost`).
import type { ContainerConfig, SandboxSeen } from './runtime/runtime.ts'
import type { ReadContainer, ReadPod } from './pod/spec.ts'

export interface MountRequest {
  attempt: number
  podIPs: SandboxSeen['ips']
  env: ReadonlyMap<string, string>
}

export interface PodHost {
  /** Makes everything that containers need before the first one. Throws VolumeFailure. */
  setUp(pod: ReadPod, signal: AbortSignal): Promise<void>
  /** A container's mounts; call `close` when the container has been created. */
  mounts(
    pod: ReadPod,
    container: ReadContainer,
    request: MountRequest,
  ): Promise<{ mounts: NonNullable<ContainerConfig['mounts']>; close(): Promise<void> }>
  /** Writes volumes anew whose contents changed. Throws VolumeFailure. Returns when to do so again. */
  refresh(pod: ReadPod): Promise<number | undefined>
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

export const noHost: PodHost = {
  async setUp() {},
  async mounts() {
    return { mounts: [], async close() {} }
  },
  async refresh() {
    return undefined
  },
  async tearDown() {},
  async remove() {},
  async known() {
    return []
  },
}
