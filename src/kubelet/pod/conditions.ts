// The conditions of a pod that the kubelet writes. Their transition times change only with their status. Pure.
// Source: kubernetes pkg/kubelet/status/generate.go, KEP-3085 (PodReadyToStartContainers).
import { timeText } from '../../api/time.ts'
import type { ContainerStatus, PodCondition, PodStatus } from '../../kinds/core/podstatus.ts'
import type { PodSeen } from '../runtime/runtime.ts'
import { initContainers, isSidecar, onHostNetwork } from './spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

type Verdict = { status: 'True' | 'False'; reason?: string; message?: string }

/**
 * The five conditions, in order. `Ready` needs ContainersReady and every readiness gate of the pod; the conditions of
 * the gates themselves are written by others and only read here.
 */
export function podConditions(pod: Pod, status: PodStatus, seen: PodSeen, now: number): PodCondition[] {
  const containers = containersReady(pod, status)
  const sandbox = seen.sandboxes.some(s => s.ready && (onHostNetwork(pod) || s.ips.length > 0))
  const verdicts: [string, Verdict][] = [
    ['PodReadyToStartContainers', { status: sandbox ? 'True' : 'False' }],
    ['Initialized', initialized(pod, status)],
    ['Ready', ready(pod, containers)],
    ['ContainersReady', containers],
    ['PodScheduled', { status: 'True' }],
  ]
  return verdicts.map(([type, verdict]) => {
    const before = pod.status.conditions?.find(c => c.type === type)
    const lastTransitionTime =
      before?.status === verdict.status && before.lastTransitionTime ? before.lastTransitionTime : timeText(now)
    return {
      type,
      ...(pod.metadata.generation && { observedGeneration: pod.metadata.generation }),
      lastProbeTime: null,
      lastTransitionTime,
      ...verdict,
    }
  })
}

/**
 * The condition of a pod that the kubelet ends for the sake of the node or of other pods. Source: KEP-3329 (pod
 * disruption conditions).
 */
export function disruptionTarget(pod: Pod, { message, sinceMs }: { message: string; sinceMs: number }): PodCondition {
  const before = pod.status.conditions?.find(c => c.type === 'DisruptionTarget')
  return {
    type: 'DisruptionTarget',
    ...(pod.metadata.generation && { observedGeneration: pod.metadata.generation }),
    status: 'True',
    reason: 'TerminationByKubelet',
    message,
    lastProbeTime: null,
    lastTransitionTime: (before?.status === 'True' && before.lastTransitionTime) || timeText(sinceMs),
  }
}

function initialized(pod: Pod, status: PodStatus): Verdict {
  if (status.phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' }
  const specs = initContainers(pod)
  const waiting = (status.initContainerStatuses ?? []).filter((s, i) => !(isSidecar(specs[i]!) ? s.started : s.ready))
  const begun = (status.containerStatuses ?? []).some(
    s => s.state.running || s.state.terminated || s.lastState.terminated,
  )
  if (!waiting.length || begun) return { status: 'True' }
  return {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${names(waiting)}]`,
  }
}

function containersReady(pod: Pod, status: PodStatus): Verdict {
  if (status.phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' }
  if (status.phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  const specs = initContainers(pod)
  const sidecars = (status.initContainerStatuses ?? []).filter((_, i) => isSidecar(specs[i]!))
  const unready = [...sidecars, ...(status.containerStatuses ?? [])].filter(s => !s.ready)
  if (!unready.length) return { status: 'True' }
  return {
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${names(unready)}]`,
  }
}

function ready(pod: Pod, containers: Verdict): Verdict {
  if (containers.status === 'False') return containers
  const missing = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = pod.status.conditions?.find(c => c.type === conditionType)
    if (!condition) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`]
    return condition.status === 'True'
      ? []
      : [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`]
  })
  return missing.length
    ? { status: 'False', reason: 'ReadinessGatesNotReady', message: missing.join(', ') }
    : { status: 'True' }
}

const names = (statuses: readonly ContainerStatus[]) => statuses.map(s => s.name).join(' ')
