// The volumes of drivers on one node: attached, staged once for the node, published for each pod, and all of that undone.
//
//   pod ──▶ in use is reported ──▶ attached ──▶ staged (once for all pods) ──▶ published ──▶ owned by the pod's group
//   pod ends ──▶ unpublished ──▶ the last pod: unstaged ──▶ not in use any more
//
// What always holds:
//
// - What a driver may have done stands on disk before it is called, and goes after the driver has undone it (places.ts).
//   So a kubelet that was killed at any moment loses nothing: the next one unpublishes what pods had that are gone, and
//   unstages what no pod has (`tidy`).
// - Calls for one volume follow each other. Other volumes do not wait, so a driver that hangs holds up its own volumes.
// - Every call to a driver has a deadline (calls.ts). A call that was given up may still have an effect; therefore what
//   is mounted is looked at again before anything is removed, and mount points are removed only when they are empty.
// - A volume is reported in use from before its attachment is looked at until it is unstaged.
//
// Source: pkg/volume/csi, pkg/kubelet/volumemanager/reconciler.
import { mkdir, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { messageOf } from '../../base/errors.ts'
import { namesIn } from '../../base/files.ts'
import type { Clock } from '../../base/clock.ts'
import { Locks } from '../../base/locks.ts'
import type { Log } from '../../base/log.ts'
import { allEnded, orAborted } from '../../base/waiters.ts'
import type { Mirror } from '../../api/mirror.ts'
import type { Client } from '../../client/index.ts'
import type { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { attachmentName, uniqueName } from '../../kinds/storage/attachment-names.ts'
import { CSIDriver } from '../../kinds/storage/csidriver.ts'
import { VolumeFailure } from '../host.ts'
import { uidOf } from '../pod/spec.ts'
import { setOwnership } from '../volumes/ownership.ts'
import type { PodTokens } from '../volumes/tokens.ts'
import { forDrivers } from '../volumes/kubelet-dir.ts'
import type { ReadVolume, Usage, VolumeDrivers } from '../volumes/volume.ts'
import type { Asked } from './asked.ts'
import { attached } from './attachment.ts'
import { BlockVolumes } from './block.ts'
import type { CsiDrivers, Driver } from './drivers.ts'
import { expandOnNode } from './expand.ts'
import { InUseReport } from './in-use.ts'
import { Places, readData, removePlace, type VolumeData, writeData } from './places.ts'
import { secretOf, tokenAttributes } from './secrets.ts'
import {
  capabilityOf,
  type CsiVolume,
  dataOf,
  inlineVolume,
  lifecycleProblem,
  needsAttachment,
  persistentVolume,
  podAttributes,
  setsGroup,
} from './spec.ts'
import { containerFileLabel, contextOption } from './selinux.ts'
import { stageOnNode } from './stage.ts'
import { usageOf } from './usage.ts'

export interface CsiOptions {
  nodeName: string
  /** The directory of the node. */
  nodeDir: string
  client: Client
  drivers: CsiDrivers
  tokens: PodTokens
  mounts: {
    isMounted(path: string): Promise<boolean>
    unmountAll(path: string): Promise<void>
  }
  clock: Clock
  log: Log
}

const keyOf = ({ driver, handle }: CsiVolume) => `${driver}^${handle}`
const keyOfData = ({ driverName, volumeHandle }: VolumeData) => `${driverName}^${volumeHandle}`

export class CsiVolumes implements VolumeDrivers {
  readonly #options: CsiOptions
  readonly #places: Places
  readonly #locks = new Locks()
  readonly #block: BlockVolumes
  readonly #inUseReport: InUseReport
  readonly #objects: Mirror<CSIDriver>
  /** The volumes that pods want and that may not stand on disk yet: the uids of the pods by the volume's name. */
  readonly #wanted = new Map<string, Set<string>>()
  /** What this kubelet has staged, by `keyOf`, and published, by path. Drivers need not be called again for it. */
  readonly #staged = new Set<string>()
  readonly #published = new Set<string>()
  #fileLabel: Promise<string | undefined> | undefined

  constructor(options: CsiOptions) {
    this.#options = options
    this.#places = new Places(options.nodeDir)
    this.#objects = options.client.mirror(CSIDriver, {})
    this.#inUseReport = new InUseReport(options, () => this.inUse())
    this.#block = new BlockVolumes({ ...options, places: this.#places, capability: asked => this.#capability(asked) })
  }

  async setUpClaim(pod: Pod, bound: PersistentVolume, readOnly: boolean, signal: AbortSignal): Promise<string> {
    const volume = persistentVolume(bound, readOnly)
    const asked = await this.#prepare(pod, volume, signal)
    return this.#locks.run(keyOf(volume), signal, () =>
      volume.isBlock ? this.#block.map(asked) : this.#mount(asked, false),
    )
  }

  async setUpInline(pod: Pod, source: ReadVolume, signal: AbortSignal): Promise<void> {
    const volume = inlineVolume(pod, source)
    const asked = await this.#prepare(pod, volume, signal)
    await this.#locks.run(keyOf(volume), signal, () => this.#mount(asked, false))
  }

  async refreshInline(pod: Pod, source: ReadVolume, signal: AbortSignal): Promise<void> {
    await this.#republish(pod, inlineVolume(pod, source), signal)
  }

  async refreshClaim(pod: Pod, bound: PersistentVolume, readOnly: boolean, signal: AbortSignal): Promise<void> {
    const volume = persistentVolume(bound, readOnly)
    await this.#republish(pod, volume, signal)
  }

  /** Lets the driver enlarge a volume that has grown. Returns false if the driver has nothing to do on nodes. */
  async expandClaim(pod: Pod, bound: PersistentVolume, signal: AbortSignal): Promise<boolean> {
    const volume = persistentVolume(bound, false)
    const asked = await this.#prepareMounted(pod, volume, signal)
    const path = volume.isBlock
      ? this.#places.devicePublished(uidOf(pod), volume.name)
      : this.#places.target(uidOf(pod), volume.name)
    const staging = volume.isBlock ? this.#places.deviceStaging(volume.name) : this.#staging(volume)
    return this.#locks.run(keyOf(volume), signal, async () =>
      expandOnNode(asked, {
        client: this.#options.client,
        bytes: bound.spec.capacity?.storage,
        path: this.#forDrivers(path),
        stagingPath: (await asked.driver.can('STAGE_UNSTAGE_VOLUME', signal)) ? this.#forDrivers(staging) : '',
        capability: await this.#capability(asked),
      }),
    )
  }

  async usage(uid: string, name: string): Promise<Usage | undefined> {
    const data = await readData(join(this.#places.volumesOf(uid), name))
    if (!data) return undefined
    const driver = this.#options.drivers.get(data.driverName)
    if (!(await driver.can('GET_VOLUME_STATS'))) return undefined
    const staging = this.#places.staging(data.driverName, data.volumeHandle)
    const stages = await driver.can('STAGE_UNSTAGE_VOLUME')
    const answer = await driver.node.nodeGetVolumeStats({
      volumeId: data.volumeHandle,
      volumePath: this.#forDrivers(this.#places.target(uid, name)),
      stagingTargetPath: stages ? this.#forDrivers(staging) : '',
    })
    return usageOf(answer)
  }

  /** Undoes everything that drivers have done for a pod. Throws an error if a part of it remains. */
  async tearDown(uid: string): Promise<void> {
    const mounted = (await namesIn(this.#places.volumesOf(uid))).map(name => this.#unpublish(uid, name))
    await allEnded([...mounted, this.#unmap(uid)])
    for (const [name, uids] of this.#wanted) if (uids.delete(uid) && !uids.size) this.#wanted.delete(name)
    for (const dir of [this.#places.volumesOf(uid), this.#places.devicesOf(uid), dirname(this.#places.devicesOf(uid))])
      await rmdir(dir).catch(() => {})
    this.#inUseReport.later()
  }

  /** Unstages what no pod has any more: what a former kubelet has left, and what failed. */
  async tidy(): Promise<void> {
    this.#inUseReport.later()
    const [staged, block] = [await this.#places.staged(), await this.#block.known()]
    // One that hangs or fails does not keep the others from it.
    await allEnded([
      ...staged.map(data => this.#unstageInTurn(data)),
      ...block.map(({ name, data }) => this.#unstageInTurn(data, name)),
    ])
  }

  /** Unstages a volume that no pod has, or a block volume if it has a name, after what is under way for it. */
  #unstageInTurn(data: VolumeData, block?: string): Promise<void> {
    return this.#locks.run(keyOfData(data), undefined, () =>
      block === undefined ? this.#unstageUnused(data) : this.#unstageBlock(block),
    )
  }

  /** The names of the attachable volumes that are in use, for the status of the node. */
  async inUse(): Promise<string[]> {
    const [published, block] = [await this.#places.published(), await this.#block.known()]
    const onDisk = [...[...published, ...block].map(({ data }) => data), ...(await this.#places.staged())]
    const attachable = onDisk.filter(
      ({ driverName, volumeLifecycleMode }) =>
        volumeLifecycleMode !== 'Ephemeral' &&
        needsAttachment({ isInline: false }, this.#objects.get(undefined, driverName)),
    )
    const names = attachable.map(({ driverName: driver, volumeHandle: handle }) => uniqueName({ driver, handle }))
    return [...new Set([...this.#wanted.keys(), ...names])].sort()
  }

  /** Waits until the volume is attached, if it has to be, and checks that its driver is there. */
  async #prepare(pod: Pod, volume: CsiVolume, signal: AbortSignal): Promise<Asked> {
    const { client, nodeName } = this.#options
    const object = await this.#object(volume.driver, signal)
    const problem = lifecycleProblem(volume, object)
    if (problem)
      throw this.#failure(volume, volume.isBlock ? 'MapVolume.NewBlockVolumeMapper' : 'MountVolume.NewMounter', problem)
    let publishContext: Asked['publishContext'] = {}
    if (needsAttachment(volume, object)) {
      this.#want(pod, volume)
      await orAborted(this.#inUseReport.write(), signal)
      publishContext = await attached(volume, { client, nodeName, signal }).catch((error: unknown) => {
        signal.throwIfAborted()
        const lists = `unmounted volumes=[${volume.name}], unattached volumes=[${volume.name}], failed to process volumes=[]`
        throw new VolumeFailure(volume.name, `Unable to attach or mount volumes: ${lists}: ${messageOf(error)}`, {
          cause: error,
          step: undefined,
        })
      })
    }
    return { pod, volume, object, driver: this.#driver(volume), publishContext, signal }
  }

  /** The same for a volume that the pod has already. */
  async #prepareMounted(pod: Pod, volume: CsiVolume, signal: AbortSignal): Promise<Asked> {
    const { client, nodeName } = this.#options
    const object = await this.#object(volume.driver, signal)
    const publishContext = needsAttachment(volume, object) ? await attached(volume, { client, nodeName, signal }) : {}
    return { pod, volume, object, driver: this.#driver(volume), publishContext, signal }
  }

  async #object(driver: string, signal: AbortSignal): Promise<CSIDriver | undefined> {
    await this.#options.client.synced([this.#objects], signal)
    return this.#objects.get(undefined, driver)
  }

  #driver(volume: CsiVolume): Driver {
    try {
      return this.#options.drivers.get(volume.driver)
    } catch (error) {
      const [step, what] = volume.isBlock
        ? ['MapVolume.SetUpDevice', 'blockMapper.SetUpDevice failed to get CSI client']
        : volume.isInline
          ? ['MountVolume.SetUp', 'mounter.SetUpAt failed to get CSI client']
          : ['MountVolume.MountDevice', 'attacher.MountDevice failed to create newCsiDriverClient']
      throw this.#failure(volume, step, `kubernetes.io/csi: ${what}: ${messageOf(error)}`, error)
    }
  }

  #failure({ name, isBlock }: CsiVolume, step: string, message: string, cause?: unknown): VolumeFailure {
    return new VolumeFailure(name, message, { step, cause, ...(isBlock && { reason: 'FailedMapVolume' }) })
  }

  #want(pod: Pod, volume: CsiVolume): void {
    const name = uniqueName(volume)
    const uids = this.#wanted.get(name) ?? new Set()
    this.#wanted.set(name, uids.add(uidOf(pod)))
  }

  #staging = ({ driver, handle }: CsiVolume) => this.#places.staging(driver, handle)
  #forDrivers = (path: string) => forDrivers(path, this.#options.nodeDir)

  async #capability({ pod, volume, object, driver, signal }: Asked) {
    const isFiner = await driver.can('SINGLE_NODE_MULTI_WRITER', signal)
    const setsIt = await driver.can('VOLUME_MOUNT_GROUP', signal)
    this.#fileLabel ??= containerFileLabel()
    const context = contextOption(pod, volume, object, await this.#fileLabel)
    const options = context ? [...volume.mountOptions, context] : volume.mountOptions
    return capabilityOf(
      { ...volume, mountOptions: options },
      { isFiner, group: setsIt ? pod.spec.securityContext?.fsGroup : undefined },
    )
  }

  /** Stages and publishes a volume with files. Returns its path. */
  async #mount(asked: Asked, again: boolean): Promise<string> {
    const { pod, volume, driver, object, signal } = asked
    const target = this.#places.target(uidOf(pod), volume.name)
    signal.throwIfAborted()
    const { nodeName } = this.#options
    const attachmentID = attachmentName(volume, nodeName)
    await writeData(dirname(target), { ...dataOf(volume), nodeName, attachmentID })
    let stagingPath = ''
    try {
      if (!volume.isInline && (await driver.can('STAGE_UNSTAGE_VOLUME', signal))) stagingPath = await this.#stage(asked)
    } catch (error) {
      signal.throwIfAborted()
      throw this.#failure(volume, 'MountVolume.MountDevice', messageOf(error), error)
    }
    if (this.#published.has(target) && !again) return target
    try {
      await this.#publish(asked, target, stagingPath)
      const isSet = await driver.can('VOLUME_MOUNT_GROUP', signal)
      if (setsGroup(volume, object) && !isSet && !again) await setOwnership(target, pod, false)
      this.#published.add(target)
    } catch (error) {
      signal.throwIfAborted()
      throw this.#failure(volume, 'MountVolume.SetUp', messageOf(error), error)
    }
    return target
  }

  async #stage(asked: Asked): Promise<string> {
    const { volume } = asked
    const staging = this.#staging(volume)
    const path = this.#forDrivers(staging)
    if (this.#staged.has(keyOf(volume))) return path
    const { driverName, volumeHandle } = dataOf(volume)
    await writeData(dirname(staging), { driverName, volumeHandle })
    await mkdir(staging, { recursive: true, mode: 0o750 })
    await stageOnNode(asked, { client: this.#options.client, path, capability: await this.#capability(asked) })
    this.#staged.add(keyOf(volume))
    return path
  }

  async #publish(asked: Asked, target: string, stagingTargetPath: string): Promise<void> {
    const { pod, volume, object, driver, publishContext, signal } = asked
    const { client, tokens } = this.#options
    const secrets = await secretOf(client, 'NodePublishSecretRef', volume.publishSecret, signal)
    const token = await tokenAttributes(pod, object, tokens)
    const inSecrets = object?.spec.serviceAccountTokenInSecrets === true
    await driver.node.nodePublishVolume(
      {
        volumeId: volume.handle,
        publishContext,
        stagingTargetPath,
        targetPath: this.#forDrivers(target),
        volumeCapability: await this.#capability(asked),
        readonly: volume.readOnly,
        secrets: { ...secrets, ...(inSecrets && token) },
        volumeContext: { ...volume.attributes, ...podAttributes(pod, volume, object), ...(!inSecrets && token) },
      },
      { signal },
    )
  }

  /** Calls a driver that wants to be called again. What fails is reported, and the pod keeps what it has. */
  async #republish(pod: Pod, volume: CsiVolume, signal: AbortSignal): Promise<void> {
    if (volume.isBlock) return
    const object = await this.#object(volume.driver, signal)
    if (!object?.spec.requiresRepublish) return
    const asked = await this.#prepareMounted(pod, volume, signal)
    await this.#locks.run(keyOf(volume), signal, () => this.#mount(asked, true))
  }

  async #unpublish(uid: string, name: string): Promise<void> {
    const { mounts, drivers, log } = this.#options
    const target = this.#places.target(uid, name)
    const data = await readData(join(this.#places.volumesOf(uid), name))
    if (!data) {
      // Without its data nothing was asked of a driver, or everything was undone.
      if (await mounts.isMounted(target)) await mounts.unmountAll(target)
      return removePlace(target)
    }
    const fail = (why: string, cause?: unknown) =>
      new Error(`UnmountVolume.TearDown failed for volume "${name}" : kubernetes.io/csi: ${why}`, { cause })
    await this.#locks.run(keyOfData(data), undefined, async () => {
      if (!drivers.has(data.driverName))
        throw fail(
          `Unmounter.TearDownAt failed to get CSI client: driver name ${data.driverName} not found in the list of registered CSI drivers`,
        )
      const request = { volumeId: data.volumeHandle, targetPath: this.#forDrivers(target) }
      this.#published.delete(target)
      await drivers
        .get(data.driverName)
        .node.nodeUnpublishVolume(request)
        .catch((error: unknown) => {
          throw fail(`Unmounter.TearDownAt failed: ${messageOf(error)}`, error)
        })
      if (await mounts.isMounted(target)) throw fail(`the driver has left a mount at ${target}`)
      await removePlace(target)
    })
    // The pod does not wait for this; what fails is done again later.
    this.#unstageInTurn(data).catch((error: unknown) =>
      log.warn('a volume is still staged', { volume: name, why: messageOf(error) }),
    )
  }

  async #unstageUnused(data: VolumeData): Promise<void> {
    const { mounts, drivers } = this.#options
    const staging = this.#places.staging(data.driverName, data.volumeHandle)
    if (data.volumeLifecycleMode === 'Ephemeral' || !(await readData(dirname(staging)))) return
    const published = await this.#places.published()
    if (published.some(other => keyOfData(other.data) === keyOfData(data))) return
    const request = { volumeId: data.volumeHandle, stagingTargetPath: this.#forDrivers(staging) }
    this.#staged.delete(keyOfData(data))
    await drivers.get(data.driverName).node.nodeUnstageVolume(request)
    if (await mounts.isMounted(staging)) throw new Error(`the driver has left a mount at ${staging}`)
    await removePlace(staging)
    this.#inUseReport.later()
  }

  async #unmap(uid: string): Promise<void> {
    const { log } = this.#options
    for (const name of await namesIn(this.#places.devicesOf(uid))) {
      const data = await readData(this.#places.deviceData(name))
      const unmap = () => this.#block.unmap(uid, name, data)
      if (!data) {
        await unmap()
        continue
      }
      await this.#locks.run(keyOfData(data), undefined, unmap)
      this.#unstageInTurn(data, name).catch((error: unknown) =>
        log.warn('a block volume is still staged', { volume: name, why: messageOf(error) }),
      )
    }
  }

  async #unstageBlock(name: string): Promise<void> {
    if (await this.#block.unstageUnused(name)) this.#inUseReport.later()
  }
}
