// Claims, volumes and classes that somebody deletes while they are in use.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { PersistentVolume } from '../../src/kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../src/kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { VolumeAttributesClass } from '../../src/kinds/storage/volumeattributesclass.ts'
import { simulate } from './cluster.ts'

const namespace = 'default'
const accessModes = ['ReadWriteOnce' as const]

test('a claim stays while a pod that has a node names it, and goes with the pod', () =>
  simulate({ nodes: 1 }, async sim => {
    const claims = sim.client.mirror(PersistentVolumeClaim)
    await sim.until('the account', () => sim.client.mirror(ServiceAccount).get(namespace, 'default') !== undefined)
    const spec = { accessModes, resources: { requests: { storage: '1Gi' } } }
    for (const name of ['used', 'waiting', 'free'])
      await sim.client.create(PersistentVolumeClaim, { metadata: { name, namespace }, spec })
    const pod = (claim: string, more: object) => ({
      metadata: { name: claim, namespace },
      spec: {
        containers: [{ name: 'c', image: 'app:1' }],
        volumes: [{ name: 'v', persistentVolumeClaim: { claimName: claim } }],
        ...more,
      },
    })
    // The node does not exist, so no kubelet ends the pod.
    await sim.client.create(Pod, pod('used', { nodeName: 'elsewhere', tolerations: [{ operator: 'Exists' as const }] }))
    await sim.client.create(Pod, pod('waiting', { schedulingGates: [{ name: 'example.com/gate' }] }))
    for (const name of ['used', 'waiting', 'free']) await sim.client.delete(PersistentVolumeClaim, { namespace, name })
    await sim.until('claims that nobody uses are gone', () => claims.list(namespace).length === 1)
    const [left] = claims.list(namespace)
    deepStrictEqual(left?.metadata.finalizers, ['kubernetes.io/pvc-protection'])
    await sim.client.delete(Pod, { namespace, name: 'used' }, { gracePeriodSeconds: 0 })
    await sim.until('the last claim is gone', () => claims.list(namespace).length === 0)
  }))

test('a volume stays while it is bound, and a class while a volume names it', () =>
  simulate({ nodes: 1 }, async sim => {
    const [volumes, classes] = [sim.client.mirror(PersistentVolume), sim.client.mirror(VolumeAttributesClass)]
    await sim.client.create(VolumeAttributesClass, {
      metadata: { name: 'fast' },
      driverName: 'example.com',
      parameters: { a: 'b' },
    })
    await sim.client.create(PersistentVolume, {
      metadata: { name: 'v' },
      spec: {
        accessModes,
        capacity: { storage: '1Gi' },
        csi: { driver: 'example.com', volumeHandle: 'h' },
        volumeAttributesClassName: 'fast',
      },
    })
    const claim = { accessModes, resources: { requests: { storage: '1Gi' } }, volumeAttributesClassName: 'fast' }
    await sim.client.create(PersistentVolumeClaim, {
      metadata: { name: 'c', namespace },
      spec: { ...claim, storageClassName: '' },
    })
    await sim.until('it is bound', () => volumes.get(undefined, 'v')?.status.phase === 'Bound')
    await sim.client.delete(PersistentVolume, { name: 'v' })
    await sim.client.delete(VolumeAttributesClass, { name: 'fast' })
    await sim.until('both are terminating', () =>
      Boolean(
        volumes.get(undefined, 'v')?.metadata.deletionTimestamp &&
          classes.get(undefined, 'fast')?.metadata.deletionTimestamp,
      ),
    )
    await sim.clock.forward(60_000)
    ok(volumes.get(undefined, 'v') && classes.get(undefined, 'fast'))
    await sim.client.delete(PersistentVolumeClaim, { namespace, name: 'c' })
    await sim.until('both are gone', () => volumes.list().length + classes.list().length === 0)
  }))
