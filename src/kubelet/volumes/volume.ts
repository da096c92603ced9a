// What every kind of volume has in common. A volume is a directory (or file) on the node that containers mount; each
// kind says how it is made, and some how it is kept current.
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
  /** A tmpfs, for what must not reach a disk. */
  memoryDir: string
  client: Client
  objects: NodeObjects
  tokens: Tokens
  facts: NodeFacts
  /** A pod's addresses, which only become known after its volumes are there. */
  podIPs: (uid: string) => readonly string[]
  clock: Clock
}

export interface VolumeRequest {
  pod: Pod
  volume: ReadVolume
  /** Where it is to be. */
  dir: string
  context: VolumeContext
  signal?: AbortSignal
}

export interface VolumePlugin {
  /** Names the directory: `kubernetes.io~configmap`. */
  name: string
  matches(volume: ReadVolume): boolean
  /** In memory only. */
  memory?: boolean
  /** Containers may not write to it. */
  readOnly?: boolean
  /** Opens a part of it; the default makes what is missing. */
  openPart?(dir: string, part: string): Promise<Beneath>
  /** The path to mount, where it is not `dir`. */
  source?(volume: ReadVolume): string
  /** May be called again on a volume that is there. Throws with the words for the event. */
  setUp(request: VolumeRequest): Promise<void>
  /** Returns when it must be refreshed next, in milliseconds since the epoch. */
  refresh?(request: VolumeRequest): Promise<number | undefined>
}

export function volumePath(context: VolumeContext, pod: Pod, volume: ReadVolume, plugin: VolumePlugin): string {
  if (plugin.memory) return join(context.memoryDir, uidOf(pod), volume.name)
  return join(context.podsDir, uidOf(pod), 'volumes', `kubernetes.io~${plugin.name}`, volume.name)
}
