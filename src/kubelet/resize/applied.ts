// What of a resize has been applied to containers, and what the status of a pod says of it. Pure.
import type { ContainerSeen } from '../runtime/runtime.ts'
import type { ReadContainer } from '../pod/spec.ts'
import type { Resources } from './granted.ts'

/** What the plan reads of a resize. */
export interface ResizeMemory {
  /** What was applied to containers while they ran, by container id. Others have what they were created with. */
  applied: ReadonlyMap<string, Resources>
  /** Whether the pod's control group has not got what was granted. */
  podPending: boolean
  /** After a failure, the time before which it is not tried again, in ms since the epoch. */
  retryAt: number
}

/** The requests and limits of CPU and memory that apply to a container; undefined if that was not noted. */
export const appliedTo = (container: ContainerSeen, { applied }: Pick<ResizeMemory, 'applied'>) =>
  applied.get(container.id) ?? container.resources

/** A condition that is there only while it is true. */
export interface ResizeCondition {
  type: 'PodResizePending' | 'PodResizeInProgress'
  reason?: string
  message?: string
  /** The generation of the pod that asked for the resize. */
  observedGeneration: number
}

export const resizeConditions: readonly ResizeCondition['type'][] = ['PodResizePending', 'PodResizeInProgress']

/** The requests and limits in the status of a container: those of its spec, with what applies of CPU and memory. */
export function shownResources({ resources = {} }: ReadContainer, applied: Resources = {}): Resources {
  const { requests, limits } = resources
  return {
    ...resources,
    ...(limits && { limits: { ...limits, ...applied.limits } }),
    ...(requests && { requests: { ...requests, ...applied.requests } }),
  }
}
