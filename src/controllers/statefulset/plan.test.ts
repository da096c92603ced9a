import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimsOf, planClaimOwners } from './claims.ts'
import { lostLabels, ordinalOf, podOf } from './identity.ts'
import { planStateful } from './plan.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { StatefulSet } from '../../kinds/apps/statefulset.ts'
import { timeText } from '../../api/time.ts'
import { objectOf } from '../../kinds/testing.ts'

const now = Date.UTC(2026, 0, 1)
const ago = (seconds: number) => timeText(now - seconds * 1000)

const set = (spec: object = {}, status: object = {}): StatefulSet =>
  objectOf(StatefulSet, {
    metadata: { name: 'db', uid: 'set', generation: 3 },
    spec: {
      replicas: 3,
      serviceName: 'db',
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      selector: { matchLabels: { app: 'db' } },
      template: { metadata: { labels: { app: 'db' } }, spec: { containers: [] } },
      ...spec,
    },
    status,
  })

interface Given {
  of?: string
  ready?: boolean
  phase?: Pod['status']['phase']
  deleting?: boolean
}
const pod = (ordinal: number, { of = 'db-new', ready = true, phase = 'Running', deleting }: Given = {}): Pod =>
  objectOf(Pod, {
    metadata: {
      name: `db-${ordinal}`,
      uid: `pod-${ordinal}`,
      labels: { 'controller-revision-hash': of },
      ...(deleting && { deletionTimestamp: ago(0) }),
    },
    status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: ago(30) }] },
  })
const old = (ordinal: number, more: Given = {}) => pod(ordinal, { of: 'db-old', ...more })
const all = (make: (ordinal: number) => Pod, count = 3) => Array.from({ length: count }, (_, i) => make(i))
const parallel = { podManagementPolicy: 'Parallel' }
const rolling = (rollingUpdate: object) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } })

type Plan = [create: string[], remove: string[]]
const plans: [string, StatefulSet, Pod[], Plan][] = [
  ['the pod with the first ordinal is created first', set(), [], [['db-0@new'], []]],
  ['the next pod is created when the one before is ready', set(), [pod(0)], [['db-1@new'], []]],
  ['no pod is created while one before is not ready', set(), [pod(0, { ready: false })], [[], []]],
  [
    'no pod is created while one before has not been ready for minReadySeconds',
    set({ minReadySeconds: 60 }),
    [pod(0)],
    [[], []],
  ],
  ['a missing pod in the middle is created', set(), [pod(0), pod(2)], [['db-1@new'], []]],
  [
    'with Parallel all missing pods are created at once',
    set(parallel),
    [pod(1, { ready: false })],
    [['db-0@new', 'db-2@new'], []],
  ],
  ['ordinals begin at the given start', set({ replicas: 2, ordinals: { start: 5 } }), [pod(5)], [['db-6@new'], []]],
  [
    'a failed pod is deleted, and nothing else happens meanwhile',
    set(),
    [pod(0, { phase: 'Failed' }), pod(2)],
    [[], ['db-0']],
  ],
  ['a succeeded pod is deleted too', set(), [pod(0, { phase: 'Succeeded' })], [[], ['db-0']]],
  [
    'a failed pod that is terminating is not deleted again',
    set(),
    [pod(0, { phase: 'Failed', deleting: true })],
    [[], []],
  ],
  [
    'when the set shrinks, the pod with the highest ordinal is deleted first',
    set({ replicas: 1 }),
    all(pod),
    [[], ['db-2']],
  ],
  [
    'no other pod is deleted while one is terminating',
    set({ replicas: 1 }),
    [pod(0), pod(1), pod(2, { deleting: true })],
    [[], []],
  ],
  [
    'the set does not shrink while a pod within its size is not ready',
    set({ replicas: 2 }),
    [pod(0), pod(1, { ready: false }), pod(2)],
    [[], []],
  ],
  [
    'a pod beyond the size is not deleted while one below it is not ready',
    set({ replicas: 1 }),
    [pod(0), pod(1, { ready: false }), pod(2, { ready: false })],
    [[], []],
  ],
  [
    'a pod beyond the size that is not ready itself is deleted',
    set({ replicas: 1 }),
    [pod(0), pod(1, { ready: false })],
    [[], ['db-1']],
  ],
  [
    'with Parallel all pods beyond the size are deleted at once',
    set({ replicas: 1, ...parallel }),
    all(pod),
    [[], ['db-2', 'db-1']],
  ],
  [
    'pods below a raised start are deleted, the highest first',
    set({ replicas: 1, ordinals: { start: 2 } }),
    all(pod),
    [[], ['db-1']],
  ],
  ['an update replaces the pod with the highest ordinal first', set(), all(old), [[], ['db-2']]],
  ['an update replaces the next pod when the last one is ready', set(), [old(0), old(1), pod(2)], [[], ['db-1']]],
  [
    'an update waits for the last replaced pod, even with Parallel',
    set(parallel),
    [old(0), old(1), pod(2, { ready: false })],
    [[], []],
  ],
  ['an update leaves pods below the partition', set(rolling({ partition: 2 })), [old(0), old(1), pod(2)], [[], []]],
  [
    'a missing pod below the partition is created at the old revision',
    set(rolling({ partition: 2 })),
    [old(1), pod(2)],
    [['db-0@old'], []],
  ],
  [
    'a missing pod at or above the partition is created at the new revision',
    set(rolling({ partition: 1 })),
    [old(0), old(1)],
    [['db-2@new'], []],
  ],
  [
    'the partition counts from the first ordinal',
    set({ replicas: 2, ordinals: { start: 4 }, ...rolling({ partition: 1 }) }),
    [old(4), old(5)],
    [[], ['db-5']],
  ],
  ['with OnDelete an update replaces no pods', set({ updateStrategy: { type: 'OnDelete' } }), all(old), [[], []]],
  [
    'with maxUnavailable 2 an update replaces two pods at a time',
    set(rolling({ maxUnavailable: 2 })),
    all(old),
    [[], ['db-2', 'db-1']],
  ],
  [
    'a percentage of maxUnavailable is rounded down, to one at least',
    set(rolling({ maxUnavailable: '50%' })),
    all(old),
    [[], ['db-2']],
  ],
  [
    'pods that are not ready count against maxUnavailable',
    set({ ...rolling({ maxUnavailable: 2 }), ...parallel }),
    [old(0), old(1), pod(2, { ready: false })],
    [[], ['db-1']],
  ],
  [
    'an old pod that is not ready is replaced first',
    set({ ...rolling({ maxUnavailable: 1 }), ...parallel }),
    [old(0, { ready: false }), old(1), old(2)],
    [[], ['db-0']],
  ],
  [
    'with Parallel an old pod that is not ready does not stop the update',
    set(parallel),
    [old(0), old(1), old(2, { ready: false })],
    [[], ['db-2']],
  ],
]
for (const [what, given, pods, [create, remove]] of plans)
  test(`a stateful set: ${what}`, () => {
    const plan = planStateful(given, pods, { current: 'db-old', update: 'db-new' }, now)
    assert.deepEqual(
      plan.create.map(({ ordinal, revision }) => `db-${ordinal}@${revision.slice(3)}`),
      create,
    )
    assert.deepEqual(
      plan.remove.map(p => p.metadata.name),
      remove,
    )
  })

test('a stateful set that is being deleted does nothing', () => {
  const going = { ...set(), metadata: { ...set().metadata, deletionTimestamp: ago(1) } }
  const { create, remove } = planStateful(going, [], { current: 'db-old', update: 'db-new' }, now)
  assert.deepEqual([create, remove], [[], []])
})

test('the status counts pods by revision, and the update ends when all are of the new one and ready', () => {
  const status = (pods: Pod[], spec = {}) =>
    planStateful(set(spec), pods, { current: 'db-old', update: 'db-new' }, now).status
  const half = status([old(0), old(1, { deleting: true }), pod(2)])
  assert.deepEqual([half.replicas, half.currentReplicas, half.updatedReplicas], [3, 1, 1])
  assert.deepEqual([half.currentRevision, half.updateRevision], ['db-old', 'db-new'])
  const done = status(all(pod))
  assert.deepEqual([done.currentReplicas, done.currentRevision], [3, 'db-new'])
  assert.equal(status([pod(0), pod(1), pod(2, { ready: false })]).currentRevision, 'db-old')
  const waiting = status(all(pod), { minReadySeconds: 60 })
  assert.deepEqual([waiting.readyReplicas, waiting.availableReplicas], [3, 0])
})

test('a pod has its ordinal in its name and labels, and its claims among its volumes', () => {
  const given = set({
    volumeClaimTemplates: [{ metadata: { name: 'data', labels: { tier: 'disk' } }, spec: {} }],
    template: { metadata: { labels: { app: 'db' } }, spec: { volumes: [{ name: 'data' }, { name: 'tmp' }] } },
  })
  const made = podOf(given, 1, given.spec.template, 'db-new')
  assert.deepEqual([made.metadata!.name, made.spec!.hostname, made.spec!.subdomain], ['db-1', 'db-1', 'db'])
  assert.deepEqual(made.metadata!.labels, {
    app: 'db',
    'statefulset.kubernetes.io/pod-name': 'db-1',
    'apps.kubernetes.io/pod-index': '1',
    'controller-revision-hash': 'db-new',
  })
  assert.deepEqual(
    made.spec!.volumes!.map(v => [v.name, v.persistentVolumeClaim?.claimName]),
    [
      ['data', 'data-db-1'],
      ['tmp', undefined],
    ],
  )
  assert.deepEqual(claimsOf(given, 1)[0]!.metadata!.labels, { tier: 'disk', app: 'db' })
})

test('a pod belongs to the set by its name, and its identity labels are restored', () => {
  const named = (name: string) => objectOf(Pod, { metadata: { name } })
  assert.deepEqual(
    ['db-0', 'db-12', 'db-01', 'db-', 'db-1-2', 'other-1'].map(name => ordinalOf(set(), named(name))),
    [0, 12, undefined, undefined, undefined, undefined],
  )
  const { metadata } = podOf(set(), 1, set().spec.template, 'db-new')
  assert.equal(lostLabels(set(), 1, objectOf(Pod, { metadata })), undefined)
  assert.ok(lostLabels(set(), 1, pod(1)))
})

const owners: [string, [deleted: string, scaled: string], ordinal: number, string[]][] = [
  ['has no owner with Retain', ['Retain', 'Retain'], 0, []],
  ['has no owner with Retain, even if it is scaled down', ['Retain', 'Retain'], 5, []],
  ['is owned by the set with whenDeleted Delete', ['Delete', 'Retain'], 0, ['set']],
  ['is owned by the set with whenDeleted Delete, even if it is scaled down', ['Delete', 'Retain'], 5, ['set']],
  ['has no owner with whenScaled Delete while its ordinal is in range', ['Retain', 'Delete'], 0, []],
  ['is owned by its pod with whenScaled Delete once it is scaled down', ['Retain', 'Delete'], 5, ['pod-5']],
  ['is owned by the set with both while its ordinal is in range', ['Delete', 'Delete'], 0, ['set']],
  ['is owned by its pod with both once it is scaled down', ['Delete', 'Delete'], 5, ['pod-5']],
]
for (const [what, [whenDeleted, whenScaled], ordinal, expected] of owners)
  test(`a claim ${what}`, () => {
    const given = set({ persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled } })
    const claim = (ownerReferences: object[]) =>
      ({ metadata: { name: 'data', ownerReferences } }) as unknown as Parameters<typeof planClaimOwners>[3]
    const stranger = { uid: 'other', kind: 'ConfigMap' }
    const planned = planClaimOwners(
      given,
      ordinal,
      pod(ordinal),
      claim([stranger, { uid: 'set', kind: 'StatefulSet' }]),
    )
    assert.deepEqual(
      planned?.map(o => o.uid),
      ['other', ...expected],
    )
    assert.equal(planClaimOwners(given, ordinal, pod(ordinal), claim([...planned!])), undefined)
    const foreign = claim([{ uid: 'other', kind: 'Other', controller: true }])
    assert.equal(planClaimOwners(given, ordinal, pod(ordinal), foreign), undefined)
  })
