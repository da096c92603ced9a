// The present use of resources by nodes and pods. They are not stored: the server of the group metrics.k8s.io computes
// them at each request.
// Source: k8s.io/metrics/pkg/apis/metrics/v1beta1.
import { defineKind, type Of } from '../../api/kind.ts'
import { duration, list, map, quantity, string, struct, time } from '../../api/schema/build.ts'

const usage = (proto: number) =>
  map(quantity({}), {
    proto,
    always: true,
    doc: 'Average use of each resource in the window: cpu in cores, memory (working set) in bytes.',
  })

export const ContainerMetrics = struct('metrics.v1beta1.ContainerMetrics', 'Resources that a container uses.', {
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

const timestamp = time({
  proto: 2,
  always: true,
  doc: 'Time when the metrics were measured, which is the end of the window.',
})
const window = duration({ proto: 3, always: true, doc: 'Length of the measurement window.' })

export const NodeMetrics = defineKind({
  ...common,
  kind: 'NodeMetrics',
  plural: 'nodes',
  scope: 'Cluster',
  doc: 'NodeMetrics reports the resources that a node uses.',
  fields: { timestamp, window, usage: usage(4) },
})
export type NodeMetrics = Of<typeof NodeMetrics>

export const PodMetrics = defineKind({
  ...common,
  kind: 'PodMetrics',
  plural: 'pods',
  scope: 'Namespaced',
  doc: 'PodMetrics reports the resources that the containers of a pod use.',
  fields: {
    timestamp,
    window,
    containers: list(ContainerMetrics, { proto: 4, always: true, doc: 'Metrics of the containers of the pod.' }),
  },
})
export type PodMetrics = Of<typeof PodMetrics>
