// A limit range: defaults and bounds of what containers in a namespace ask for.
import { defineKind, type Of } from '../../api/kind.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { createdColumn } from '../columns.ts'

export const LimitRangeItem = struct('core.v1.LimitRangeItem', '', {
  type: string({ proto: 1, always: true }),
  max: map(quantity({}), { proto: 2 }),
  min: map(quantity({}), { proto: 3 }),
  default: map(quantity({}), { proto: 4 }),
  defaultRequest: map(quantity({}), { proto: 5 }),
  maxLimitRequestRatio: map(quantity({}), { proto: 6 }),
})
export type LimitRangeItem = Of<typeof LimitRangeItem>

export const LimitRangeSpec = struct('core.v1.LimitRangeSpec', '', {
  limits: list(LimitRangeItem, { proto: 1, always: true }),
})
export type LimitRangeSpec = Of<typeof LimitRangeSpec>

export const LimitRange = defineKind({
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  scope: 'Namespaced',
  shortNames: ['limits'],
  doc: 'A limit range: defaults and bounds of what containers in a namespace ask for.',
  columns: [createdColumn as never],
  fields: {
    spec: LimitRangeSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type LimitRange = Of<typeof LimitRange>
