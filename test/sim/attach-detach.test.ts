// Volumes of drivers are attached to the nodes of their pods, with attachers that are slow, fail, lie and do nothing, and
// with nodes that are lost while they use a volume.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { PersistentVolume } from '../../src/kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../src/kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { attachmentName, uniqueName } from '../../src/kinds/storage/attachment-names.ts'
import { CSIDriver } from '../../src/kinds/storage/csidriver.ts'
import { VolumeAttachment } from '../../src/kinds/storage/volumeattachment.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const driver = 'd.example.com'
const finalizer = 'external-attacher/d-example-com'
const managed = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' }

/** What an attacher does with a VolumeAttachment, and how long that takes. */
interface Behaviour {
  delayMs?: number
  /** How often attaching fails before it succeeds. */
  failures?: number
  /** Never answers. */
  isDead?: boolean
}

/** An attacher as the external one: it holds the object by a finalizer until the volume is detached. */
function runAttacher(sim: Sim, behaviour: Behaviour) {
  const { client, clock } = sim
  /** The nodes that have each volume, as the storage sees it. */
  const attached = new Map<string, Set<string>>()
  let shared = 0
  let failures = behaviour.failures ?? 0
  const write = (name: string, status: object) =>
    client.patch(VolumeAttachment, { name }, 'merge', { status }, { subresource: 'status' })
  const look = async ({ metadata, spec, status }: VolumeAttachment) => {
    const { name = '' } = metadata
    const volume = spec.source.persistentVolumeName ?? ''
    if (behaviour.isDead || spec.attacher !== driver) return
    await clock.sleep(behaviour.delayMs ?? 0)
    if (metadata.deletionTimestamp) {
      attached.get(volume)?.delete(spec.nodeName)
      if (metadata.finalizers?.includes(finalizer))
        await client.patch(VolumeAttachment, { name }, 'merge', { metadata: { finalizers: null } })
      return
    }
    if (status.attached) return
    if (failures > 0) {
      failures--
      await write(name, { attachError: { message: 'no slot is free', time: '2026-01-01T00:00:00Z' } })
      await clock.sleep(1000)
      return look(await client.get(VolumeAttachment, { name }))
    }
    await client.patch(VolumeAttachment, { name }, 'merge', { metadata: { finalizers: [finalizer] } })
    const nodes = attached.get(volume) ?? new Set()
    attached.set(volume, nodes.add(spec.nodeName))
    if (nodes.size > 1) shared++
    await write(name, { attached: true, attachError: null })
  }
  client.mirror(VolumeAttachment).subscribeEach(({ type, item }) => {
    if (type !== 'DELETED') look(item.object).catch(() => {})
  }, 'attacher')
  return { attached, shared: () => shared }
}

const pod = (name: string, node: string, claimName = 'data'): Draft<Pod> => ({
  metadata: { name, namespace },
  spec: {
    nodeName: node,
    containers: [{ name: 'c', image: 'app:1' }],
    volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
    tolerations: [{ operator: 'Exists' as const }],
  },
})

async function withVolume(
  behaviour: Behaviour,
  run: (sim: Sim, storage: ReturnType<typeof runAttacher>) => Promise<void>,
) {
  await simulate({ scheduler: false }, async sim => {
    const { client } = sim
    for (const name of ['a', 'b']) await sim.addNode(name, { metadata: { annotations: managed } })
    await sim.until('the account', () => client.mirror(ServiceAccount).get(namespace, 'default') !== undefined)
    const storage = runAttacher(sim, behaviour)
    await volume(sim, 'data', ['ReadWriteOnce'])
    await run(sim, storage)
  })
}

async function volume({ client, until }: Sim, name: string, accessModes: ('ReadWriteOnce' | 'ReadWriteMany')[]) {
  const size = { storage: '1Gi' }
  const csi = { driver, volumeHandle: `handle-${name}` }
  await client.create(PersistentVolume, {
    metadata: { name: `pv-${name}` },
    spec: { accessModes, capacity: size, csi, claimRef: { namespace, name }, storageClassName: '' },
  })
  await client.create(PersistentVolumeClaim, {
    metadata: { name, namespace },
    spec: { accessModes, resources: { requests: size }, storageClassName: '', volumeName: `pv-${name}` },
  })
  await until('it is bound', () => client.mirror(PersistentVolumeClaim).get(namespace, name)?.status.phase === 'Bound')
}

const unique = uniqueName({ driver, handle: 'handle-data' })
const attachments = (sim: Sim) =>
  sim.client
    .mirror(VolumeAttachment)
    .list()
    .map(({ spec }) => spec.nodeName)
    .sort()
    .join()
const reported = async (sim: Sim, name: string) =>
  (await sim.client.get(Node, { name })).status.volumesAttached?.map(one => one.name).join() ?? ''
const use = (sim: Sim, name: string, volumesInUse: string[]) =>
  sim.client.patch(Node, { name }, 'merge', { status: { volumesInUse } }, { subresource: 'status' })
const remove = (sim: Sim, name: string) => sim.client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0 })
const events = (sim: Sim, name: string) =>
  sim.client
    .mirror(Event)
    .list()
    .filter(event => event.involvedObject.name === name && event.source.component?.includes('attach'))
    .map(event => `${event.reason}: ${event.message}`)

test('a volume follows its pods from node to node, and is never on two', () =>
  withVolume({ delayMs: 3000 }, async (sim, storage) => {
    await sim.client.create(Pod, pod('one', 'a'))
    await sim.until('it is attached', async () => (await reported(sim, 'a')) === unique)
    const [made] = sim.client.mirror(VolumeAttachment).list()
    strictEqual(made?.metadata.name, attachmentName({ driver, handle: 'handle-data' }, 'a'))
    deepStrictEqual(events(sim, 'one'), ['SuccessfulAttachVolume: AttachVolume.Attach succeeded for volume "pv-data" '])
    await use(sim, 'a', [unique])
    await sim.client.create(Pod, pod('two', 'b'))
    await sim.until('the second waits', () => events(sim, 'two').length > 0)
    deepStrictEqual(events(sim, 'two'), [
      'FailedAttachVolume: Multi-Attach error for volume "pv-data" Volume is already used by pod(s) one',
    ])
    await remove(sim, 'one')
    // The node still has it mounted.
    await sim.clock.forward(3_600_000)
    strictEqual(attachments(sim), 'a')
    await sim.restartControllers()
    await use(sim, 'a', [])
    await sim.until('it has moved', async () => (await reported(sim, 'b')) === unique)
    strictEqual(attachments(sim), 'b')
    strictEqual(await reported(sim, 'a'), '')
    strictEqual(storage.shared(), 0)
    await remove(sim, 'two')
    await sim.until('nothing is left', () => attachments(sim) === '')
    strictEqual(await reported(sim, 'b'), '')
    strictEqual(storage.attached.get('pv-data')?.size, 0)
  }))

test('a failure of the attacher is an event, and its success ends the wait', () =>
  withVolume({ failures: 3 }, async sim => {
    await sim.client.create(Pod, pod('one', 'a'))
    await sim.until('it is attached', async () => (await reported(sim, 'a')) === unique)
    deepStrictEqual(events(sim, 'one'), [
      'FailedAttachVolume: AttachVolume.Attach failed for volume "pv-data" : no slot is free',
      'SuccessfulAttachVolume: AttachVolume.Attach succeeded for volume "pv-data" ',
    ])
  }))

test('a volume that becomes detached by itself is not reported any more', () =>
  withVolume({}, async sim => {
    await sim.client.create(Pod, pod('one', 'a'))
    await sim.until('it is attached', async () => (await reported(sim, 'a')) === unique)
    const name = attachmentName({ driver, handle: 'handle-data' }, 'a')
    const lie = { status: { attached: false, attachError: { message: 'lost', time: '2026-01-01T00:00:00Z' } } }
    // From here on the attacher attaches it again.
    await sim.client.patch(VolumeAttachment, { name }, 'merge', lie, { subresource: 'status' })
    await sim.until('it is reported again', async () => (await reported(sim, 'a')) === unique)
    await sim.client.delete(VolumeAttachment, { name })
    await sim.until('another is made', () => {
      const now = sim.client.mirror(VolumeAttachment).get(undefined, name)
      return now?.status.attached === true && !now.metadata.deletionTimestamp
    })
  }))

test('an attacher that does nothing stops nobody else', () =>
  withVolume({ isDead: true }, async sim => {
    await sim.client.create(CSIDriver, { metadata: { name: driver }, spec: {} })
    await sim.client.create(Pod, pod('one', 'a'))
    await sim.until('it is asked for', () => attachments(sim) === 'a')
    await sim.clock.forward(600_000)
    strictEqual(await reported(sim, 'a'), '')
    await remove(sim, 'one')
    await sim.until('it is given up', () => attachments(sim) === '')
  }))

test('a node that is lost keeps its volume for six minutes, and one that is out of service not at all', () =>
  withVolume({}, async sim => {
    await sim.client.create(Pod, pod('one', 'a'))
    await sim.until('it is attached', async () => (await reported(sim, 'a')) === unique)
    await use(sim, 'a', [unique])
    sim.cut.add('a')
    const isLost = async () =>
      (await sim.client.get(Node, { name: 'a' })).status.conditions?.some(
        c => c.type === 'Ready' && c.status === 'Unknown',
      ) ?? false
    await sim.until('the node is lost', isLost)
    await remove(sim, 'one')
    await sim.client.create(Pod, pod('two', 'b'))
    // Whatever time of day it becomes meanwhile.
    await sim.clock.forward(5_000)
    sim.clock.jump(3_600_000)
    await sim.clock.forward(295_000)
    strictEqual(attachments(sim), 'a')
    sim.clock.jump(-7_200_000)
    await sim.until('it has moved', async () => (await reported(sim, 'b')) === unique)
    // The other way round, and the administrator says that the node is off.
    await use(sim, 'b', [unique])
    await remove(sim, 'two')
    sim.cut.delete('a')
    await use(sim, 'a', [])
    await sim.client.create(Pod, pod('three', 'a'))
    await sim.clock.forward(30_000)
    strictEqual(attachments(sim), 'b')
    const taint = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' as const }
    await sim.client.patch(Node, { name: 'b' }, 'merge', { spec: { taints: [taint] } })
    await sim.until('it is back', async () => (await reported(sim, 'a')) === unique, 60_000)
  }))

test('volumes of many nodes are attached to all of them, and those that need it to none', () =>
  withVolume({}, async sim => {
    await volume(sim, 'shared', ['ReadWriteMany'])
    for (const node of ['a', 'b']) await sim.client.create(Pod, pod(`on-${node}`, node, 'shared'))
    await sim.until('both have it', () => attachments(sim) === 'a,b')
    for (const node of ['a', 'b']) await remove(sim, `on-${node}`)
    await sim.until('none has it', () => attachments(sim) === '')
    await sim.client.create(CSIDriver, { metadata: { name: driver }, spec: { attachRequired: false } })
    await sim.client.create(Pod, pod('one', 'a'))
    await sim.clock.forward(60_000)
    strictEqual(attachments(sim), '')
    ok(sim.pods(namespace).length === 1)
  }))

test('a VolumeAttachment that was made by hand stays', () =>
  withVolume({ isDead: true }, async sim => {
    await sim.client.create(VolumeAttachment, {
      metadata: { name: 'by-hand' },
      spec: { attacher: driver, nodeName: 'a', source: { persistentVolumeName: 'pv-data' } },
    })
    await sim.clock.forward(3_600_000)
    strictEqual(attachments(sim), 'a')
  }))
