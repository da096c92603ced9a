// A limit range: defaults and bounds of what containers in a namespace ask for.
import { completeLimits, validateLimits } from './limitrange-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { createdColumn } from '../columns.ts'

export const LimitRangeItem = struct('core.v1.LimitRangeItem', 'Limits and defaults for one type of object.', {
  type: string({
    proto: 1,
    always: true,
    doc: 'Type of object that the limits apply to: Container, Pod or PersistentVolumeClaim.',
  }),
  max: map(quantity({}), {
    proto: 2,
    doc: 'Maximum amount of each resource. Limits and requests of an object cannot exceed it.',
  }),
  min: map(quantity({}), {
    proto: 3,
    doc: 'Minimum amount of each resource. Limits and requests of an object cannot be lower.',
  }),
  default: map(quantity({}), {
    proto: 4,
    doc: 'Limit for each resource that is set on containers without one. Only for type Container.',
  }),
  defaultRequest: map(quantity({}), {
    proto: 5,
    doc: 'Request for each resource that is set on containers without one. Only for type Container.',
  }),
  maxLimitRequestRatio: map(quantity({}), {
    proto: 6,
    doc: 'Maximum ratio of limit to request for each resource, which both must then be set and not 0. At least 1.',
  }),
})
export type LimitRangeItem = Of<typeof LimitRangeItem>

export const LimitRangeSpec = struct('core.v1.LimitRangeSpec', 'Limits for the objects in a namespace.', {
  limits: list(LimitRangeItem, { proto: 1, always: true, doc: 'Limits by type of object. Each type may occur once.' }),
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
