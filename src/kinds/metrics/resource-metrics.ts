// What nodes and pods use right now. Never stored: whoever serves the group metrics.k8s.io makes them when asked.
// Source: k8s.io/metrics/pkg/apis/metrics/v1beta1.
import { defineKind, type Of } from '../../api/kind.ts'
import { duration, list, map, quantity, string, struct, time } from '../../api/schema/build.ts'

const usage = (proto: number) =>
  map(quantity({}), { proto, always: true, doc: 'What is used, by resource: cpu in cores, memory in bytes.' })

export const ContainerMetrics = struct('metrics.v1beta1.ContainerMetrics', 'What one container uses.', {
  name: string({ proto: 1, always: true, doc: 'Name of the container.' }),
  usage: usage(2),
})
export type ContainerMetrics = Of<typeof ContainerMetrics>

const common = {
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  singular: '',
  verbs: ['get', 'list'],
} as const

const timestamp = time({ proto: 2, always: true, doc: 'When it was measured: the end of the window.' })
const window = duration({ proto: 3, always: true, doc: 'How long it was measured for.' })

export const NodeMetrics = defineKind({
  ...common,
  kind: 'NodeMetrics',
  plural: 'nodes',
  scope: 'Cluster',
  doc: 'What a node uses.',
  fields: { timestamp, window, usage: usage(4) },
})
export type NodeMetrics = Of<typeof NodeMetrics>

export const PodMetrics = defineKind({
  ...common,
  kind: 'PodMetrics',
  plural: 'pods',
  scope: 'Namespaced',
  doc: 'What a pod uses, container by container.',
  fields: {
    timestamp,
    window,
    containers: list(ContainerMetrics, { proto: 4, always: true, doc: 'Its containers.' }),
  },
})
export type PodMetrics = Of<typeof PodMetrics>
