// A limit range: defaults and bounds of what containers in a namespace ask for.
import { completeLimits, validateLimits } from './limitrange-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { createdColumn } from '../columns.ts'
import { LimitRangeSpec } from './limitrangespec.ts'

export const LimitRange = defineKind({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  scope: 'Namespaced',
  createOnUpdate: true,
  shortNames: ['limits'],
  doc: 'LimitRange sets defaults and limits for the resources of containers, pods and claims in a namespace.',
  columns: [createdColumn],
  defaults({ spec }) {
    for (const item of spec.limits ?? []) completeLimits(item)
  },
  explicit: true,
  prepare: range => {
    range.metadata.name ||= range.metadata.uid ?? ''
  },
  *validate({ spec }, at) {
    yield* validateLimits(spec.limits ?? [], at.field('spec', 'limits'))
  },
  fields: {
    spec: LimitRangeSpec.value({ proto: 2, doc: 'Limits that apply to new objects in the namespace.' }),
  },
})
export type LimitRange = Of<typeof LimitRange>
