// NodeAffinity: nodeSelector and required node affinity must hold; preferred terms add their weights to the score.
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { NodeSelectorTerm, PreferredSchedulingTerm } from '../../kinds/core/affinity.ts'
import { Node } from '../../kinds/core/node.ts'
import { definePlugin, skip, spreadScores, wake } from '../framework.ts'
import type { Node as NodeObject, Pod } from '../info.ts'
import { matchesTerm, matchesTerms } from './node-selector.ts'

const no = { no: "node(s) didn't match Pod's node affinity/selector", ever: false } as const

interface Required {
  labels: readonly (readonly [string, string])[]
  terms: readonly DeepReadonly<NodeSelectorTerm>[] | undefined
}

function required({ spec }: Pod): Required | undefined {
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  const labels = Object.entries(spec.nodeSelector ?? {})
  return terms || labels.length ? { labels, terms } : undefined
}

/** Whether the pod may run on the node as far as node labels go. */
export function matchesNodeAffinity(pod: Pod, node: NodeObject): boolean {
  const wanted = required(pod)
  return !wanted || fits(wanted, node)
}

const fits = ({ labels, terms }: Required, node: NodeObject): boolean =>
  labels.every(([key, value]) => node.metadata.labels?.[key] === value) && (!terms || matchesTerms(node, terms))

const preferred = ({ spec }: Pod) => spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []

export const nodeAffinity = definePlugin<Required, readonly DeepReadonly<PreferredSchedulingTerm>[]>({
  name: 'NodeAffinity',
  weight: 2,
  prepare: ({ pod }) => required(pod) ?? skip,
  only: ({ terms }) => {
    // Daemon pods name their node: no need to ask the others.
    const names = (terms ?? []).map(term =>
      (term.matchFields ?? []).find(r => r.key === 'metadata.name' && r.operator === 'In'),
    )
    if (!names.length || names.some(requirement => !requirement)) return undefined
    return [...new Set(names.flatMap(requirement => requirement!.values ?? []))]
  },
  filter: (wanted, { node }) => fits(wanted, node) || no,
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
