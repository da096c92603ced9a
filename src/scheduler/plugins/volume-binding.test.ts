// Which nodes a pod with claims can have, and what it waits for, as tables of claims, volumes and classes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft, KubeObject } from '../../api/kind.ts'
import { Item, Mirror } from '../../api/mirror.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { StorageClass } from '../../kinds/storage/storageclass.ts'
import { nodeOf, objectOf, podOf } from '../../kinds/testing.ts'
import { PodInfo } from '../info.ts'
import { openOffline } from '../offline.ts'

const claimOf = (
  name: string,
  spec: Draft<PersistentVolumeClaim>['spec'] = {},
  more: Draft<PersistentVolumeClaim> = {},
) =>
  objectOf(PersistentVolumeClaim, {
    ...more,
    metadata: { name, namespace: 'ns', ...more.metadata },
    spec: { accessModes: ['ReadWriteOnce'], ...spec },
  })
/** A claim that is bound to a volume, completely. */
const boundTo = (volumeName: string, name = 'data') =>
  claimOf(name, { volumeName }, { metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } } })

const volumeOf = (name: string, zone?: string) =>
  objectOf(PersistentVolume, {
    metadata: { name },
    spec: {
      accessModes: ['ReadWriteOnce'],
      ...(zone && {
        nodeAffinity: {
          required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }] }] },
        },
      }),
    },
  })
const classOf = (name: string, volumeBindingMode: 'Immediate' | 'WaitForFirstConsumer') =>
  objectOf(StorageClass, { metadata: { name }, provisioner: 'example.com/disk', volumeBindingMode })

/** The nodes that the pod can have, or why it has none. */
function decide(
  objects: readonly KubeObject[],
  volumes: NonNullable<NonNullable<Draft<Pod>['spec']>['volumes']>,
): string {
  const mirrors = new Map<string, Mirror>()
  for (const object of objects) {
    const { kind = '' } = object
    const others = mirrors.get(kind)?.list() ?? []
    const mirror = new Mirror()
    mirror.reset(
      [...others, object].map(o => new Item(o as KubeObject, 1)),
      1,
    )
    mirrors.set(kind, mirror)
  }
  const offline = openOffline({ mirror: ({ kind }) => mirrors.get(kind) })
  for (const zone of ['a', 'b'])
    offline.snapshot.setNode(
      nodeOf({
        metadata: { name: `in-${zone}`, labels: { zone } },
        status: { allocatable: { cpu: '4', memory: '4Gi', pods: '9' } },
      }),
    )
  const pod = podOf({ metadata: { name: 'web', namespace: 'ns', uid: 'u' }, spec: { volumes } })
  const { outcome } = offline.decide(new PodInfo(pod))
  return outcome.type === 'node'
    ? outcome.feasible
        .map(n => n.name)
        .sort()
        .join(' ')
    : outcome.message
}

const mounts = (...claimNames: string[]) =>
  claimNames.map(claimName => ({ name: claimName, persistentVolumeClaim: { claimName } }))

test('a pod runs where its volumes are', () => {
  const all = [
    boundTo('pv-a'),
    boundTo('pv-b', 'logs'),
    boundTo('pv', 'any'),
    volumeOf('pv-a', 'a'),
    volumeOf('pv-b', 'b'),
    volumeOf('pv'),
  ]
  assert.equal(decide(all, mounts('data')), 'in-a')
  assert.equal(decide(all, mounts('logs')), 'in-b')
  assert.equal(decide(all, mounts('any')), 'in-a in-b')
  assert.equal(decide(all, mounts('any', 'data')), 'in-a')
  assert.equal(decide(all, []), 'in-a in-b')
  assert.equal(decide(all, [{ name: 'x', emptyDir: {} }]), 'in-a in-b')
  assert.equal(
    decide(all, mounts('data', 'logs')),
    "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
  )
})

test('a pod waits for a claim that is not there, not bound, or not what it should be', () => {
  const none = '0/2 nodes are available: '
  const immediate = `${none}pod has unbound immediate PersistentVolumeClaims.`
  const table: [what: string, objects: KubeObject[], message: string][] = [
    ['no claim', [], `${none}persistentvolumeclaim "data" not found.`],
    [
      'one of another namespace',
      [claimOf('data', {}, { metadata: { namespace: 'other' } })],
      `${none}persistentvolumeclaim "data" not found.`,
    ],
    ['an unbound one', [claimOf('data')], immediate],
    ['one whose volume is named, and not bound', [claimOf('data', { volumeName: 'pv' }), volumeOf('pv')], immediate],
    [
      'one of a class that binds at once',
      [claimOf('data', { storageClassName: 'fast' }), classOf('fast', 'Immediate')],
      immediate,
    ],
    ['one of an unknown class', [claimOf('data', { storageClassName: 'none' })], immediate],
    [
      'one of a class that waits for a pod',
      [claimOf('data', { storageClassName: 'slow' }), classOf('slow', 'WaitForFirstConsumer')],
      `${none}2 node(s) didn't find available persistent volumes to bind.`,
    ],
    [
      'one whose volume has gone',
      [boundTo('pv')],
      `${none}2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).`,
    ],
    [
      'one that is lost',
      [claimOf('data', { volumeName: 'pv' }, { status: { phase: 'Lost' } })],
      `${none}persistentvolumeclaim "data" bound to non-existent persistentvolume "pv".`,
    ],
    [
      'one that is being deleted',
      [claimOf('data', {}, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } })],
      `${none}persistentvolumeclaim "data" is being deleted.`,
    ],
  ]
  for (const [what, objects, message] of table)
    assert.equal(decide(objects, mounts('data')).split(' preemption')[0], message, what)
})

test('the claim of an ephemeral volume is made for its pod, and has the names of both', () => {
  const volumes = [
    {
      name: 'scratch',
      ephemeral: {
        volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
      },
    },
  ]
  assert.equal(
    decide([], volumes).split(' preemption')[0],
    '0/2 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "web-scratch".',
  )
  assert.equal(decide([boundTo('pv', 'web-scratch'), volumeOf('pv', 'b')], volumes), 'in-b')
})
