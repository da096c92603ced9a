// A runtime class: which container runtime runs a pod.
import { defineKind, type Of } from '../../api/kind.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { Toleration } from '../core/affinity.ts'

export const Overhead = struct('node.v1.Overhead', '', {
  podFixed: map(quantity({}), { proto: 1 }),
})
export type Overhead = Of<typeof Overhead>

export const Scheduling = struct('node.v1.Scheduling', '', {
  nodeSelector: map(string({}), { proto: 1 }),
  tolerations: list(Toleration, { proto: 2 }),
})
export type Scheduling = Of<typeof Scheduling>

export const RuntimeClass = defineKind({
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  scope: 'Cluster',
  doc: 'A runtime class: which container runtime runs a pod.',
  columns: [{ name: 'Handler', type: 'string', value: '.handler' }],
  fields: {
    handler: string({ proto: 2, always: true, required: true }),
    overhead: Overhead.field({ proto: 3 }),
    scheduling: Scheduling.field({ proto: 4 }),
  },
})
export type RuntimeClass = Of<typeof RuntimeClass>
