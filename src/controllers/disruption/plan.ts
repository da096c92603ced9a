// How many evictions a budget allows. Pure. Source: pkg/controller/disruption (disruption.go), pkg/api/pod/util.
import { own } from '../../base/own.ts'
import type { Draft } from '../../api/kind.ts'
import { parseTime, timeText } from '../../api/time.ts'
import { scaledValue } from '../../kinds/apps/rolling-update.ts'
import type { PodDisruptionBudgetStatus, PodDisruptionBudget } from '../../kinds/policy/poddisruptionbudget.ts'
import { condition, isReady } from '../pods.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'

/** How many pods the owners of the budget's pods want, and how many pods have no owner. */
export interface Sizes {
  total: number
  unmanaged: number
}

/** An eviction that was allowed but whose pod is still there after this did not happen. */
const disruptionTimeoutMs = 120_000
const conditionType = 'DisruptionAllowed'

/** Shares and the number of pods away are counted from what should be there; a plain minimum from what is there. */
export const countsByScale = ({ spec }: PodDisruptionBudget): boolean =>
  spec.maxUnavailable !== undefined || typeof spec.minAvailable === 'string'

interface BudgetPlan {
  status: Draft<PodDisruptionBudgetStatus>
  /** When a pending eviction has to be looked at again. */
  again?: number
  /** Pods whose eviction was allowed, and which are still there. */
  overdue: Pod[]
}

/** @param expectedPods how many pods there should be */
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
  // A budget that knows no pods yet allows nothing: its first pods may just be coming.
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
 * When a pod that was to be disrupted, and is not, loses the mark of it: in ms from now; undefined when it has none.
 * What the kubelet says of its own terminations stays.
 */
export function untilStale(pod: Pod, now: number): number | undefined {
  const mark = condition(pod, 'DisruptionTarget')
  const kept = mark?.status !== 'True' || mark.reason === 'TerminationByKubelet'
  if (kept || pod.metadata.deletionTimestamp || isTerminal(pod)) return undefined
  return Math.max(0, (parseTime(mark.lastTransitionTime) ?? 0) + disruptionTimeoutMs - now)
}
