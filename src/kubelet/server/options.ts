// The options of the kubelet's server: its address and certificates, and the pods that it serves.
import type { Cgroups } from '../../linux/index.ts'
import type { Mirror } from '../../api/mirror.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { KubeletConfig } from '../kubelet-config.ts'
import type { NodeContext } from '../pod/context.ts'
import type { NodeDirectories } from '../volumes/directories.ts'
import type { PodWorker } from '../pod/worker.ts'

export interface NodeServerOptions {
  host: string
  port?: number
  cert: string
  key: string
  clientCA: string
  context: NodeContext
  workers: ReadonlyMap<string, PodWorker>
  pods: Mirror<Pod>
  nodeName: string
  rootDir: string
  /** The configuration in effect, in the form of its file. */
  configz: object
  /** Whether profiles can be taken. */
  profiling?: boolean
  config: Pick<KubeletConfig, 'streamIdleMs'>
  /** Undefined on a simulated node. */
  cgroups: Cgroups | undefined
  /** The directories that are volumes. Undefined on a node without a file system of its own. */
  directories: NodeDirectories | undefined
  /** Those that all nodes of the machine share. */
  sharedDirectories: NodeDirectories | undefined
  signal: AbortSignal
}
