// How many pods a metric asks for. Pure. Pods that are not ready yet or have no value count so that they never push
// the number the way the others already go. Source: pkg/controller/podautoscaler/replica_calculator.go.
import { parseTime } from '../../api/time.ts'
import { condition } from '../pods.ts'
import type { Pod } from '../../kinds/core/pod.ts'

/** What one pod uses of something: thousandths. */
export interface PodValue {
  milli: number
  /** When it was measured, in ms since the epoch, and for how long. */
  atMs: number
  windowMs: number
}

type PodValues = ReadonlyMap<string, PodValue>

/** How far from 1 the ratio of use to target may be without scaling. */
export interface Tolerance {
  up: number
  down: number
}

export interface Timing {
  now: number
  /** How long after its start a pod's CPU says little. */
  cpuInitializationMs: number
  /** How long after its start a pod may first become ready. */
  initialReadinessMs: number
}

/** A metric that cannot be computed; the text goes into conditions and events. */
export class MetricError extends Error {
  override name = 'MetricError'
}

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

/** Whether a pod's CPU is still that of its start. */
function isStarting(pod: Pod, value: PodValue, { now, cpuInitializationMs, initialReadinessMs }: Timing): boolean {
  const ready = condition(pod, 'Ready')
  const started = parseTime(pod.status.startTime)
  if (!ready || started === undefined) return true
  const since = parseTime(ready.lastTransitionTime) ?? started
  if (started + cpuInitializationMs > now) return ready.status === 'False' || value.atMs < since + value.windowMs
  // Ready never, or lost only at the start: it has not begun.
  return ready.status === 'False' && started + initialReadinessMs > since
}

const isWithin = (ratio: number, { up, down }: Tolerance): boolean => 1 - down <= ratio && ratio <= 1 + up

interface Scaling {
  /** Pods wanted now. */
  current: number
  pods: readonly Pod[]
  values: PodValues
  tolerance: Tolerance
  timing: Timing
}

interface Measured {
  ratio: number
  /** In percent of the requests, where that is what is aimed at. */
  utilization?: number
  averageMilli: number
}

interface Proposal extends Omit<Measured, 'ratio'> {
  replicas: number
  /** The time of the measurement, in ms since the epoch. */
  atMs: number
}

/** By use in percent of what the pods request. `requests` in thousandths by pod. */
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

/** By the average over the pods; both in thousandths. */
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
  /** What a pod without a value is taken to use when the others use less than their target. */
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
  // What we assumed may not turn the direction.
  if (isWithin(again, tolerance) || (ratio < 1 && again > 1) || (ratio > 1 && again < 1)) return answer(current)
  const replicas = Math.ceil(again * counted.size)
  if ((again < 1 && replicas > current) || (again > 1 && replicas < current)) return answer(current)
  return answer(replicas)
}

/** By one value for all: ratio to its target times the ready pods. */
export function byValue(
  { current, pods, tolerance }: Pick<Scaling, 'current' | 'pods' | 'tolerance'>,
  usedMilli: number,
  targetMilli: number,
): number {
  const ratio = usedMilli / targetMilli
  // From nothing there are no pods to count.
  if (current === 0) return Math.ceil(ratio)
  if (isWithin(ratio, tolerance)) return current
  const ready = pods.filter(pod => pod.status.phase === 'Running' && condition(pod, 'Ready')?.status === 'True').length
  return Math.ceil(ratio * ready)
}

/** By one value, divided by the pods there are. */
export function byValuePerPod(
  { current, tolerance, existing }: { current: number; tolerance: Tolerance; existing: number },
  usedMilli: number,
  targetMilli: number,
): { replicas: number; averageMilli: number } {
  const ratio = existing ? usedMilli / (targetMilli * existing) : Number.POSITIVE_INFINITY
  const replicas = isWithin(ratio, tolerance) ? current : Math.ceil(usedMilli / targetMilli)
  return { replicas, averageMilli: Math.ceil(usedMilli / Math.max(1, existing)) }
}
