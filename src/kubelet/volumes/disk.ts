// The file system on a block device of the node: found, checked and mounted, or made if the device is empty. A device
// with anything on it is never formatted. Source: k8s.io/mount-utils (SafeFormatAndMount).
import { mkdir } from 'node:fs/promises'
import { messageOf } from '../../base/errors.ts'
import { Locks } from '../../base/locks.ts'
import { realMounts, run } from '../../linux/index.ts'

/** The tools on block devices. */
interface DiskTools {
  /** The type of what is on the device: a file system, or a table of partitions; undefined for an empty one. */
  typeOf(device: string): Promise<string | undefined>
  format(device: string, type: string): Promise<void>
  /** Repairs what can be repaired without a question. Throws when errors are left. */
  check(device: string): Promise<void>
}

const programMs = 600_000

const realTools: DiskTools = {
  async typeOf(device) {
    // The code 2 is: nothing was found.
    const args = ['-p', '-s', 'TYPE', '-s', 'PTTYPE', '-o', 'export', device]
    const { code, stdout } = await run('blkid', args, { accept: [0, 2] })
    if (code === 2) return undefined
    return /^TYPE=(.+)$/m.exec(stdout)?.[1] ?? 'a table of partitions'
  },
  async format(device, type) {
    const options = type === 'ext3' || type === 'ext4' ? ['-F', '-m0'] : type === 'xfs' ? ['-f'] : []
    await run(`mkfs.${type}`, [...options, device], { timeoutMs: programMs })
  },
  async check(device) {
    // 1 is: errors were found, and corrected. 8 and 16 are: it could not be checked, as without a program for the type.
    const { code, stdout } = await run('fsck', ['-a', device], { accept: [0, 1, 4, 8, 16], timeoutMs: programMs })
    if (code === 4)
      throw new Error(`'fsck' found errors on device ${device} but could not correct them: ${stdout.trim()}`)
  },
}

/** Makes sure that there is a file system of a type on a device. Throws when there is something else. */
export async function ensureFileSystem(
  device: string,
  { type, readOnly }: { type: string; readOnly: boolean },
  tools: DiskTools = realTools,
): Promise<void> {
  const found = await tools.typeOf(device)
  if (found === undefined) {
    if (readOnly) throw new Error(`cannot mount unformatted disk ${device} as it is read-only`)
    return tools.format(device, type).catch((error: unknown) => {
      throw new Error(`failed to format device ${device} as ${type}: ${messageOf(error)}`, { cause: error })
    })
  }
  if (found !== type) throw new Error(`device ${device} has ${found} on it, and the volume asks for ${type}`)
  if (!readOnly) await tools.check(device)
}

const locks = new Locks()

/** Mounts a device at `dir`, unless that has happened before. It may be mounted at several places at once. */
export async function mountDisk(
  device: string,
  dir: string,
  {
    type,
    readOnly,
    options,
    signal,
  }: { type: string; readOnly: boolean; options: readonly string[]; signal: AbortSignal },
): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o750 })
  if (await realMounts.isMounted(dir)) return
  await locks.run(device, signal, async () => {
    // What is mounted elsewhere on the node is whole, and must not be checked.
    const isUsed = (await realMounts.list()).some(({ source }) => source === device)
    if (!isUsed) await ensureFileSystem(device, { type, readOnly })
    await realMounts.mount(type, device, dir, readOnly ? [...options, 'ro'] : options)
  })
}
