// Each filter and score, as tables of nodes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodesToFind } from '../decide.ts'
import { PodInfo } from '../info.ts'
import { openOffline } from '../offline.ts'
import type { Node } from '../../kinds/core/node.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { nodeOf, podOf } from '../../kinds/testing.ts'

interface NodeGiven {
  labels?: Record<string, string>
  taints?: Node['spec']['taints']
  unschedulable?: boolean
  cpu?: string
  memory?: string
  pods?: string
  images?: { names: string[]; sizeBytes: number }[]
}
const node = (
  name: string,
  { labels, taints, unschedulable, cpu = '4', memory = '8Gi', pods = '10', images }: NodeGiven = {},
): Node =>
  nodeOf({
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec: { ...(taints && { taints }), ...(unschedulable && { unschedulable }) },
    status: {
      allocatable: { cpu, memory, pods, 'ephemeral-storage': '10Gi', 'example.com/gpu': '2' },
      ...(images && { images }),
    },
  })

let uid = 0
const pod = (spec: object = {}, requests: Record<string, string> = {}, labels: Record<string, string> = {}): Pod =>
  podOf({
    metadata: { name: `p${++uid}`, namespace: 'ns', uid: `u${uid}`, labels },
    spec: { containers: [{ name: 'c', image: 'img:1', resources: { requests } }], ...spec },
  })

function ask(wanted: Pod, nodes: Node[], running: [Pod, string][] = []) {
  const { snapshot, decide } = openOffline()
  for (const n of nodes) snapshot.setNode(n)
  for (const [p, at] of running) snapshot.setPod(new PodInfo(p), at)
  const { outcome, refusals } = decide(new PodInfo(wanted))
  return {
    chosen: outcome.type === 'node' ? outcome.node.name : undefined,
    message: outcome.type === 'none' ? outcome.message : undefined,
    refused: Object.fromEntries(refusals.map(r => [r.node.name, r.plugin])),
    ever: Object.fromEntries(refusals.map(r => [r.node.name, r.no.ever])),
  }
}

const refusals: [string, Pod, Node, string, string][] = [
  ['that is cordoned', pod(), node('n', { unschedulable: true }), 'NodeUnschedulable', '1 node(s) were unschedulable'],
  [
    'with an untolerated taint',
    pod(),
    node('n', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] }),
    'TaintToleration',
    '1 node(s) had untolerated taint(s)',
  ],
  [
    'if the pod names another one',
    pod({ nodeName: 'x' }),
    node('n'),
    'NodeName',
    "1 node(s) didn't match the requested node name",
  ],
  [
    'if the pod’s node selector does not match',
    pod({ nodeSelector: { a: 'b' } }),
    node('n'),
    'NodeAffinity',
    "1 node(s) didn't match Pod's node affinity/selector",
  ],
  [
    'with too little CPU and memory, which are both reported',
    pod({}, { cpu: '5', memory: '9Gi' }),
    node('n'),
    'NodeResourcesFit',
    '1 Insufficient cpu, 1 Insufficient memory',
  ],
  [
    'with too little of an extended resource',
    pod({}, { 'example.com/gpu': '3' }),
    node('n'),
    'NodeResourcesFit',
    '1 Insufficient example.com/gpu',
  ],
  [
    'without the extended resource',
    pod({}, { 'example.com/fpga': '1' }),
    node('n'),
    'NodeResourcesFit',
    '1 Insufficient example.com/fpga',
  ],
  ['that takes no more pods', pod(), node('n', { pods: '0' }), 'NodeResourcesFit', '1 Too many pods'],
  [
    'without the label of a hard spread constraint',
    pod({
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} },
      ],
    }),
    node('n'),
    'PodTopologySpread',
    "1 node(s) didn't match pod topology spread constraints (missing required label)",
  ],
]
for (const [what, wanted, on, plugin, message] of refusals) {
  test(`a node is refused ${what}`, () => {
    const result = ask(wanted, [on])
    assert.deepEqual(result.refused, { n: plugin })
    assert.equal(result.message, `0/1 nodes are available: ${message}.`)
  })
}

const tolerating: [string, object[], 'NoSchedule' | 'NoExecute' | 'PreferNoSchedule', boolean][] = [
  ['with an equal key and value matches', [{ key: 'k', value: 'v', effect: 'NoSchedule' }], 'NoSchedule', true],
  ['with another value does not match', [{ key: 'k', value: 'w' }], 'NoSchedule', false],
  ['with Exists matches any value', [{ key: 'k', operator: 'Exists' }], 'NoExecute', true],
  ['without a key matches every taint', [{ operator: 'Exists' }], 'NoExecute', true],
  ['with another effect does not match', [{ key: 'k', operator: 'Exists', effect: 'NoSchedule' }], 'NoExecute', false],
  ['is not needed for PreferNoSchedule', [], 'PreferNoSchedule', true],
]
for (const [what, tolerations, effect, fits] of tolerating) {
  test(`a toleration ${what}`, () => {
    const result = ask(pod({ tolerations }), [node('n', { taints: [{ key: 'k', value: 'v', effect }] })])
    assert.equal(result.chosen !== undefined, fits)
  })
}

const affine = (operator: string, values?: string[]) => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'size', operator, values }] }],
      },
    },
  },
})
const affinities: [string, object, string | undefined][] = [
  ['In', affine('In', ['5', '6']), 'five'],
  ['NotIn', affine('NotIn', ['5']), 'none'],
  ['Exists', affine('Exists'), 'five'],
  ['DoesNotExist', affine('DoesNotExist'), 'none'],
  ['Gt', affine('Gt', ['4']), 'five'],
  ['Lt', affine('Lt', ['4']), undefined],
]
for (const [what, spec, expected] of affinities) {
  test(`node affinity compares with ${what}`, () =>
    assert.equal(ask(pod(spec), [node('five', { labels: { size: '5' } }), node('none')]).chosen, expected))
}

test('nodes without the label of a topology are in none of its domains, whatever the label is called', () => {
  const affinity = (kind: string) => ({
    affinity: {
      [kind]: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'constructor', labelSelector: { matchLabels: { app: 'a' } } },
        ],
      },
    },
  })
  const running: [Pod, string][] = [[pod({}, {}, { app: 'a' }), 'n']]
  assert.equal(ask(pod(affinity('podAffinity')), [node('n'), node('m')], running).chosen, undefined)
  assert.equal(ask(pod(affinity('podAntiAffinity')), [node('n')], running).chosen, 'n')
  const spread = {
    topologySpreadConstraints: [
      { topologyKey: 'constructor', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} },
    ],
  }
  assert.equal(ask(pod(spread), [node('n')]).refused.n, 'PodTopologySpread')
  const exists = [{ matchExpressions: [{ key: 'constructor', operator: 'Exists' }] }]
  const required = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: exists } }
  assert.equal(ask(pod({ affinity: { nodeAffinity: required } }), [node('n')]).refused.n, 'NodeAffinity')
})

test('host ports conflict by protocol and address', () => {
  const at = (hostPort: number, protocol = 'TCP', hostIP?: string) =>
    pod({ containers: [{ name: 'c', ports: [{ containerPort: 1, hostPort, protocol, ...(hostIP && { hostIP }) }] }] })
  const running: [Pod, string][] = [[at(80, 'TCP', '10.0.0.1'), 'n']]
  assert.equal(ask(at(80), [node('n')], running).refused.n, 'NodePorts')
  assert.equal(ask(at(80, 'TCP', '10.0.0.2'), [node('n')], running).chosen, 'n')
  assert.equal(ask(at(80, 'UDP'), [node('n')], running).chosen, 'n')
  assert.equal(ask(at(81), [node('n')], running).chosen, 'n')
})

test('a pod requests the larger of its containers and its init containers, with sidecars and overhead', () => {
  const sized = (cpu: string, more: object = {}) => ({ name: cpu, resources: { requests: { cpu } }, ...more })
  const { requests } = new PodInfo(
    pod({
      initContainers: [sized('1', { restartPolicy: 'Always' }), sized('3')],
      containers: [sized('500m'), sized('250m')],
      overhead: { cpu: '10m' },
    }),
  )
  assert.equal(requests[0], 4010)
  assert.equal(new PodInfo(pod({ resources: { requests: { cpu: '7' } } }, { cpu: '1' })).requests[0], 7000)
})

test('evictions do not help on a node that is too small even when empty', () => {
  const full: [Pod, string][] = [[pod({}, { cpu: '3' }), 'n']]
  assert.deepEqual(ask(pod({}, { cpu: '2' }), [node('n')], full).ever, { n: true })
  assert.deepEqual(ask(pod({}, { cpu: '5' }), [node('n')], full).ever, { n: false })
})

const better: [string, Pod, Node, Node, [Pod, string][]?][] = [
  ['if it is emptier', pod(), node('good'), node('bad'), [[pod({}, { cpu: '3', memory: '6Gi' }), 'bad']]],
  [
    'without a PreferNoSchedule taint',
    pod(),
    node('good'),
    node('bad', { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] }),
  ],
  [
    'with a preferred label',
    pod({
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: { matchExpressions: [{ key: 'x', operator: 'Exists' }] } },
          ],
        },
      },
    }),
    node('good', { labels: { x: '' } }),
    node('bad'),
  ],
  [
    'with the image of the pod',
    pod(),
    node('good', { images: [{ names: ['img:1'], sizeBytes: 900_000_000 }] }),
    node('bad'),
  ],
  [
    'without the pods that the pod prefers to avoid',
    pod({
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            {
              weight: 100,
              podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'x' } } },
            },
          ],
        },
      },
    }),
    node('good'),
    node('bad'),
    [[pod({}, {}, { app: 'x' }), 'bad']],
  ],
  [
    'that a soft spread constraint prefers',
    pod(
      {
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: 'kubernetes.io/hostname',
            whenUnsatisfiable: 'ScheduleAnyway',
            labelSelector: { matchLabels: { app: 'x' } },
          },
        ],
      },
      {},
      { app: 'x' },
    ),
    node('good'),
    node('bad'),
    [[pod({}, {}, { app: 'x' }), 'bad']],
  ],
]
for (const [what, wanted, good, bad, running] of better) {
  test(`a node is better ${what}`, () => {
    assert.equal(ask(wanted, [good, bad], running).chosen, 'good')
    assert.equal(ask(wanted, [bad, good], running).chosen, 'good')
  })
}

test('the anti-affinity of running pods keeps others away', () => {
  const hermit = pod({
    affinity: {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', labelSelector: {} }] },
    },
  })
  const zone = (z: string) => ({ labels: { zone: z } })
  const result = ask(pod(), [node('a', zone('1')), node('b', zone('1')), node('c', zone('2'))], [[hermit, 'a']])
  assert.equal(result.chosen, 'c')
  assert.deepEqual(result.refused, { a: 'InterPodAffinity', b: 'InterPodAffinity' })
})

test('of many nodes only a part is filtered', () => {
  for (const [total, enough] of [
    [50, 50],
    [100, 100],
    [1000, 420],
    [5000, 500],
    [10_000, 500],
  ] as const)
    assert.equal(nodesToFind(total), enough)
})

test('nodes are tried in turn from each zone', () => {
  const { snapshot } = openOffline()
  const zones: [string, string][] = [
    ['a', 'z1'],
    ['b', 'z1'],
    ['c', 'z1'],
    ['d', 'z2'],
    ['e', 'z3'],
    ['f', 'z3'],
  ]
  for (const [name, zone] of zones) snapshot.setNode(node(name, { labels: { 'topology.kubernetes.io/zone': zone } }))
  const order = () => snapshot.nodes.map(({ name }) => name).join('')
  assert.equal(order(), 'adebfc')
  snapshot.removeNode('d')
  assert.equal(order(), 'aebfc')
  snapshot.setNode(node('c', { labels: { 'topology.kubernetes.io/zone': 'z2' } }))
  assert.equal(order(), 'acebf')
})

test('each decision begins after the last node that was filtered before', () => {
  const { snapshot, decide } = openOffline()
  for (let i = 0; i < 200; i++) snapshot.setNode(node(`n${i}`))
  const looked = () => {
    const { outcome } = decide(new PodInfo(pod()))
    return outcome.type === 'node' ? outcome.feasible.map(({ name }) => name) : []
  }
  const [first, second, third] = [looked(), looked(), looked()]
  assert.deepEqual([first[0], first.length, second[0], second.length, third[0]], ['n0', 100, 'n100', 100, 'n0'])
})
