// Opens a path beneath a directory that others may write to, so that neither a symlink nor `..` leads outside, even
// when the tree is changed meanwhile. It serves subPath volumes: the file that was checked is the file that is mounted.
//
// Each step opens one name relative to the directory opened before, by way of /proc/self/fd, without following a
// symlink. Symlinks are read and walked step by step as well. Node.js has no openat2(2) with RESOLVE_BENEATH, which
// would do the same in one call.
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readlink, realpath } from 'node:fs/promises'
import { StatusError } from '../base/errors.ts'

/** An open file or directory beneath the root. The caller closes it. */
export interface Beneath {
  /** A path that names the open file itself, for other processes too, such as the source of a bind mount. */
  readonly path: string
  readonly isDirectory: boolean
  close(): Promise<void>
}

// This flag is missing from node:fs. It opens a file only to name it, so it needs no permission on the file, and also
// opens symlinks, sockets and devices.
const O_PATH = 0o10000000
const maxSymlinks = 40
const maxSteps = 4096

/**
 * Opens the relative `path` beneath `root`. With `create`, missing directories are created with mode 0750, as the
 * kubelet does for subPath. Symlinks are followed while they stay beneath the root. Throws Forbidden for one that leads
 * outside, and NotFound for a path that does not exist.
 */
export async function openBeneath(root: string, path: string, o: { create?: boolean } = {}): Promise<Beneath> {
  if (path.startsWith('/')) throw new StatusError('Forbidden', `${path} must be relative`)
  const realRoot = await realpath(root)
  const opened: FileHandle[] = [await open(realRoot, O_PATH | constants.O_DIRECTORY)]
  try {
    await walk(realRoot, path, opened, o.create ?? false)
    const last = opened.pop()!
    const isDirectory = (await last.stat()).isDirectory()
    return { path: `/proc/${process.pid}/fd/${last.fd}`, isDirectory, close: () => last.close() }
  } finally {
    for (const handle of opened) await handle.close()
  }
}

// `opened` holds the directories from the root down to the present one. `..` closes the last.
async function walk(root: string, path: string, opened: FileHandle[], create: boolean): Promise<void> {
  const escape = () => new StatusError('Forbidden', `${path} leads outside of ${root}`)
  const left = names(path).reverse()
  let symlinks = 0
  for (let steps = 0; left.length > 0; steps++) {
    if (steps > maxSteps) throw new StatusError('Forbidden', `${path} has more than ${maxSteps} parts`)
    const name = left.pop()!
    if (name === '..') {
      if (opened.length === 1) throw escape()
      await opened.pop()!.close()
      continue
    }
    const at = `/proc/self/fd/${opened.at(-1)!.fd}/${name}`
    const next = await openStep(at, path, create)
    const stat = await next.stat()
    if (!stat.isSymbolicLink()) {
      opened.push(next)
      continue
    }
    await next.close()
    if (++symlinks > maxSymlinks) throw new StatusError('Forbidden', `${path} has more than ${maxSymlinks} symlinks`)
    const target = await readlink(at)
    if (target.startsWith('/')) {
      if (target !== root && !target.startsWith(`${root}/`)) throw escape()
      while (opened.length > 1) await opened.pop()!.close()
      left.push(...names(target.slice(root.length)).reverse())
    } else left.push(...names(target).reverse())
  }
}

async function openStep(at: string, path: string, create: boolean): Promise<FileHandle> {
  const flags = O_PATH | constants.O_NOFOLLOW
  try {
    return await open(at, flags)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOTDIR')
      throw new StatusError('NotFound', `${path}: a part of it is not a directory`, { cause: error })
    if (code !== 'ENOENT') throw error
    if (!create) throw new StatusError('NotFound', `${path} does not exist`, { cause: error })
  }
  await mkdir(at, { mode: 0o750 })
  return open(at, flags)
}

const names = (path: string) => path.split('/').filter(name => name !== '' && name !== '.')
