// A disk for tests, which can be full, hang, and fail: a file system on a loop device whose file is on a small tmpfs. It is
// filled by a file of others, frozen by fsfreeze(8), and fails when the tmpfs is full: then the kernel takes a write, and
// reports at the next fsync(2) that it did not reach the disk, once. What was written is gone then, though it can be read
// until it falls out of the page cache, and a further fsync(2) succeeds.
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Loop devices need root, and a kernel that has them. */
export const noDisks =
  process.getuid?.() === 0 && /loop/.test(readFileSync('/proc/devices', 'utf8')) ? false : 'there are no loop devices'
const [diskMiB, deviceMiB] = [128, 160]

export interface Disk {
  path: string
  /** Leaves no space for others. */
  fill(): void
  /** For a moment. */
  hang(): void
  /** Blocks that have not been used before cannot be written any more. */
  fail(): void
  mend(): Promise<void>
  /** Reads the disk as it would be after a loss of power, mounted elsewhere. */
  afterPowerLoss<T>(look: (path: string) => Promise<T>): Promise<T>
  /** Unmounts and mounts it, which nobody may use meanwhile. What was only in the page cache is gone. */
  remount(): void
  remove(): void
}

const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: 'pipe' })
/** Blocks that are freed are given back, so that they fail as new ones do. */
const mount = (image: string, path: string) => run('mount', '-o', 'loop,discard', image, path)

export function makeDisk(): Disk {
  const directory = mkdtempSync(join(tmpdir(), 'kutter-disk-'))
  const [device, path, copies] = ['device', 'mnt', 'copy'].map(name => join(directory, name)) as [string, string, string]
  const [image, others, filler] = [join(device, 'image'), join(path, 'others'), join(device, 'filler')]
  for (const made of [device, path, copies]) mkdirSync(made)
  run('mount', '-t', 'tmpfs', '-o', `size=${deviceMiB}m`, 'tmpfs', device)
  run('truncate', '-s', `${diskMiB}M`, image)
  run('mkfs.ext4', '-q', '-m', '0', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image)
  mount(image, path)
  let hanging: Promise<unknown> = Promise.resolve()
  return {
    path,
    fill: () => fillUp(path, others),
    /** This process may hang with it, so that another one ends it. */
    hang() {
      const child = spawn('sh', ['-c', `fsfreeze --freeze ${path} && sleep 0.15; fsfreeze --unfreeze ${path}`])
      hanging = new Promise(resolve => void child.on('exit', resolve))
    },
    fail: () => fillUp(device, filler),
    async mend() {
      await hanging
      rmSync(filler, { force: true })
      rmSync(others, { force: true })
    },
    async afterPowerLoss(look) {
      const [copy, at] = [join(copies, 'image'), join(copies, 'mnt')]
      run('cp', '--sparse=always', image, copy)
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
      mount(image, path)
    },
    remove() {
      run('umount', '-l', path)
      run('umount', '-l', device)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function fillUp(fileSystem: string, file: string): void {
  const { bavail, bsize } = statfsSync(fileSystem)
  try {
    writeFileSync(file, Buffer.alloc(bavail * bsize))
  } catch {
    // It is full before that: the file system has books of its own.
  }
}
