import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FailureBackoff } from './backoff.ts'
import { daemonTemplate, planDaemons, planDaemonStatus, suits } from './plan.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { DaemonSet } from '../../kinds/apps/daemonset.ts'
import type { Node } from '../../kinds/core/node.ts'
import { timeText } from '../../api/time.ts'
import { nodeOf, objectOf, podOf } from '../../kinds/testing.ts'

const now = Date.UTC(2026, 0, 1)
const ago = (seconds: number) => timeText(now - seconds * 1000)

const set = (rollingUpdate: object | undefined, template: object = {}): DaemonSet =>
  objectOf(DaemonSet, {
    metadata: { name: 'agent', generation: 2 },
    spec: {
      selector: { matchLabels: { app: 'agent' } },
      template: { metadata: { labels: { app: 'agent' } }, spec: { containers: [], ...template } },
      updateStrategy: rollingUpdate ? { type: 'RollingUpdate', rollingUpdate } : { type: 'OnDelete' },
    },
  })
const node = (name: string, more: { taints?: object[]; labels?: object } = {}): Node =>
  nodeOf({ metadata: { name, labels: { ...more.labels } }, spec: { taints: more.taints ?? [] } })
const nodes = (count: number) => Array.from({ length: count }, (_, i) => node(`n${i}`))

interface Given {
  of?: 'old' | 'new'
  ready?: boolean
  phase?: Pod['status']['phase']
  deleting?: boolean
  age?: number
  /** The pod is not bound yet. The name of its node is in its affinity. */
  waiting?: boolean
}
const pod = (
  name: string,
  at: string,
  { of = 'new', ready = true, phase = 'Running', deleting, age = 60, waiting }: Given = {},
) =>
  podOf({
    metadata: {
      name,
      creationTimestamp: ago(age),
      labels: { 'controller-revision-hash': of },
      ...(deleting && { deletionTimestamp: ago(0) }),
    },
    spec: waiting
      ? {
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [at] }] }],
              },
            },
          },
        }
      : { nodeName: at },
    status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: ago(30) }] },
  })
const old = (i: number, more: Given = {}) => pod(`old${i}`, `n${i}`, { of: 'old', ...more })
const fresh = (i: number, more: Given = {}) => pod(`new${i}`, `n${i}`, { age: 5, ...more })

const taint = (effect: string, key = 'maintenance') => [{ key, effect }]
const suitability: [string, object, Node, [run: boolean, goOn: boolean]][] = [
  ['a node without taints gets a pod', {}, node('n'), [true, true]],
  ['a node with another name than the template’s gets none', { nodeName: 'm' }, node('n'), [false, false]],
  ['a node without a selected label gets none', { nodeSelector: { disk: 'ssd' } }, node('n'), [false, false]],
  [
    'a node with the selected label gets one',
    { nodeSelector: { disk: 'ssd' } },
    node('n', { labels: { disk: 'ssd' } }),
    [true, true],
  ],
  [
    'with NoSchedule a node gets no pod, and one that runs may stay',
    {},
    node('n', { taints: taint('NoSchedule') }),
    [false, true],
  ],
  [
    'with NoExecute a node gets no pod, and none may stay',
    {},
    node('n', { taints: taint('NoExecute') }),
    [false, false],
  ],
  ['PreferNoSchedule does not matter', {}, node('n', { taints: taint('PreferNoSchedule') }), [true, true]],
  [
    'an unreachable node keeps its pod',
    {},
    node('n', { taints: taint('NoExecute', 'node.kubernetes.io/unreachable') }),
    [true, true],
  ],
  [
    'a cordoned node gets a pod',
    {},
    node('n', { taints: taint('NoSchedule', 'node.kubernetes.io/unschedulable') }),
    [true, true],
  ],
  [
    'a node without network gets no pod',
    {},
    node('n', { taints: taint('NoSchedule', 'node.kubernetes.io/network-unavailable') }),
    [false, true],
  ],
  [
    'a node without network gets a pod on the network of the host',
    { hostNetwork: true },
    node('n', { taints: taint('NoSchedule', 'node.kubernetes.io/network-unavailable') }),
    [true, true],
  ],
]
for (const [what, template, on, [run, goOn]] of suitability)
  test(`a node for daemon pods: ${what}`, () => assert.deepEqual(suits(set({}, template), on), { run, goOn }))

type Plan = { create?: string[]; remove?: string[]; ended?: string[] }
const plans: [string, DaemonSet, Node[], Pod[], Plan][] = [
  ['every node without a pod gets one', set({}), nodes(2), [fresh(1)], { create: ['n0'] }],
  ['a node whose pod is terminating gets no other yet', set({}), nodes(1), [fresh(0, { deleting: true })], {}],
  [
    'a node whose ended pod is terminating gets another one at once',
    set({}),
    nodes(1),
    [fresh(0, { phase: 'Failed', deleting: true })],
    { create: ['n0'] },
  ],
  [
    'failed and succeeded pods are replaced',
    set({}),
    nodes(2),
    [fresh(0, { phase: 'Failed' }), fresh(1, { phase: 'Succeeded' })],
    { ended: ['new0', 'new1'] },
  ],
  [
    'of two pods of a node the older one stays',
    set({}),
    nodes(1),
    [fresh(0), pod('first', 'n0', { age: 90 })],
    { remove: ['new0'] },
  ],
  [
    'of two pods a bound one stays rather than one that is not bound',
    set({}),
    nodes(1),
    [pod('w', 'n0', { waiting: true, age: 90 }), fresh(0)],
    { remove: ['w'] },
  ],
  [
    'the pod of a node with NoExecute is deleted',
    set({}),
    [node('n0', { taints: taint('NoExecute') })],
    [fresh(0)],
    { remove: ['new0'] },
  ],
  ['the pod of a node with NoSchedule stays', set({}), [node('n0', { taints: taint('NoSchedule') })], [fresh(0)], {}],
  [
    'a pod that waits for a deleted node is deleted',
    set({}),
    nodes(1),
    [fresh(0), pod('w', 'gone', { waiting: true })],
    { remove: ['w'] },
  ],
  ['with OnDelete old pods stay', set(undefined), nodes(1), [old(0)], {}],
  [
    'old pods are replaced one at a time with maxUnavailable 1',
    set({ maxUnavailable: 1 }),
    nodes(3),
    [old(0), old(1), old(2)],
    { remove: ['old0'] },
  ],
  [
    'a percentage of maxUnavailable is rounded up',
    set({ maxUnavailable: '50%' }),
    nodes(3),
    [old(0), old(1), old(2)],
    { remove: ['old0', 'old1'] },
  ],
  [
    'no old pod is replaced while a new one is not ready',
    set({ maxUnavailable: 1 }),
    nodes(2),
    [fresh(0, { ready: false }), old(1)],
    {},
  ],
  [
    'old pods that are not ready are replaced all at once',
    set({ maxUnavailable: 1 }),
    nodes(3),
    [old(0, { ready: false }), old(1, { ready: false }), old(2)],
    { remove: ['old0', 'old1'] },
  ],
  [
    'a terminating pod counts as unavailable',
    set({ maxUnavailable: 1 }),
    nodes(2),
    [old(0, { deleting: true }), old(1)],
    {},
  ],
  [
    'no old pod is replaced while a node lacks a pod',
    set({ maxUnavailable: 1 }),
    nodes(2),
    [old(1)],
    { create: ['n0'] },
  ],
  [
    'with maxSurge a new pod is created beside an old one',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    nodes(2),
    [old(0), old(1)],
    { create: ['n0'] },
  ],
  [
    'with maxSurge there are no more new pods than allowed',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    nodes(2),
    [old(0), fresh(0, { ready: false }), old(1)],
    {},
  ],
  [
    'with maxSurge the old pod is deleted when the new one is ready',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    nodes(2),
    [old(0), fresh(0), old(1)],
    { remove: ['old0'] },
  ],
  [
    'with maxSurge old pods that are not ready get successors at once',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    nodes(2),
    [old(0, { ready: false }), old(1, { ready: false })],
    { create: ['n0', 'n1'] },
  ],
  [
    'with maxSurge the old pod of an unsuitable node stays until the others are available',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    [node('n0', { taints: taint('NoSchedule') }), node('n1')],
    [old(0), fresh(1, { ready: false })],
    {},
  ],
  [
    'with maxSurge the old pod of an unsuitable node is deleted when the others are available',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    [node('n0', { taints: taint('NoSchedule') }), node('n1')],
    [old(0), fresh(1)],
    { remove: ['old0'] },
  ],
]
for (const [what, given, on, pods, expected] of plans)
  test(`daemon pods: ${what}`, () => {
    const { create, remove, ended } = planDaemons(given, on, pods, 'new', now)
    const names = (list: readonly Pod[]) => list.map(p => p.metadata.name!)
    assert.deepEqual(
      { create, remove: names(remove), ended: names(ended) },
      { create: [], remove: [], ended: [], ...expected },
    )
  })

test('the status counts nodes, each by its oldest pod', () => {
  const on = [...nodes(3), node('n3', { taints: taint('NoSchedule') }), node('n4')]
  const pods = [fresh(0), old(1), old(2, { ready: false }), fresh(2), fresh(3)]
  const { observedGeneration, ...counts } = planDaemonStatus(set({ maxSurge: 1 }), on, pods, 'new', now)
  assert.equal(observedGeneration, 2)
  assert.deepEqual(counts, {
    desiredNumberScheduled: 4,
    currentNumberScheduled: 3,
    numberMisscheduled: 1,
    numberReady: 2,
    updatedNumberScheduled: 1,
    numberAvailable: 2,
    numberUnavailable: 2,
  })
})

test('the pod for a node has the template’s own affinity terms and tolerations too', () => {
  const own = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }
  const affinity = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator: 'Exists' }] }],
      },
    },
  }
  const made = daemonTemplate(set({}, { tolerations: [own], affinity }), 'abc', 'n7')
  const terms = made.spec!.affinity!.nodeAffinity!.requiredDuringSchedulingIgnoredDuringExecution!.nodeSelectorTerms!
  assert.deepEqual(terms[0]!.matchFields, [{ key: 'metadata.name', operator: 'In', values: ['n7'] }])
  assert.equal(terms[0]!.matchExpressions!.length, 1)
  assert.equal(made.spec!.tolerations!.filter(t => t.key === own.key).length, 1)
  assert.equal(made.metadata!.labels!['controller-revision-hash'], 'abc')
})

test('failed daemon pods are replaced after 1, 2, 4 … seconds, and each node has its own back-off', () => {
  const backoff = new FailureBackoff()
  assert.equal(backoff.remaining('a', now), 0)
  backoff.failed('a', now)
  assert.deepEqual([backoff.remaining('a', now), backoff.remaining('b', now)], [1000, 0])
  backoff.failed('a', now + 1000)
  assert.equal(backoff.remaining('a', now + 1000), 2000)
  for (let i = 0; i < 20; i++) backoff.failed('a', now + 2000)
  assert.equal(backoff.remaining('a', now + 2000), 900_000)
  assert.equal(backoff.remaining('a', now + 902_000), 0)
  backoff.failed('a', now + 3_600_000)
  assert.equal(backoff.remaining('a', now + 3_600_000), 1000)
})
