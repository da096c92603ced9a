// What `kubectl get pods` shows. Source: pkg/printers/internalversion/printers.go (printPod).
import type { Column, KubeObject } from '../../api/kind.ts'
import type { PodSpec } from './podspec.ts'
import type { PodStatus } from './podstatus.ts'
import { shortAge, parseTime } from '../../api/time.ts'
import { isTerminal } from './pod-phase.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Pod = KubeObject & { spec: PodSpec; status: PodStatus }

type ContainerStatus = NonNullable<Pod['status']['containerStatuses']>[number]

export const podColumns: readonly Column<Pod>[] = [
  {
    name: 'Ready',
    type: 'string',
    value: pod => readyText(pod),
    doc: 'Number of containers that are ready, and of all containers.',
  },
  {
    name: 'Status',
    type: 'string',
    value: pod => podStatusText(pod),
    doc: 'Phase of the pod, or the reason why it is not running or is terminating.',
  },
  {
    name: 'Restarts',
    type: 'string',
    value: (pod, now) => restartsText(pod, now),
    doc: 'Number of restarts of the containers, and the time since the last one.',
  },
  { name: 'IP', type: 'string', wide: true, value: pod => pod.status.podIPs?.[0]?.ip ?? pod.status.podIP ?? '<none>' },
  { name: 'Node', type: 'string', wide: true, value: pod => pod.spec.nodeName ?? '<none>' },
  { name: 'Nominated Node', type: 'string', wide: true, value: pod => pod.status.nominatedNodeName ?? '<none>' },
  { name: 'Readiness Gates', type: 'string', wide: true, value: pod => gatesText(pod) },
]

const isSidecar = (pod: Pod, name: string) =>
  pod.spec.initContainers?.find(c => c.name === name)?.restartPolicy === 'Always'

const hasCondition = (pod: Pod, type: string) => pod.status.conditions?.find(c => c.type === type)?.status === 'True'

/** The init containers in order, up to and with the first that holds the pod up. */
interface Initialization {
  passed: readonly ContainerStatus[]
  /** `Init:…`, when there is such a one. */
  text: string | undefined
  /** Whether the pod is past this: a sidecar that starts again later holds nothing up. */
  over: boolean
}

function initializationOf(pod: Pod): Initialization {
  const statuses = pod.status.initContainerStatuses ?? []
  const total = pod.spec.initContainers?.length ?? 0
  for (const [i, status] of statuses.entries()) {
    const text = initText(pod, status, `Init:${i}/${total}`)
    if (text !== undefined) return { passed: statuses.slice(0, i + 1), text, over: hasCondition(pod, 'Initialized') }
  }
  return { passed: statuses, text: undefined, over: true }
}

function initText(pod: Pod, status: ContainerStatus, progress: string): string | undefined {
  const { terminated, waiting } = status.state ?? {}
  if (terminated?.exitCode === 0) return undefined
  if (isSidecar(pod, status.name) && status.started) return undefined
  if (terminated) return `Init:${terminated.reason || exitText(terminated)}`
  if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`
  return progress
}

function readyText(pod: Pod): string {
  const { passed, over } = initializationOf(pod)
  const sidecars = (pod.spec.initContainers ?? []).filter(c => c.restartPolicy === 'Always')
  const total = (pod.spec.containers ?? []).length + sidecars.length
  const up = passed.filter(s => isSidecar(pod, s.name) && s.started && s.ready && s.state?.terminated?.exitCode !== 0)
  const main = over ? (pod.status.containerStatuses ?? []).filter(isReady) : []
  return `${up.length + main.length}/${total}`
}

const isReady = ({ ready, state }: ContainerStatus) =>
  ready && state?.running !== undefined && !state.terminated && !state.waiting?.reason

function restartsText(pod: Pod, now: number): string {
  const { passed, over } = initializationOf(pod)
  const counted = over
    ? [...passed.filter(s => isSidecar(pod, s.name)), ...(pod.status.containerStatuses ?? [])]
    : passed
  const restarts = counted.reduce((sum, s) => sum + (s.restartCount ?? 0), 0)
  const last = Math.max(0, ...counted.map(s => parseTime(s.lastState?.terminated?.finishedAt) ?? 0))
  return restarts > 0 && last > 0 ? `${restarts} (${shortAge(now - last)} ago)` : String(restarts)
}

function gatesText(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? []
  if (!gates.length) return '<none>'
  return `${gates.filter(g => hasCondition(pod, g.conditionType)).length}/${gates.length}`
}

/** The word in the STATUS column. */
function podStatusText(pod: Pod): string {
  let reason = pod.status.reason || pod.status.phase || 'Unknown'
  if (pod.status.conditions?.some(c => c.type === 'PodScheduled' && c.reason === 'SchedulingGated'))
    reason = 'SchedulingGated'
  const { text, over } = initializationOf(pod)
  reason = text ?? reason
  if (over) reason = containerReason(pod, reason)
  if (!pod.metadata.deletionTimestamp) return reason
  if (pod.status.reason === 'NodeLost') return 'Unknown'
  return isTerminal(pod) ? reason : 'Terminating'
}

function containerReason(pod: Pod, fallback: string): string {
  let reason = fallback
  let running = false
  for (const status of [...(pod.status.containerStatuses ?? [])].reverse()) {
    const { waiting, terminated } = status.state ?? {}
    if (waiting?.reason) reason = waiting.reason
    else if (terminated) reason = terminated.reason || exitText(terminated)
    else if (isReady(status)) running = true
  }
  if (reason !== 'Completed' || !running) return reason
  return hasCondition(pod, 'Ready') ? 'Running' : 'NotReady'
}

const exitText = (terminated: { readonly signal?: number; readonly exitCode: number }) =>
  terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`
