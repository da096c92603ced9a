// Which pods a node does not admit, with the reason and message, as a table.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../kinds/core/node.ts'
import { planAdmission } from './admission.ts'
import type { Pod } from '../kinds/core/pod.ts'

const pod = (spec: object = {}, container: object = {}) =>
  ({
    metadata: { name: 'p', uid: 'p' },
    spec: { containers: [{ name: 'c', ...container }], ...spec },
    status: {},
  }) as unknown as Pod
const asking = (requests: object, spec: object = {}) => pod(spec, { resources: { requests } })
const port = (hostPort: number, more: object = {}) =>
  pod({}, { ports: [{ containerPort: 80, hostPort, protocol: 'TCP', ...more }] })

const node = (more: object = {}) =>
  ({
    metadata: { name: 'n', labels: { 'kubernetes.io/os': 'linux', zone: 'a' } },
    spec: { ...more },
    status: { allocatable: { cpu: '2', memory: '1Gi', pods: '3' } },
  }) as unknown as Node
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
    'a pod that requests a resource that the node lacks is rejected',
    asking({ 'example.com/gpu': '1' }),
    node(),
    [],
    'OutOfexample.com/gpu',
    "Node didn't have enough resource: example.com/gpu, requested: 1, used: 0, capacity: 0",
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

for (const [what, wanted, on, others, reason, message] of cases)
  test(what, () => {
    deepStrictEqual(planAdmission(wanted, on, others), reason === undefined ? undefined : { reason, message })
  })
