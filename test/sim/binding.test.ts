// Claims and volumes find each other, keep each other, and part.
import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { PersistentVolume } from '../../src/kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../src/kinds/core/persistentvolumeclaim.ts'
import { StorageClass } from '../../src/kinds/storage/storageclass.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const accessModes = ['ReadWriteOnce' as const]

const volume = (name: string, size = '1Gi', spec: Partial<Draft<PersistentVolume>['spec']> = {}, annotations = {}) => ({
  metadata: { name, annotations },
  spec: { capacity: { storage: size }, accessModes, hostPath: { path: '/x' }, ...spec },
})
const claim = (name: string, size = '1Gi', spec: Partial<Draft<PersistentVolumeClaim>['spec']> = {}) => ({
  metadata: { name, namespace },
  spec: { accessModes, resources: { requests: { storage: size } }, ...spec },
})

const claimOf = (sim: Sim, name: string) => sim.client.mirror(PersistentVolumeClaim).get(namespace, name)
const volumeOf = (sim: Sim, name: string) => sim.client.mirror(PersistentVolume).get(undefined, name)
const pairOf = (sim: Sim, name: string) => {
  const found = claimOf(sim, name)
  return [found?.status.phase, found?.spec.volumeName]
}
const events = (sim: Sim, name: string) =>
  sim.client
    .mirror(Event)
    .list()
    .filter(e => e.involvedObject.name === name)
    .map(e => e.reason)

const bound = (sim: Sim, name: string) =>
  sim.until(`${name} is bound`, () => claimOf(sim, name)?.status.phase === 'Bound')
const phase = (sim: Sim, name: string, wanted: string) =>
  sim.until(`${name} is ${wanted}`, () => volumeOf(sim, name)?.status.phase === wanted)

test('a hundred claims get a volume each, the smallest that fits, in whatever order both come', () =>
  simulate({ nodes: 0 }, async sim => {
    const sizes = Array.from({ length: 50 }, (_, i) => i + 1)
    await Promise.all(sizes.map(size => sim.client.create(PersistentVolume, volume(`v${size}`, `${size}Gi`))))
    await Promise.all(
      sizes.map(size =>
        sim.client.create(PersistentVolumeClaim, claim(`c${size}`, `${size}Gi`, { storageClassName: '' })),
      ),
    )
    await Promise.all(sizes.map(size => bound(sim, `c${size}`)))
    const later = sizes.map(size => size + 50)
    await Promise.all(
      later.map(size =>
        sim.client.create(PersistentVolumeClaim, claim(`c${size}`, `${size}Gi`, { storageClassName: '' })),
      ),
    )
    await Promise.all(later.map(size => sim.client.create(PersistentVolume, volume(`v${size}`, `${size}Gi`))))
    await Promise.all(later.map(size => bound(sim, `c${size}`)))
    const names = new Set([...sizes, ...later].map(size => claimOf(sim, `c${size}`)?.spec.volumeName))
    strictEqual(names.size, 100)
    for (const size of [...sizes, ...later]) {
      const { spec, status } = volumeOf(sim, claimOf(sim, `c${size}`)!.spec.volumeName!)!
      deepStrictEqual(
        [spec.claimRef?.name, spec.claimRef?.uid, status.phase],
        [`c${size}`, claimOf(sim, `c${size}`)!.metadata.uid, 'Bound'],
      )
      deepStrictEqual(claimOf(sim, `c${size}`)!.status.capacity, spec.capacity)
    }
  }))

test('a user may choose from either side, and learns why a choice does not fit', () =>
  simulate({ nodes: 0 }, async sim => {
    await sim.client.create(PersistentVolume, volume('reserved', '5Gi', { claimRef: { namespace, name: 'mine' } }))
    await sim.client.create(PersistentVolume, volume('small'))
    await sim.client.create(PersistentVolumeClaim, claim('other', '2Gi', { storageClassName: '' }))
    await sim.client.create(
      PersistentVolumeClaim,
      claim('chosen', '2Gi', { storageClassName: '', volumeName: 'small' }),
    )
    await sim.until('it says why', () => events(sim, 'chosen').includes('VolumeMismatch'))
    await sim.client.create(PersistentVolumeClaim, claim('mine', '1Gi', { storageClassName: '' }))
    await bound(sim, 'mine')
    deepStrictEqual(pairOf(sim, 'mine'), ['Bound', 'reserved'])
    strictEqual(volumeOf(sim, 'reserved')?.metadata.annotations?.['pv.kubernetes.io/bound-by-controller'], undefined)
    deepStrictEqual(pairOf(sim, 'other'), ['Pending', undefined])
    await sim.client.create(PersistentVolume, volume('large', '3Gi'))
    await bound(sim, 'other')
    strictEqual(volumeOf(sim, 'large')?.metadata.annotations?.['pv.kubernetes.io/bound-by-controller'], 'yes')
  }))

test('a released volume is kept, is no other claim’s, and is free again when the claim is taken from it', () =>
  simulate({ nodes: 0 }, async sim => {
    await sim.client.create(PersistentVolume, volume('v'))
    await sim.client.create(PersistentVolumeClaim, claim('c', '1Gi', { storageClassName: '' }))
    await bound(sim, 'c')
    await sim.client.delete(PersistentVolumeClaim, { namespace, name: 'c' })
    await phase(sim, 'v', 'Released')
    await sim.client.create(PersistentVolumeClaim, claim('c', '1Gi', { storageClassName: '' }))
    await sim.clock.forward(60_000)
    deepStrictEqual(pairOf(sim, 'c'), ['Pending', undefined])
    await sim.client.patch(PersistentVolume, { name: 'v' }, 'merge', { spec: { claimRef: null } })
    await bound(sim, 'c')
    await sim.client.delete(PersistentVolume, { name: 'v' })
    await sim.clock.forward(60_000)
    match(String(volumeOf(sim, 'v')?.metadata.deletionTimestamp), /T/)
    await sim.client.patch(PersistentVolume, { name: 'v' }, 'merge', { metadata: { finalizers: null } })
    await sim.until('the claim is lost', () => claimOf(sim, 'c')?.status.phase === 'Lost')
    await sim.until('it says so', () => events(sim, 'c').includes('ClaimLost'))
  }))

test('what cannot be reclaimed has failed, and a provisioner takes what it made', () =>
  simulate({ nodes: 0 }, async sim => {
    const policies = { kept: 'Retain', recycled: 'Recycle', stuck: 'Delete', made: 'Delete' } as const
    for (const [name, persistentVolumeReclaimPolicy] of Object.entries(policies)) {
      const annotations = name === 'made' ? { 'pv.kubernetes.io/provisioned-by': 'example.com/p' } : {}
      const claimRef = { namespace, name }
      await sim.client.create(
        PersistentVolume,
        volume(name, '1Gi', { persistentVolumeReclaimPolicy, claimRef }, annotations),
      )
      await sim.client.create(PersistentVolumeClaim, claim(name, '1Gi', { storageClassName: '' }))
      await bound(sim, name)
      await sim.client.delete(PersistentVolumeClaim, { namespace, name })
    }
    await phase(sim, 'kept', 'Released')
    await phase(sim, 'made', 'Released')
    await phase(sim, 'recycled', 'Failed')
    await phase(sim, 'stuck', 'Failed')
    match(volumeOf(sim, 'stuck')?.status.message ?? '', /no deletable volume plugin matched/)
    await sim.until('the reasons', () => events(sim, 'recycled').includes('VolumeFailedRecycle'))
  }))

test('a claim gets the default class that comes after it, and is handed to the provisioner of its class', () =>
  simulate({ nodes: 0 }, async sim => {
    await sim.client.create(PersistentVolumeClaim, claim('c'))
    await sim.until('it waits', () => events(sim, 'c').includes('FailedBinding'))
    const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' }
    await sim.client.create(StorageClass, { metadata: { name: 'fast', annotations }, provisioner: 'example.com/p' })
    await sim.until('the provisioner is asked', () => events(sim, 'c').includes('ExternalProvisioning'))
    const { spec, metadata, status } = claimOf(sim, 'c')!
    strictEqual(spec.storageClassName, 'fast')
    strictEqual(metadata.annotations?.['volume.kubernetes.io/storage-provisioner'], 'example.com/p')
    strictEqual(status.phase, 'Pending')
    const made = { 'pv.kubernetes.io/provisioned-by': 'example.com/p' }
    const claimRef = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name: 'c', uid: metadata.uid! }
    await sim.client.create(PersistentVolume, volume('pvc-1', '1Gi', { claimRef, storageClassName: 'fast' }, made))
    await bound(sim, 'c')
  }))

test('a binding that was broken off is completed by the next controller', () =>
  simulate({ nodes: 0 }, async sim => {
    await sim.client.create(PersistentVolume, volume('v'))
    await sim.client.create(PersistentVolumeClaim, claim('c', '1Gi', { storageClassName: '' }))
    await bound(sim, 'c')
    const status = (kind: 'v' | 'c') =>
      kind === 'v'
        ? sim.client.patch(
            PersistentVolume,
            { name: 'v' },
            'merge',
            { status: { phase: 'Available' } },
            { subresource: 'status' },
          )
        : sim.client.patch(
            PersistentVolumeClaim,
            { namespace, name: 'c' },
            'merge',
            { status: { phase: 'Pending' } },
            { subresource: 'status' },
          )
    for (const which of ['v', 'c'] as const) {
      await status(which)
      await sim.restartControllers()
      await sim.until(
        'both are bound',
        () => claimOf(sim, 'c')?.status.phase === 'Bound' && volumeOf(sim, 'v')?.status.phase === 'Bound',
      )
    }
  }))
