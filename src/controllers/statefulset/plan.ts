// The next step of a StatefulSet. Pods come in the order of their numbers and go in reverse, each only when those
// before it are well; with Parallel none waits for another. An update replaces pods from the highest number down.
// Source: pkg/controller/statefulset/stateful_set_control.go.
import type { Draft } from '../../api/kind.ts'
import { scaledValue } from '../../kinds/apps/rolling-update.ts'
import type { StatefulSetStatus } from '../../kinds/apps/statefulset.ts'
import { revisionLabel } from '../history.ts'
import { isAvailable, isReady, isTerminal, type Pod } from '../pods.ts'
import { ordinalOf, type StatefulSet } from './identity.ts'

export interface Revisions {
  /** Hash of the revision that pods were of before the update. */
  current: string
  update: string
}

export interface StatefulPlan {
  /** Numbers of pods to make, and the revision each is made at. */
  create: { ordinal: number; hash: string }[]
  remove: Pod[]
  status: Draft<StatefulSetStatus>
}

export function planStateful(set: StatefulSet, pods: readonly Pod[], revisions: Revisions, now: number): StatefulPlan {
  const start = set.spec.ordinals?.start ?? 0
  const end = start + set.spec.replicas
  const byOrdinal = new Map<number, Pod>()
  const condemned: Pod[] = []
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod)
    if (ordinal === undefined) continue
    if (ordinal >= start && ordinal < end) byOrdinal.set(ordinal, pod)
    else condemned.push(pod)
  }
  condemned.sort((a, b) => ordinalOf(set, b)! - ordinalOf(set, a)!)
  const status = planStatefulStatus(set, pods, revisions, now)
  if (set.metadata.deletionTimestamp) return { create: [], remove: [], status }
  return { ...steps(set, byOrdinal, condemned, revisions, now, start, end), status }
}

function steps(
  set: StatefulSet,
  byOrdinal: ReadonlyMap<number, Pod>,
  condemned: readonly Pod[],
  revisions: Revisions,
  now: number,
  start: number,
  end: number,
): Pick<StatefulPlan, 'create' | 'remove'> {
  const plan: Pick<StatefulPlan, 'create' | 'remove'> = { create: [], remove: [] }
  const oneByOne = set.spec.podManagementPolicy !== 'Parallel'
  const well = (pod: Pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, now) && !pod.metadata.deletionTimestamp
  for (let ordinal = start; ordinal < end; ordinal++) {
    const pod = byOrdinal.get(ordinal)
    if (!pod) plan.create.push({ ordinal, hash: hashFor(set, ordinal, start, revisions) })
    else if (isTerminal(pod) && !pod.metadata.deletionTimestamp) plan.remove.push(pod)
    else if (well(pod)) continue
    if (oneByOne) return plan
  }
  // An unwell pod halts the way down too, unless it is the only one: then it may go first.
  const unwell = [...byOrdinal.values(), ...condemned].filter(pod => !well(pod))
  const first = unwell.sort((a, b) => ordinalOf(set, a)! - ordinalOf(set, b)!)[0]
  for (const pod of condemned) {
    if (oneByOne && !well(pod) && pod !== first) return plan
    if (pod.metadata.deletionTimestamp) {
      if (oneByOne) return plan
      continue
    }
    plan.remove.push(pod)
    if (oneByOne) return plan
  }
  if (!plan.create.length && !plan.remove.length)
    plan.remove.push(...updates(set, byOrdinal, revisions, well, start, end))
  return plan
}

/** A pod below the partition, or one lost during an update that has not come to it, is made at the old revision. */
function hashFor(set: StatefulSet, ordinal: number, start: number, { current, update }: Revisions): string {
  if (current === update || set.spec.updateStrategy.type !== 'RollingUpdate') return update
  const partition = set.spec.updateStrategy.rollingUpdate?.partition ?? 0
  return ordinal < start + partition ? current : update
}

function updates(
  set: StatefulSet,
  byOrdinal: ReadonlyMap<number, Pod>,
  { update }: Revisions,
  well: (pod: Pod) => boolean,
  start: number,
  end: number,
): Pod[] {
  const { type, rollingUpdate } = set.spec.updateStrategy
  if (type !== 'RollingUpdate') return []
  const partition = rollingUpdate?.partition ?? 0
  const limit = Math.max(1, scaledValue(rollingUpdate?.maxUnavailable ?? 1, set.spec.replicas, 'down'))
  let unavailable = 0
  for (const pod of byOrdinal.values()) if (!well(pod)) unavailable++
  const remove: Pod[] = []
  for (let ordinal = end - 1; ordinal >= start + partition; ordinal--) {
    const pod = byOrdinal.get(ordinal)
    if (!pod) continue
    const isOld = pod.metadata.labels?.[revisionLabel] !== update
    // One that is unwell is the first to be replaced when it is old, and waited for when it is new.
    if (isOld && !pod.metadata.deletionTimestamp && (unavailable < limit || !well(pod))) {
      if (well(pod)) unavailable++
      remove.push(pod)
      if (remove.length >= limit) return remove
    } else if (!well(pod) && limit === 1) return remove
  }
  return remove
}

export function planStatefulStatus(
  set: StatefulSet,
  pods: readonly Pod[],
  { current, update }: Revisions,
  now: number,
): Draft<StatefulSetStatus> {
  const alive = pods.filter(pod => !isTerminal(pod))
  const of = (hash: string) =>
    alive.filter(pod => pod.metadata.labels?.[revisionLabel] === hash && !pod.metadata.deletionTimestamp).length
  const done =
    set.spec.updateStrategy.type === 'RollingUpdate' &&
    of(update) === set.spec.replicas &&
    alive.filter(isReady).length === set.spec.replicas &&
    alive.length === set.spec.replicas
  const { conditions, collisionCount } = set.status
  return {
    ...(conditions && { conditions }),
    ...(collisionCount !== undefined && { collisionCount }),
    observedGeneration: set.metadata.generation ?? 0,
    replicas: alive.length,
    readyReplicas: alive.filter(isReady).length,
    availableReplicas: alive.filter(pod => isAvailable(pod, set.spec.minReadySeconds ?? 0, now)).length,
    currentReplicas: of(done ? update : current),
    updatedReplicas: of(update),
    currentRevision: `${set.metadata.name}-${done ? update : current}`,
    updateRevision: `${set.metadata.name}-${update}`,
  }
}
