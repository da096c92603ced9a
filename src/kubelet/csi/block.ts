// Block volumes: the driver publishes a device file for each pod, and containers get the device.
// Source: pkg/volume/csi/csi_block.go.
import { mkdir, rmdir, stat, symlink, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf } from '../../base/errors.ts'
import type { Client } from '../../client/index.ts'
import { VolumeFailure } from '../host.ts'
import { uidOf } from '../pod/spec.ts'
import { forDrivers } from '../volumes/kubelet-dir.ts'
import type { CsiRequest } from './calls.ts'
import type { CsiDrivers } from './drivers.ts'
import { gone, type Places, readData, removeData, type VolumeData, writeData } from './places.ts'
import { secretOf } from './secrets.ts'
import { dataOf } from './spec.ts'
import { stageOnNode } from './stage.ts'
import type { Asked } from './asked.ts'

interface BlockOptions {
  nodeDir: string
  client: Client
  drivers: CsiDrivers
  places: Places
  mounts: { isMounted(path: string): Promise<boolean> }
  capability(asked: Asked): Promise<CsiRequest<'VolumeCapability'>>
}

/** The caller lets the calls of one volume follow each other. */
export class BlockVolumes {
  readonly #options: BlockOptions
  /** The names of the volumes that this kubelet has staged. */
  readonly #staged = new Set<string>()
  /** The paths that this kubelet has published. */
  readonly #published = new Set<string>()

  constructor(options: BlockOptions) {
    this.#options = options
  }

  /** Stages and publishes a volume. Returns the path of the device. */
  async map(asked: Asked): Promise<string> {
    const { pod, volume, driver, signal } = asked
    const { places } = this.#options
    const uid = uidOf(pod)
    const path = places.devicePublished(uid, volume.name)
    await writeData(places.deviceData(volume.name), dataOf(volume))
    await mkdir(places.devicesOf(uid), { recursive: true, mode: 0o750 })
    await linked(path, places.device(uid, volume.name))
    try {
      const stages = await driver.can('STAGE_UNSTAGE_VOLUME', signal)
      const stagingPath = stages ? await this.#stage(asked) : ''
      if (!this.#published.has(path)) await this.#publish(asked, path, stagingPath)
    } catch (error) {
      signal.throwIfAborted()
      throw failure(volume.name, 'MapVolume.SetUpDevice', messageOf(error), error)
    }
    const found = await stat(path).catch(() => undefined)
    if (!found?.isBlockDevice())
      throw failure(volume.name, 'MapVolume.MapPodDevice', `the driver has published no block device at ${path}`)
    this.#published.add(path)
    return path
  }

  /** Undoes the publication for a pod. `data` is undefined if the driver was not asked, or has undone everything. */
  async unmap(uid: string, name: string, data: VolumeData | undefined): Promise<void> {
    const { places, drivers, mounts } = this.#options
    const path = places.devicePublished(uid, name)
    this.#published.delete(path)
    if (data) {
      const targetPath = this.#forDrivers(path)
      await drivers.get(data.driverName).node.nodeUnpublishVolume({ volumeId: data.volumeHandle, targetPath })
    }
    if (await mounts.isMounted(path)) throw new Error(`the driver has left a mount at ${path}`)
    await gone(unlink(path))
    await rmdir(dirname(path)).catch(() => {})
    await gone(unlink(places.device(uid, name)))
  }

  /** Unstages a volume that no pod has. Returns whether it did. */
  async unstageUnused(name: string): Promise<boolean> {
    const { places, drivers, mounts } = this.#options
    const dir = places.deviceData(name)
    const data = await readData(dir)
    if (!data || (await places.podsWithDevice(name)).length) return false
    const driver = drivers.get(data.driverName)
    const staging = places.deviceStaging(name)
    this.#staged.delete(name)
    if (await driver.can('STAGE_UNSTAGE_VOLUME'))
      await driver.node.nodeUnstageVolume({
        volumeId: data.volumeHandle,
        stagingTargetPath: this.#forDrivers(staging),
      })
    if (await mounts.isMounted(staging)) throw new Error(`the driver has left a mount at ${staging}`)
    await gone(rmdir(staging))
    await removeData(dir)
    await gone(rmdir(dirname(dir)))
    return true
  }

  /** The block volumes that may be staged. */
  async known(): Promise<{ name: string; data: VolumeData }[]> {
    const { places } = this.#options
    const all = await Promise.all(
      (await places.blockNames()).map(async name => ({ name, data: await readData(places.deviceData(name)) })),
    )
    return all.flatMap(({ name, data }) => (data ? [{ name, data }] : []))
  }

  #forDrivers = (path: string) => forDrivers(path, this.#options.nodeDir)

  async #stage(asked: Asked): Promise<string> {
    const { volume } = asked
    const { places, client, capability } = this.#options
    const staging = places.deviceStaging(volume.name)
    const path = this.#forDrivers(staging)
    if (this.#staged.has(volume.name)) return path
    await mkdir(staging, { recursive: true, mode: 0o750 })
    await stageOnNode(asked, { client, path, capability: await capability(asked) })
    this.#staged.add(volume.name)
    return path
  }

  async #publish(asked: Asked, path: string, stagingTargetPath: string): Promise<void> {
    const { volume, driver, publishContext, signal } = asked
    const { client, capability } = this.#options
    // The driver makes the file itself.
    await mkdir(dirname(path), { recursive: true, mode: 0o750 })
    await driver.node.nodePublishVolume(
      {
        volumeId: volume.handle,
        publishContext,
        stagingTargetPath,
        targetPath: this.#forDrivers(path),
        volumeCapability: await capability(asked),
        readonly: volume.readOnly,
        secrets: await secretOf(client, 'NodePublishSecretRef', volume.publishSecret, signal),
        volumeContext: volume.attributes,
      },
      { signal },
    )
  }
}

const failure = (volume: string, step: string, message: string, cause?: unknown) =>
  new VolumeFailure(volume, message, { step, reason: 'FailedMapVolume', cause })

/** Makes the link, unless it is there. */
async function linked(target: string, path: string): Promise<void> {
  await symlink(target, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
}
