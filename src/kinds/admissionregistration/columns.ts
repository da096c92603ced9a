// A column that bindings of both kinds of policy have. Source: pkg/printers/internalversion/printers.go.
import type { LabelSelector } from '../../api/meta.ts'

interface Reference {
  readonly name?: string
  readonly namespace?: string
  readonly selector?: LabelSelector
}

/** The parameters a binding names: one object, those of a selector, or none. */
export function paramText(reference: Reference | undefined): string {
  if (!reference) return '<unset>'
  const { name, namespace } = reference
  if (name) return namespace ? `${namespace}/${name}` : `*/${name}`
  return reference.selector ? selectorText(reference.selector) : '<unset>'
}

/** A selector as Go prints it. */
function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key}: ${value},`)
  const requirements = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  )
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${requirements.join('')}},}`
}
