// The next step of a StatefulSet. Pods come in the order of their numbers and go in reverse, each only when those
// before it are well; with Parallel none waits for another. An update replaces pods from the highest number down.
// Source: pkg/controller/statefulset/stateful_set_control.go.
import type { Draft } from '../../api/kind.ts'
import { scaledValue } from '../../kinds/apps/rolling-update.ts'
import type { StatefulSetStatus, StatefulSet } from '../../kinds/apps/statefulset.ts'
import { revisionLabel } from '../history.ts'
import { isAvailable, isReady } from '../pods.ts'
import { ordinalOf, ordinals } from './identity.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'

/** Names of the revision that pods were of before the update, and of the one they are to be of. */
interface Revisions {
  current: string
  update: string
}

export interface StatefulPlan {
  /** Numbers of pods to make, and the revision each is made at. */
  create: { ordinal: number; revision: string }[]
  remove: Pod[]
  status: Draft<StatefulSetStatus>
}

export function planStateful(set: StatefulSet, pods: readonly Pod[], revisions: Revisions, now: number): StatefulPlan {
  const status = planStatefulStatus(set, pods, revisions, now)
  if (set.metadata.deletionTimestamp) return { create: [], remove: [], status }
  const [start, end] = ordinals(set)
  const byOrdinal = new Map<number, Pod>()
  const condemned: [number, Pod][] = []
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod)
    if (ordinal === undefined) continue
    if (ordinal >= start && ordinal < end) byOrdinal.set(ordinal, pod)
    else condemned.push([ordinal, pod])
  }
  const fromTheTop = condemned.sort(([a], [b]) => b - a).map(([, pod]) => pod)
  return { ...steps({ set, byOrdinal, condemned: fromTheTop, revisions, now }), status }
}

interface Given {
  set: StatefulSet
  byOrdinal: ReadonlyMap<number, Pod>
  /** Pods beyond the size, highest number first. */
  condemned: readonly Pod[]
  revisions: Revisions
  now: number
}
type Steps = Pick<StatefulPlan, 'create' | 'remove'>

const isWell = (set: StatefulSet, pod: Pod, now: number) =>
  isRunningAndReady(pod) && isAvailable(pod, set.spec.minReadySeconds ?? 0, now) && !pod.metadata.deletionTimestamp

const isRunningAndReady = (pod: Pod) => pod.status.phase === 'Running' && isReady(pod)

function steps(given: Given): Steps {
  const { set, byOrdinal, condemned, revisions, now } = given
  const plan: Steps = { create: [], remove: [] }
  const oneByOne = set.spec.podManagementPolicy !== 'Parallel'
  const [start, end] = ordinals(set)
  for (let ordinal = start; ordinal < end; ordinal++) {
    const pod = byOrdinal.get(ordinal)
    if (!pod) plan.create.push({ ordinal, revision: revisionFor(set, ordinal, revisions) })
    else if (isTerminal(pod)) plan.remove.push(...(pod.metadata.deletionTimestamp ? [] : [pod]))
    else if (isWell(set, pod, now)) continue
    if (oneByOne) return plan
  }
  // An unwell pod halts the way down too, unless it is the first such: then it may go.
  const first = condemned.findLast(pod => !isWell(set, pod, now))
  for (const pod of condemned) {
    if (pod.metadata.deletionTimestamp) {
      if (oneByOne) return plan
      continue
    }
    if (oneByOne && !isWell(set, pod, now) && pod !== first) return plan
    plan.remove.push(pod)
    if (oneByOne) return plan
  }
  plan.remove.push(...updates(given))
  return plan
}

/** A pod below the partition is made at the old revision. */
function revisionFor(set: StatefulSet, ordinal: number, { current, update }: Revisions): string {
  const { type, rollingUpdate } = set.spec.updateStrategy
  const [start] = ordinals(set)
  return type === 'RollingUpdate' && ordinal < start + (rollingUpdate?.partition ?? 0) ? current : update
}

const isOld = (pod: Pod, { update }: Revisions) => pod.metadata.labels?.[revisionLabel] !== update

function updates({ set, byOrdinal, revisions, now }: Given): Pod[] {
  const { type, rollingUpdate } = set.spec.updateStrategy
  const [start, end] = ordinals(set)
  const from = start + (type === 'RollingUpdate' ? (rollingUpdate?.partition ?? 0) : 0)
  const candidates: Pod[] = []
  for (let ordinal = end - 1; ordinal >= from; ordinal--) {
    const pod = byOrdinal.get(ordinal)
    if (pod && !isTerminal(pod)) candidates.push(pod)
  }
  const mayGo = (pod: Pod) => isOld(pod, revisions) && !pod.metadata.deletionTimestamp
  if (type === 'OnDelete') return []
  if (type === 'Recreate') return candidates.filter(mayGo)
  if (rollingUpdate?.maxUnavailable === undefined) {
    // From the top: the first old one goes, and a new one that is not well yet is waited for.
    const next = candidates.find(pod => mayGo(pod) || !isWell(set, pod, now))
    return next && mayGo(next) ? [next] : []
  }
  const limit = Math.max(1, scaledValue(rollingUpdate.maxUnavailable, set.spec.replicas, 'down'))
  // Nothing is lost with an old pod that is away already; it only takes its part of the limit.
  const away = [...byOrdinal.values()].filter(pod => !isWell(set, pod, now))
  const replaceable = candidates.filter(pod => mayGo(pod) && !isWell(set, pod, now))
  const missing = set.spec.replicas - byOrdinal.size
  const room = Math.max(0, limit - missing - (away.length - replaceable.length))
  const rest = candidates.filter(pod => mayGo(pod) && isWell(set, pod, now))
  return [...replaceable, ...rest].slice(0, room)
}

function planStatefulStatus(
  set: StatefulSet,
  pods: readonly Pod[],
  { current, update }: Revisions,
  now: number,
): Draft<StatefulSetStatus> {
  const numbers = {
    replicas: pods.length,
    readyReplicas: pods.filter(isRunningAndReady).length,
    availableReplicas: pods.filter(
      pod => isRunningAndReady(pod) && isAvailable(pod, set.spec.minReadySeconds ?? 0, now),
    ).length,
  }
  const of = (revision: string) =>
    pods.filter(pod => pod.metadata.labels?.[revisionLabel] === revision && !pod.metadata.deletionTimestamp).length
  const done =
    set.spec.updateStrategy.type === 'RollingUpdate' &&
    [of(update), numbers.readyReplicas, numbers.replicas].every(count => count === set.spec.replicas)
  const { conditions, collisionCount } = set.status
  return {
    ...(conditions && { conditions }),
    collisionCount: collisionCount ?? 0,
    observedGeneration: set.metadata.generation ?? 0,
    ...numbers,
    currentReplicas: of(done ? update : current),
    updatedReplicas: of(update),
    currentRevision: done ? update : current,
    updateRevision: update,
  }
}
