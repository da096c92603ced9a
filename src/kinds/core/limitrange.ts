// A limit range: defaults and bounds of what containers in a namespace ask for.
import { completeLimits, validateLimits } from './limitrange-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { createdColumn } from '../columns.ts'

export const LimitRangeItem = struct('core.v1.LimitRangeItem', 'Limits for one type of thing.', {
  type: string({ proto: 1, always: true, doc: 'Container, Pod or PersistentVolumeClaim.' }),
  max: map(quantity({}), { proto: 2, doc: 'The most, by resource.' }),
  min: map(quantity({}), { proto: 3, doc: 'The least, by resource.' }),
  default: map(quantity({}), { proto: 4, doc: 'Limits given to containers without.' }),
  defaultRequest: map(quantity({}), { proto: 5, doc: 'Requests given to containers without.' }),
  maxLimitRequestRatio: map(quantity({}), {
    proto: 6,
    doc: 'The most that a limit may be as a multiple of the request.',
  }),
})
export type LimitRangeItem = Of<typeof LimitRangeItem>

export const LimitRangeSpec = struct('core.v1.LimitRangeSpec', 'Limits for single objects of a namespace.', {
  limits: list(LimitRangeItem, { proto: 1, always: true, doc: 'The limits, by type.' }),
})
export type LimitRangeSpec = Of<typeof LimitRangeSpec>

export const LimitRange = defineKind({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  scope: 'Namespaced',
  createOnUpdate: true,
  shortNames: ['limits'],
  doc: 'A limit range: defaults and bounds of what containers in a namespace ask for.',
  columns: [createdColumn as never],
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
    spec: LimitRangeSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type LimitRange = Of<typeof LimitRange>
