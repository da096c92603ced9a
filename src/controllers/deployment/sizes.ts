// How large each ReplicaSet of a Deployment should be, at each step of a rollout and when the Deployment is scaled
// in the middle of one. Pure arithmetic over what the ReplicaSets report.
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

/** How many pods more, and how many fewer, than asked for a rollout may have. */
export function fenceposts({ spec }: Deployment): { surge: number; unavailable: number } {
  if (spec.strategy.type !== 'RollingUpdate' || spec.replicas === 0) return { surge: 0, unavailable: 0 }
  const surge = scaledValue(spec.strategy.rollingUpdate?.maxSurge ?? 0, spec.replicas, 'up')
  const unavailable = scaledValue(spec.strategy.rollingUpdate?.maxUnavailable ?? 0, spec.replicas, 'down')
  // Neither may move: then nothing would.
  if (surge === 0 && unavailable === 0) return { surge, unavailable: 1 }
  return { surge, unavailable: Math.min(unavailable, spec.replicas) }
}

/** The most pods a rollout may have. */
export const maxSize = (deployment: Deployment): number => deployment.spec.replicas + fenceposts(deployment).surge

/** The next size of the ReplicaSet of the current template, given the others. `current` is 0 when it is still to make. */
export function nextNewSize(deployment: Deployment, current: number, total: number): number {
  const { replicas, strategy } = deployment.spec
  if (strategy.type === 'Recreate' || current >= replicas) return replicas
  const room = maxSize(deployment) - total
  return room <= 0 ? current : current + Math.min(room, replicas - current)
}

/** How far the old ReplicaSets may shrink now: unhealthy pods first, then as availability allows. */
export function nextOldSizes(
  deployment: Deployment,
  fresh: ReplicaSet,
  old: readonly ReplicaSet[],
): Map<ReplicaSet, number> {
  const sizes = new Map<ReplicaSet, number>()
  const all = [...old, fresh]
  if (totalSize(old) === 0) return sizes
  const minAvailable = deployment.spec.replicas - fenceposts(deployment).unavailable
  const freshUnavailable = fresh.spec.replicas - (fresh.status.availableReplicas ?? 0)
  let mayRemove = totalSize(all) - minAvailable - freshUnavailable
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

/** Sizes after the Deployment itself was scaled, or while it is paused: a running rollout is scaled in proportion. */
export function scaledSizes(
  deployment: Deployment,
  fresh: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Map<ReplicaSet, number> {
  const { replicas } = deployment.spec
  const sizes = new Map<ReplicaSet, number>()
  const single = activeOrLatest(fresh, old)
  if (single) {
    if (single.spec.replicas !== replicas) sizes.set(single, replicas)
    return sizes
  }
  if (fresh && isSaturated(deployment, fresh)) {
    for (const rs of old) if (rs.spec.replicas > 0) sizes.set(rs, 0)
    return sizes
  }
  if (deployment.spec.strategy.type !== 'RollingUpdate') return sizes
  const active = [...old, ...(fresh ? [fresh] : [])].filter(rs => rs.spec.replicas > 0)
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

/** The one ReplicaSet to scale when no rollout runs; undefined when several have pods. */
function activeOrLatest(fresh: ReplicaSet | undefined, old: readonly ReplicaSet[]): ReplicaSet | undefined {
  const active = [...old, ...(fresh ? [fresh] : [])].filter(rs => rs.spec.replicas > 0)
  if (active.length > 1) return undefined
  return active[0] ?? fresh ?? [...old].sort(byAge).at(-1)
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

/** Oldest first; of the same second by name. */
export const byCreation = (a: ReplicaSet, b: ReplicaSet): number => createdAt(a) - createdAt(b) || byName(a, b)

/** Oldest first; of the same second the lower revision, then the name. */
const byAge = (a: ReplicaSet, b: ReplicaSet): number => createdAt(a) - createdAt(b) || byRevision(a, b) || byName(a, b)
