// Whether a node meets node selector terms. Source: component-helpers/scheduling/corev1/nodeaffinity.
import { own } from '../../base/own.ts'
import { holdsForIntegers } from '../../api/int64.ts'
import type { Affinity, NodeSelectorRequirement, NodeSelectorTerm } from './affinity.ts'

/** As much of a node as selectors look at. */
interface Node {
  readonly metadata: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> }
}

type Term = NodeSelectorTerm
type Requirement = NodeSelectorRequirement

interface Selecting {
  readonly spec: {
    readonly nodeSelector?: Readonly<Record<string, string>>
    readonly affinity?: Affinity
  }
}

export interface RequiredNodes {
  labels: readonly (readonly [string, string])[]
  terms: readonly Term[] | undefined
}

/** Which nodes a pod (or template) asks for; undefined for any. */
export function requiredNodes({ spec }: Selecting): RequiredNodes | undefined {
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  const labels = Object.entries(spec.nodeSelector ?? {})
  return terms || labels.length ? { labels, terms } : undefined
}

export const isRequiredNode = ({ labels, terms }: RequiredNodes, node: Node): boolean =>
  labels.every(([key, value]) => node.metadata.labels?.[key] === value) && (!terms || matchesTerms(node, terms))

/** Whether the pod may run on the node as far as its labels and name go. */
export function matchesNodeAffinity(pod: Selecting, node: Node): boolean {
  const wanted = requiredNodes(pod)
  return !wanted || isRequiredNode(wanted, node)
}

/** Any one term is enough; a term without requirements matches nothing. */
export const matchesTerms = (node: Node, terms: readonly Term[]): boolean => terms.some(term => matchesTerm(node, term))

export function matchesTerm(node: Node, { matchExpressions = [], matchFields = [] }: Term): boolean {
  if (!matchExpressions.length && !matchFields.length) return false
  return (
    matchExpressions.every(r => holds(r, own(node.metadata.labels, r.key))) &&
    matchFields.every(r => holds(r, r.key === 'metadata.name' ? node.metadata.name : undefined))
  )
}

function holds({ operator, values = [] }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return holdsForIntegers(value, '>', values[0])
    case 'Lt':
      return holdsForIntegers(value, '<', values[0])
    default:
      return false
  }
}
