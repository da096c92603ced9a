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
  ['the first pod first', set(), [], [['db-0@new'], []]],
  ['the next when it is ready', set(), [pod(0)], [['db-1@new'], []]],
  ['not before', set(), [pod(0, { ready: false })], [[], []]],
  ['nor while it is not available for long enough', set({ minReadySeconds: 60 }), [pod(0)], [[], []]],
  ['a gap is filled', set(), [pod(0), pod(2)], [['db-1@new'], []]],
  ['all at once in parallel', set(parallel), [pod(1, { ready: false })], [['db-0@new', 'db-2@new'], []]],
  ['from another start', set({ replicas: 2, ordinals: { start: 5 } }), [pod(5)], [['db-6@new'], []]],
  ['a failed pod goes, and halts the rest', set(), [pod(0, { phase: 'Failed' }), pod(2)], [[], ['db-0']]],
  ['a succeeded one too', set(), [pod(0, { phase: 'Succeeded' })], [[], ['db-0']]],
  ['once', set(), [pod(0, { phase: 'Failed', deleting: true })], [[], []]],
  ['the highest beyond the size', set({ replicas: 1 }), all(pod), [[], ['db-2']]],
  ['one after the other', set({ replicas: 1 }), [pod(0), pod(1), pod(2, { deleting: true })], [[], []]],
  ['not while one below it is unwell', set({ replicas: 2 }), [pod(0), pod(1, { ready: false }), pod(2)], [[], []]],
  [
    'nor while another beyond is',
    set({ replicas: 1 }),
    [pod(0), pod(1, { ready: false }), pod(2, { ready: false })],
    [[], []],
  ],
  ['but the unwell one itself', set({ replicas: 1 }), [pod(0), pod(1, { ready: false })], [[], ['db-1']]],
  ['all beyond at once in parallel', set({ replicas: 1, ...parallel }), all(pod), [[], ['db-2', 'db-1']]],
  ['those below a later start', set({ replicas: 1, ordinals: { start: 2 } }), all(pod), [[], ['db-1']]],
  ['an update from the top', set(), all(old), [[], ['db-2']]],
  ['the next when the last is ready', set(), [old(0), old(1), pod(2)], [[], ['db-1']]],
  ['not before (update)', set(parallel), [old(0), old(1), pod(2, { ready: false })], [[], []]],
  ['nothing below the partition', set(rolling({ partition: 2 })), [old(0), old(1), pod(2)], [[], []]],
  ['lost below the partition: the old one again', set(rolling({ partition: 2 })), [old(1), pod(2)], [['db-0@old'], []]],
  ['lost above: the new one', set(rolling({ partition: 1 })), [old(0), old(1)], [['db-2@new'], []]],
  [
    'a partition counts from the start',
    set({ replicas: 2, ordinals: { start: 4 }, ...rolling({ partition: 1 }) }),
    [old(4), old(5)],
    [[], ['db-5']],
  ],
  ['by hand', set({ updateStrategy: { type: 'OnDelete' } }), all(old), [[], []]],
  ['two at a time', set(rolling({ maxUnavailable: 2 })), all(old), [[], ['db-2', 'db-1']]],
  ['a share, rounded down, at least one', set(rolling({ maxUnavailable: '50%' })), all(old), [[], ['db-2']]],
  [
    'less what is away already',
    set({ ...rolling({ maxUnavailable: 2 }), ...parallel }),
    [old(0), old(1), pod(2, { ready: false })],
    [[], ['db-1']],
  ],
  [
    'old ones that are away first',
    set({ ...rolling({ maxUnavailable: 1 }), ...parallel }),
    [old(0, { ready: false }), old(1), old(2)],
    [[], ['db-0']],
  ],
  ['a broken old one in parallel', set(parallel), [old(0), old(1), old(2, { ready: false })], [[], ['db-2']]],
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

test('the status counts by revision, and the update ends when all are of the new one and ready', () => {
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

test('a pod has its number in its names, and its claims among its volumes', () => {
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

test('which pods are numbered ones, and what they may not lose', () => {
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
  ['kept', ['Retain', 'Retain'], 0, []],
  ['kept though it is scaled away', ['Retain', 'Retain'], 5, []],
  ['gone with the set', ['Delete', 'Retain'], 0, ['set']],
  ['gone with the set, though it is scaled away', ['Delete', 'Retain'], 5, ['set']],
  ['kept while it is in range', ['Retain', 'Delete'], 0, []],
  ['gone when it is scaled away', ['Retain', 'Delete'], 5, ['pod-5']],
  ['both, in range', ['Delete', 'Delete'], 0, ['set']],
  ['both, beyond', ['Delete', 'Delete'], 5, ['pod-5']],
]
for (const [what, [whenDeleted, whenScaled], ordinal, expected] of owners)
  test(`a claim is ${what}`, () => {
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
