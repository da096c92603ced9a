// Disks for tests: file systems of their own. One on a loop device can be full, and hang by fsfreeze(8). One on a zram
// device can fail, too: with a limit of memory it refuses every write, which the kernel reports at the next fsync(2), once.
// What was written is gone then, though it can be read until it falls out of the page cache, and a further fsync(2) may
// succeed. A loop device cannot be used for that: it reports a write that its file takes only in part as done.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const isRoot = process.getuid?.() === 0
const zramControl = '/sys/class/zram-control'

/** Loop devices need root, and a kernel that has them. */
export const noDisks =
  isRoot && /loop/.test(readFileSync('/proc/devices', 'utf8')) ? false : 'there are no loop devices'
export const noFailingDisks = isRoot && existsSync(`${zramControl}/hot_add`) ? noDisks : 'zram devices cannot be added'
const sizeMiB = 128

export interface Disk {
  path: string
  /** Leaves no space for others. */
  fill(): void
  /** For a moment. */
  hang(): void
  /** Nothing that is written reaches it any more. */
  fail(): void
  mend(): Promise<void>
  /** Reads the disk as it would be after a loss of power, mounted elsewhere. */
  afterPowerLoss<T>(look: (path: string) => Promise<T>): Promise<T>
  /** Unmounts and mounts it, which nobody may use meanwhile. What was only in the page cache is gone. */
  remount(): void
  remove(): void
}

const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: 'pipe' })

export function makeDisk(canFail = false): Disk {
  const directory = mkdtempSync(join(tmpdir(), 'kutter-disk-'))
  const [path, copies] = [join(directory, 'mnt'), join(directory, 'copies')]
  const others = join(path, 'others')
  for (const made of [path, copies]) mkdirSync(made)
  const device = canFail ? addZram() : makeFile(join(directory, 'image'))
  run('mkfs.ext4', '-q', '-m', '0', device.path)
  const mount = () => run('mount', '-o', canFail ? 'defaults' : 'loop', device.path, path)
  mount()
  let hanging: Promise<unknown> = Promise.resolve()
  return {
    path,
    fill() {
      const { bavail, bsize } = statfsSync(path)
      try {
        writeFileSync(others, Buffer.alloc(bavail * bsize))
      } catch {
        // It is full before that: the file system has books of its own.
      }
    },
    /** This process may hang with it, so that another one ends it. */
    hang() {
      const child = spawn('sh', ['-c', `fsfreeze --freeze ${path} && sleep 0.15; fsfreeze --unfreeze ${path}`])
      hanging = new Promise(resolve => void child.on('exit', resolve))
    },
    fail: () => device.fail(true),
    async mend() {
      await hanging
      device.fail(false)
      // What has failed may have made it one that cannot be written, which has nothing of others.
      if (existsSync(others)) rmSync(others, { force: true })
    },
    async afterPowerLoss(look) {
      const [copy, at] = [join(copies, 'image'), join(copies, 'mnt')]
      run('dd', `if=${device.path}`, `of=${copy}`, 'bs=1M', 'iflag=direct', 'conv=sparse')
      mkdirSync(at)
      run('mount', '-o', 'loop', copy, at)
      try {
        return await look(at)
      } finally {
        run('umount', at)
        rmSync(copies, { recursive: true })
        mkdirSync(copies)
      }
    },
    remount() {
      run('umount', path)
      // To be mounted it must be written.
      device.fail(false)
      mount()
    },
    remove() {
      run('umount', path)
      device.remove()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function makeFile(path: string) {
  run('truncate', '-s', `${sizeMiB}M`, path)
  return { path, fail: (_fails: boolean) => {}, remove: () => {} }
}

function addZram() {
  const number = readFileSync(`${zramControl}/hot_add`, 'utf8').trim()
  const at = `/sys/block/zram${number}`
  writeFileSync(`${at}/disksize`, `${sizeMiB}M`)
  return {
    path: `/dev/zram${number}`,
    /** A limit of one page is passed by what it has already. */
    fail: (fails: boolean) => writeFileSync(`${at}/mem_limit`, fails ? '4096' : '0'),
    remove() {
      writeFileSync(`${at}/reset`, '1')
      writeFileSync(`${zramControl}/hot_remove`, number)
    },
  }
}
