// Computes how many evictions a budget allows. Pure. For example, with maxUnavailable 1 of 5 expected pods 4 must be
// healthy: 5 healthy ones allow one eviction, 4 allow none. Source: pkg/controller/disruption (disruption.go),
// pkg/api/pod/util.
import { own } from '../../base/own.ts'
import type { Draft } from '../../api/kind.ts'
import { parseTime, timeText } from '../../api/time.ts'
import { scaledValue } from '../../kinds/apps/rolling-update.ts'
import type { PodDisruptionBudgetStatus, PodDisruptionBudget } from '../../kinds/policy/poddisruptionbudget.ts'
import { condition, isReady } from '../pods.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'

/** The sum of the sizes of the pods' owners, and the number of pods without an owner. */
export interface Sizes {
  total: number
  unmanaged: number
}

/** An allowed eviction counts as abandoned if its pod still exists after this time. */
const disruptionTimeoutMs = 120_000
const conditionType = 'DisruptionAllowed'

/**
 * Whether the expected number comes from the owners' sizes: percentages and maxUnavailable refer to them. A plain
 * minAvailable refers to the pods that exist.
 */
export const countsByScale = ({ spec }: PodDisruptionBudget): boolean =>
  spec.maxUnavailable !== undefined || typeof spec.minAvailable === 'string'

interface BudgetPlan {
  status: Draft<PodDisruptionBudgetStatus>
  /** Milliseconds until the next pending eviction times out. */
  again?: number
  /** Pods whose eviction was allowed and which were not deleted in time. */
  overdue: Pod[]
}

/** @param expectedPods how many pods should exist */
export function planBudget(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  expectedPods: number,
  now: number,
): BudgetPlan {
  const { minAvailable, maxUnavailable } = budget.spec
  const bounded = minAvailable !== undefined || maxUnavailable !== undefined
  const expected = bounded ? expectedPods : 0
  const desiredHealthy =
    maxUnavailable !== undefined
      ? Math.max(0, expected - scaledValue(maxUnavailable, expected, 'up'))
      : scaledValue(minAvailable ?? 0, expected, 'up')
  const { pending, again, overdue } = pendingEvictions(budget, pods, now)
  const healthy = pods.filter(
    pod => isReady(pod) && !pod.metadata.deletionTimestamp && own(pending, pod.metadata.name ?? '') === undefined,
  )
  // Without expected pods nothing is allowed: the first ones may be about to appear in the mirror.
  const disruptionsAllowed = expected <= 0 ? 0 : Math.max(0, healthy.length - desiredHealthy)
  const allowed = disruptionsAllowed > 0
  const status = {
    observedGeneration: budget.metadata.generation ?? 0,
    disruptionsAllowed,
    currentHealthy: healthy.length,
    desiredHealthy,
    expectedPods: expected,
    ...(Object.keys(pending).length && { disruptedPods: pending }),
    conditions: withCondition(budget, allowed, allowed ? 'SufficientPods' : 'InsufficientPods', '', now),
  }
  return { status, overdue, ...(again !== undefined && { again }) }
}

function pendingEvictions(budget: PodDisruptionBudget, pods: readonly Pod[], now: number) {
  const pending: Record<string, string> = {}
  const overdue: Pod[] = []
  let again: number | undefined
  for (const pod of pods) {
    const name = pod.metadata.name ?? ''
    const time = own(budget.status.disruptedPods, name)
    if (time === undefined || pod.metadata.deletionTimestamp) continue
    const left = (parseTime(time) ?? 0) + disruptionTimeoutMs - now
    if (left <= 0) overdue.push(pod)
    else {
      pending[name] = time
      again = Math.min(again ?? left, left)
    }
  }
  return { pending, again, overdue }
}

/** The status of a budget whose pods could not be counted. */
export const failedStatus = (
  budget: PodDisruptionBudget,
  message: string,
  now: number,
): Draft<PodDisruptionBudgetStatus> => ({
  ...budget.status,
  disruptionsAllowed: 0,
  conditions: withCondition(budget, false, 'SyncFailed', message, now, budget.status.observedGeneration ?? 0),
})

function withCondition(
  { metadata, status: { conditions = [] } }: PodDisruptionBudget,
  allowed: boolean,
  reason: string,
  message: string,
  now: number,
  observedGeneration = metadata.generation ?? 0,
) {
  const old = conditions.find(c => c.type === conditionType)
  const status = allowed ? ('True' as const) : ('False' as const)
  const next = {
    type: conditionType,
    status,
    observedGeneration,
    lastTransitionTime: old?.status === status ? old.lastTransitionTime : timeText(now),
    reason,
    message,
  }
  return [...conditions.filter(c => c.type !== conditionType), next]
}

/**
 * Milliseconds until the condition DisruptionTarget is taken off a pod that was not disrupted after all. Undefined if
 * it has none, is ending, or the kubelet set the condition for its own termination.
 */
export function untilStale(pod: Pod, now: number): number | undefined {
  const mark = condition(pod, 'DisruptionTarget')
  const kept = mark?.status !== 'True' || mark.reason === 'TerminationByKubelet'
  if (kept || pod.metadata.deletionTimestamp || isTerminal(pod)) return undefined
  return Math.max(0, (parseTime(mark.lastTransitionTime) ?? 0) + disruptionTimeoutMs - now)
}
