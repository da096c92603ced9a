// Computes how many pods a metric asks for, from its values. Pure. Pods that are not ready or have no value count with
// an assumed value that works against the direction of the others: they can damp a change, and never cause or turn one.
// Source: pkg/controller/podautoscaler/replica_calculator.go.
import { parseTime } from '../../api/time.ts'
import { condition } from '../pods.ts'
import type { Pod } from '../../kinds/core/pod.ts'

/** One measured value of one pod, in thousandths. */
export interface PodValue {
  milli: number
  /** When it was measured, in ms since the epoch, and for how long. */
  atMs: number
  windowMs: number
}

type PodValues = ReadonlyMap<string, PodValue>

/** How far above and below 1 the ratio of use to target may be without scaling, as fractions. */
export interface Tolerance {
  up: number
  down: number
}

export interface Timing {
  now: number
  /** How long after its start a pod's CPU counts only if the pod is ready. */
  cpuInitializationMs: number
  /** A pod that became unready within this time after its start counts as one that was never ready. */
  initialReadinessMs: number
}

/** A metric that cannot be computed; the text goes into conditions and events. */
export class MetricError extends Error {
  override name = 'MetricError'
}

/** Names of pods, and the number of those whose values count as they are. */
interface Grouped {
  ready: number
  unready: string[]
  missing: string[]
  ignored: string[]
}

const nameOf = (pod: Pod) => pod.metadata.name ?? ''

export function groupPods(pods: readonly Pod[], values: PodValues, isCpu: boolean, timing: Timing): Grouped {
  const groups: Grouped = { ready: 0, unready: [], missing: [], ignored: [] }
  for (const pod of pods) {
    const value = values.get(nameOf(pod))
    if (pod.metadata.deletionTimestamp || pod.status.phase === 'Failed') groups.ignored.push(nameOf(pod))
    else if (pod.status.phase === 'Pending') groups.unready.push(nameOf(pod))
    else if (!value) groups.missing.push(nameOf(pod))
    else if (isCpu && isStarting(pod, value, timing)) groups.unready.push(nameOf(pod))
    else groups.ready++
  }
  return groups
}

/** Whether a pod's CPU value still measures its start and not its work. */
function isStarting(pod: Pod, value: PodValue, { now, cpuInitializationMs, initialReadinessMs }: Timing): boolean {
  const ready = condition(pod, 'Ready')
  const started = parseTime(pod.status.startTime)
  if (!ready || started === undefined) return true
  const since = parseTime(ready.lastTransitionTime) ?? started
  if (started + cpuInitializationMs > now) return ready.status === 'False' || value.atMs < since + value.windowMs
  // It was never ready, or stopped being so during the start.
  return ready.status === 'False' && started + initialReadinessMs > since
}

const isWithin = (ratio: number, { up, down }: Tolerance): boolean => 1 - down <= ratio && ratio <= 1 + up

interface Scaling {
  /** `spec.replicas` of the target's scale. */
  current: number
  pods: readonly Pod[]
  values: PodValues
  tolerance: Tolerance
  timing: Timing
}

interface Measured {
  ratio: number
  /** In percent of the requests; only for a target of that form. */
  utilization?: number
  averageMilli: number
}

interface Proposal extends Omit<Measured, 'ratio'> {
  replicas: number
  /** The time of the measurement, in ms since the epoch. */
  atMs: number
}

/** Aims at a use in percent of the requests. `requests` has thousandths by pod name. */
export function byUtilization(
  scaling: Scaling,
  requests: ReadonlyMap<string, number>,
  targetPercent: number,
  isCpu: boolean,
): Proposal {
  const measure = (values: ReadonlyMap<string, number>): Measured => {
    let [used, requested, count] = [0, 0, 0]
    for (const [name, milli] of values) {
      const request = requests.get(name)
      if (request === undefined) continue
      used += milli
      requested += request
      count++
    }
    if (requested === 0) throw new MetricError('no metrics returned matched known pods')
    const utilization = Math.trunc((used * 100) / requested)
    return { ratio: utilization / targetPercent, utilization, averageMilli: Math.trunc(used / count) }
  }
  const fallback = Math.max(100, targetPercent)
  return propose(scaling, isCpu, measure, name => ((requests.get(name) ?? 0) * fallback) / 100)
}

/** Aims at an average over the pods, in thousandths. */
export function byAverage(scaling: Scaling, targetMilli: number, isCpu: boolean): Proposal {
  const measure = (values: ReadonlyMap<string, number>): Measured => {
    const averageMilli = Math.trunc([...values.values()].reduce((sum, milli) => sum + milli, 0) / values.size)
    return { ratio: averageMilli / targetMilli, averageMilli }
  }
  return propose(scaling, isCpu, measure, () => targetMilli)
}

function propose(
  { current, pods, values, tolerance, timing }: Scaling,
  isCpu: boolean,
  measure: (values: ReadonlyMap<string, number>) => Measured,
  /** The assumed value of a pod without one when the others use less than their target. */
  full: (name: string) => number,
): Proposal {
  if (!pods.length) throw new MetricError('no pods returned by selector while calculating replica count')
  const groups = groupPods(pods, values, isCpu, timing)
  const apart = new Set([...groups.ignored, ...groups.unready])
  const known = new Set(pods.map(nameOf))
  const counted = new Map(
    [...values].filter(([name]) => known.has(name) && !apart.has(name)).map(([n, v]) => [n, v.milli]),
  )
  if (!counted.size) throw new MetricError('did not receive metrics for targeted pods (pods might be unready)')
  const atMs = Math.min(...[...values.values()].map(value => value.atMs))
  const first = measure(counted)
  const { ratio, ...seen } = first
  const answer = (replicas: number): Proposal => ({ ...seen, replicas, atMs })
  const withUnready = groups.unready.length > 0 && ratio > 1
  if (!withUnready && !groups.missing.length)
    return answer(isWithin(ratio, tolerance) ? current : Math.ceil(ratio * groups.ready))
  if (ratio < 1) for (const name of groups.missing) counted.set(name, full(name))
  else if (ratio > 1) for (const name of groups.missing) counted.set(name, 0)
  if (withUnready) for (const name of groups.unready) counted.set(name, 0)
  const again = measure(counted).ratio
  // Assumed values must not turn a decrease into an increase, or the reverse.
  if (isWithin(again, tolerance) || (ratio < 1 && again > 1) || (ratio > 1 && again < 1)) return answer(current)
  const replicas = Math.ceil(again * counted.size)
  if ((again < 1 && replicas > current) || (again > 1 && replicas < current)) return answer(current)
  return answer(replicas)
}

/** Aims at one value for all pods together: the ready pods times the ratio of the value to its target. */
export function byValue(
  { current, pods, tolerance }: Pick<Scaling, 'current' | 'pods' | 'tolerance'>,
  usedMilli: number,
  targetMilli: number,
): number {
  const ratio = usedMilli / targetMilli
  // Without pods the ratio itself is the number.
  if (current === 0) return Math.ceil(ratio)
  if (isWithin(ratio, tolerance)) return current
  const ready = pods.filter(pod => pod.status.phase === 'Running' && condition(pod, 'Ready')?.status === 'True').length
  return Math.ceil(ratio * ready)
}

/** Aims at one value divided by the existing pods. */
export function byValuePerPod(
  { current, tolerance, existing }: { current: number; tolerance: Tolerance; existing: number },
  usedMilli: number,
  targetMilli: number,
): { replicas: number; averageMilli: number } {
  const ratio = existing ? usedMilli / (targetMilli * existing) : Number.POSITIVE_INFINITY
  const replicas = isWithin(ratio, tolerance) ? current : Math.ceil(usedMilli / targetMilli)
  return { replicas, averageMilli: Math.ceil(usedMilli / Math.max(1, existing)) }
}
