// Whether a node grants a resize, in which order, what must be done for it, and what an earlier kubelet granted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import { Node } from '../../kinds/core/node.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { objectOf, podOf } from '../../kinds/testing.ts'
import { byUrgency, changeOf, planExclusive, planResize, type Resize } from './decide.ts'
import { withGranted, withReported } from './granted.ts'
import { resizeMessage } from './messages.ts'

type Amounts = Record<string, string>

const pod = (requests: Amounts, more: { spec?: object; metadata?: object; status?: object } = {}): Pod =>
  podOf({
    metadata: { name: 'p', namespace: 'd', uid: 'u', generation: 2, ...more.metadata },
    spec: { containers: [{ name: 'a', image: 'x', resources: { requests } }], ...more.spec },
    ...(more.status && { status: more.status }),
  })
const node = objectOf(Node, {
  metadata: { name: 'n' },
  status: { allocatable: { cpu: '4', memory: '8Gi', pods: '10' } },
})

const cases: [what: string, wanted: Pod, others: Pod[], expected: string][] = [
  ['there is room', pod({ cpu: '3' }), [pod({ cpu: '1' })], 'granted'],
  [
    'others have the room',
    pod({ cpu: '3' }),
    [pod({ cpu: '1500m' })],
    "Deferred Node didn't have enough resource: cpu, requested: 3000, used: 1500, capacity: 4000",
  ],
  [
    'others have the memory',
    pod({ memory: '5Gi' }),
    [pod({ memory: '4Gi' })],
    "Deferred Node didn't have enough resource: memory, requested: 5368709120, used: 4294967296, capacity: 8589934592",
  ],
  [
    'the node has never so much CPU',
    pod({ cpu: '5' }),
    [],
    "Infeasible Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000",
  ],
  [
    'nor so much memory',
    pod({ memory: '9Gi' }),
    [],
    "Infeasible Node didn't have enough capacity: memory, requested: 9663676416, capacity: 8589934592",
  ],
  [
    'resources of the pod as a whole count',
    pod({ cpu: '1' }, { spec: { resources: { requests: { cpu: '6' } } } }),
    [],
    "Infeasible Node didn't have enough capacity: cpu, requested: 6000, capacity: 4000",
  ],
  [
    'the pod comes from a file',
    pod({ cpu: '1' }, { metadata: { annotations: { 'kubernetes.io/config.source': 'file' } } }),
    [],
    'Infeasible In-place resize of static-pods is not supported',
  ],
  [
    'the pod comes from the API',
    pod({ cpu: '1' }, { metadata: { annotations: { 'kubernetes.io/config.source': 'api' } } }),
    [],
    'granted',
  ],
]

for (const [what, wanted, others, expected] of cases)
  test(`a node grants what fits beside what it granted to others: ${what}`, () => {
    const pending = planResize(wanted, node, others)
    assert.equal(pending ? `${pending.reason} ${pending.message}` : 'granted', expected)
  })

test('without its object, a node grants everything', () => {
  assert.equal(planResize(pod({ cpu: '5' }), undefined, []), undefined)
})

test('the most urgent resize is decided first', () => {
  const waiting = (since: string) => ({ conditions: [{ type: 'PodResizePending', lastTransitionTime: since }] })
  const resize = (name: string, before: Amounts, now: Amounts, spec: object = {}, status: object = {}): Resize => ({
    wanted: pod(now, { metadata: { name }, spec, status }),
    pod: pod(before),
  })
  const guaranteed = {
    containers: [
      {
        name: 'a',
        image: 'x',
        resources: { requests: { cpu: '2', memory: '1Gi' }, limits: { cpu: '2', memory: '1Gi' } },
      },
    ],
  }
  const order = [
    resize('shrinks', { cpu: '2' }, { cpu: '1' }),
    resize('important', { cpu: '1' }, { cpu: '2' }, { priority: 10 }),
    resize('guaranteed', { cpu: '1', memory: '1Gi' }, {}, guaranteed),
    resize('waits longer', { cpu: '1' }, { cpu: '2' }, {}, waiting('2026-01-01T00:00:00Z')),
    resize('waits', { cpu: '1' }, { cpu: '2' }, {}, waiting('2026-01-01T00:01:00Z')),
  ]
  const names = (list: readonly Resize[]) => list.map(({ wanted }) => wanted.metadata.name)
  for (let turn = 0; turn < order.length; turn++) {
    const turned = [...order.slice(turn), ...order.slice(0, turn)]
    assert.deepEqual(names(turned.reverse().sort(byUrgency)), names(order))
  }
})

test('a running container is changed, or restarted if its policy for that resource says so', () => {
  const restartFor = (resourceName: string) => [{ resourceName, restartPolicy: 'RestartContainer' }]
  type Case = [policy: object[], now: object, applied: object, expected: string]
  const table: Case[] = [
    [[], {}, {}, 'none'],
    [[], { requests: { cpu: '1' } }, { requests: { cpu: '1000m' } }, 'none'],
    [[], { requests: { cpu: '2' } }, { requests: { cpu: '1' } }, 'update'],
    [[], { limits: { memory: '2Gi' } }, { limits: { memory: '1Gi' } }, 'update'],
    [[], { limits: { cpu: '1' } }, {}, 'update'],
    [restartFor('memory'), { requests: { cpu: '2' } }, { requests: { cpu: '1' } }, 'update'],
    [restartFor('memory'), { limits: { memory: '2Gi' } }, { limits: { memory: '1Gi' } }, 'restart'],
    [restartFor('cpu'), { limits: { cpu: '2' } }, { limits: { cpu: '1' } }, 'restart'],
    [restartFor('cpu'), { requests: { 'ephemeral-storage': '2Gi' } }, {}, 'none'],
  ]
  for (const [resizePolicy, resources, applied, expected] of table) {
    const { containers } = podOf({
      spec: { containers: [{ name: 'a', image: 'x', resources, resizePolicy }] },
    } as Draft<Pod>).spec
    assert.equal(changeOf(containers[0]!, applied), expected, JSON.stringify([resizePolicy, resources, applied]))
  }
})

const several = (cpu: string, image = 'x') =>
  podOf({
    metadata: { name: 'p', namespace: 'd', uid: 'u' },
    spec: {
      containers: [{ name: 'a', image, resources: { requests: { cpu }, limits: { cpu } } }],
      initContainers: [
        { name: 'i', image: 'x', resources: { requests: { cpu } } },
        { name: 's', image: 'x', restartPolicy: 'Always', resources: { requests: { cpu } } },
      ],
    },
  })
const cpuOf = ({ spec }: Pod) =>
  [...spec.containers, ...(spec.initContainers ?? [])].map(c => `${c.name} ${c.resources?.requests?.cpu}`).join()

test('until it is granted, a pod keeps its resources, and has everything else that is wanted', () => {
  const wanted = several('2', 'y')
  const kept = withGranted(wanted, several('1'))
  assert.equal(cpuOf(kept), 'a 1,i 2,s 1')
  assert.equal(kept.spec.containers[0]!.image, 'y')
  assert.equal(withGranted(wanted, several('2')), wanted)
  const whole = pod({}, { spec: { resources: { requests: { cpu: '1' } } } })
  const more = pod({}, { spec: { resources: { requests: { cpu: '2' } } } })
  assert.deepEqual(withGranted(more, whole).spec.resources, { requests: { cpu: '1' } })
})

test('what an earlier kubelet granted is in the status of the pod', () => {
  const { spec } = several('2')
  const status = (name: string, more: object) => ({ name, state: {}, lastState: {}, ...more })
  const reported = podOf({
    metadata: { name: 'p', namespace: 'd', uid: 'u' },
    spec,
    status: {
      containerStatuses: [
        status('a', {
          allocatedResources: { cpu: '1' },
          resources: { requests: { cpu: '500m' }, limits: { cpu: '1' } },
        }),
      ],
      initContainerStatuses: [status('s', { resources: { requests: { cpu: '1' } } })],
    },
  } as Draft<Pod>)
  const granted = withReported(reported)
  assert.equal(cpuOf(granted), 'a 1,i 2,s 1')
  assert.equal(granted.spec.containers[0]!.resources?.limits?.cpu, '1')
  const unreported = several('2')
  assert.equal(withReported(unreported), unreported)
})

test('an event about a resize has the resources of the containers', () => {
  assert.equal(
    resizeMessage('started', several('2')),
    'Pod resize started: {"initContainers":[{"name":"s","resources":{"requests":{"cpu":"2"}}}],' +
      '"containers":[{"name":"a","resources":{"limits":{"cpu":"2"},"requests":{"cpu":"2"}}}],"generation":0}',
  )
  assert.match(resizeMessage('error', pod({}), 'no'), /,"generation":2,"error":"no"}$/)
})

test('beside the static policy for CPUs, the CPU of a guaranteed pod stays as it is', () => {
  const of = (cpu: string, memory: string, hasLimits = true) =>
    pod(
      {},
      {
        spec: {
          containers: [
            {
              name: 'a',
              image: 'x',
              resources: { requests: { cpu, memory }, ...(hasLimits && { limits: { cpu, memory } }) },
            },
          ],
        },
      },
    )
  const cpuOnly = { cpu: true, memory: false }
  const reasonOf = (wanted: Pod, before: Pod, exclusive = cpuOnly) =>
    planExclusive({ wanted, pod: before }, exclusive)?.reason
  assert.equal(reasonOf(of('2', '1Gi'), of('1', '1Gi')), 'Infeasible')
  assert.equal(reasonOf(of('1', '2Gi'), of('1', '1Gi')), undefined)
  assert.equal(reasonOf(of('2', '1Gi'), of('1', '1Gi'), { cpu: false, memory: true }), undefined)
  assert.equal(reasonOf(of('1', '2Gi'), of('1', '1Gi'), { cpu: false, memory: true }), 'Infeasible')
  assert.equal(reasonOf(of('2', '1Gi', false), of('1', '1Gi', false)), undefined)
})
