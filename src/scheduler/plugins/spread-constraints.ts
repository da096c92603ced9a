// Which pods a topology spread constraint counts, and on which nodes. Source: plugins/podtopologyspread/common.go.
import { own } from '../../base/own.ts'
import { type Labels, matches } from '../../api/labels.ts'
import type { TopologySpreadConstraint } from '../../kinds/core/affinity.ts'
import { isRequiredNode, requiredNodes } from '../../kinds/core/node-selection.ts'
import { tolerated } from '../../kinds/core/tolerations.ts'
import type { PodCounter } from '../counts.ts'
import type { NodeInfo, PodInfo } from '../info.ts'
import type { Snapshot } from '../snapshot.ts'

export const hostname = 'kubernetes.io/hostname'

export interface Matcher {
  /** Equal matchers have equal keys. */
  key: string
  selects(labels: Labels): boolean
}

/** The selector of a constraint, with the labels that its matchLabelKeys take from the pod. */
export function matcher(pod: PodInfo, { labelSelector, matchLabelKeys }: TopologySpreadConstraint): Matcher {
  const shared = (matchLabelKeys ?? []).flatMap((key): [string, string][] => {
    const value = own(pod.labels, key)
    return value === undefined ? [] : [[key, value]]
  })
  return {
    key: JSON.stringify([labelSelector, shared]),
    selects: labels => matches(labelSelector, labels) && shared.every(([key, value]) => labels[key] === value),
  }
}

/** A counter of the pods in the pod's namespace that a selector matches. Terminating pods do not count. */
export function counterFor(snapshot: Snapshot, pod: PodInfo, key: string, selects: Matcher['selects']): PodCounter {
  const { namespace } = pod
  return snapshot.counter(
    `spread ${namespace} ${key}`,
    other => other.namespace === namespace && !other.pod.metadata.deletionTimestamp && selects(other.labels),
  )
}

/**
 * A function that returns whether a node counts for the pod. By default the pod's node affinity is honored and taints
 * are not. Undefined if all nodes count.
 */
export function eligibleFor(
  { pod }: PodInfo,
  { nodeAffinityPolicy, nodeTaintsPolicy }: TopologySpreadConstraint,
): ((node: NodeInfo) => boolean) | undefined {
  const wanted = nodeAffinityPolicy === 'Ignore' ? undefined : requiredNodes(pod)
  const taints = nodeTaintsPolicy === 'Honor'
  if (!wanted && !taints) return undefined
  return ({ node }) =>
    (!wanted || isRequiredNode(wanted, node)) &&
    (!taints ||
      !(node.spec.taints ?? []).some(
        taint => taint.effect !== 'PreferNoSchedule' && !tolerated(pod.spec.tolerations, taint),
      ))
}
