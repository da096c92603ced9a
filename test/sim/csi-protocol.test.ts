// The kubelets of two nodes, the controller that attaches volumes and an attacher at once: whatever pods come and go, and
// whatever is started again, a volume is mounted only where it is attached, and detached only where it is not mounted.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Random } from '../../src/base/random.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { PersistentVolume } from '../../src/kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../src/kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { CSIDriver } from '../../src/kinds/storage/csidriver.ts'
import { VolumeAttachment } from '../../src/kinds/storage/volumeattachment.ts'
import type { CsiClient } from '../../src/kubelet/csi/calls.ts'
import { CsiDrivers } from '../../src/kubelet/csi/drivers.ts'
import { CsiVolumes } from '../../src/kubelet/csi/volumes.ts'
import { PodTokens } from '../../src/kubelet/volumes/tokens.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const driver = 'd.example.com'
const nodes = ['a', 'b'] as const
const never = new Promise<never>(() => {})
const below = (random: Random, end: number) => Math.floor(random.float() * end)

type NodeName = (typeof nodes)[number]

/** The storage: which nodes have the volume, and what each has mounted of it. */
class Storage {
  readonly attached = new Set<string>()
  readonly mounts: Readonly<Record<NodeName, Set<string>>> = { a: new Set(), b: new Set() }
  readonly breaches: string[] = []
  attachments = 0

  breach(unless: boolean, what: string): void {
    if (!unless) this.breaches.push(what)
  }
}

/** Does what VolumeAttachments say, after a while. */
function runAttacher({ client, clock, random }: Sim, storage: Storage): void {
  const look = async (name: string): Promise<void> => {
    await clock.sleep(below(random, 3_000))
    const now = await client.find(VolumeAttachment, { name })
    if (!now) return
    const node = now.spec.nodeName
    if (now.metadata.deletionTimestamp) {
      const used = storage.mounts[node === 'a' ? 'a' : 'b'].size
      storage.breach(used === 0, `detached from ${node}, which has ${used} mounts`)
      storage.attached.delete(node)
      await client.patch(VolumeAttachment, { name }, 'merge', { metadata: { finalizers: null } })
    } else if (!now.status.attached) {
      // The object is held before anything is done for it.
      await client.patch(VolumeAttachment, { name }, 'merge', {
        metadata: { finalizers: ['external-attacher/d-example-com'] },
      })
      const others = [...storage.attached].filter(other => other !== node)
      storage.breach(others.length === 0, `attached to ${node} and ${others.join()}`)
      storage.attached.add(node)
      storage.attachments++
      await client.patch(VolumeAttachment, { name }, 'merge', { status: { attached: true } }, { subresource: 'status' })
    }
  }
  let last = Promise.resolve()
  client.mirror(VolumeAttachment).subscribeEach(({ type, item }) => {
    if (type !== 'DELETED') last = last.then(() => look(item.object.metadata.name ?? '')).catch(() => {})
  }, 'attacher')
}

/** A driver on a node, whose mounts must be of an attached volume. */
function driverOn(node: NodeName, dir: string, storage: Storage): CsiClient {
  const mounts = storage.mounts[node]
  const at = (path = '') => path.replace('/var/lib/kubelet', dir)
  const mount = (path: string) => {
    storage.breach(storage.attached.has(node), `mounted on ${node}, to which it is not attached`)
    mounts.add(path)
  }
  return {
    node: {
      nodeGetCapabilities: async () => ({ capabilities: [{ rpc: { type: 'STAGE_UNSTAGE_VOLUME' } }] }),
      async nodeStageVolume(r) {
        mount(at(r.stagingTargetPath))
        return {}
      },
      async nodePublishVolume(r) {
        mkdirSync(at(r.targetPath), { recursive: true })
        mount(at(r.targetPath))
        return {}
      },
      async nodeUnpublishVolume(r) {
        if (mounts.delete(at(r.targetPath))) rmdirSync(at(r.targetPath))
        return {}
      },
      async nodeUnstageVolume(r) {
        mounts.delete(at(r.stagingTargetPath))
        return {}
      },
      nodeGetInfo: async () => ({ nodeId: node, maxVolumesPerNode: 0, accessibleTopology: null }),
      nodeExpandVolume: async () => ({ capacityBytes: 0 }),
      nodeGetVolumeStats: async () => ({ usage: [], volumeCondition: null }),
    },
    close() {},
  }
}

/**
 * An object whose methods never answer once it is dead, as those of a process that was killed. Those that `pause` does not
 * answer with undefined begin only after it.
 */
function mortal<T extends object>(
  living: T,
  life: AbortSignal,
  pause: (method: string) => Promise<void> | undefined,
): T {
  return new Proxy(living, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        const call = (): unknown => (life.aborted ? never : value.apply(target, args))
        return pause(String(name))?.then(call) ?? call()
      }
    },
  })
}

/** The part of a kubelet that works on the volumes of pods: sets them up, and takes them down when a pod is gone. */
class VolumesOfNode {
  readonly #sim: Sim
  readonly #node: NodeName
  readonly #make: (life: AbortSignal) => CsiVolumes
  #life = new AbortController()
  #volumes: CsiVolumes
  readonly #dir: string
  /** The pods that are worked on, by uid, with the end of their set-up. */
  readonly #pods = new Map<string, { stop: AbortController; ended: Promise<void> }>()

  constructor(sim: Sim, node: NodeName, dir: string, make: (life: AbortSignal) => CsiVolumes) {
    this.#sim = sim
    this.#node = node
    this.#dir = dir
    this.#make = make
    this.#volumes = make(this.#life.signal)
    sim.client.mirror(Pod).subscribe(() => this.#look())
  }

  /** As after the kubelet was killed. What was under way is given up. */
  restart(): void {
    for (const { stop } of this.#pods.values()) stop.abort(new Error('killed'))
    this.#life.abort(new Error('killed'))
    this.#life = new AbortController()
    this.#volumes = this.#make(this.#life.signal)
    this.#pods.clear()
    this.#look()
    const dir = join(this.#dir, 'pods')
    const left = existsSync(dir) ? readdirSync(dir) : []
    for (const uid of left) if (!this.#pods.has(uid)) this.#end(uid, Promise.resolve())
  }

  #look(): void {
    const here = this.#sim.pods(namespace).filter(pod => pod.spec.nodeName === this.#node)
    const uids = new Set(here.map(pod => pod.metadata.uid ?? ''))
    for (const pod of here) if (!this.#pods.has(pod.metadata.uid ?? '')) this.#begin(pod)
    for (const [uid, { stop, ended }] of this.#pods) {
      if (uids.has(uid)) continue
      stop.abort(new Error('the pod is gone'))
      this.#pods.delete(uid)
      this.#end(uid, ended)
    }
  }

  #begin(pod: Pod): void {
    const stop = new AbortController()
    const volumes = this.#volumes
    const setUp = async () => {
      const { signal } = stop
      while (!signal.aborted) {
        const bound = await this.#sim.client.get(PersistentVolume, { name: 'pv' })
        const path = await volumes.setUpClaim(pod, bound, false, signal).catch(() => undefined)
        if (path !== undefined) return
        await this.#sim.clock.sleep(500, signal)
      }
    }
    this.#pods.set(pod.metadata.uid ?? '', { stop, ended: setUp().catch(() => {}) })
  }

  /** The set-up has ended before anything is taken down, as in a kubelet. */
  #end(uid: string, ended: Promise<void>): void {
    const volumes = this.#volumes
    const tearDown = async (): Promise<void> => {
      await ended
      await volumes.tearDown(uid).catch(async () => {
        await this.#sim.clock.sleep(2_000)
        if (volumes === this.#volumes) await tearDown()
      })
      await volumes.tidy()
    }
    tearDown().catch(() => {})
  }
}

async function prepare({ client, addNode, until }: Sim): Promise<void> {
  const annotations = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' }
  for (const name of nodes) await addNode(name, { metadata: { annotations } })
  await until('the account', () => client.mirror(ServiceAccount).get(namespace, 'default') !== undefined)
  await client.create(CSIDriver, { metadata: { name: driver }, spec: {} })
  const [size, accessModes] = [{ storage: '1Gi' }, ['ReadWriteOnce' as const]]
  const csi = { driver, volumeHandle: 'h' }
  const claimRef = { namespace, name: 'data' }
  await client.create(PersistentVolume, {
    metadata: { name: 'pv' },
    spec: { accessModes, capacity: size, csi, claimRef, storageClassName: '' },
  })
  await client.create(PersistentVolumeClaim, {
    metadata: { name: 'data', namespace },
    spec: { accessModes, resources: { requests: size }, storageClassName: '', volumeName: 'pv' },
  })
  const isBound = () => client.mirror(PersistentVolumeClaim).get(namespace, 'data')?.status.phase === 'Bound'
  await until('it is bound', isBound)
}

/** Time passes for the virtual clock, and a little for the files, which are real. */
async function pass({ clock }: Sim, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    await clock.forward(250)
    await realClock.sleep(1)
  }
}

test('a volume is mounted only where it is attached, and detached only where it is not mounted', async () => {
  const root = mkdtempSync(join(tmpdir(), 'kutter-csi-protocol-'))
  try {
    await simulate({ scheduler: false }, async sim => {
      const { client, random, clock } = sim
      const slow = (mostMs: number) => clock.sleep(below(random, mostMs))
      await prepare(sim)
      const storage = new Storage()
      runAttacher(sim, storage)
      const kubelets = nodes.map(node => {
        const nodeDir = join(root, node)
        return new VolumesOfNode(sim, node, nodeDir, life => {
          const { node: calls, close } = driverOn(node, nodeDir, storage)
          const drivers = new CsiDrivers(() => ({ node: mortal(calls, life, () => slow(2_000)), close }))
          drivers.add(driver, '/socket')
          const mounts = {
            isMounted: async (path: string) => storage.mounts[node].has(path),
            async unmountAll() {},
          }
          const own = mortal(client, life, method => (/^(get|patch)$/.test(method) ? slow(500) : undefined))
          const tokens = new PodTokens(own)
          return new CsiVolumes({
            nodeName: node,
            nodeDir,
            client: own,
            clock,
            drivers,
            tokens,
            mounts,
            log: silentLog,
          })
        })
      })
      let made = 0
      for (let step = 0; step < 200; step++) {
        const pods = sim.pods(namespace)
        const dice = below(random, 10)
        if (dice < 4 && pods.length < 2) {
          const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }]
          const spec = { nodeName: nodes[below(random, 2)]!, containers: [{ name: 'c', image: 'app:1' }], volumes }
          await client.create(Pod, { metadata: { name: `p${made++}`, namespace }, spec })
        } else if (dice < 8 && pods.length) {
          const { name = '' } = pods[below(random, pods.length)]!.metadata
          await client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0 })
        } else if (dice === 8) kubelets[below(random, 2)]!.restart()
        else await sim.restartControllers()
        await pass(sim, below(random, 4_000))
        deepStrictEqual(storage.breaches, [], `step ${step}`)
      }
      // One pod is left, and gets the volume in the end.
      for (const { metadata } of sim.pods(namespace))
        await client.delete(Pod, { namespace, name: metadata.name ?? '' }, { gracePeriodSeconds: 0 })
      const nothing = async () => {
        const found = await Promise.all(nodes.map(name => client.get(Node, { name })))
        const used = found.flatMap(({ status }) => [...(status.volumesInUse ?? []), ...(status.volumesAttached ?? [])])
        return used.length + storage.attached.size + storage.mounts.a.size + storage.mounts.b.size === 0
      }
      for (let rounds = 0; !(await nothing()); rounds++) {
        ok(rounds < 500, 'nothing is left')
        await pass(sim, 1_000)
      }
      deepStrictEqual(storage.breaches, [])
      ok(storage.attachments > 0)
    })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
