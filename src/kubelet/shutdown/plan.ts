// In which order the pods of a node end when the machine shuts down, and how much time they get. Pods of low priority
// end first, so that the critical ones serve the others until the end. Pure.
//
//   shutdownGracePeriod 30s, of which shutdownGracePeriodCriticalPods 10s:
//
//   priority < 2,000,000,000   20 s ─┐
//                                    └─▶ priority from 2,000,000,000 on   10 s ─▶ the machine goes on
//
// Source: kubernetes pkg/kubelet/nodeshutdown/nodeshutdown_manager.go, KEP-2000, KEP-2712.
import type { Pod } from '../../kinds/core/pod.ts'
import { priorityOf } from '../admission/critical.ts'
import { graceSecondsOf } from '../pod/spec.ts'

/** The pods from a priority on, up to that of the next phase, have so much time. */
export interface ShutdownPhase {
  priority: number
  graceSeconds: number
}

interface Ending {
  pod: Pod
  graceSeconds: number
}

/** One phase with its pods, and how long it may take. */
export interface PhasePlan {
  limitSeconds: number
  pods: readonly Ending[]
}

/** The phases that have pods, the first one first. Pods below the lowest priority belong to that. */
export function planShutdown(phases: readonly ShutdownPhase[], pods: readonly Pod[]): PhasePlan[] {
  const ordered = [...phases].sort((a, b) => a.priority - b.priority)
  const phaseOf = (pod: Pod) => ordered.findLast(({ priority }) => priority <= priorityOf(pod)) ?? ordered[0]
  return ordered.flatMap(phase => {
    const own = pods.filter(pod => phaseOf(pod) === phase)
    if (!own.length) return []
    return [
      {
        limitSeconds: phase.graceSeconds,
        pods: own.map(pod => ({ pod, graceSeconds: Math.min(graceSecondsOf(pod), phase.graceSeconds) })),
      },
    ]
  })
}
