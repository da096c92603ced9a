// The next step of a StatefulSet. Pure. Pods are created in the order of their ordinals and deleted in reverse, each
// only when all before it are healthy; with podManagementPolicy Parallel none waits for another. An update replaces
// pods from the highest ordinal down. Source: pkg/controller/statefulset/stateful_set_control.go.
import type { Draft } from '../../api/kind.ts'
import { scaledValue } from '../../kinds/apps/rolling-update.ts'
import type { StatefulSetStatus, StatefulSet } from '../../kinds/apps/statefulset.ts'
import { revisionLabel } from '../history.ts'
import { isAvailable, isReady } from '../pods.ts'
import { ordinalOf, ordinals } from './identity.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'

/** The names of the revision before the update, and of the one that the update leads to. */
interface Revisions {
  current: string
  update: string
}

export interface StatefulPlan {
  /** The ordinals of pods to create, each with its revision. */
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
  /** Pods outside of the set's ordinals, highest first. */
  condemned: readonly Pod[]
  revisions: Revisions
  now: number
}
type Steps = Pick<StatefulPlan, 'create' | 'remove'>

const isHealthy = (set: StatefulSet, pod: Pod, now: number) =>
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
    else if (isHealthy(set, pod, now)) continue
    if (oneByOne) return plan
  }
  // An unhealthy pod also stops the deletion of those below it, but the lowest such pod may be deleted itself.
  const first = condemned.findLast(pod => !isHealthy(set, pod, now))
  for (const pod of condemned) {
    if (pod.metadata.deletionTimestamp) {
      if (oneByOne) return plan
      continue
    }
    if (oneByOne && !isHealthy(set, pod, now) && pod !== first) return plan
    plan.remove.push(pod)
    if (oneByOne) return plan
  }
  plan.remove.push(...updates(given))
  return plan
}

/** The revision at which a pod is created. Below the partition it is the old one. */
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
  const mayReplace = (pod: Pod) => isOld(pod, revisions) && !pod.metadata.deletionTimestamp
  if (type === 'OnDelete') return []
  if (type === 'Recreate') return candidates.filter(mayReplace)
  if (rollingUpdate?.maxUnavailable === undefined) {
    // From the top, the first pod that is old or unhealthy decides: an old one is replaced, a new one waited for.
    const next = candidates.find(pod => mayReplace(pod) || !isHealthy(set, pod, now))
    return next && mayReplace(next) ? [next] : []
  }
  const limit = Math.max(1, scaledValue(rollingUpdate.maxUnavailable, set.spec.replicas, 'down'))
  // An old pod that is unhealthy can be replaced first: it counts as unavailable anyway.
  const away = [...byOrdinal.values()].filter(pod => !isHealthy(set, pod, now))
  const replaceable = candidates.filter(pod => mayReplace(pod) && !isHealthy(set, pod, now))
  const missing = set.spec.replicas - byOrdinal.size
  const room = Math.max(0, limit - missing - (away.length - replaceable.length))
  const rest = candidates.filter(pod => mayReplace(pod) && isHealthy(set, pod, now))
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
