// Which pods a node does not take, and in which words, by a table.
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
  ['what fits', asking({ cpu: '1' }), node(), [asking({ cpu: '1' })], undefined],
  [
    'too much',
    asking({ cpu: '1500m' }),
    node(),
    [asking({ cpu: '1' })],
    'OutOfcpu',
    "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
  ],
  [
    'memory in bytes',
    asking({ memory: '2Gi' }),
    node(),
    [],
    'OutOfmemory',
    "Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824",
  ],
  [
    'a resource the node has not',
    asking({ 'example.com/gpu': '1' }),
    node(),
    [],
    'OutOfexample.com/gpu',
    "Node didn't have enough resource: example.com/gpu, requested: 1, used: 0, capacity: 0",
  ],
  [
    'one pod too many',
    pod(),
    node(),
    [pod(), pod(), pod()],
    'OutOfpods',
    "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
  ],
  ['another port', port(81), node(), [port(80)], undefined],
  ['the same port of another protocol', port(80, { protocol: 'UDP' }), node(), [port(80)], undefined],
  [
    'a port that is taken',
    port(80, { hostIP: '10.0.0.1' }),
    node(),
    [port(80)],
    'NodePorts',
    "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  ],
  [
    'another selector',
    pod({ nodeSelector: { zone: 'b' } }),
    node(),
    [],
    'NodeAffinity',
    "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
  ],
  [
    'a taint that drives pods away',
    pod(),
    evicting,
    [],
    'TaintToleration',
    "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
  ],
  ['a taint it tolerates', pod({ tolerations }), evicting, [], undefined],
  ['a taint for new pods only', pod(), node({ taints: [{ key: 'k', effect: 'NoSchedule' }] }), [], undefined],
  [
    'a safe sysctl',
    pod({ securityContext: { sysctls: [{ name: 'net/ipv4/tcp_rmem', value: '1' }] } }),
    node(),
    [],
    undefined,
  ],
  [
    'an unsafe sysctl',
    pod({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
    node(),
    [],
    'SysctlForbidden',
    'forbidden sysctl: "kernel.msgmax" not allowlisted',
  ],
  [
    'a sysctl of a network it shares',
    pod({ hostNetwork: true, securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } }),
    node(),
    [],
    'SysctlForbidden',
    'forbidden sysctl: "net.ipv4.tcp_rmem" not allowed with host net enabled',
  ],
  ['anything that is safe, while the node is deleted', asking({ cpu: '9' }), undefined, [], undefined],
]

for (const [what, wanted, on, others, reason, message] of cases)
  test(`${what}: ${reason ?? 'taken'}`, () => {
    deepStrictEqual(planAdmission(wanted, on, others), reason === undefined ? undefined : { reason, message })
  })
