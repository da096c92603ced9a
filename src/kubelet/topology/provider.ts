// What the topology manager asks of the managers of CPUs, memory and devices.
import type { Pod } from '../../kinds/core/pod.ts'
import type { Rejection } from '../admission/admission.ts'
import { initContainers, isSidecar, mainContainers, type ReadContainer } from '../pod/spec.ts'
import type { Hints, Mask } from './hints.ts'

/** The pods of the node. */
export interface PodsNow {
  /** The uids of the pods that may have something: those that run, and those that are about to. */
  live(): ReadonlySet<string>
  /** Whether `live` has all of them. Before that, a pod that is missing may yet come. */
  isComplete(): boolean
}

export interface HintProvider {
  /** What these containers of a pod need together: one of them, or all. Nothing without a preference. */
  hints(pod: Pod, containers: readonly ReadContainer[]): Hints
  /** Gives a container what it needs. It can be repeated. Returns why it cannot. */
  allocate(
    pod: Pod,
    container: ReadContainer,
    affinity: Mask | undefined,
  ): Rejection | undefined | Promise<Rejection | undefined>
}

/** Source: pkg/kubelet/cm/admission/errors.go. */
export function unexpected(why: string): Rejection {
  return { reason: 'UnexpectedAdmissionError', message: `Allocate failed due to ${why}, which is unexpected` }
}

/** What the managers give to: all containers but ephemeral ones, in the order in which they start. */
export const containersOf = (pod: Pod): readonly ReadContainer[] => [...initContainers(pod), ...mainContainers(pod)]

/** Whether a container ends before the next ones begin, which may have then what it had. */
export const isPassing = (pod: Pod, container: ReadContainer): boolean =>
  !isSidecar(container) && initContainers(pod).some(({ name }) => name === container.name)

/**
 * What containers need at once, of whatever `needOf` says of each: what goes on running, or more while an init container
 * runs beside the sidecars that started before it.
 */
export function neededAtOnce(
  pod: Pod,
  containers: readonly ReadContainer[],
  needOf: (container: ReadContainer) => number,
): number {
  let [running, most] = [0, 0]
  for (const container of containers) {
    if (isPassing(pod, container)) most = Math.max(most, running + needOf(container))
    else running += needOf(container)
  }
  return Math.max(running, most)
}
