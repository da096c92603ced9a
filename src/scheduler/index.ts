// The scheduler: gives each new pod a node. framework.ts says how its rules plug in, plugins/ has the rules, config.ts
// chooses among them, queue.ts says which pod is next, snapshot.ts is what decisions are made on, decide.ts makes one,
// preempt.ts makes room for important pods, attempt.ts and binding.ts carry it out (attempts.ts has what attempts share),
// scheduler.ts puts them together.
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
import { StorageClass } from '../kinds/storage/storageclass.ts'
import { defaultConfig, type SchedulerConfig } from './config.ts'
import type { DecisionReport, Explanation } from './decisions.ts'
import { type SchedulerOptions, SchedulerLoop } from './scheduler.ts'

export { defaultConfig, type LeaderElectionConfig, type SchedulerConfig } from './config.ts'
export type { DecisionReport, Explanation } from './decisions.ts'
export { Fields } from './fields.ts'
export { definePlugin, type Handle, plain, type Plugin, type PluginMaker, skip, wake } from './framework.ts'
export type { NodeInfo, PodInfo } from './info.ts'
export { loadSchedulerConfig } from './load-config.ts'

export interface Scheduler {
  /** The last decision on a pod (`namespace/name`), node by node; undefined when it is too long ago. */
  lastDecision(podKey: string): DecisionReport | undefined
  /** Where a pod stands and why, for people. */
  explain(namespace: string, name: string): Explanation
  /** How many pods wait, and where. */
  waiting(): { active: number; backoff: number; unschedulable: number; gated: number; deciding: number }
}

/**
 * Starts scheduling; resolves when the mirrors are filled and it works. It ends with the signal. Throws a StatusError
 * when the configuration's plugins do not fit together.
 */
export async function startScheduler(options: {
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  /** Without one, what kube-scheduler does without a file. */
  config?: SchedulerConfig
  onAttempt?: SchedulerOptions['onAttempt']
}): Promise<Scheduler> {
  const { client, signal, config = defaultConfig, onAttempt, ...rest } = options
  const workloads = [Service, ReplicaSet, ReplicationController, StatefulSet, PodDisruptionBudget]
  const storage = [PersistentVolumeClaim, PersistentVolume, StorageClass]
  const kinds = [Node, Pod, Namespace, ...workloads, ...storage]
  await client.synced(
    kinds.map(kind => client.mirror(kind as typeof Pod)),
    signal,
  )
  const loop = new SchedulerLoop({ ...rest, client, signal, config, ...(onAttempt && { onAttempt }) })
  loop.start()
  return loop
}
