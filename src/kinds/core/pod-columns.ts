// What `kubectl get pods` shows. Source: pkg/printers/internalversion/printers.go (printPod).
import type { Column, KubeObject } from '../../api/kind.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { PodSpec } from './podspec.ts'
import type { PodStatus } from './podstatus.ts'
import { shortAge, parseTime } from '../../api/time.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Pod = KubeObject & { spec: PodSpec; status: PodStatus }

type ReadPod = DeepReadonly<Pod>
type ContainerStatus = NonNullable<ReadPod['status']['containerStatuses']>[number]

export const podColumns: readonly Column<Pod>[] = [
  { name: 'Ready', type: 'string', value: pod => readyText(pod), doc: 'Containers that are ready, of all.' },
  { name: 'Status', type: 'string', value: pod => podStatusText(pod), doc: 'The state of the pod in one word.' },
  {
    name: 'Restarts',
    type: 'string',
    value: (pod, now) => restartsText(pod, now),
    doc: 'Restarts of its containers, and when the last was.',
  },
  { name: 'IP', type: 'string', wide: true, value: pod => pod.status.podIPs?.[0]?.ip ?? pod.status.podIP ?? '<none>' },
  { name: 'Node', type: 'string', wide: true, value: pod => pod.spec.nodeName ?? '<none>' },
  { name: 'Nominated Node', type: 'string', wide: true, value: pod => pod.status.nominatedNodeName ?? '<none>' },
  { name: 'Readiness Gates', type: 'string', wide: true, value: pod => gatesText(pod) },
]

const isSidecar = (pod: ReadPod, name: string) =>
  pod.spec.initContainers?.find(c => c.name === name)?.restartPolicy === 'Always'

function readyText(pod: ReadPod): string {
  const sidecars = (pod.spec.initContainers ?? []).filter(c => c.restartPolicy === 'Always')
  const total = (pod.spec.containers ?? []).length + sidecars.length
  const readySidecars = (pod.status.initContainerStatuses ?? []).filter(
    s => isSidecar(pod, s.name) && s.started && s.ready,
  ).length
  const ready = (pod.status.containerStatuses ?? []).filter(s => s.ready && s.state?.running).length
  return `${ready + readySidecars}/${total}`
}

function restartsText(pod: ReadPod, now: number): string {
  const statuses = [
    ...(pod.status.containerStatuses ?? []),
    ...(pod.status.initContainerStatuses ?? []).filter(s => isSidecar(pod, s.name)),
  ]
  const initializing = initProblem(pod) !== undefined
  const counted = initializing ? (pod.status.initContainerStatuses ?? []) : statuses
  const restarts = counted.reduce((sum, s) => sum + (s.restartCount ?? 0), 0)
  const last = Math.max(...counted.map(s => parseTime(s.lastState?.terminated?.finishedAt) ?? 0))
  return restarts > 0 && last > 0 ? `${restarts} (${shortAge(now - last)} ago)` : String(restarts)
}

function gatesText(pod: ReadPod): string {
  const gates = pod.spec.readinessGates ?? []
  if (!gates.length) return '<none>'
  const met = gates.filter(g =>
    pod.status.conditions?.some(c => c.type === g.conditionType && c.status === 'True'),
  ).length
  return `${met}/${gates.length}`
}

/** The word in the STATUS column. */
export function podStatusText(pod: ReadPod): string {
  let reason = pod.status.reason || pod.status.phase || 'Unknown'
  if (pod.status.conditions?.some(c => c.type === 'PodScheduled' && c.reason === 'SchedulingGated'))
    reason = 'SchedulingGated'
  const init = initProblem(pod)
  if (init !== undefined) reason = init
  else reason = containerReason(pod, reason)
  if (!pod.metadata.deletionTimestamp) return reason
  if (pod.status.reason === 'NodeLost') return 'Unknown'
  return pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed' ? reason : 'Terminating'
}

function containerReason(pod: ReadPod, fallback: string): string {
  let reason = fallback
  let running = false
  for (const status of [...(pod.status.containerStatuses ?? [])].reverse()) {
    const { waiting, terminated } = status.state ?? {}
    if (waiting?.reason) reason = waiting.reason
    else if (terminated) reason = terminated.reason || exitText(terminated)
    else if (status.ready && status.state?.running) running = true
  }
  if (reason !== 'Completed' || !running) return reason
  return pod.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ? 'Running' : 'NotReady'
}

const exitText = (terminated: { readonly signal?: number; readonly exitCode: number }) =>
  terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`

/** `Init:1/2` and the like while init containers are not through. */
function initProblem(pod: ReadPod): string | undefined {
  const total = pod.spec.initContainers?.length ?? 0
  for (const [i, status] of (pod.status.initContainerStatuses ?? []).entries()) {
    const text = initText(pod, status, `Init:${i}/${total}`)
    if (text !== undefined) return text
  }
  return undefined
}

function initText(pod: ReadPod, status: ContainerStatus, progress: string): string | undefined {
  const { terminated, waiting } = status.state ?? {}
  if (terminated?.exitCode === 0) return undefined
  if (isSidecar(pod, status.name) && status.started) return undefined
  if (terminated) return `Init:${terminated.reason || exitText(terminated)}`
  if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`
  return progress
}
