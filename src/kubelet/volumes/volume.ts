// The interface of volume plugins. A volume is a directory or file on the node that containers mount. The plugin of its
// type sets it up, and may keep its contents up to date.
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { Beneath } from '../../linux/index.ts'
import type { Client } from '../../client/index.ts'
import type { NodeFacts } from '../config/fields.ts'
import type { NodeObjects } from '../objects.ts'
import { uidOf } from '../pod/spec.ts'
import type { Tokens } from './tokens.ts'
import type { Pod } from '../../kinds/core/pod.ts'

export type ReadVolume = NonNullable<Pod['spec']['volumes']>[number]

export interface VolumeContext {
  podsDir: string
  /** A tmpfs, for files that must not be written to a disk. */
  memoryDir: string
  client: Client
  objects: NodeObjects
  tokens: Tokens
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
  signal?: AbortSignal
}

export interface VolumePlugin {
  /** A part of the volume's path: `configmap` in `kubernetes.io~configmap`. */
  name: string
  matches(volume: ReadVolume): boolean
  /** Whether its files must not be written to a disk. */
  memory?: boolean
  /** Whether containers cannot write to it. */
  readOnly?: boolean
  /** Opens a subPath of it. Throws if it cannot be mounted. Without this method a missing subPath is created. */
  openPart?(dir: string, part: string): Promise<Beneath>
  /** Returns the path to mount, if that is not the path of the volume. */
  source?(volume: ReadVolume): string
  /** Sets the volume up, or completes it. The message of what it throws becomes the message of an event. */
  setUp(request: VolumeRequest): Promise<void>
  /** Brings the files up to date. Returns when it must be called again, in ms since the epoch, if it must. */
  refresh?(request: VolumeRequest): Promise<number | undefined>
}

export function volumePath(context: VolumeContext, pod: Pod, volume: ReadVolume, plugin: VolumePlugin): string {
  if (plugin.memory) return join(context.memoryDir, uidOf(pod), volume.name)
  return join(context.podsDir, uidOf(pod), 'volumes', `kubernetes.io~${plugin.name}`, volume.name)
}
