// TaintToleration: nodes keep pods away with taints; a pod gets in only with tolerations for all of them. Of the
// nodes that are left, those with fewer soft taints against the pod are better.
import type { DeepReadonly } from '../../api/schema/node.ts'
import { Node } from '../../kinds/core/node.ts'
import type { Toleration } from '../../kinds/core/affinity.ts'
import { definePlugin, skip, spreadScores, wake } from '../framework.ts'
import type { Node as NodeObject, Pod } from '../info.ts'
import { tolerated } from '../../kinds/core/tolerations.ts'

type Tolerations = readonly DeepReadonly<Toleration>[]
const none: Tolerations = []

const soft = ({ spec }: Pod): Tolerations =>
  spec.tolerations?.filter(t => !t.effect || t.effect === 'PreferNoSchedule') ?? none

export const taintToleration = definePlugin<Tolerations | undefined, Tolerations>({
  name: 'TaintToleration',
  weight: 3,
  prepare: ({ pod }) => pod.spec.tolerations,
  filter(tolerations, { node }) {
    const taint = untolerated(node, tolerations)
    return !taint || { no: `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`, ever: false }
  },
  prepareScore: ({ pod }, nodes) =>
    nodes.some(({ node }) => node.spec.taints?.some(t => t.effect === 'PreferNoSchedule')) ? soft(pod) : skip,
  score: (tolerations, { node }) =>
    node.spec.taints?.filter(t => t.effect === 'PreferNoSchedule' && !tolerated(tolerations, t)).length ?? 0,
  normalize: (_, scores) => spreadScores(scores, true),
  wakeOn: [
    wake(
      Node,
      ({ pod }, after, before) =>
        after !== undefined &&
        !untolerated(after, pod.spec.tolerations) &&
        (!before || untolerated(before, pod.spec.tolerations) !== undefined),
    ),
  ],
})

function untolerated({ spec }: NodeObject, tolerations: Tolerations | undefined) {
  return spec.taints?.find(
    taint => (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerated(tolerations, taint),
  )
}
