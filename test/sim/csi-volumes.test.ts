// Volumes of a driver on one node, with a driver that dies, lies and is not there, and a kubelet that is killed at each call
// of the driver: whatever happens, the next kubelet undoes it all, and nothing is removed through a mount.
import { deepStrictEqual, match, ok, rejects, strictEqual } from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realClock, settle } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { PersistentVolume } from '../../src/kinds/core/persistentvolume.ts'
import { objectOf, podOf } from '../../src/kinds/testing.ts'
import { attachmentName, uniqueName } from '../../src/kinds/storage/attachment-names.ts'
import { CSIDriver } from '../../src/kinds/storage/csidriver.ts'
import { VolumeAttachment } from '../../src/kinds/storage/volumeattachment.ts'
import type { CsiClient, CsiNodeCalls, CsiRequest } from '../../src/kubelet/csi/calls.ts'
import { CsiDrivers } from '../../src/kubelet/csi/drivers.ts'
import { CsiVolumes } from '../../src/kubelet/csi/volumes.ts'
import { PodTokens } from '../../src/kubelet/volumes/tokens.ts'
import { type Sim, simulate } from './cluster.ts'

const driver = 'd.example.com'
const never = new Promise<never>(() => {})

/** A driver whose mounts are a set of paths. They outlive the kubelet. */
class Twin {
  /** The paths at which something is mounted, as the node sees them. */
  readonly mounts = new Set<string>()
  readonly calls: string[] = []
  /** The last request to publish a volume. */
  published: CsiRequest<'NodePublishVolumeRequest'> | undefined
  readonly #nodeDir: string
  lies = false

  constructor(nodeDir: string) {
    this.#nodeDir = nodeDir
  }

  /** A client of the driver. `fate` is asked before and after the work of each call, and may fail it or never end. */
  client(fate: (when: 'before' | 'after', method: string) => Promise<void> = async () => {}): CsiClient {
    const at = (path: string | undefined = '') => {
      match(path, /^\/var\/lib\/kubelet\//)
      return path.replace('/var/lib/kubelet', this.#nodeDir)
    }
    const call = async (method: string, work: () => void): Promise<Record<never, never>> => {
      this.calls.push(method)
      await fate('before', method)
      if (!(this.lies && method.startsWith('un'))) work()
      await fate('after', method)
      return {}
    }
    const node: CsiNodeCalls = {
      nodeGetCapabilities: async () => ({
        capabilities: [{ rpc: { type: 'STAGE_UNSTAGE_VOLUME' } }, { rpc: { type: 'GET_VOLUME_STATS' } }],
      }),
      nodeStageVolume: r => call('stage', () => this.mounts.add(at(r.stagingTargetPath))),
      nodeUnstageVolume: r => call('unstage', () => this.mounts.delete(at(r.stagingTargetPath))),
      nodePublishVolume: r =>
        call('publish', () => {
          this.published = r
          ok(this.mounts.has(at(r.stagingTargetPath)), 'it is staged first')
          mkdirSync(at(r.targetPath), { recursive: true })
          this.mounts.add(at(r.targetPath))
        }),
      nodeUnpublishVolume: r =>
        call('unpublish', () => {
          if (this.mounts.delete(at(r.targetPath))) rmdirSync(at(r.targetPath))
        }),
      nodeGetInfo: async () => ({ nodeId: 'n', maxVolumesPerNode: 0, accessibleTopology: null }),
      nodeExpandVolume: async () => ({ capacityBytes: 0 }),
      nodeGetVolumeStats: async () => ({
        usage: [{ total: 100, used: 40, available: 60, unit: 'BYTES' }],
        volumeCondition: null,
      }),
    }
    return { node, close() {} }
  }
}

const bound = objectOf(PersistentVolume, {
  metadata: { name: 'pv' },
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, csi: { driver, volumeHandle: 'h' } },
})
const podCalled = (name: string) => podOf({ metadata: { name, uid: `uid-${name}` }, spec: { nodeName: 'n' } })

interface Place {
  sim: Sim
  dir: string
  twin: Twin
  /** A kubelet's volumes, which begin with what is on disk. */
  kubelet(fate?: Parameters<Twin['client']>[0], isRegistered?: boolean): CsiVolumes
}

async function onNode(attachRequired: boolean, run: (place: Place) => Promise<void>, more: object = {}): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-csi-volumes-'))
  try {
    await simulate({ controllers: false, scheduler: false }, async sim => {
      await sim.addNode('n')
      await sim.client.create(CSIDriver, { metadata: { name: driver }, spec: { attachRequired, ...more } })
      const twin = new Twin(dir)
      const kubelet: Place['kubelet'] = (fate, isRegistered = true) => {
        const drivers = new CsiDrivers(() => twin.client(fate))
        if (isRegistered) drivers.add(driver, '/socket')
        const mounts = { isMounted: async (path: string) => twin.mounts.has(path), async unmountAll() {} }
        const { client, clock } = sim
        const tokens = new PodTokens(client)
        return new CsiVolumes({ nodeName: 'n', nodeDir: dir, client, clock, drivers, tokens, mounts, log: silentLog })
      }
      await run({ sim, dir, twin, kubelet })
    })
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const { signal } = new AbortController()

/**
 * Lets time pass until a condition holds. The files are real, so each step of the virtual clock leaves some real time to
 * them.
 */
async function until(
  { clock }: Sim,
  what: string,
  holds: () => boolean | Promise<boolean>,
  stepMs = 500,
): Promise<void> {
  for (let steps = 0; !(await holds()); steps++) {
    if (steps === 5_000) throw new Error(`still waiting for: ${what}`)
    await clock.forward(stepMs)
    await realClock.sleep(2)
  }
}

/** Everything below the node's directory but empty directories of plugins. */
const files = (dir: string) =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() || entry.name === 'mount' || entry.name === 'globalmount')
    .map(entry => join(entry.parentPath, entry.name))

test('a volume is staged once for all pods, and unstaged after the last', () =>
  onNode(false, async ({ dir, twin, kubelet }) => {
    const volumes = kubelet()
    const path = await volumes.setUpClaim(podCalled('a'), bound, false, signal)
    strictEqual(path, join(dir, 'pods/uid-a/volumes/kubernetes.io~csi/pv/mount'))
    await volumes.setUpClaim(podCalled('b'), bound, false, signal)
    // As for another sandbox of the same pod.
    await volumes.setUpClaim(podCalled('b'), bound, false, signal)
    deepStrictEqual(twin.calls.splice(0), ['stage', 'publish', 'publish'])
    const inodes = { inodes: 0, inodesFree: 0, inodesUsed: 0 }
    const usage = { capacityBytes: 100, availableBytes: 60, usedBytes: 40, ...inodes }
    deepStrictEqual(await volumes.usage('uid-a', 'pv'), usage)
    strictEqual(await volumes.usage('uid-a', 'none'), undefined)
    await volumes.tearDown('uid-a')
    deepStrictEqual(twin.calls.splice(0), ['unpublish'])
    await volumes.tearDown('uid-b')
    await volumes.tidy()
    deepStrictEqual(twin.calls.splice(0), ['unpublish', 'unstage'])
    await volumes.tearDown('uid-b')
    deepStrictEqual([twin.calls, files(dir), [...twin.mounts]], [[], [], []])
  }))

test('a kubelet that is killed at any call leaves nothing that the next one does not undo', () =>
  onNode(false, async ({ dir, twin, kubelet }) => {
    const life = async (volumes: CsiVolumes) => {
      await volumes.setUpClaim(podCalled('a'), bound, false, signal)
      await volumes.setUpClaim(podCalled('b'), bound, false, signal)
      await volumes.tearDown('uid-a')
      await volumes.tearDown('uid-b')
      await volumes.tidy()
    }
    let deaths = 0
    for (let at = 0; ; at++) {
      let left = at
      let died = () => {}
      const death = new Promise<'died'>(resolve => (died = () => resolve('died')))
      const killed = kubelet(async () => {
        if (left-- > 0) return
        died()
        await never
      })
      const end = await Promise.race([death, life(killed).then(() => 'lived' as const)])
      if (end === 'lived') break
      deaths++
      // Pod b goes on, if it has begun, and pod a is gone.
      const next = kubelet()
      await next.tearDown('uid-a')
      ok(
        [...twin.mounts].every(path => !path.includes('uid-a')),
        `killed at ${at}`,
      )
      if (deaths % 2) await next.setUpClaim(podCalled('b'), bound, false, signal)
      await next.tearDown('uid-b')
      await next.tidy()
      deepStrictEqual([files(dir), [...twin.mounts], await next.inUse()], [[], [], []], `killed at ${at}`)
    }
    ok(deaths >= 12, `${deaths} deaths`)
  }))

test('a volume is not removed while it is mounted, and nothing of its data either', () =>
  onNode(false, async ({ dir, twin, kubelet }) => {
    const volumes = kubelet()
    const target = await volumes.setUpClaim(podCalled('a'), bound, false, signal)
    // What a container has written.
    writeFileSync(join(target, 'file'), 'precious')
    twin.lies = true
    await rejects(volumes.tearDown('uid-a'), /UnmountVolume.TearDown failed for volume "pv" : .*has left a mount at/)
    // The driver says that nothing is mounted, and the file is still there.
    twin.mounts.clear()
    await rejects(volumes.tearDown('uid-a'), /ENOTEMPTY/)
    deepStrictEqual(readdirSync(target), ['file'])
    rmSync(join(target, 'file'))
    await volumes.tearDown('uid-a')
    await volumes.tidy()
    deepStrictEqual(files(dir), [])
  }))

test('a pod waits for a driver that is not there, and one that never had it ends without it', () =>
  onNode(false, async ({ dir, twin, kubelet }) => {
    const without = kubelet(undefined, false)
    await rejects(without.setUpClaim(podCalled('a'), bound, false, signal), {
      eventMessage: `MountVolume.MountDevice failed for volume "pv" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name ${driver} not found in the list of registered CSI drivers`,
      reason: 'FailedMount',
    })
    await without.tearDown('uid-a')
    await kubelet().setUpClaim(podCalled('a'), bound, false, signal)
    await rejects(
      without.tearDown('uid-a'),
      new RegExp(`driver name ${driver} not found in the list of registered CSI drivers$`),
    )
    strictEqual(twin.mounts.size, 2)
    await kubelet().tearDown('uid-a')
    await kubelet().tidy()
    deepStrictEqual(files(dir), [])
  }))

test('a volume is reported in use before it is mounted, and until it is unstaged', () =>
  onNode(true, async ({ sim, twin, kubelet }) => {
    const { client } = sim
    const unique = uniqueName({ driver, handle: 'h' })
    const inUse = async () => (await client.get(Node, { name: 'n' })).status.volumesInUse ?? []
    const volumes = kubelet(async () => deepStrictEqual(await inUse(), [unique]))
    const made = volumes.setUpClaim(podCalled('a'), bound, false, signal)
    await until(sim, 'it is reported', async () => (await inUse()).length === 1, 0)
    await sim.clock.forward(30_000)
    deepStrictEqual(twin.calls, [])
    const name = attachmentName({ driver, handle: 'h' }, 'n')
    await client.create(VolumeAttachment, {
      metadata: { name },
      spec: { attacher: driver, nodeName: 'n', source: { persistentVolumeName: 'pv' } },
    })
    const attached = { status: { volumesAttached: [{ name: unique, devicePath: '' }] } }
    await client.patch(Node, { name: 'n' }, 'merge', attached, { subresource: 'status' })
    await sim.clock.forward(10_000)
    deepStrictEqual(twin.calls, [])
    await client.patch(VolumeAttachment, { name }, 'merge', { status: { attached: true } }, { subresource: 'status' })
    await until(sim, 'it is mounted', () => twin.mounts.size === 2)
    await made
    await volumes.tearDown('uid-a')
    await until(sim, 'it is not in use', async () => (await inUse()).length === 0)
    strictEqual(twin.mounts.size, 0)
    // A pod that waits and is deleted needs nothing to be undone.
    const stop = new AbortController()
    await client.delete(VolumeAttachment, { name })
    const waits = kubelet().setUpClaim(podCalled('b'), bound, false, stop.signal)
    waits.catch(() => {})
    await settle()
    stop.abort(new Error('the pod ends'))
    await rejects(waits, /the pod ends/)
  }))

test('a volume that is not attached in two minutes is an event', () =>
  onNode(true, async ({ sim, kubelet }) => {
    const made = kubelet().setUpClaim(podCalled('a'), bound, false, signal)
    let isOver = false
    const failed = rejects(
      made.finally(() => (isOver = true)),
      {
        eventMessage:
          'Unable to attach or mount volumes: unmounted volumes=[pv], unattached volumes=[pv], failed to process volumes=[]: timed out waiting for the condition: Volume not attached according to node status',
      },
    )
    await until(sim, 'it is given up', () => isOver)
    await failed
  }))

test('a driver is called again for a volume that a pod has, if it wants that', () =>
  onNode(
    false,
    async ({ twin, kubelet }) => {
      const volumes = kubelet()
      await volumes.setUpClaim(podCalled('a'), bound, true, signal)
      strictEqual(twin.published?.readonly, true)
      strictEqual(twin.published.volumeContext?.['csi.storage.k8s.io/pod.name'], 'a')
      await volumes.refreshClaim(podCalled('a'), bound, true, signal)
      deepStrictEqual(twin.calls.splice(0), ['stage', 'publish', 'publish'])
      // The next kubelet goes on with it.
      await kubelet().refreshClaim(podCalled('a'), bound, true, signal)
      deepStrictEqual(twin.calls.splice(0), ['stage', 'publish'])
      await volumes.tearDown('uid-a')
    },
    { requiresRepublish: true, podInfoOnMount: true },
  ))

test('a driver that does not want that is not called again', () =>
  onNode(false, async ({ twin, kubelet }) => {
    const volumes = kubelet()
    await volumes.setUpClaim(podCalled('a'), bound, false, signal)
    strictEqual(twin.published?.readonly, false)
    await volumes.refreshClaim(podCalled('a'), bound, false, signal)
    deepStrictEqual(twin.calls, ['stage', 'publish'])
    await volumes.tearDown('uid-a')
  }))
