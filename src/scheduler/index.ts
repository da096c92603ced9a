// The scheduler: gives each new pod a node. framework.ts says how its rules plug in, plugins/ has the rules, decide.ts
// makes one decision, queue.ts says who is next, snapshot.ts is what decisions are made on, scheduler.ts puts them
// together, and preempt.ts makes room for important pods.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Client } from '../client/index.ts'
import { ReplicaSet } from '../kinds/apps/replicaset.ts'
import { StatefulSet } from '../kinds/apps/statefulset.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Node } from '../kinds/core/node.ts'
import { Pod } from '../kinds/core/pod.ts'
import { ReplicationController } from '../kinds/core/replicationcontroller.ts'
import { Service } from '../kinds/core/service.ts'
import { PodDisruptionBudget } from '../kinds/policy/poddisruptionbudget.ts'
import type { DecisionReport } from './decisions.ts'
import { defaultPlugins } from './plugins/index.ts'
import { SchedulerLoop } from './scheduler.ts'

export type { DecisionReport } from './decisions.ts'
export { definePlugin, type Plugin, skip } from './framework.ts'

export interface Scheduler {
  /** The last decision on a pod (`namespace/name`), node by node; undefined when it is too long ago. */
  lastDecision(podKey: string): DecisionReport | undefined
  /** How many pods wait, and where. */
  waiting(): { active: number; backoff: number; unschedulable: number; gated: number; deciding: number }
}

/** Starts scheduling; resolves when the mirrors are filled and it works. It ends with the signal. */
export async function startScheduler(options: {
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
}): Promise<Scheduler> {
  const { client, signal } = options
  const kinds = [Node, Pod, Namespace, Service, ReplicaSet, ReplicationController, StatefulSet, PodDisruptionBudget]
  await client.synced(
    kinds.map(kind => client.mirror(kind as typeof Pod)),
    signal,
  )
  const loop = new SchedulerLoop({ ...options, plugins: defaultPlugins })
  loop.start()
  return loop
}
