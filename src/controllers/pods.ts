// Questions of controllers about pods, and the making of a pod from a template.
// Sources: pkg/api/v1/pod/util.go, pkg/controller/controller_utils.go.
import type { Draft } from '../api/kind.ts'
import { parseTime } from '../api/time.ts'
import type { PodCondition } from '../kinds/core/podstatus.ts'
import type { PodTemplateSpec } from '../kinds/core/podtemplatespec.ts'
import type { Pod } from '../kinds/core/pod.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'

/** Whether a pod runs or will run: it has not ended and is not terminating. */
export const isActive = (pod: Pod): boolean => !isTerminal(pod) && !pod.metadata.deletionTimestamp

export const isTerminating = (pod: Pod): boolean => !isTerminal(pod) && pod.metadata.deletionTimestamp !== undefined

export const condition = (pod: Pod, type: string): PodCondition | undefined =>
  pod.status.conditions?.find(c => c.type === type)

export const isReady = (pod: Pod): boolean => condition(pod, 'Ready')?.status === 'True'

/** When a ready pod becomes available, in ms since the epoch. Undefined when it is not ready. */
export function availableAt(pod: Pod, minReadySeconds: number): number | undefined {
  const ready = condition(pod, 'Ready')
  if (ready?.status !== 'True') return undefined
  if (minReadySeconds === 0) return 0
  const since = parseTime(ready.lastTransitionTime)
  return since === undefined ? undefined : since + minReadySeconds * 1000
}

export function isAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  const at = availableAt(pod, minReadySeconds)
  return at !== undefined && at <= now
}

/** A pod of this template with a prefix for its name, which the API server completes. */
export function podFromTemplate(template: PodTemplateSpec, ownerName: string): Draft<Pod> {
  const { labels, annotations, finalizers } = template.metadata
  return {
    metadata: {
      generateName: `${ownerName}-`,
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
    },
    spec: template.spec,
  }
}

export const restartsOf = (pod: Pod): number =>
  Math.max(0, ...(pod.status.containerStatuses ?? []).map(status => status.restartCount))

const deletionCostAnnotation = 'controller.kubernetes.io/pod-deletion-cost'

/** The cost of deleting a pod, as its user annotated it. Pods with a lower cost are deleted first. */
export function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[deletionCostAnnotation]
  return text !== undefined && /^(0|-?[1-9]\d*)$/.test(text) && Math.abs(Number(text)) < 2 ** 31 ? Number(text) : 0
}
