// Where a node keeps the volumes of drivers, and what it writes beside them so that the next kubelet can undo what this
// one has set up. The paths are upstream's, since drivers read them. Below the node's directory:
//
//   pods/UID/volumes/kubernetes.io~csi/NAME/mount                    a volume as a pod has it, with vol_data.json beside it
//   plugins/kubernetes.io/csi/DRIVER/SHA256/globalmount              the same volume staged, with vol_data.json beside it
//   pods/UID/volumeDevices/kubernetes.io~csi/NAME                    a block volume of a pod: a link to the published device
//   plugins/kubernetes.io/csi/volumeDevices/staging/NAME             a block volume staged
//   plugins/kubernetes.io/csi/volumeDevices/publish/NAME/UID         a block volume published for a pod
//   plugins/kubernetes.io/csi/volumeDevices/NAME/data/vol_data.json  what it is
//
// vol_data.json is there before the driver is called, and goes after the driver has undone its work. So what has it may
// be mounted, and what has not is not.
//
// Source: pkg/volume/csi (csi_attacher.go, csi_mounter.go, csi_block.go, csi_util.go).
import { createHash } from 'node:crypto'
import { mkdir, readFile, rmdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { namesIn, replaceFile, whenThere } from '../../base/files.ts'

const dataFile = 'vol_data.json'
const escaped = 'kubernetes.io~csi'
const maxDataBytes = 64 * 1024

/** What vol_data.json has. */
export interface VolumeData {
  driverName: string
  volumeHandle: string
  specVolID?: string
  nodeName?: string
  attachmentID?: string
  volumeLifecycleMode?: 'Persistent' | 'Ephemeral'
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** The handle of an inline volume of a pod. */
export const inlineHandle = (podUid: string, volume: string): string => `csi-${sha256(`${podUid}${volume}`)}`

export class Places {
  readonly podsDir: string
  readonly #plugin: string

  /** @param nodeDir the directory of the node */
  constructor(nodeDir: string) {
    this.podsDir = join(nodeDir, 'pods')
    this.#plugin = join(nodeDir, 'plugins', 'kubernetes.io', 'csi')
  }

  /** Where a pod's volumes are, each in a directory of its name. */
  volumesOf = (uid: string): string => join(this.podsDir, uid, 'volumes', escaped)
  devicesOf = (uid: string): string => join(this.podsDir, uid, 'volumeDevices', escaped)
  target = (uid: string, name: string): string => join(this.volumesOf(uid), name, 'mount')
  staging = (driver: string, handle: string): string => join(this.#plugin, driver, sha256(handle), 'globalmount')
  device = (uid: string, name: string): string => join(this.devicesOf(uid), name)
  deviceStaging = (name: string): string => join(this.#devices, 'staging', name)
  devicePublished = (uid: string, name: string): string => join(this.#devices, 'publish', name, uid)
  deviceData = (name: string): string => join(this.#devices, name, 'data')

  get #devices(): string {
    return join(this.#plugin, 'volumeDevices')
  }

  /** The staged volumes with files. */
  async staged(): Promise<VolumeData[]> {
    const drivers = (await namesIn(this.#plugin)).filter(name => name !== 'volumeDevices' && name !== 'pv')
    const dirs = await Promise.all(
      drivers.map(async name => (await namesIn(join(this.#plugin, name))).map(hash => join(this.#plugin, name, hash))),
    )
    const found = await Promise.all(dirs.flat().map(readData))
    return found.filter(data => data !== undefined)
  }

  /** The names of block volumes that have vol_data.json. */
  async blockNames(): Promise<string[]> {
    return (await namesIn(this.#devices)).filter(name => name !== 'staging' && name !== 'publish')
  }

  /** The uids of the pods that have a directory. */
  pods = (): Promise<string[]> => namesIn(this.podsDir)

  /** What all pods have of drivers: the mounted volumes with their data. */
  async published(): Promise<{ uid: string; name: string; data: VolumeData }[]> {
    const found = await Promise.all(
      (await this.pods()).map(async uid => {
        const names = await namesIn(this.volumesOf(uid))
        const volumes = names.map(async name => ({ uid, name, data: await readData(join(this.volumesOf(uid), name)) }))
        return Promise.all(volumes)
      }),
    )
    return found.flat().flatMap(({ data, ...rest }) => (data ? [{ ...rest, data }] : []))
  }

  /** The uids of the pods that have a block volume. */
  async podsWithDevice(name: string): Promise<string[]> {
    const uids = await this.pods()
    const has = await Promise.all(uids.map(async uid => (await namesIn(this.devicesOf(uid))).includes(name)))
    return uids.filter((_, i) => has[i])
  }
}

/** Writes vol_data.json into a directory, so that at no moment a part of it is there. */
export async function writeData(dir: string, data: VolumeData): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o750 })
  await replaceFile(join(dir, dataFile), JSON.stringify(data), { mode: 0o600 })
}

/** Reads vol_data.json of a directory; undefined if there is none, or none that can be read. */
export async function readData(dir: string): Promise<VolumeData | undefined> {
  const text = await whenThere(() => readFile(join(dir, dataFile), 'utf8'), undefined)
  if (text === undefined || text.length > maxDataBytes) return undefined
  try {
    return dataOf(JSON.parse(text))
  } catch {
    return undefined
  }
}

function dataOf(value: unknown): VolumeData | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const texts = new Map(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
  const [driverName, volumeHandle] = [texts.get('driverName'), texts.get('volumeHandle')]
  if (!driverName || !volumeHandle) return undefined
  const specVolID = texts.get('specVolID')
  const mode = texts.get('volumeLifecycleMode') === 'Ephemeral' ? 'Ephemeral' : 'Persistent'
  return { driverName, volumeHandle, volumeLifecycleMode: mode, ...(specVolID !== undefined && { specVolID }) }
}

/**
 * Removes a mount point, vol_data.json and their directory. A mount point is removed only if it is empty and nothing is
 * mounted there, so whatever a driver left, the data of a volume is never deleted.
 */
export async function removePlace(mountPoint: string): Promise<void> {
  await gone(rmdir(mountPoint))
  await removeData(dirname(mountPoint))
}

/** Removes vol_data.json and its directory. */
export async function removeData(dir: string): Promise<void> {
  await gone(unlink(join(dir, `${dataFile}.new`)))
  await gone(unlink(join(dir, dataFile)))
  await gone(rmdir(dir))
}

/** Waits for a removal. What does not exist is removed already. */
export const gone = (removal: Promise<void>): Promise<void> => whenThere(() => removal, undefined)
