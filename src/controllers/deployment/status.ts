// A Deployment's status: numbers added up over its ReplicaSets, and the conditions Available, Progressing and
// ReplicaFailure. Progressing becomes False when no number has changed for progressDeadlineSeconds. Pure.
// Source: pkg/controller/deployment (progress.go, sync.go).
import { parseTime, timeText } from '../../api/time.ts'
import type { Deployment, DeploymentCondition, DeploymentStatus } from '../../kinds/apps/deployment.ts'
import { fenceposts, totalAvailable } from './sizes.ts'
import type { ReplicaSet } from '../../kinds/apps/replicaset.ts'

/** progressDeadlineSeconds of this value stands for no deadline. */
const noDeadline = 2 ** 31 - 1

export const hasDeadline = ({ spec }: Deployment): boolean => spec.progressDeadlineSeconds !== noDeadline

export const findCondition = (status: DeploymentStatus, type: string): DeploymentCondition | undefined =>
  status.conditions?.find(c => c.type === type)

/** The conditions with one replaced. Its transition time stays the same unless its status changes. */
export function withCondition(
  conditions: readonly DeploymentCondition[] | undefined,
  type: string,
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
  now: number,
): readonly DeploymentCondition[] {
  const old = conditions?.find(c => c.type === type)
  if (old?.status === status && old.reason === reason) return conditions!
  const at = timeText(now)
  const next: DeploymentCondition = {
    type,
    status,
    lastUpdateTime: at,
    lastTransitionTime: old?.status === status ? old.lastTransitionTime : at,
    reason,
    message,
  }
  return [...without(conditions, type), next]
}

const without = (conditions: readonly DeploymentCondition[] | undefined, type: string): DeploymentCondition[] =>
  (conditions ?? []).filter(c => c.type !== type)

/** The status with the numbers and the condition Available; the other conditions stay as they are. */
export function countStatus(
  deployment: Deployment,
  newRs: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  now: number,
): DeploymentStatus {
  const all = newRs ? [...old, newRs] : old
  const sum = (of: (rs: ReplicaSet) => number | undefined) => all.reduce((total, rs) => total + (of(rs) ?? 0), 0)
  const availableReplicas = totalAvailable(all)
  const replicas = sum(rs => rs.status.replicas)
  const enough = availableReplicas >= deployment.spec.replicas - fenceposts(deployment).unavailable
  const { collisionCount, conditions } = deployment.status
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas,
    updatedReplicas: newRs?.status.replicas ?? 0,
    readyReplicas: sum(rs => rs.status.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, replicas - availableReplicas),
    terminatingReplicas: sum(rs => rs.status.terminatingReplicas),
    ...(collisionCount !== undefined && { collisionCount }),
    conditions: enough
      ? withCondition(
          conditions,
          'Available',
          'True',
          'MinimumReplicasAvailable',
          'Deployment has minimum availability.',
          now,
        )
      : withCondition(
          conditions,
          'Available',
          'False',
          'MinimumReplicasUnavailable',
          'Deployment does not have minimum availability.',
          now,
        ),
  }
}

/** The whole status during a rollout. */
export function rolloutStatus(
  deployment: Deployment,
  newRs: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
  now: number,
): DeploymentStatus {
  const status = countStatus(deployment, newRs, old, now)
  const conditions = progressCondition(deployment, status, newRs, now)
  const failures = [...(newRs ? [newRs] : []), ...old].flatMap(rs => rs.status.conditions ?? [])
  const failure = failures.find(c => c.type === 'ReplicaFailure')
  return {
    ...status,
    conditions: failure
      ? withCondition(
          conditions,
          'ReplicaFailure',
          failure.status as 'True',
          failure.reason ?? '',
          failure.message ?? '',
          now,
        )
      : without(conditions, 'ReplicaFailure'),
  }
}

function progressCondition(
  deployment: Deployment,
  status: DeploymentStatus,
  newRs: ReplicaSet | undefined,
  now: number,
): readonly DeploymentCondition[] {
  const { conditions = [] } = status
  if (!hasDeadline(deployment)) return without(conditions, 'Progressing')
  const current = findCondition(status, 'Progressing')
  if (status.replicas === status.updatedReplicas && current?.reason === 'NewReplicaSetAvailable') return conditions
  const what = newRs ? `ReplicaSet "${newRs.metadata.name}"` : `Deployment "${deployment.metadata.name}"`
  if (isComplete(deployment, status)) {
    const message = `${what} has successfully progressed.`
    return withCondition(conditions, 'Progressing', 'True', 'NewReplicaSetAvailable', message, now)
  }
  if (hasProgressed(deployment, status)) {
    // The update time is renewed on each progress, since the deadline counts from it.
    const at = timeText(now)
    const next = {
      type: 'Progressing',
      status: 'True',
      lastUpdateTime: at,
      lastTransitionTime: current?.status === 'True' ? current.lastTransitionTime : at,
      reason: 'ReplicaSetUpdated',
      message: `${what} is progressing.`,
    }
    return [...without(conditions, 'Progressing'), next]
  }
  if (isTimedOut(deployment, current, now)) {
    const message = `${what} has timed out progressing.`
    return withCondition(conditions, 'Progressing', 'False', 'ProgressDeadlineExceeded', message, now)
  }
  return conditions
}

/** The status of a Deployment whose new ReplicaSet could not be created. */
export function withCreateError(deployment: Deployment, message: string, now: number): DeploymentStatus {
  const { status } = deployment
  if (!hasDeadline(deployment)) return status
  const conditions = withCondition(status.conditions, 'Progressing', 'False', 'ReplicaSetCreateError', message, now)
  return { ...status, conditions }
}

/** Whether the rollout has ended: all pods have the current template and are available, and no others are left. */
export function isComplete({ spec, metadata }: Deployment, status: DeploymentStatus): boolean {
  return (
    status.updatedReplicas === spec.replicas &&
    status.replicas === spec.replicas &&
    status.availableReplicas === spec.replicas &&
    (status.observedGeneration ?? 0) >= (metadata.generation ?? 0)
  )
}

function hasProgressed({ status: before }: Deployment, now: DeploymentStatus): boolean {
  const count = (
    status: DeploymentStatus,
    field: 'replicas' | 'updatedReplicas' | 'readyReplicas' | 'availableReplicas',
  ) => status[field] ?? 0
  const oldPods = (status: DeploymentStatus) => count(status, 'replicas') - count(status, 'updatedReplicas')
  return (
    count(now, 'updatedReplicas') > count(before, 'updatedReplicas') ||
    oldPods(now) < oldPods(before) ||
    count(now, 'readyReplicas') > count(before, 'readyReplicas') ||
    count(now, 'availableReplicas') > count(before, 'availableReplicas')
  )
}

function isTimedOut({ spec }: Deployment, current: DeploymentCondition | undefined, now: number): boolean {
  if (!current || current.reason === 'NewReplicaSetAvailable') return false
  if (current.reason === 'ProgressDeadlineExceeded') return true
  return (parseTime(current.lastUpdateTime) ?? now) + spec.progressDeadlineSeconds * 1000 < now
}

/** Milliseconds until the deadline must be checked. Undefined when no rollout is under way. */
export function untilDeadline(deployment: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const current = findCondition(status, 'Progressing')
  if (!hasDeadline(deployment) || !current || deployment.spec.paused) return undefined
  if (isComplete(deployment, status) || current.reason === 'ProgressDeadlineExceeded') return undefined
  const deadline = (parseTime(current.lastUpdateTime) ?? now) + deployment.spec.progressDeadlineSeconds * 1000
  return Math.max(0, deadline - now) + 1000
}
