// The interface of volume plugins. A volume is a directory or file on the node that containers mount. The plugin of its
// type sets it up, and may keep its contents up to date.
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { assert } from '../../base/errors.ts'
import type { Beneath } from '../../linux/index.ts'
import type { Client, EventRecorder } from '../../client/index.ts'
import type { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import type { NodeFacts } from '../config/fields.ts'
import type { NodeObjects } from '../objects.ts'
import { uidOf } from '../pod/spec.ts'
import type { PodTokens } from './tokens.ts'
import type { Pod } from '../../kinds/core/pod.ts'

export type ReadVolume = NonNullable<Pod['spec']['volumes']>[number]

/** How full a volume is. */
export interface Usage {
  capacityBytes: number
  availableBytes: number
  usedBytes: number
  inodes: number
  inodesFree: number
  inodesUsed: number
}

/** How full a pod's volume behind a claim is. */
export interface VolumeUsage extends Usage {
  /** The name of the volume in the pod. */
  volume: string
  claim: { name: string; namespace: string }
}

/** The volumes of drivers (csi/volumes.ts). What fails is a VolumeFailure. */
export interface VolumeDrivers {
  /** Mounts the volume of a claim. Returns the path of its files, or of its device. */
  setUpClaim(pod: Pod, bound: PersistentVolume, readOnly: boolean, signal: AbortSignal): Promise<string>
  /** Mounts a volume that only this pod has. */
  setUpInline(pod: Pod, volume: ReadVolume, signal: AbortSignal): Promise<void>
  refreshClaim(pod: Pod, bound: PersistentVolume, readOnly: boolean, signal: AbortSignal): Promise<void>
  refreshInline(pod: Pod, volume: ReadVolume, signal: AbortSignal): Promise<void>
  /** Lets the driver enlarge a mounted volume. Returns false if it has nothing to do on nodes. */
  expandClaim(pod: Pod, bound: PersistentVolume, signal: AbortSignal): Promise<boolean>
  /** How full a mounted volume of a pod is. Undefined if its driver does not measure. `name`: of the PersistentVolume. */
  usage(uid: string, name: string): Promise<Usage | undefined>
}

export interface VolumeContext {
  /** The directory of the node. */
  nodeDir: string
  podsDir: string
  /** A tmpfs, for files that must not be written to a disk. */
  memoryDir: string
  client: Client
  objects: NodeObjects
  tokens: PodTokens
  drivers: VolumeDrivers
  events: Pick<EventRecorder, 'event'>
  facts: NodeFacts
  /** Returns a pod's addresses. There are none when its volumes are set up, since its sandbox comes after that. */
  podIPs: (uid: string) => readonly string[]
  clock: Clock
}

export interface VolumeRequest {
  pod: Pod
  volume: ReadVolume
  /** The path of the volume; see `volumePath`. */
  dir: string
  context: VolumeContext
  signal: AbortSignal
}

/**
 * One type of volume. The host (host-real.ts) calls the methods. It also unmounts and removes the volumes; a plugin
 * only sets them up.
 *
 * What always holds:
 *
 * - The first plugin whose `matches` returns true serves the volume. A volume without a plugin fails the set-up.
 * - A volume has the same directory as long as its pod exists, and no other pod has this directory, since its path
 *   contains the uid. A plugin writes only there, or nowhere if it has `source`, and keeps nothing about a pod in this
 *   process: the next kubelet needs only the directory.
 * - For one pod, `setUp` and `refresh` never run at the same time (PodVolumes). The volumes of a pod are set up at the
 *   same time, claims and those of drivers after the others. Pods are independent of each other.
 * - `setUp` may be called again on a volume that exists completely or in part, and must keep what containers wrote into
 *   it. It is called for each sandbox, before the first container of the sandbox is created.
 * - Containers may read at any time. Files that belong together must change for them at once (atomic.ts).
 * - `refresh` is called while the pod has a sandbox and is not ending: when an object or the pod's labels or
 *   annotations changed, at the time that the last call returned, and when a new kubelet adopts the pod.
 *
 * Order: set-up → sandbox → containers → refreshes → all containers ended → sandbox stopped → removal. The removal
 * unmounts and deletes everything below the pod's directories, whatever a plugin created there; where a plugin mounts
 * what belongs to others (`isMount`), it stops at what is not empty (removal.ts).
 *
 * Failures: a plugin throws an Error whose message the pod's event shows. What it created until then stays, and the
 * next set-up completes it. After `signal` aborts a plugin begins no write, and rejects when writes under way have
 * ended, since the directory may be removed right after that.
 *
 * Limits: what a plugin reads from the API server is limited by the client's own timeouts, and its size by that of an
 * object. The pods of a node have at most `maxPods` times the volumes of a pod.
 *
 * A worked example, of a ConfigMap with the key `a`:
 *
 *   setUp               DIR/a ─▶ ..data/a, DIR/..data ─▶ ..1, DIR/..1/a
 *   the object changes  refresh writes DIR/..2/a, swaps DIR/..data ─▶ ..2 and removes DIR/..1
 *   the kubelet dies    the next one refreshes at its start: nothing is written, since DIR/..2 is up to date
 *   the sandbox dies    setUp: nothing is written either
 *   the pod ends        DIR is removed with its siblings
 */
export interface VolumePlugin {
  /** A part of the volume's path: `configmap` in `kubernetes.io~configmap`. */
  name: string
  matches(volume: ReadVolume): boolean
  /** Whether its files must not be written to a disk. */
  memory?: boolean
  /** Whether it mounts what belongs to others. Then nothing but empty mount points and links is removed with the pod. */
  isMount?: boolean
  /** Whether containers cannot write to it. */
  readOnly?: boolean | ((volume: ReadVolume) => boolean)
  /** Opens a subPath of it. Throws if it cannot be mounted. Without this method a missing subPath is created. */
  openPart?(dir: string, part: string): Promise<Beneath>
  /** Returns the path to mount, if that is not the path of the volume. */
  source?(volume: ReadVolume, context: VolumeContext): string
  /** The name below the path of the volume that is mounted, if that is not the whole. */
  inside?: string
  /** Sets the volume up, or completes it. */
  setUp(request: VolumeRequest): Promise<void>
  /** Brings the files up to date. Returns when it must be called again, in ms since the epoch, if it must. */
  refresh?(request: VolumeRequest): Promise<number | undefined>
}

export function volumePath(context: VolumeContext, pod: Pod, volume: ReadVolume, plugin: VolumePlugin): string {
  assert(uidOf(pod) && volume.name, `a volume has a name and its pod a uid: ${uidOf(pod)} ${volume.name}`)
  if (plugin.memory) return join(context.memoryDir, uidOf(pod), volume.name)
  return join(context.podsDir, uidOf(pod), 'volumes', `kubernetes.io~${plugin.name}`, volume.name)
}
