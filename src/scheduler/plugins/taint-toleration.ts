// TaintToleration: a node takes only pods that tolerate all its taints NoSchedule and NoExecute. Of the nodes that are
// left, those with fewer untolerated taints PreferNoSchedule are better.
// Source: plugins/tainttoleration. Since 1.34.2 the message does not name the taint.
import type { Toleration } from '../../kinds/core/affinity.ts'
import { Node } from '../../kinds/core/node.ts'
import { tolerated } from '../../kinds/core/tolerations.ts'
import { definePlugin, plain, skip, spreadScores, wake } from '../framework.ts'
import type { Pod } from '../../kinds/core/pod.ts'

type Tolerations = readonly Toleration[]
const none: Tolerations = []
const no = { no: 'node(s) had untolerated taint(s)', ever: false } as const

const soft = ({ spec }: Pod): Tolerations =>
  spec.tolerations?.filter(t => !t.effect || t.effect === 'PreferNoSchedule') ?? none

export const taintToleration = plain(
  definePlugin<Tolerations | undefined, Tolerations>({
    name: 'TaintToleration',
    depends: 'node',
    weight: 3,
    prepare: ({ pod }) => pod.spec.tolerations,
    filter: (tolerations, { node }) => (node.spec.taints && hasUntolerated(node, tolerations) ? no : true),
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
          !hasUntolerated(after, pod.spec.tolerations) &&
          (!before || hasUntolerated(before, pod.spec.tolerations)),
      ),
    ],
  }),
)

const hasUntolerated = ({ spec }: Node, tolerations: Tolerations | undefined): boolean =>
  spec.taints?.some(
    taint => (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerated(tolerations, taint),
  ) ?? false
