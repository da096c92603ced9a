// Whether a node meets node selector terms. Source: component-helpers/scheduling/corev1/nodeaffinity.
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { NodeSelectorRequirement, NodeSelectorTerm } from '../../kinds/core/affinity.ts'
import type { Node } from '../info.ts'

type Term = DeepReadonly<NodeSelectorTerm>
type Requirement = DeepReadonly<NodeSelectorRequirement>

/** Any one term is enough; a term without requirements matches nothing. */
export const matchesTerms = (node: Node, terms: readonly Term[]): boolean => terms.some(term => matchesTerm(node, term))

export function matchesTerm(node: Node, { matchExpressions = [], matchFields = [] }: Term): boolean {
  if (!matchExpressions.length && !matchFields.length) return false
  return (
    matchExpressions.every(r => holds(r, node.metadata.labels?.[r.key])) &&
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
      return isInteger(value) && Number(value) > Number(values[0])
    case 'Lt':
      return isInteger(value) && Number(value) < Number(values[0])
    default:
      return false
  }
}

const isInteger = (text: string | undefined): boolean => text !== undefined && /^-?\d+$/.test(text)
