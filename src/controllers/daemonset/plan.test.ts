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
  /** Not bound yet: the node it is for stands in its affinity. */
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
  ['a plain node', {}, node('n'), [true, true]],
  ['another name', { nodeName: 'm' }, node('n'), [false, false]],
  ['a label it lacks', { nodeSelector: { disk: 'ssd' } }, node('n'), [false, false]],
  ['a label it has', { nodeSelector: { disk: 'ssd' } }, node('n', { labels: { disk: 'ssd' } }), [true, true]],
  ['NoSchedule: no new one', {}, node('n', { taints: taint('NoSchedule') }), [false, true]],
  ['NoExecute: none at all', {}, node('n', { taints: taint('NoExecute') }), [false, false]],
  ['PreferNoSchedule', {}, node('n', { taints: taint('PreferNoSchedule') }), [true, true]],
  ['silent', {}, node('n', { taints: taint('NoExecute', 'node.kubernetes.io/unreachable') }), [true, true]],
  ['cordoned', {}, node('n', { taints: taint('NoSchedule', 'node.kubernetes.io/unschedulable') }), [true, true]],
  [
    'no network',
    {},
    node('n', { taints: taint('NoSchedule', 'node.kubernetes.io/network-unavailable') }),
    [false, true],
  ],
  [
    'none needed',
    { hostNetwork: true },
    node('n', { taints: taint('NoSchedule', 'node.kubernetes.io/network-unavailable') }),
    [true, true],
  ],
]
for (const [what, template, on, [run, goOn]] of suitability)
  test(`whether a node suits: ${what}`, () => assert.deepEqual(suits(set({}, template), on), { run, goOn }))

type Plan = { create?: string[]; remove?: string[]; ended?: string[] }
const plans: [string, DaemonSet, Node[], Pod[], Plan][] = [
  ['one for each node', set({}), nodes(2), [fresh(1)], { create: ['n0'] }],
  ['none twice while one goes', set({}), nodes(1), [fresh(0, { deleting: true })], {}],
  [
    'one beside an ended one that goes',
    set({}),
    nodes(1),
    [fresh(0, { phase: 'Failed', deleting: true })],
    { create: ['n0'] },
  ],
  [
    'ended ones are replaced',
    set({}),
    nodes(2),
    [fresh(0, { phase: 'Failed' }), fresh(1, { phase: 'Succeeded' })],
    { ended: ['new0', 'new1'] },
  ],
  ['the oldest of two stays', set({}), nodes(1), [fresh(0), pod('first', 'n0', { age: 90 })], { remove: ['new0'] }],
  [
    'one that is bound before one that is not',
    set({}),
    nodes(1),
    [pod('w', 'n0', { waiting: true, age: 90 }), fresh(0)],
    { remove: ['w'] },
  ],
  [
    'none on a node that refuses',
    set({}),
    [node('n0', { taints: taint('NoExecute') })],
    [fresh(0)],
    { remove: ['new0'] },
  ],
  ['it may stay where no new one would go', set({}), [node('n0', { taints: taint('NoSchedule') })], [fresh(0)], {}],
  [
    'a pod that waits for a node that is gone',
    set({}),
    nodes(1),
    [fresh(0), pod('w', 'gone', { waiting: true })],
    { remove: ['w'] },
  ],
  ['OnDelete leaves old ones', set(undefined), nodes(1), [old(0)], {}],
  ['one old one at a time', set({ maxUnavailable: 1 }), nodes(3), [old(0), old(1), old(2)], { remove: ['old0'] }],
  [
    'a share of them, rounded up',
    set({ maxUnavailable: '50%' }),
    nodes(3),
    [old(0), old(1), old(2)],
    { remove: ['old0', 'old1'] },
  ],
  ['none while a new one is not ready', set({ maxUnavailable: 1 }), nodes(2), [fresh(0, { ready: false }), old(1)], {}],
  [
    'old ones that are not ready all at once',
    set({ maxUnavailable: 1 }),
    nodes(3),
    [old(0, { ready: false }), old(1, { ready: false }), old(2)],
    { remove: ['old0', 'old1'] },
  ],
  ['one that goes counts as away', set({ maxUnavailable: 1 }), nodes(2), [old(0, { deleting: true }), old(1)], {}],
  ['new ones first, then the update', set({ maxUnavailable: 1 }), nodes(2), [old(1)], { create: ['n0'] }],
  [
    'surge: a new one beside the old',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    nodes(2),
    [old(0), old(1)],
    { create: ['n0'] },
  ],
  [
    'surge: not more than allowed',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    nodes(2),
    [old(0), fresh(0, { ready: false }), old(1)],
    {},
  ],
  [
    'surge: the old one goes when the new one is ready',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    nodes(2),
    [old(0), fresh(0), old(1)],
    { remove: ['old0'] },
  ],
  [
    'surge: an old one that is not ready is no reason to wait',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    nodes(2),
    [old(0, { ready: false }), old(1, { ready: false })],
    { create: ['n0', 'n1'] },
  ],
  [
    'surge: where none is wanted the old one waits for the others',
    set({ maxSurge: 1, maxUnavailable: 0 }),
    [node('n0', { taints: taint('NoSchedule') }), node('n1')],
    [old(0), fresh(1, { ready: false })],
    {},
  ],
  [
    'surge: and goes when they are there',
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

test('the numbers count nodes, each by its oldest pod', () => {
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

test('the pod for a node keeps the template’s own terms and tolerations', () => {
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

test('failed daemon pods are replaced after 1, 2, 4 … seconds, for each node by itself', () => {
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
