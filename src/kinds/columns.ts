// Columns that several kinds share. Source: pkg/printers/internalversion/printers.go.
import type { Column, KubeObject } from '../api/kind.ts'
import { selectorOf, selectorText } from '../api/labels.ts'
import type { LabelSelector } from '../api/meta.ts'

interface HasTemplate {
  spec: { template?: { spec: { containers?: { name?: string; image?: string }[] } }; selector?: unknown }
}

const containers = (object: unknown) => (object as HasTemplate).spec.template?.spec.containers ?? []

/** The values of one field of several things, as one cell. */
export const joined = (values: readonly (string | undefined)[]): string => values.join(',')

/** A selector as text; a plain map (ReplicationController, Service) counts as matchLabels. */
export function selectorCell(selector: unknown): string {
  if (!selector || typeof selector !== 'object') return '<none>'
  const isLabelSelector = 'matchLabels' in selector || 'matchExpressions' in selector
  const text = selectorText(selectorOf((isLabelSelector ? selector : { matchLabels: selector }) as LabelSelector)!)
  return text || '<none>'
}

/** A map of labels as text. */
export const labelsText = (labels: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(',') || '<none>'

/** Containers, images and selector of a workload, shown with -o wide. */
export const templateColumns: readonly Column[] = [
  {
    name: 'Containers',
    type: 'string',
    wide: true,
    value: o =>
      containers(o)
        .map(c => c.name)
        .join(','),
  },
  {
    name: 'Images',
    type: 'string',
    wide: true,
    value: o =>
      containers(o)
        .map(c => c.image)
        .join(','),
  },
]

export const selectorColumn: Column = {
  name: 'Selector',
  type: 'string',
  wide: true,
  value: o => selectorCell((o as KubeObject & HasTemplate).spec.selector),
}

/** The age, for kinds that do not show it last. */
export const ageColumn: Column = { name: 'Age', type: 'date', value: '.metadata.creationTimestamp' }
/** The full creation time, for kinds that show it instead of an age. */
export const createdColumn: Column = {
  name: 'Created At',
  type: 'date',
  value: o => o.metadata.creationTimestamp ?? null,
}
