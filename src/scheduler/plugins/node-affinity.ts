// NodeAffinity: nodeSelector and required node affinity must hold; preferred terms add their weights to the score.
// The configuration may add an affinity to that of every pod. Source: plugins/nodeaffinity.
import { NodeAffinity, type PreferredSchedulingTerm } from '../../kinds/core/affinity.ts'
import { Node } from '../../kinds/core/node.ts'
import {
  isRequiredNode,
  matchesNodeAffinity,
  matchesTerm,
  matchesTerms,
  type RequiredNodes,
  requiredNodes,
} from '../../kinds/core/node-selection.ts'
import { definePlugin, type PluginMaker, type Rejected, skip, spreadScores, wake } from '../framework.ts'
import type { Pod } from '../../kinds/core/pod.ts'

type Preferred = readonly PreferredSchedulingTerm[]

const no = { no: "node(s) didn't match Pod's node affinity/selector", ever: false } as const
const notAdded = { no: "node(s) didn't match scheduler-enforced node affinity", ever: false } as const
const conflict: Rejected = { rejected: 'pod affinity terms conflict' }
const any: RequiredNodes = { labels: [], terms: undefined }

const preferred = ({ spec }: Pod): Preferred =>
  spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []

/** The nodes that the terms name, as those of daemon pods do. Undefined if a term names none. */
function named({ terms }: RequiredNodes): string[] | undefined {
  if (!terms?.length) return undefined
  const names = new Set<string>()
  for (const { matchFields = [] } of terms) {
    const lists = matchFields.flatMap(r => (r.key === 'metadata.name' && r.operator === 'In' ? [r.values ?? []] : []))
    if (!lists.length) return undefined
    for (const name of lists[0]!) if (lists.every(list => list.includes(name))) names.add(name)
  }
  return [...names]
}

export const nodeAffinity: PluginMaker = {
  name: 'NodeAffinity',
  read(args) {
    const added = args.typed('addedAffinity', NodeAffinity)
    const addedTerms = added?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
    const addedPreferred = added?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    const allows = (pod: Pod, node: Node) =>
      matchesNodeAffinity(pod, node) && (!addedTerms || matchesTerms(node, addedTerms))
    const plugin = definePlugin<RequiredNodes, Preferred>({
      name: 'NodeAffinity',
      depends: 'node',
      weight: 2,
      prepare({ pod }) {
        const wanted = requiredNodes(pod)
        if (!wanted) return addedTerms ? any : skip
        return named(wanted)?.length === 0 ? conflict : wanted
      },
      only: named,
      filter(wanted, { node }) {
        if (addedTerms && !matchesTerms(node, addedTerms)) return notAdded
        return isRequiredNode(wanted, node) || no
      },
      prepareScore({ pod }) {
        const own = preferred(pod)
        return own.length || addedPreferred.length ? [...own, ...addedPreferred] : skip
      },
      score: (terms, { node }) =>
        terms.reduce((sum, { weight, preference }) => sum + (matchesTerm(node, preference) ? weight : 0), 0),
      normalize: (_, scores) => spreadScores(scores),
      wakeOn: [
        wake(
          Node,
          ({ pod }, after, before) =>
            after !== undefined &&
            before?.metadata.labels !== after.metadata.labels &&
            allows(pod, after) &&
            (before === undefined || !allows(pod, before)),
        ),
      ],
    })
    return () => plugin
  },
}
