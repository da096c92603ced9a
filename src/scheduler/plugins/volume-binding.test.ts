// Which nodes a pod with claims can have, and what it waits for, as tables of claims, volumes and classes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft, KubeObject } from '../../api/kind.ts'
import { Item, Mirror } from '../../api/mirror.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { CSIDriver } from '../../kinds/storage/csidriver.ts'
import { CSINode } from '../../kinds/storage/csinode.ts'
import { CSIStorageCapacity } from '../../kinds/storage/csistoragecapacity.ts'
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
const classOf = (
  name: string,
  volumeBindingMode: 'Immediate' | 'WaitForFirstConsumer',
  more: Partial<Draft<StorageClass>> = {},
) => objectOf(StorageClass, { metadata: { name }, provisioner: 'example.com/disk', volumeBindingMode, ...more })

/** The nodes that the pod can have, or why it has none. */
function decide(
  objects: readonly KubeObject[],
  volumes: NonNullable<NonNullable<Draft<Pod>['spec']>['volumes']>,
  others: readonly { node: string; pod: Pod }[] = [],
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
        metadata: { name: `in-${zone}`, labels: { zone, 'topology.kubernetes.io/zone': zone } },
        status: { allocatable: { cpu: '4', memory: '4Gi', pods: '9' } },
      }),
    )
  for (const { node, pod } of others) offline.snapshot.setPod(new PodInfo(pod), node)
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
      [
        claimOf('data', { storageClassName: 'slow' }),
        classOf('slow', 'WaitForFirstConsumer', { provisioner: 'kubernetes.io/no-provisioner' }),
      ],
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

const slow = (size = '1Gi', annotations = {}, name = 'data') =>
  claimOf(name, { storageClassName: 'slow', resources: { requests: { storage: size } } }, { metadata: { annotations } })
const free = (name: string, zone: string, size = '1Gi') => {
  const { spec } = volumeOf(name, zone)
  return objectOf(PersistentVolume, {
    metadata: { name },
    spec: { ...spec, storageClassName: 'slow', capacity: { storage: size } } as Draft<PersistentVolume>['spec'],
    status: { phase: 'Available' },
  })
}
const byHand = classOf('slow', 'WaitForFirstConsumer', { provisioner: 'kubernetes.io/no-provisioner' })
const made = (more: Partial<Draft<StorageClass>> = {}) => classOf('slow', 'WaitForFirstConsumer', more)
const driver = objectOf(CSIDriver, { metadata: { name: 'example.com/disk' }, spec: { storageCapacity: true } })
const room = (zone: string, capacity: string, more: Partial<Draft<CSIStorageCapacity>> = {}) =>
  objectOf(CSIStorageCapacity, {
    metadata: { name: `in-${zone}-${capacity.toLowerCase()}` },
    storageClassName: 'slow',
    capacity,
    nodeTopology: { matchLabels: { zone } },
    ...more,
  })

test('a claim that waits for its first consumer gets what is free on a node, or is made there', () => {
  const noVolume = "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."
  const selected = { 'volume.kubernetes.io/selected-node': 'in-b' }
  const inZoneB = [{ matchLabelExpressions: [{ key: 'zone', values: ['b'] }] }]
  const table: [what: string, objects: KubeObject[], claims: string[], nodes: string][] = [
    ['one volume is free', [slow(), byHand, free('pv', 'b')], ['data'], 'in-b'],
    ['the volume is too small', [slow('2Gi'), byHand, free('pv', 'b')], ['data'], noVolume],
    [
      'two claims need two volumes',
      [slow(), slow('1Gi', {}, 'logs'), byHand, free('pv', 'b')],
      ['data', 'logs'],
      noVolume,
    ],
    [
      'two claims find two volumes',
      [slow('2Gi'), slow('1Gi', {}, 'logs'), byHand, free('pv', 'b', '2Gi'), free('other', 'b')],
      ['data', 'logs'],
      'in-b',
    ],
    ['a provisioner makes it anywhere', [slow(), made()], ['data'], 'in-a in-b'],
    ['its node was chosen before', [slow('1Gi', selected), made()], ['data'], 'in-b'],
    ['the class allows some places', [slow(), made({ allowedTopologies: inZoneB })], ['data'], 'in-b'],
    ['a driver that counts has room in one place', [slow(), made(), driver, room('a', '5Gi')], ['data'], 'in-a'],
    [
      'a driver that counts has room for smaller volumes only',
      [slow('3Gi'), made(), driver, room('a', '5Gi', { maximumVolumeSize: '2Gi' }), room('b', '1Gi')],
      ['data'],
      '0/2 nodes are available: 2 node(s) did not have enough free storage.',
    ],
    [
      'a driver that counts says nothing of the class',
      [slow(), made(), driver, room('a', '5Gi', { storageClassName: 'other' })],
      ['data'],
      '0/2 nodes are available: 2 node(s) did not have enough free storage.',
    ],
  ]
  for (const [what, objects, claims, nodes] of table)
    assert.equal(decide(objects, mounts(...claims)).split(' preemption')[0], nodes, what)
})

test('volumes with a zone, claims for one pod and limits of drivers keep pods from nodes', () => {
  const labelled = (zone: string) => {
    const { spec } = volumeOf('pv')
    const labels = { 'topology.kubernetes.io/zone': zone }
    return objectOf(PersistentVolume, { metadata: { name: 'pv', labels }, spec } as Draft<PersistentVolume>)
  }
  const onDriver = (name: string) =>
    objectOf(PersistentVolume, {
      metadata: { name },
      spec: { accessModes: ['ReadWriteOnce'], csi: { driver: 'd', volumeHandle: name } },
    })
  const limit = (node: string, count: number) =>
    objectOf(CSINode, {
      metadata: { name: node },
      spec: { drivers: [{ name: 'd', nodeID: node, allocatable: { count } }] },
    })
  const single = objectOf(PersistentVolumeClaim, {
    metadata: { name: 'data', namespace: 'ns', annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
    spec: { accessModes: ['ReadWriteOncePod'], volumeName: 'pv' },
  })
  const other = (node: string, claimName: string) => ({
    node,
    pod: podOf({
      metadata: { name: `other-${claimName}`, namespace: 'ns', uid: claimName },
      spec: { nodeName: node, volumes: mounts(claimName) },
    }),
  })
  const inUse = 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode'
  const table: [what: string, objects: KubeObject[], pods: ReturnType<typeof other>[], nodes: string][] = [
    ['a zone', [boundTo('pv'), labelled('b')], [], 'in-b'],
    ['several zones', [boundTo('pv'), labelled('a__b')], [], 'in-a in-b'],
    [
      'a zone without a node',
      [boundTo('pv'), labelled('c')],
      [],
      '0/2 nodes are available: 2 node(s) had no available volume zone.',
    ],
    ['a claim for one pod', [single, volumeOf('pv')], [], 'in-a in-b'],
    [
      'a claim for one pod in use',
      [single, volumeOf('pv')],
      [other('in-a', 'data')],
      `0/2 nodes are available: 2 ${inUse}.`,
    ],
    ['a driver with room', [boundTo('v1'), onDriver('v1'), limit('in-a', 1)], [], 'in-a in-b'],
    [
      'a driver without room',
      [boundTo('v1'), boundTo('v2', 'x'), onDriver('v1'), onDriver('v2'), limit('in-a', 1)],
      [other('in-a', 'x')],
      'in-b',
    ],
    [
      'a volume that is there already',
      [boundTo('v1'), onDriver('v1'), limit('in-a', 1)],
      [other('in-a', 'data')],
      'in-a in-b',
    ],
    [
      'a volume that is to be made',
      [slow(), made({ provisioner: 'd' }), boundTo('v2', 'x'), onDriver('v2'), limit('in-a', 1)],
      [other('in-a', 'x')],
      'in-b',
    ],
  ]
  for (const [what, objects, pods, nodes] of table)
    assert.equal(decide(objects, mounts('data'), pods).split(' preemption')[0], nodes, what)
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
