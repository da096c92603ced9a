// The sizes of a Deployment's ReplicaSets, at each step of a rollout and when the Deployment is scaled in the middle of
// one. Pure arithmetic over what the ReplicaSets report.
//
// Example: 10 replicas, maxSurge 3, maxUnavailable 2, so 8 to 13 pods:
//
//   new 0, old 10 (all available)   nextNewSize: 13 - 10 = 3 may be added        ─► new 3
//   new 3 (none available), old 10  nextOldSizes: 10 available - 8 = 2 may go    ─► old 8
//   new 3 (1 available), old 8      nextNewSize: 13 - 11 = 2 may be added        ─► new 5
//
// Source: pkg/controller/deployment (rolling.go, sync.go), deployment/util.
import { parseTime } from '../../api/time.ts'
import type { Deployment } from '../../kinds/apps/deployment.ts'
import { scaledValue } from '../../kinds/apps/rolling-update.ts'
import { desiredAnnotation, maxAnnotation, byRevision, sizeAnnotation } from './annotations.ts'
import type { ReplicaSet } from '../../kinds/apps/replicaset.ts'

const sum = (sets: readonly ReplicaSet[], of: (rs: ReplicaSet) => number) =>
  sets.reduce((total, rs) => total + of(rs), 0)
const specSize = (rs: ReplicaSet): number => rs.spec.replicas
export const totalSize = (sets: readonly ReplicaSet[]): number => sum(sets, specSize)
export const totalAvailable = (sets: readonly ReplicaSet[]): number => sum(sets, rs => rs.status.availableReplicas ?? 0)

/** By how many pods a rollout may exceed the Deployment's size, and by how many available ones it may fall short. */
export function fenceposts({ spec }: Deployment): { surge: number; unavailable: number } {
  if (spec.strategy.type !== 'RollingUpdate' || spec.replicas === 0) return { surge: 0, unavailable: 0 }
  const surge = scaledValue(spec.strategy.rollingUpdate?.maxSurge ?? 0, spec.replicas, 'up')
  const unavailable = scaledValue(spec.strategy.rollingUpdate?.maxUnavailable ?? 0, spec.replicas, 'down')
  // If both round to 0, one pod may be unavailable; otherwise the rollout would never go on.
  if (surge === 0 && unavailable === 0) return { surge, unavailable: 1 }
  return { surge, unavailable: Math.min(unavailable, spec.replicas) }
}

/** The most pods that a rollout may have. */
export const maxSize = (deployment: Deployment): number => deployment.spec.replicas + fenceposts(deployment).surge

/**
 * The next size of the ReplicaSet of the current template.
 * @param current its size now; 0 when it does not exist yet
 * @param total the sizes of all ReplicaSets, this one included
 */
export function nextNewSize(deployment: Deployment, current: number, total: number): number {
  const { replicas, strategy } = deployment.spec
  if (strategy.type === 'Recreate' || current >= replicas) return replicas
  const room = maxSize(deployment) - total
  return room <= 0 ? current : current + Math.min(room, replicas - current)
}

/**
 * The sizes of the old ReplicaSets that shrink now. Unavailable pods are removed first, since they serve nothing; then
 * as many as leave the minimum available. New pods that are not available yet count as if they were missing.
 */
export function nextOldSizes(
  deployment: Deployment,
  newRs: ReplicaSet,
  old: readonly ReplicaSet[],
): Map<ReplicaSet, number> {
  const sizes = new Map<ReplicaSet, number>()
  const all = [...old, newRs]
  if (totalSize(old) === 0) return sizes
  const minAvailable = deployment.spec.replicas - fenceposts(deployment).unavailable
  const newUnavailable = newRs.spec.replicas - (newRs.status.availableReplicas ?? 0)
  let mayRemove = totalSize(all) - minAvailable - newUnavailable
  if (mayRemove <= 0) return sizes
  const sorted = [...old].sort(byAge)
  const sizeNow = (rs: ReplicaSet) => sizes.get(rs) ?? rs.spec.replicas
  for (const rs of sorted) {
    const unhealthy = rs.spec.replicas - (rs.status.availableReplicas ?? 0)
    const remove = Math.min(mayRemove, unhealthy)
    if (remove <= 0) continue
    sizes.set(rs, rs.spec.replicas - remove)
    mayRemove -= remove
  }
  let spare = totalAvailable(all) - minAvailable
  for (const rs of sorted) {
    const remove = Math.min(sizeNow(rs), spare)
    if (remove <= 0) continue
    sizes.set(rs, sizeNow(rs) - remove)
    spare -= remove
  }
  return sizes
}

/**
 * The sizes after the Deployment itself was scaled, or while it is paused. Outside of a rollout one ReplicaSet takes
 * the new size. In the middle of one, each grows or shrinks in proportion to its size, and the largest takes the
 * remainder.
 */
export function scaledSizes(
  deployment: Deployment,
  newRs: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Map<ReplicaSet, number> {
  const { replicas } = deployment.spec
  const sizes = new Map<ReplicaSet, number>()
  const single = activeOrLatest(newRs, old)
  if (single) {
    if (single.spec.replicas !== replicas) sizes.set(single, replicas)
    return sizes
  }
  if (newRs && isSaturated(deployment, newRs)) {
    for (const rs of old) if (rs.spec.replicas > 0) sizes.set(rs, 0)
    return sizes
  }
  if (deployment.spec.strategy.type !== 'RollingUpdate') return sizes
  const active = [...old, ...(newRs ? [newRs] : [])].filter(rs => rs.spec.replicas > 0)
  const allowed = replicas > 0 ? maxSize(deployment) : 0
  const toAdd = allowed - totalSize(active)
  active.sort((a, b) => b.spec.replicas - a.spec.replicas || (toAdd > 0 ? byAge(b, a) : byAge(a, b)))
  let added = 0
  for (const rs of active) {
    const share = toAdd === 0 ? 0 : proportion(rs, deployment, toAdd, added)
    sizes.set(rs, rs.spec.replicas + share)
    added += share
  }
  const first = active[0]
  if (first && toAdd !== 0) sizes.set(first, Math.max(0, sizes.get(first)! + toAdd - added))
  return sizes
}

/** The ReplicaSet to scale when no rollout runs. Undefined when several have pods. */
function activeOrLatest(newRs: ReplicaSet | undefined, old: readonly ReplicaSet[]): ReplicaSet | undefined {
  const active = [...old, ...(newRs ? [newRs] : [])].filter(rs => rs.spec.replicas > 0)
  if (active.length > 1) return undefined
  return active[0] ?? newRs ?? [...old].sort(byAge).at(-1)
}

function isSaturated({ spec }: Deployment, rs: ReplicaSet): boolean {
  return (
    rs.spec.replicas === spec.replicas &&
    sizeAnnotation(rs, desiredAnnotation) === spec.replicas &&
    (rs.status.availableReplicas ?? 0) === spec.replicas
  )
}

function proportion(rs: ReplicaSet, deployment: Deployment, toAdd: number, added: number): number {
  if (rs.spec.replicas === 0 || toAdd === added) return 0
  const share = fraction(rs, deployment)
  return toAdd > 0 ? Math.min(share, toAdd - added) : Math.max(share, toAdd - added)
}

function fraction(rs: ReplicaSet, deployment: Deployment): number {
  if (deployment.spec.replicas === 0) return -rs.spec.replicas
  const before = sizeAnnotation(rs, maxAnnotation) || (deployment.status.replicas ?? 0)
  if (before === 0) return 0
  return Math.round((rs.spec.replicas * maxSize(deployment)) / before) - rs.spec.replicas
}

const createdAt = (rs: ReplicaSet) => parseTime(rs.metadata.creationTimestamp) ?? 0
const byName = (a: ReplicaSet, b: ReplicaSet) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1)

/** Oldest first, those of the same second by name. */
export const byCreation = (a: ReplicaSet, b: ReplicaSet): number => createdAt(a) - createdAt(b) || byName(a, b)

/** Oldest first, those of the same second by revision, then by name. */
const byAge = (a: ReplicaSet, b: ReplicaSet): number => createdAt(a) - createdAt(b) || byRevision(a, b) || byName(a, b)
