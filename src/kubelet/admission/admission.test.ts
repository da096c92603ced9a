// Which pods a node does not admit, with the reason and message, as a table.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../../kinds/core/node.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { nodeOf, podOf } from '../../kinds/testing.ts'
import { type NodeNow, planAdmission } from './admission.ts'

const pod = (spec: object = {}, container: object = {}, metadata: object = {}) =>
  podOf({ metadata, spec: { containers: [{ name: 'c', image: 'i', ...container }], ...spec } })
const asking = (requests: object, spec: object = {}) => pod(spec, { resources: { requests } })
const port = (hostPort: number, more: object = {}) =>
  pod({}, { ports: [{ containerPort: 80, hostPort, protocol: 'TCP', ...more }] })

const node = (spec: object = {}, status: object = {}) =>
  nodeOf({
    metadata: { name: 'n', labels: { 'kubernetes.io/os': 'linux', zone: 'a' } },
    spec,
    status: { allocatable: { cpu: '2', memory: '1Gi', pods: '3' }, ...status },
  })
const evicting = node({ taints: [{ key: 'k', effect: 'NoExecute' }] })
const tolerations = [{ key: 'k', operator: 'Exists' }]

const cases: [string, Pod, Node | undefined, Pod[], string | undefined, string?][] = [
  ['a pod that fits is taken', asking({ cpu: '1' }), node(), [asking({ cpu: '1' })], undefined],
  [
    'a pod that requests more CPU than is left is rejected',
    asking({ cpu: '1500m' }),
    node(),
    [asking({ cpu: '1' })],
    'OutOfcpu',
    "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
  ],
  [
    'a rejection for memory has the amounts in bytes',
    asking({ memory: '2Gi' }),
    node(),
    [],
    'OutOfmemory',
    "Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824",
  ],
  [
    'a pod that requests more of an extended resource than the node has is rejected',
    asking({ 'example.com/gpu': '2' }),
    node({}, { allocatable: { 'example.com/gpu': '1' } }),
    [],
    'OutOfexample.com/gpu',
    "Node didn't have enough resource: example.com/gpu, requested: 2, used: 0, capacity: 1",
  ],
  [
    'an extended resource that the node does not have is left to others, since it may be of the whole cluster',
    asking({ 'example.com/gpu': '1' }),
    node(),
    [],
    undefined,
  ],
  [
    'a pod that requests more disk than is left is rejected',
    asking({ 'ephemeral-storage': '2Gi' }),
    node({}, { allocatable: { 'ephemeral-storage': '1Gi' } }),
    [],
    'OutOfephemeral-storage',
    "Node didn't have enough resource: ephemeral-storage, requested: 2147483648, used: 0, capacity: 1073741824",
  ],
  [
    'of several resources that are missing, CPU is the reason before memory',
    asking({ memory: '2Gi', cpu: '3' }),
    node(),
    [],
    'OutOfcpu',
    "Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000",
  ],
  [
    'a pod that is labelled for another operating system is rejected',
    pod({}, {}, { labels: { 'kubernetes.io/os': 'windows' } }),
    node(),
    [],
    'PodOSSelectorNodeLabelDoesNotMatch',
    "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
  ],
  [
    'a pod of another operating system is rejected',
    pod({ os: { name: 'windows' } }),
    node(),
    [],
    'PodOSNotSupported',
    "Failed to admit pod as the OS field doesn't match node OS",
  ],
  [
    'a pod that needs a strict policy for groups is rejected by a node without it',
    pod({ securityContext: { supplementalGroupsPolicy: 'Strict' } }),
    node(),
    [],
    'SupplementalGroupsPolicyNotSupported',
    'SupplementalGroupsPolicy=Strict is not supported in this node',
  ],
  [
    'and taken by one that has it',
    pod({ securityContext: { supplementalGroupsPolicy: 'Strict' } }),
    node({}, { features: { supplementalGroupsPolicy: true } }),
    [],
    undefined,
  ],
  [
    'a pod beyond the maximum number is rejected',
    pod(),
    node(),
    [pod(), pod(), pod()],
    'OutOfpods',
    "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
  ],
  ['a pod with another host port is taken', port(81), node(), [port(80)], undefined],
  [
    'a pod with the same host port of another protocol is taken',
    port(80, { protocol: 'UDP' }),
    node(),
    [port(80)],
    undefined,
  ],
  [
    'a pod whose host port is in use is rejected',
    port(80, { hostIP: '10.0.0.1' }),
    node(),
    [port(80)],
    'NodePorts',
    "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  ],
  [
    'a pod whose host port is in use at the same address is rejected',
    port(80, { hostIP: '10.0.0.1' }),
    node(),
    [port(80, { hostIP: '10.0.0.1' })],
    'NodePorts',
    "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  ],
  [
    'a pod whose host port is in use at another address is taken',
    port(80, { hostIP: '10.0.0.1' }),
    node(),
    [port(80, { hostIP: '10.0.0.2' })],
    undefined,
  ],
  [
    'a pod for every address is rejected when the host port is in use at one',
    port(80),
    node(),
    [port(80, { hostIP: '10.0.0.2' })],
    'NodePorts',
    "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  ],
  [
    'the host port of a sidecar counts',
    pod({ initContainers: [{ restartPolicy: 'Always', ports: [{ hostPort: 80, protocol: 'TCP' }] }] }),
    node(),
    [port(80)],
    'NodePorts',
    "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  ],
  [
    'the host port of a container that only begins the pod does not count',
    pod({ initContainers: [{ ports: [{ hostPort: 80, protocol: 'TCP' }] }] }),
    node(),
    [port(80)],
    undefined,
  ],
  [
    'a pod that does not select the node is rejected',
    pod({ nodeSelector: { zone: 'b' } }),
    node(),
    [],
    'NodeAffinity',
    "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
  ],
  [
    'a pod that does not tolerate a NoExecute taint is rejected',
    pod(),
    evicting,
    [],
    'TaintToleration',
    "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
  ],
  ['a pod that tolerates the taint is taken', pod({ tolerations }), evicting, [], undefined],
  ['a NoSchedule taint does not matter', pod(), node({ taints: [{ key: 'k', effect: 'NoSchedule' }] }), [], undefined],
  [
    'a pod with a safe sysctl is taken',
    pod({ securityContext: { sysctls: [{ name: 'net/ipv4/tcp_rmem', value: '1' }] } }),
    node(),
    [],
    undefined,
  ],
  [
    'a pod with an unsafe sysctl is rejected',
    pod({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
    node(),
    [],
    'SysctlForbidden',
    'forbidden sysctl: "kernel.msgmax" not allowlisted',
  ],
  [
    'a pod with a sysctl of the host’s network is rejected',
    pod({ hostNetwork: true, securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } }),
    node(),
    [],
    'SysctlForbidden',
    'forbidden sysctl: "net.ipv4.tcp_rmem" not allowed with host net enabled',
  ],
  [
    'a pod with a sysctl of its own IPC namespace is taken',
    pod({ hostNetwork: true, securityContext: { sysctls: [{ name: 'kernel.shm_rmid_forced', value: '1' }] } }),
    node(),
    [],
    undefined,
  ],
  [
    'a pod with a sysctl of the host’s IPC namespace is rejected',
    pod({ hostIPC: true, securityContext: { sysctls: [{ name: 'kernel.shm_rmid_forced', value: '1' }] } }),
    node(),
    [],
    'SysctlForbidden',
    'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled',
  ],
  [
    'a pod with the IPC namespace of the host may have a sysctl of its own network',
    pod({ hostIPC: true, securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } }),
    node(),
    [],
    undefined,
  ],
  [
    'while the Node object is deleted, every pod with safe sysctls is taken',
    asking({ cpu: '9' }),
    undefined,
    [],
    undefined,
  ],
]

const calm: Omit<NodeNow, 'node' | 'others'> = {
  pressures: [],
  isShuttingDown: false,
  hasAppArmor: false,
  allowedSysctls: [],
}

for (const [what, wanted, on, others, reason, message] of cases)
  test(what, () => {
    const { rejection } = planAdmission(wanted, { node: on, others, ...calm })
    deepStrictEqual(rejection, reason === undefined ? undefined : { reason, message })
  })

const critical = { priority: 2_000_000_000, priorityClassName: 'system-cluster-critical' }
const condition = (names: string) => ({ reason: 'Evicted', message: `The node had condition: [${names}]. ` })

const states: [string, Pod, Partial<NodeNow>, object | undefined][] = [
  [
    'under memory pressure a best-effort pod is refused',
    pod(),
    { pressures: ['MemoryPressure'] },
    condition('MemoryPressure'),
  ],
  ['but not one that requests memory', asking({ memory: '1Mi' }), { pressures: ['MemoryPressure'] }, undefined],
  [
    'nor one that tolerates it',
    pod({ tolerations: [{ key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' }] }),
    { pressures: ['MemoryPressure'] },
    undefined,
  ],
  [
    'under disk pressure any pod is refused',
    asking({ memory: '1Mi' }),
    { pressures: ['DiskPressure'] },
    condition('DiskPressure'),
  ],
  [
    'and under several pressures, which the message lists',
    asking({ memory: '1Mi' }),
    { pressures: ['MemoryPressure', 'DiskPressure'] },
    condition('MemoryPressure DiskPressure'),
  ],
  ['a critical pod is taken under pressure', pod(critical), { pressures: ['DiskPressure'] }, undefined],
  [
    'a static pod is, too',
    pod({}, {}, { annotations: { 'kubernetes.io/config.source': 'file' } }),
    { pressures: ['DiskPressure'] },
    undefined,
  ],
  [
    'a static pod is taken whatever the taints are',
    pod({}, {}, { annotations: { 'kubernetes.io/config.source': 'file' } }),
    { node: evicting },
    undefined,
  ],
  [
    'a node that shuts down takes no pod',
    pod(critical),
    { isShuttingDown: true },
    { reason: 'NodeShutdown', message: 'Pod was rejected as the node is shutting down.' },
  ],
  [
    'a pod with an AppArmor profile is refused where there is no AppArmor',
    pod({ securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } }),
    {},
    { reason: 'AppArmor', message: 'Cannot enforce AppArmor: AppArmor is not enabled on the host' },
  ],
  [
    'and taken where there is',
    pod({ securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } }),
    { hasAppArmor: true },
    undefined,
  ],
  [
    'one that wants none is taken',
    pod({ securityContext: { appArmorProfile: { type: 'Unconfined' } } }),
    {},
    undefined,
  ],
  [
    'a sysctl that the node’s configuration allows is taken',
    pod({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
    { allowedSysctls: ['kernel.msg*'] },
    undefined,
  ],
]

for (const [what, wanted, now, rejection] of states)
  test(what, () => {
    deepStrictEqual(planAdmission(wanted, { node: node(), others: [], ...calm, ...now }).rejection, rejection)
  })

test('a critical pod that lacks only resources is taken, and others end for it', () => {
  const other = asking({ cpu: '1500m' })
  const plan = planAdmission(asking({ cpu: '1' }, critical), { node: node(), others: [other], ...calm })
  deepStrictEqual(plan, { rejection: undefined, victims: [other] })
})

test('a critical pod that is in the wrong place is refused for that, and nothing ends', () => {
  const wanted = asking({ cpu: '1' }, { ...critical, nodeSelector: { zone: 'b' } })
  const plan = planAdmission(wanted, { node: node(), others: [asking({ cpu: '1500m' })], ...calm })
  deepStrictEqual([plan.rejection?.reason, plan.victims], ['NodeAffinity', []])
})

test('a critical pod for which there is never room is refused', () => {
  const plan = planAdmission(asking({ cpu: '3' }, critical), { node: node(), others: [asking({ cpu: '1' })], ...calm })
  deepStrictEqual(plan.rejection, {
    reason: 'UnexpectedAdmissionError',
    message:
      'Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [(res: cpu, q: 1000), ]',
  })
})
