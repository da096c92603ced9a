// The workloads that Kubernetes measures its scheduler by: nodes, pods that are there already, pods to be scheduled,
// and what happens meanwhile. Source: test/integration/scheduler_perf (thresholds are those of its CI, in pods/s).
import type { Draft } from '../src/api/kind.ts'
import type { Pod } from '../src/kinds/core/pod.ts'

export interface Workload {
  name: string
  nodes: number
  /** Labels of the i-th node besides its name. */
  labels?: (i: number) => Record<string, string>
  /** Pods on nodes before the measurement, one after the other over the nodes. */
  init: number
  initPod?: Shape
  pods: number
  pod: Shape
  /** Pods with gates that stay. */
  gated?: number
  /** Happens this often a second while pods are scheduled. */
  churn?: { what: 'preemptors' | 'unschedulable' | 'mixed' | 'deletions'; perSecond: number }
  /** All measured pods go to one large node. */
  oneNode?: boolean
  threshold?: number
}

interface Shape {
  labels?: Record<string, string>
  priority?: number
  cpu?: string
  spec?: Draft<Pod['spec']>
}

const hostname = 'kubernetes.io/hostname'
const zone = 'topology.kubernetes.io/zone'
const like = (labels: Record<string, string>, topologyKey: string) => ({
  topologyKey,
  labelSelector: { matchLabels: labels },
})
const [green, blue, red, yellow] = ['green', 'blue', 'red', 'yellow'].map(color => ({ color }))
const required = (term: ReturnType<typeof like>) => ({ requiredDuringSchedulingIgnoredDuringExecution: [term] })
const preferred = (podAffinityTerm: ReturnType<typeof like>) => ({
  preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm }],
})
const apart: Shape = { labels: green!, spec: { affinity: { podAntiAffinity: required(like(green!, hostname)) } } }
const near: Shape = { labels: blue!, spec: { affinity: { podAffinity: required(like(blue!, zone)) } } }
const ratherNear: Shape = { labels: red!, spec: { affinity: { podAffinity: preferred(like(red!, hostname)) } } }
const ratherApart: Shape = {
  labels: yellow!,
  spec: { affinity: { podAntiAffinity: preferred(like(yellow!, hostname)) } },
}
const inZones: Shape = {
  spec: {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: zone, operator: 'In', values: ['zone1', 'zone2'] }] }],
        },
      },
    },
  },
}
const spread = (whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway'): Shape => ({
  labels: blue!,
  spec: { topologySpreadConstraints: [{ maxSkew: 5, whenUnsatisfiable, ...like(blue!, zone) }] },
})
const daemon: Shape = {
  spec: {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-0'] }] }],
        },
      },
    },
  },
}
const low: Shape = { cpu: '900m', spec: { terminationGracePeriodSeconds: 0 } }
export const high: Shape = { cpu: '3', priority: 10 }
export const tooLarge: Shape = { cpu: '9', priority: 10 }
const oneZone = () => ({ [zone]: 'zone1' })
const threeZones = (i: number) => ({ [zone]: `moon-${(i % 3) + 1}` })

const nodes = 5000
const plain: Shape = {}

export const workloads: readonly Workload[] = [
  { name: 'SchedulingBasic', nodes, init: 1000, pods: 10_000, pod: plain, threshold: 810 },
  { name: 'SchedulingPodAntiAffinity', nodes, init: 1000, initPod: apart, pods: 2000, pod: apart, threshold: 60 },
  {
    name: 'SchedulingPodMatchingAntiAffinity',
    nodes,
    init: 1000,
    initPod: apart,
    pods: 5000,
    pod: { labels: green! },
    threshold: 595,
  },
  {
    name: 'SchedulingPodAffinity',
    nodes,
    labels: oneZone,
    init: 5000,
    initPod: near,
    pods: 5000,
    pod: near,
    threshold: 35,
  },
  {
    name: 'SchedulingPreferredPodAffinity',
    nodes,
    init: 5000,
    initPod: ratherNear,
    pods: 5000,
    pod: ratherNear,
    threshold: 90,
  },
  {
    name: 'SchedulingPreferredPodAntiAffinity',
    nodes,
    init: 5000,
    initPod: ratherApart,
    pods: 5000,
    pod: ratherApart,
    threshold: 90,
  },
  {
    name: 'SchedulingNodeAffinity',
    nodes,
    labels: oneZone,
    init: 5000,
    initPod: inZones,
    pods: 10_000,
    pod: inZones,
    threshold: 220,
  },
  {
    name: 'TopologySpreading',
    nodes,
    labels: threeZones,
    init: 5000,
    pods: 5000,
    pod: spread('DoNotSchedule'),
    threshold: 460,
  },
  {
    name: 'PreferredTopologySpreading',
    nodes,
    labels: threeZones,
    init: 5000,
    pods: 5000,
    pod: spread('ScheduleAnyway'),
    threshold: 160,
  },
  { name: 'PreemptionBasic', nodes: 1000, init: 4000, initPod: low, pods: 1000, pod: high },
  {
    name: 'PreemptionAsync',
    nodes,
    init: 20_000,
    initPod: low,
    pods: 5000,
    pod: plain,
    churn: { what: 'preemptors', perSecond: 5 },
    threshold: 570,
  },
  {
    name: 'Unschedulable',
    nodes,
    init: 20_000,
    pods: 10_000,
    pod: plain,
    churn: { what: 'unschedulable', perSecond: 5 },
    threshold: 600,
  },
  {
    name: 'SchedulingWithMixedChurn',
    nodes,
    init: 0,
    pods: 10_000,
    pod: plain,
    churn: { what: 'mixed', perSecond: 1 },
    threshold: 710,
  },
  { name: 'SchedulingDaemonset', nodes: 15_000, init: 0, pods: 10_000, pod: daemon, oneNode: true, threshold: 1100 },
  {
    name: 'SchedulingWhileGated',
    nodes: 1,
    init: 2000,
    pods: 10_000,
    pod: { cpu: '1m' },
    gated: 10_000,
    churn: { what: 'deletions', perSecond: 50 },
    oneNode: true,
    threshold: 910,
  },
]

/** The i-th node; a large one takes all pods of workloads that want it. */
export function nodeDraft({ labels, oneNode }: Workload, i: number) {
  const name = `node-${i}`
  const large = oneNode && i === 0
  const capacity = large
    ? { cpu: '10000', memory: '100000Gi', pods: '100000' }
    : { cpu: '4', memory: '32Gi', pods: '110' }
  return {
    metadata: { name, labels: { [hostname]: name, ...labels?.(i) } },
    status: { capacity, allocatable: capacity },
  }
}

export function podDraft(name: string, { labels, priority, cpu = '100m', spec }: Shape = {}, more: object = {}) {
  return {
    metadata: { name, namespace: 'default', ...(labels && { labels }) },
    spec: {
      containers: [{ name: 'pause', image: 'pause', resources: { requests: { cpu, memory: '500Mi' } } }],
      ...(priority !== undefined && { priorityClassName: 'high' }),
      ...spec,
      ...more,
    } as Draft<Pod['spec']>,
  }
}
