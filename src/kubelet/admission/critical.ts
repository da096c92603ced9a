// Which pods a node must not do without. They are admitted when others are not, make room for themselves, and are not
// evicted. Source: kubernetes pkg/kubelet/types/pod_update.go.
import type { Pod } from '../../kinds/core/pod.ts'

/** Where a pod comes from: `file` and `http` for static pods. Pods of the API have no such annotation. */
export const sourceAnnotation = 'kubernetes.io/config.source'
/** What makes an object the mirror of a static pod. The value is the hash of that pod. */
export const mirrorAnnotation = 'kubernetes.io/config.mirror'

/** What says which file or URL a static pod was made of, in which state: its uid. */
export const hashAnnotation = 'kubernetes.io/config.hash'
/** When the kubelet read it. */
export const seenAnnotation = 'kubernetes.io/config.seen'

/** The priority from which on a pod is critical: that of system-cluster-critical. */
export const criticalPriority = 2_000_000_000

/** Whether a pod comes from a file or a URL of its node, and not from the API. */
export function isStatic({ metadata }: Pod): boolean {
  const source = metadata.annotations?.[sourceAnnotation]
  return source !== undefined && source !== 'api'
}

/** Whether an object only shows a static pod. */
export const isMirror = ({ metadata }: Pod): boolean => metadata.annotations?.[mirrorAnnotation] !== undefined

export const priorityOf = ({ spec }: Pod): number => spec.priority ?? 0

/** Whether a node must not refuse or evict the pod for want of resources. */
export const isCritical = (pod: Pod): boolean => isStatic(pod) || isMirror(pod) || priorityOf(pod) >= criticalPriority

/** Whether a pod may be ended to make room for another. */
export const isPreemptable = (preemptor: Pod, pod: Pod): boolean =>
  (isCritical(preemptor) && !isCritical(pod)) || priorityOf(preemptor) > priorityOf(pod)
