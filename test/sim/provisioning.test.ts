// The provisioner for directories, with nodes whose directories are a map: they may be slow, unreachable and gone.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { StatusError } from '../../src/base/errors.ts'
import { directoryProvisioner, sharedParameter } from '../../src/controllers/index.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { machineLabel } from '../../src/kinds/core/machine-label.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { PersistentVolume } from '../../src/kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../src/kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { StorageClass } from '../../src/kinds/storage/storageclass.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'

class Directories {
  readonly there = new Map<string, number>()
  readonly unreachable = new Set<string>()

  async make(node: string, name: string, { bytes, isShared }: { bytes: number; isShared: boolean }) {
    this.#reach(node)
    this.there.set(`${isShared ? 'shared' : node}/${name}`, bytes)
    return { path: `/volumes/${name}`, unlimited: 'there are no quotas' }
  }

  async grow(node: string, name: string, of: { bytes: number; isShared: boolean }) {
    this.#reach(node)
    if (!this.there.has(`${of.isShared ? 'shared' : node}/${name}`)) throw new StatusError('NotFound', 'it is gone')
    await this.make(node, name, of)
  }

  async remove(node: string, name: string, isShared: boolean) {
    this.#reach(node)
    this.there.delete(`${isShared ? 'shared' : node}/${name}`)
  }

  #reach(node: string) {
    if (this.unreachable.has(node)) throw new StatusError('ServiceUnavailable', `the kubelet of node ${node} is away`)
  }
}

async function withClass(
  run: (sim: Sim, directories: Directories) => Promise<void>,
  reclaimPolicy: 'Delete' | 'Retain' = 'Delete',
  parameters: Record<string, string> = {},
) {
  const directories = new Directories()
  await simulate({ nodes: 2, directories }, async sim => {
    await sim.until('the account', () => sim.client.mirror(ServiceAccount).get(namespace, 'default') !== undefined)
    await sim.client.create(StorageClass, {
      metadata: { name: 'standard' },
      provisioner: directoryProvisioner,
      parameters,
      reclaimPolicy,
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    })
    await run(sim, directories)
  })
}

const claim = (name: string, spec: Partial<Draft<PersistentVolumeClaim>['spec']> = {}) => ({
  metadata: { name, namespace },
  spec: {
    storageClassName: 'standard',
    accessModes: ['ReadWriteOnce' as const],
    resources: { requests: { storage: '1Mi' } },
    ...spec,
  },
})
const pod = (name: string, claimName: string, more: object = {}) =>
  ({
    metadata: { name, namespace },
    spec: {
      containers: [{ name: 'c', image: 'app:1' }],
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
      ...more,
    },
  }) as Draft<Pod>

const claimOf = (sim: Sim, name: string) => sim.client.mirror(PersistentVolumeClaim).get(namespace, name)
const volumes = (sim: Sim) => sim.client.mirror(PersistentVolume).list()
const nodeOf = (sim: Sim, name: string) => sim.client.mirror(Pod).get(namespace, name)?.spec.nodeName
const messages = (sim: Sim, name: string) =>
  sim.client
    .mirror(Event)
    .list()
    .filter(e => e.involvedObject.name === name)
    .map(e => `${e.reason}: ${e.message}`)

test('a directory is made on the node of the first pod, and later pods follow it', () =>
  withClass(async (sim, directories) => {
    await sim.client.create(PersistentVolumeClaim, claim('data'))
    await sim.clock.forward(60_000)
    strictEqual(directories.there.size, 0)
    await sim.client.create(Pod, pod('a', 'data'))
    await sim.until('it runs', () => nodeOf(sim, 'a') !== undefined)
    const node = nodeOf(sim, 'a')!
    const [volume] = volumes(sim)
    deepStrictEqual([...directories.there], [[`${node}/${volume!.metadata.name}`, 1 << 20]])
    strictEqual(volume!.spec.local?.path, `/volumes/${volume!.metadata.name}`)
    strictEqual(volume!.metadata.annotations?.['kutter/size-unlimited'], 'there are no quotas')
    ok(messages(sim, 'data').includes('SizeNotLimited: The size of the volume is not limited: there are no quotas'))
    for (const name of ['b', 'c', 'd']) await sim.client.create(Pod, pod(name, 'data'))
    await sim.until('all are there', () => ['b', 'c', 'd'].every(name => nodeOf(sim, name) === node))
    for (const name of ['a', 'b', 'c', 'd'])
      await sim.client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0 })
    await sim.client.delete(PersistentVolumeClaim, { namespace, name: 'data' })
    await sim.until('nothing is left', () => volumes(sim).length === 0 && directories.there.size === 0)
  }))

test('a claim grows while its pod runs, as soon as its node answers', () =>
  withClass(async (sim, directories) => {
    await sim.client.create(PersistentVolumeClaim, claim('data'))
    await sim.client.create(Pod, pod('a', 'data'))
    await sim.until('it runs', () => nodeOf(sim, 'a') !== undefined)
    await sim.until('it is bound', () => claimOf(sim, 'data')?.status.phase === 'Bound')
    directories.unreachable.add(nodeOf(sim, 'a')!)
    const resources = { requests: { storage: '3Mi' } }
    await sim.client.patch(PersistentVolumeClaim, { namespace, name: 'data' }, 'merge', { spec: { resources } })
    await sim.until('it says why', () => messages(sim, 'data').some(text => text.startsWith('VolumeResizeFailed')))
    strictEqual(claimOf(sim, 'data')?.status.capacity?.storage, '1Mi')
    directories.unreachable.clear()
    await sim.until('it has grown', () => claimOf(sim, 'data')?.status.capacity?.storage === '3Mi')
    strictEqual(volumes(sim)[0]?.spec.capacity?.storage, '3Mi')
    deepStrictEqual([...directories.there.values()], [3 << 20])
  }))

test('a claim whose directory is gone does not grow, and says so', () =>
  withClass(async (sim, directories) => {
    await sim.client.create(PersistentVolumeClaim, claim('data'))
    await sim.client.create(Pod, pod('a', 'data'))
    await sim.until('it is bound', () => claimOf(sim, 'data')?.status.phase === 'Bound')
    directories.there.clear()
    const resources = { requests: { storage: '3Mi' } }
    await sim.client.patch(PersistentVolumeClaim, { namespace, name: 'data' }, 'merge', { spec: { resources } })
    await sim.until('it says why', () =>
      messages(sim, 'data').some(text => /^VolumeResizeFailed: resize volume \S+ failed: it is gone$/.test(text)),
    )
    strictEqual(claimOf(sim, 'data')?.status.capacity?.storage, '1Mi')
    deepStrictEqual([...directories.there], [])
  }))

test('twenty pods with a claim each get their own directories', () =>
  withClass(async (sim, directories) => {
    const names = Array.from({ length: 20 }, (_, i) => `p${i}`)
    await Promise.all(names.map(name => sim.client.create(PersistentVolumeClaim, claim(name))))
    await Promise.all(names.map(name => sim.client.create(Pod, pod(name, name))))
    await sim.until('all run', () => names.every(name => nodeOf(sim, name) !== undefined))
    strictEqual(directories.there.size, 20)
    for (const name of names) {
      const volume = claimOf(sim, name)!.spec.volumeName!
      ok(directories.there.has(`${nodeOf(sim, name)}/${volume}`), name)
    }
  }))

test('a node that does not answer is asked again, for a directory and for its removal', () =>
  withClass(async (sim, directories) => {
    for (const node of ['node-0', 'node-1', 'node-2']) directories.unreachable.add(node)
    await sim.client.create(PersistentVolumeClaim, claim('data'))
    await sim.client.create(Pod, pod('a', 'data'))
    await sim.until('it says why', () =>
      messages(sim, 'data').some(text => /^ProvisioningFailed: .*is away$/.test(text)),
    )
    directories.unreachable.clear()
    await sim.until('it runs', () => nodeOf(sim, 'a') !== undefined)
    directories.unreachable.add(nodeOf(sim, 'a')!)
    await sim.client.delete(Pod, { namespace, name: 'a' }, { gracePeriodSeconds: 0 })
    await sim.client.delete(PersistentVolumeClaim, { namespace, name: 'data' })
    const [volume] = volumes(sim)
    await sim.until('it says why', () =>
      messages(sim, volume!.metadata.name!).some(text => text.startsWith('VolumeFailedDelete')),
    )
    // A user who deletes the volume does not lose track of the directory.
    await sim.client.delete(PersistentVolume, { name: volume!.metadata.name! })
    await sim.clock.forward(30_000)
    strictEqual(volumes(sim).length, 1)
    directories.unreachable.clear()
    await sim.until('nothing is left', () => volumes(sim).length === 0 && directories.there.size === 0)
  }))

test('what was on a node that is gone is let go, and a claim given to one that is gone gets another', () =>
  withClass(async (sim, directories) => {
    await sim.client.create(PersistentVolumeClaim, claim('lost', {}))
    await sim.client.patch(PersistentVolumeClaim, { namespace, name: 'lost' }, 'merge', {
      metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'never' } },
    })
    await sim.until('it says why', () => messages(sim, 'lost').some(text => /node "never" does not exist/.test(text)))
    await sim.client.create(Pod, pod('a', 'lost'))
    await sim.until('it runs', () => nodeOf(sim, 'a') !== undefined)
    directories.unreachable.add(nodeOf(sim, 'a')!)
    await sim.client.delete(Pod, { namespace, name: 'a' }, { gracePeriodSeconds: 0 })
    await sim.client.delete(PersistentVolumeClaim, { namespace, name: 'lost' })
    const [volume] = volumes(sim)
    await sim.until('it says why', () =>
      messages(sim, volume!.metadata.name!).some(text => text.startsWith('VolumeFailedDelete')),
    )
    const name = [...directories.unreachable][0]!
    sim.cut.add(name)
    await sim.client.delete(Node, { name })
    await sim.until('the volume is gone', () => volumes(sim).length === 0)
  }))

test('a kept volume stays when its claim goes, and its directory when the volume goes', () =>
  withClass(async (sim, directories) => {
    await sim.client.create(PersistentVolumeClaim, claim('data'))
    await sim.client.create(Pod, pod('a', 'data'))
    await sim.until('it runs', () => nodeOf(sim, 'a') !== undefined)
    await sim.client.delete(Pod, { namespace, name: 'a' }, { gracePeriodSeconds: 0 })
    await sim.client.delete(PersistentVolumeClaim, { namespace, name: 'data' })
    await sim.until('it is released', () => volumes(sim)[0]?.status.phase === 'Released')
    await sim.client.delete(PersistentVolume, { name: volumes(sim)[0]!.metadata.name! })
    await sim.until('it is gone', () => volumes(sim).length === 0)
    strictEqual(directories.there.size, 1)
  }, 'Retain'))

test('a claim that no directory can be is refused in words', () =>
  withClass(async sim => {
    const refused: [name: string, spec: Partial<Draft<PersistentVolumeClaim>['spec']>, why: RegExp][] = [
      ['many', { accessModes: ['ReadWriteMany'] }, /a directory of one node has no access mode ReadWriteMany$/],
      ['block', { volumeMode: 'Block' }, /a directory is no block device$/],
      ['copy', { dataSource: { kind: 'PersistentVolumeClaim', name: 'other' } }, /has no data source$/],
    ]
    for (const [name, spec, why] of refused) {
      await sim.client.create(PersistentVolumeClaim, claim(name, spec))
      await sim.client.create(Pod, pod(name, name))
      await sim.until(name, () => messages(sim, name).some(text => text.startsWith('ProvisioningFailed')))
      match(messages(sim, name).find(text => text.startsWith('ProvisioningFailed'))!, why)
    }
    strictEqual(volumes(sim).length, 0)
  }))

const shared = { [sharedParameter]: 'true' }
const many = claim('many', { accessModes: ['ReadWriteMany'] })
const label = (sim: Sim, name: string, machine: string) =>
  sim.client.patch(Node, { name }, 'merge', { metadata: { labels: { [machineLabel]: machine } } })

test('the nodes of a machine share a directory, and any of them makes it larger and removes it', () =>
  withClass(
    async (sim, directories) => {
      await label(sim, 'node-0', 'here')
      await label(sim, 'node-1', 'here')
      await sim.client.create(PersistentVolumeClaim, many)
      for (const node of ['node-0', 'node-1'])
        await sim.client.create(Pod, pod(node, 'many', { nodeSelector: { 'kubernetes.io/hostname': node } }))
      await sim.until('both run', () => ['node-0', 'node-1'].every(name => nodeOf(sim, name) === name))
      const [volume] = volumes(sim)
      deepStrictEqual([...directories.there], [[`shared/${volume!.metadata.name}`, 1 << 20]])
      const [term] = volume!.spec.nodeAffinity!.required!.nodeSelectorTerms
      deepStrictEqual(term!.matchExpressions, [{ key: machineLabel, operator: 'In', values: ['here'] }])
      // The node that made it is gone, and the others still have it.
      sim.cut.add('node-0')
      directories.unreachable.add('node-0')
      await sim.client.delete(Node, { name: 'node-0' })
      const resources = { requests: { storage: '3Mi' } }
      await sim.client.patch(PersistentVolumeClaim, { namespace, name: 'many' }, 'merge', { spec: { resources } })
      await sim.until('it has grown', () => claimOf(sim, 'many')?.status.capacity?.storage === '3Mi')
      for (const name of ['node-0', 'node-1'])
        await sim.client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0 }).catch(() => {})
      await sim.client.delete(PersistentVolumeClaim, { namespace, name: 'many' })
      await sim.until('nothing is left', () => volumes(sim).length === 0 && directories.there.size === 0)
    },
    'Delete',
    shared,
  ))

test('a node that shares nothing cannot have a shared volume', () =>
  withClass(
    async sim => {
      await sim.client.create(PersistentVolumeClaim, many)
      await sim.client.create(Pod, pod('a', 'many'))
      await sim.until('it says why', () =>
        messages(sim, 'many').some(text => /^ProvisioningFailed: .*shares no directory with others$/.test(text)),
      )
    },
    'Delete',
    shared,
  ))
