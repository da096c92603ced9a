// The limits and defaults of a LimitRange: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'

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
