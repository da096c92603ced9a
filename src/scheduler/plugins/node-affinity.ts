// NodeAffinity: nodeSelector and required node affinity must hold; preferred terms add their weights to the score.
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { PreferredSchedulingTerm } from '../../kinds/core/affinity.ts'
import { Node } from '../../kinds/core/node.ts'
import { definePlugin, skip, spreadScores, wake } from '../framework.ts'
import type { Pod } from '../info.ts'
import {
  isRequiredNode,
  matchesNodeAffinity,
  matchesTerm,
  type RequiredNodes,
  requiredNodes,
} from '../../kinds/core/node-selection.ts'

const no = { no: "node(s) didn't match Pod's node affinity/selector", ever: false } as const

const preferred = ({ spec }: Pod) => spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []

export const nodeAffinity = definePlugin<RequiredNodes, readonly DeepReadonly<PreferredSchedulingTerm>[]>({
  name: 'NodeAffinity',
  weight: 2,
  prepare: ({ pod }) => requiredNodes(pod) ?? skip,
  only: ({ terms }) => {
    // Daemon pods name their node: no need to ask the others.
    const names = (terms ?? []).map(term =>
      (term.matchFields ?? []).find(r => r.key === 'metadata.name' && r.operator === 'In'),
    )
    if (!names.length || names.some(requirement => !requirement)) return undefined
    return [...new Set(names.flatMap(requirement => requirement!.values ?? []))]
  },
  filter: (wanted, { node }) => isRequiredNode(wanted, node) || no,
  prepareScore: ({ pod }) => (preferred(pod).length ? preferred(pod) : skip),
  score: (terms, { node }) =>
    terms.reduce((sum, { weight, preference }) => sum + (matchesTerm(node, preference) ? weight : 0), 0),
  normalize: (_, scores) => spreadScores(scores),
  wakeOn: [
    wake(
      Node,
      ({ pod }, after, before) =>
        after !== undefined &&
        matchesNodeAffinity(pod, after) &&
        (before === undefined || !matchesNodeAffinity(pod, before)),
    ),
  ],
})
