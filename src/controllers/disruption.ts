// The disruption controller: works out how many pods of each budget may be taken away now; the eviction API takes
// from that number. Source: pkg/controller/disruption.
import { matches } from '../api/labels.ts'
import type { Draft, Kind, KubeObject } from '../api/kind.ts'
import type { DeepReadonly } from '../api/schema/node.ts'
import { parseTime, timeText } from '../api/time.ts'
import { scaledValue } from '../kinds/apps/rolling-update.ts'
import { Deployment } from '../kinds/apps/deployment.ts'
import { ReplicaSet } from '../kinds/apps/replicaset.ts'
import { StatefulSet } from '../kinds/apps/statefulset.ts'
import { Pod as PodKind } from '../kinds/core/pod.ts'
import { ReplicationController } from '../kinds/core/replicationcontroller.ts'
import {
  PodDisruptionBudget as BudgetKind,
  type PodDisruptionBudgetStatus,
} from '../kinds/policy/poddisruptionbudget.ts'
import type { Context } from './context.ts'
import { defineController, keyOf, watch } from './harness.ts'
import { controllerOf } from './owners.ts'
import { isReady, isTerminal, type Pod } from './pods.ts'

type Budget = DeepReadonly<BudgetKind>
/** A workload, as far as its size goes. */
type Sized = Kind<KubeObject & { spec: { replicas: number } }>

/** An eviction that was allowed but whose pod is still there after this did not happen. */
const disruptionTimeoutMs = 120_000

export const disruptionController = defineController({
  name: 'controllermanager',
  identity: 'disruption-controller',
  reconciles: BudgetKind,
  reads: [ReplicaSet, ReplicationController, StatefulSet, Deployment],
  watches: [
    watch(PodKind, (pod, caches) =>
      caches(BudgetKind)
        .list(pod.metadata.namespace)
        .filter(budget => matches(budget.spec.selector, pod.metadata.labels))
        .map(budget => keyOf(pod.metadata.namespace ?? '', budget.metadata.name ?? '')),
    ),
    ...[ReplicaSet, Deployment, StatefulSet, ReplicationController].map(kind =>
      watch(
        kind as unknown as Sized,
        (owner, caches) =>
          caches(BudgetKind)
            .list(owner.metadata.namespace)
            .map(budget => keyOf(owner.metadata.namespace ?? '', budget.metadata.name ?? '')),
        (after, before) => after.spec.replicas !== before?.spec.replicas,
      ),
    ),
  ],
  async reconcile(budget, ctx) {
    const pods = ctx
      .cache(PodKind)
      .list(budget.metadata.namespace)
      .filter(pod => !isTerminal(pod) && matches(budget.spec.selector, pod.metadata.labels))
    const sizes = ownersOf(ctx, pods)
    const { status, again } = planBudget(budget, pods, sizes, ctx.now())
    await ctx.writeStatus(BudgetKind, budget, status)
    return again === undefined ? undefined : { again }
  },
})

/** The sizes of the workloads the pods belong to, each once; pods of none are left out. */
function ownersOf(ctx: Context, pods: readonly Pod[]): { total: number; managed: number } {
  const sizes = new Map<string, number>()
  let managed = 0
  for (const pod of pods) {
    const found = sizeOf(ctx, pod)
    if (!found) continue
    managed++
    sizes.set(found.uid, found.replicas)
  }
  return { total: [...sizes.values()].reduce((sum, size) => sum + size, 0), managed }
}

function sizeOf(ctx: Context, pod: Pod): { uid: string; replicas: number } | undefined {
  const owner = controllerOf(pod)
  const namespace = pod.metadata.namespace ?? ''
  if (!owner) return undefined
  if (owner.kind === 'ReplicaSet') {
    const rs = ctx.cache(ReplicaSet).get(namespace, owner.name)
    const above = rs && controllerOf(rs)
    const deployment = above?.kind === 'Deployment' ? ctx.cache(Deployment).get(namespace, above.name) : undefined
    const top = deployment ?? rs
    return top && { uid: top.metadata.uid ?? '', replicas: top.spec.replicas }
  }
  const kinds = { StatefulSet, ReplicationController } as unknown as Record<string, Sized>
  const kind = kinds[owner.kind]
  const found = kind && ctx.cache(kind).get(namespace, owner.name)
  return found && { uid: owner.uid, replicas: found.spec.replicas }
}

/** The status of a budget, and when a pending eviction has to be looked at again. */
export function planBudget(
  budget: Budget,
  pods: readonly Pod[],
  sizes: { total: number; managed: number },
  now: number,
): { status: Draft<PodDisruptionBudgetStatus>; again?: number } {
  const { minAvailable, maxUnavailable } = budget.spec
  const byPods = typeof minAvailable === 'number'
  const expectedPods = byPods ? pods.length : sizes.total
  const desired =
    maxUnavailable !== undefined
      ? expectedPods - scaledValue(maxUnavailable, expectedPods, 'up')
      : scaledValue(minAvailable ?? 1, expectedPods, 'up')
  const desiredHealthy = Math.max(0, desired)
  const pending: Record<string, string> = {}
  let again: number | undefined
  for (const [name, time] of Object.entries(budget.status.disruptedPods ?? {})) {
    const pod = pods.find(p => p.metadata.name === name)
    const left = (parseTime(time) ?? 0) + disruptionTimeoutMs - now
    if (!pod || pod.metadata.deletionTimestamp || left <= 0) continue
    pending[name] = time
    again = Math.min(again ?? left, left)
  }
  const healthy = pods.filter(
    pod => isReady(pod) && !pod.metadata.deletionTimestamp && pending[pod.metadata.name ?? ''] === undefined,
  )
  const disruptionsAllowed = expectedPods === 0 ? 0 : Math.max(0, healthy.length - desiredHealthy)
  const status = {
    observedGeneration: budget.metadata.generation ?? 0,
    disruptionsAllowed,
    currentHealthy: healthy.length,
    desiredHealthy,
    expectedPods,
    ...(Object.keys(pending).length && { disruptedPods: pending }),
    conditions: budgetConditions(budget, disruptionsAllowed > 0, now),
  }
  return again === undefined ? { status } : { status, again }
}

function budgetConditions(budget: Budget, allowed: boolean, now: number) {
  const old = budget.status.conditions?.find(c => c.type === 'DisruptionAllowed')
  const status = allowed ? ('True' as const) : ('False' as const)
  const others = (budget.status.conditions ?? []).filter(c => c.type !== 'DisruptionAllowed')
  const condition = {
    type: 'DisruptionAllowed',
    status,
    observedGeneration: budget.metadata.generation ?? 0,
    lastTransitionTime: old?.status === status ? old.lastTransitionTime : timeText(now),
    reason: allowed ? 'SufficientPods' : 'InsufficientPods',
    message: '',
  }
  return [...others, condition]
}
