// The scheduler: gives each new pod a node. Its rules are plugins: framework.ts is their interface, plugins/ has them,
// and config.ts chooses among them. queue.ts decides which pod is next, and why a pod waits. snapshot.ts is the state
// on which decide.ts makes a decision. preempt.ts makes room for important pods. attempt.ts and binding.ts carry
// decisions out, attempts.ts has the state that attempts share, and scheduler.ts puts the parts together.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Client } from '../client/index.ts'
import { ReplicaSet } from '../kinds/apps/replicaset.ts'
import { StatefulSet } from '../kinds/apps/statefulset.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Node } from '../kinds/core/node.ts'
import { PersistentVolume } from '../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../kinds/core/pod.ts'
import { ReplicationController } from '../kinds/core/replicationcontroller.ts'
import { Service } from '../kinds/core/service.ts'
import { PodDisruptionBudget } from '../kinds/policy/poddisruptionbudget.ts'
import { DeviceClass } from '../kinds/resource/deviceclass.ts'
import { DeviceTaintRule } from '../kinds/resource/devicetaintrule.ts'
import { ResourceClaim } from '../kinds/resource/resourceclaim.ts'
import { ResourceSlice } from '../kinds/resource/resourceslice.ts'
import { CSIDriver } from '../kinds/storage/csidriver.ts'
import { CSINode } from '../kinds/storage/csinode.ts'
import { CSIStorageCapacity } from '../kinds/storage/csistoragecapacity.ts'
import { StorageClass } from '../kinds/storage/storageclass.ts'
import { defaultConfig, type SchedulerConfig } from './config.ts'
import type { DecisionReport, Explanation } from './decisions.ts'
import { type SchedulerOptions, SchedulerLoop } from './scheduler.ts'

export { defaultConfig, type LeaderElectionConfig, type SchedulerConfig } from './config.ts'
export type { DecisionReport, Explanation } from './decisions.ts'
export { Fields } from '../api/config-file.ts'
export { definePlugin, type Handle, plain, type Plugin, type PluginMaker, skip, wake } from './framework.ts'
export type { NodeInfo, PodInfo } from './info.ts'
export { loadSchedulerConfig } from './load-config.ts'

export interface Scheduler {
  /** The last decision on a pod (`namespace/name`), node by node. Undefined when it is not kept any more. */
  lastDecision(podKey: string): DecisionReport | undefined
  /** A report for people: in which state a pod is, and why. */
  explain(namespace: string, name: string): Explanation
  /** The numbers of pods without a node, by state. */
  waiting(): { active: number; backoff: number; unschedulable: number; gated: number; deciding: number }
}

/**
 * Starts scheduling. Resolves when the mirrors are filled. Scheduling ends when the signal aborts. Throws a StatusError
 * when the plugins of the configuration do not fit together.
 */
export async function startScheduler(options: {
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  /** By default, the configuration of kube-scheduler without a file. */
  config?: SchedulerConfig
  onAttempt?: SchedulerOptions['onAttempt']
}): Promise<Scheduler> {
  const { client, signal, config = defaultConfig, onAttempt, ...rest } = options
  const workloads = [Service, ReplicaSet, ReplicationController, StatefulSet, PodDisruptionBudget]
  const storage = [PersistentVolumeClaim, PersistentVolume, StorageClass, CSIDriver, CSINode, CSIStorageCapacity]
  const devices = [ResourceClaim, ResourceSlice, DeviceClass, DeviceTaintRule]
  const kinds = [Node, Pod, Namespace, ...workloads, ...storage, ...devices]
  await client.synced(
    kinds.map(kind => client.mirror(kind as typeof Pod)),
    signal,
  )
  const loop = new SchedulerLoop({ ...rest, client, signal, config, ...(onAttempt && { onAttempt }) })
  loop.start()
  return loop
}
