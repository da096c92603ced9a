// Computes a pod's status in the API from the runtime's containers, the plan, and the former status. Pure.
// Source: kubernetes pkg/kubelet/kubelet_pods.go (generateAPIPodStatus, getPhase, convertToAPIContainerStatuses).
import { timeText } from '../../api/time.ts'
import type {
  ContainerState,
  ContainerStatus,
  PodCondition,
  PodStatus,
  ResourceStatus,
} from '../../kinds/core/podstatus.ts'
import type { Rejection } from '../admission/admission.ts'
import { appliedTo, type ResizeCondition, shownResources } from '../resize/applied.ts'
import type { Resources } from '../resize/granted.ts'
import type { ContainerSeen, PodSeen } from '../runtime/runtime.ts'
import { disruptionTarget, podConditions } from './conditions.ts'
import { endingOf } from './life.ts'
import type { PodMemory, PodPlan } from './plan.ts'
import {
  ephemeralContainers,
  initContainers,
  isSidecar,
  mainContainers,
  onHostNetwork,
  type ReadContainer,
  restartPolicyOf,
  type Role,
} from './spec.ts'
import type { Mutable } from '../../api/schema/node.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal, isTerminalPhase } from '../../kinds/core/pod-phase.ts'

interface StatusInputs {
  pod: Pod
  seen: PodSeen
  plan: PodPlan
  memory: Pick<PodMemory, 'life' | 'notStarted' | 'resize' | 'obstacle'>
  /** The ids of containers whose readiness probe failed or has not succeeded yet. */
  notReady: ReadonlySet<string>
  resize: readonly ResizeCondition[]
  /** Whether drivers may have something prepared for the pod. */
  holdsClaims: boolean
  /** The health of the devices that a container has. */
  healthOf(container: ReadContainer): readonly ResourceStatus[]
  startedAtMs: number
  nodeIPs: readonly string[]
  /** The prefix of container ids: `containerd` in `containerd://ID`. */
  runtimeName: string
  now: number
}

type Phase = NonNullable<PodStatus['phase']>

/**
 * Whether the status is written: not once the object is gone, nor while containers are removed, when the last one stays.
 * Nor that of a pod which a former kubelet rejected.
 */
export function isReported(pod: Pod, { life, busy }: Pick<PodMemory, 'life' | 'busy'>): boolean {
  const ending = endingOf(life)
  const wasRejected = isTerminal(pod) && !pod.status.containerStatuses && !ending
  return !ending?.objectGone && !wasRejected && !busy.some(job => job.do === 'delete')
}

export function podStatus(inputs: StatusInputs): PodStatus {
  const ending = endingOf(inputs.memory.life)
  return ending?.why === 'rejected' ? rejectedStatus(inputs, ending) : workedStatus(inputs)
}

/**
 * The status of a pod that the node did not take, which has only the reason. Source: pkg/kubelet/kubelet.go
 * (rejectPod).
 */
function rejectedStatus({ pod, startedAtMs }: StatusInputs, { reason, message }: Rejection): PodStatus {
  return {
    phase: 'Failed',
    reason,
    message,
    startTime: pod.status.startTime ?? timeText(startedAtMs),
    ...(pod.status.qosClass && { qosClass: pod.status.qosClass }),
    ...(pod.metadata.generation && { observedGeneration: pod.metadata.generation }),
  }
}

function workedStatus(inputs: StatusInputs): PodStatus {
  const { pod, seen, memory } = inputs
  const hasInit = initContainers(pod).length > 0
  const statuses = (
    list: readonly ReadContainer[],
    role: Role,
    before: readonly ContainerStatus[] | undefined,
    waiting: string,
  ) =>
    list.map(container =>
      containerStatus(
        inputs,
        container,
        role,
        before?.find(s => s.name === container.name),
        waiting,
      ),
    )
  const init = statuses(initContainers(pod), 'init', pod.status.initContainerStatuses, 'PodInitializing')
  const main = statuses(
    mainContainers(pod),
    'main',
    pod.status.containerStatuses,
    hasInit ? 'PodInitializing' : 'ContainerCreating',
  )
  const ephemeral = statuses(
    ephemeralContainers(pod),
    'ephemeral',
    pod.status.ephemeralContainerStatuses,
    'ContainerCreating',
  )

  const phase = keepRunningPhase(inputs, phaseOf(pod, init, main, over(inputs)), init, main, ephemeral)
  const ending = endingOf(memory.life)
  const failed = ending?.why === 'failed' ? ending : undefined
  const ips = onHostNetwork(pod) ? (seen.sandboxes.length ? inputs.nodeIPs : []) : (seen.sandboxes[0]?.ips ?? [])
  const shownIps = ips.length || !over(inputs) ? ips : (pod.status.podIPs ?? []).map(p => p.ip)
  const next = failed && allStopped(init, main, ephemeral) ? 'Failed' : phase
  const before = pod.status.phase
  // Claims of a pod that has ended may be given to others, so it has not ended before drivers have undone their work.
  const isHeld = inputs.holdsClaims && isTerminalPhase(next) && !isTerminalPhase(before)
  const said = isHeld
    ? pod.status
    : { reason: failed?.reason ?? pod.status.reason, message: failed?.message ?? pod.status.message }
  const status: Mutable<PodStatus> = {
    phase: isHeld ? (before ?? 'Running') : next,
    ...(said.reason && { reason: said.reason }),
    ...(said.message && { message: said.message }),
    hostIP: inputs.nodeIPs[0] ?? '',
    hostIPs: inputs.nodeIPs.map(ip => ({ ip })),
    ...(shownIps.length && { podIP: shownIps[0]!, podIPs: shownIps.map(ip => ({ ip })) }),
    startTime: pod.status.startTime ?? timeText(inputs.startedAtMs),
    ...(init.length && { initContainerStatuses: init }),
    containerStatuses: main,
    ...(ephemeral.length && { ephemeralContainerStatuses: ephemeral }),
    ...(pod.status.qosClass && { qosClass: pod.status.qosClass }),
    ...(pod.spec.resources && {
      resources: structuredClone(pod.spec.resources) as Mutable<NonNullable<PodStatus['resources']>>,
      allocatedResources: { ...pod.spec.resources.requests },
    }),
    ...(pod.metadata.generation && { observedGeneration: pod.metadata.generation }),
  }
  status.conditions = [
    ...podConditions(pod, status, seen, inputs.now),
    ...shownResize(pod, inputs),
    ...(failed?.isDisruption ? [disruptionTarget(pod, failed)] : []),
  ]
  return status
}

/**
 * The status of one container. Its state comes from the newest container of its name in the runtime:
 *
 *   none           waiting, or terminated if it was lost (unseenStatus)
 *   running        running
 *   exited         terminated, or waiting with the terminated state as the last one while it backs off
 *   created        waiting, since the runtime has not started it
 */
function containerStatus(
  inputs: StatusInputs,
  container: ReadContainer,
  role: Role,
  before: ContainerStatus | undefined,
  waiting: string,
): Mutable<ContainerStatus> {
  const { seen, plan } = inputs
  const [current, ...older] = seen.containers.filter(c => c.name === container.name)
  const previous = older.find(c => c.state === 'exited')
  const status: Mutable<ContainerStatus> = {
    name: container.name,
    state: {},
    lastState: {},
    ready: false,
    restartCount: 0,
    image: container.image ?? '',
    imageID: '',
    started: false,
  }
  const health = role === 'main' ? inputs.healthOf(container) : []
  // The last one stays, and says later what a container had that failed.
  const shownHealth = health.length ? health : (before?.allocatedResourcesStatus ?? [])
  if (shownHealth.length) status.allocatedResourcesStatus = structuredClone(shownHealth) as Mutable<ResourceStatus>[]
  const wait = plan.waiting.get(container.name)
  // While the pod is still ending, a start that was under way may succeed, so a container is not lost yet.
  const isEnded = plan.state.state === 'ended'
  if (!current) {
    const isLost = isEnded && wasReached(inputs, container, role)
    const { obstacle } = inputs.memory
    return unseenStatus(isLost, status, before, wait ?? { reason: waiting, ...(obstacle && { message: obstacle }) })
  }
  status.restartCount = current.attempt
  status.image = current.image || status.image
  status.imageID = current.imageRef
  status.containerID = `${inputs.runtimeName}://${current.id}`
  if (role !== 'ephemeral') {
    status.resources = shownResources(container, appliedTo(current, inputs.memory.resize)) as Mutable<Resources>
    if (container.resources?.requests) status.allocatedResources = { ...container.resources.requests }
  }
  if (previous) status.lastState = { terminated: terminated(inputs, previous) }
  // The last state of a container that the runtime lost is only in the former status.
  else if (before?.lastState.terminated && (!before.containerID || before.containerID === status.containerID))
    status.lastState = before.lastState as Mutable<ContainerState>
  if (current.state === 'running') {
    status.state = { running: { startedAt: timeText(current.startedAtMs) } }
    status.started = !inputs.memory.notStarted.has(current.id)
    // A sidecar takes part in readiness. Another init container is ready only when it has succeeded.
    status.ready =
      role === 'init' && !isSidecar(container)
        ? false
        : role !== 'ephemeral' && status.started && !inputs.notReady.has(current.id)
  } else if (current.state === 'exited') {
    const end = { terminated: terminated(inputs, current) }
    if (wait) {
      status.state = { waiting: { reason: wait.reason, message: wait.message } }
      status.lastState = end
    } else status.state = end
    status.ready = role === 'init' && !isSidecar(container) && current.exitCode === 0
  } else if (isEnded) status.state = lost('terminated')
  else
    status.state = { waiting: wait ? { reason: wait.reason, message: wait.message } : { reason: 'ContainerCreating' } }
  return status
}

const lost = (how: string) => ({
  terminated: {
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: `The container could not be located when the pod was ${how}`,
    startedAt: null,
    finishedAt: null,
  },
})

/** The conditions of a resize, which are there only while they are true. */
function shownResize({ status: { conditions = [] } }: Pod, { resize, now }: StatusInputs): PodCondition[] {
  return resize.map(condition => ({
    ...condition,
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: conditions.find(c => c.type === condition.type)?.lastTransitionTime ?? timeText(now),
  }))
}

const over = ({ plan, memory }: StatusInputs) => plan.state.state === 'ended' || endingOf(memory.life) !== undefined

// Whether it was the container's turn to run before the pod ended. If a pod ends during its initialization, the
// containers after that point stay waiting, while one that had its turn and is not in the runtime counts as lost.
function wasReached({ pod, seen }: StatusInputs, container: ReadContainer, role: Role): boolean {
  if (role === 'ephemeral') return true
  const inits = initContainers(pod)
  const begun = (list: readonly ReadContainer[]) => list.some(c => seen.containers.some(s => s.name === c.name))
  if (begun(mainContainers(pod))) return true
  if (role === 'init') return begun(inits.slice(inits.findIndex(c => c.name === container.name) + 1))
  const last = inits.at(-1)
  const succeeded = (s: ContainerSeen) => s.state === 'exited' && s.exitCode === 0
  return !last || seen.containers.some(s => s.name === last.name && (isSidecar(last) || succeeded(s)))
}

// The status of a container that the runtime does not have: it was not created yet, or it was lost.
function unseenStatus(
  reached: boolean,
  status: Mutable<ContainerStatus>,
  before: ContainerStatus | undefined,
  wait: { reason: string; message?: string },
): Mutable<ContainerStatus> {
  if (before?.state.terminated) return structuredClone(before) as Mutable<ContainerStatus>
  if (before) status.restartCount = before.restartCount
  if (before?.lastState.terminated) status.lastState = structuredClone(before.lastState) as Mutable<ContainerState>
  if (reached) status.state = lost('terminated')
  else {
    if (before?.state.running) {
      status.lastState = lost('deleted.  The container used to be Running')
      status.restartCount = before.restartCount + 1
    }
    status.state = { waiting: { reason: wait.reason, ...(wait.message && { message: wait.message }) } }
  }
  return status
}

function terminated(inputs: StatusInputs, c: ContainerSeen) {
  return {
    exitCode: c.exitCode,
    reason: c.reason || (c.exitCode === 0 ? 'Completed' : 'Error'),
    ...(c.message && { message: c.message }),
    startedAt: timeOrNull(c.startedAtMs),
    finishedAt: timeOrNull(c.finishedAtMs),
    containerID: `${inputs.runtimeName}://${c.id}`,
  }
}

// As in Go, the time of a container that never started is the beginning of the epoch.
const timeOrNull = (ms: number) => timeText(Math.max(0, ms))

/**
 * The phase that follows from the containers. With `over`, no container will be started any more. The first line that
 * applies:
 *
 *   an init container failed, restartPolicy Never or over      Failed
 *   an init container has not succeeded, not over              Pending
 *   a main container has never run                             Pending
 *   a main container runs                                      Running
 *   all have ended and over                                    Succeeded if all had exit code 0, else Failed
 *   all have ended, restartPolicy Always                       Running, since they will be restarted
 *   all have ended with exit code 0                            Succeeded
 *   some have failed                                           Failed with Never, Running with OnFailure
 */
export function phaseOf(
  pod: Pod,
  init: readonly ContainerStatus[],
  main: readonly ContainerStatus[],
  over: boolean,
): Phase {
  const specs = initContainers(pod)
  let pendingInit = 0
  let failedInit = 0
  for (const [i, { state, lastState, started }] of init.entries()) {
    if (isSidecar(specs[i]!)) {
      const begun = main.some(m => m.state.running || m.state.terminated || m.lastState.terminated)
      if (!begun && !(state.running && started)) pendingInit++
    } else if (state.terminated) failedInit += state.terminated.exitCode === 0 ? 0 : 1
    else if (state.waiting && lastState.terminated) failedInit += lastState.terminated.exitCode === 0 ? 0 : 1
    else pendingInit++
  }
  if (failedInit && (restartPolicyOf(pod) === 'Never' || over)) return 'Failed'
  const count = { running: 0, waiting: 0, stopped: 0, succeeded: 0 }
  for (const { state, lastState } of main) {
    if (state.running) count.running++
    else if (state.terminated) {
      count.stopped++
      if (state.terminated.exitCode === 0) count.succeeded++
    } else if (lastState.terminated) count.stopped++
    else count.waiting++
  }
  if ((pendingInit || failedInit) && !over) return 'Pending'
  if (count.waiting) return 'Pending'
  if (count.running) return 'Running'
  if (!count.stopped) return 'Pending'
  if (over) return count.stopped === count.succeeded ? 'Succeeded' : 'Failed'
  if (restartPolicyOf(pod) === 'Always') return 'Running'
  if (count.stopped === count.succeeded) return 'Succeeded'
  return restartPolicyOf(pod) === 'Never' ? 'Failed' : 'Running'
}

const allStopped = (...lists: readonly ContainerStatus[][]) => lists.flat().every(s => !s.state.running)

// A pod becomes Succeeded or Failed only once none of its containers runs, since its resources are free from then on.
function keepRunningPhase({ pod }: StatusInputs, phase: Phase, ...lists: readonly ContainerStatus[][]): Phase {
  const before = pod.status.phase
  if (isTerminalPhase(before)) return before
  if (isTerminalPhase(phase) && !allStopped(...lists)) return before ?? 'Running'
  return phase
}

/**
 * A list for a strategic merge patch that replaces the list `there` instead of being merged into it. If there is no
 * list yet, the directive is left out, since it would be stored as an element.
 */
export const replacing = <T extends object>(list: readonly T[], there: readonly object[] | undefined): object[] =>
  there?.length ? [...list, { $patch: 'replace' }] : [...list]
