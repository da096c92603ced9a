// Mounts: lists them from /proc/self/mountinfo, creates bind mounts, tmpfs and others, and unmounts whole trees.
// Source: proc(5), mount(8), umount(8).
import { readFile, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, relative } from 'node:path'
import { StatusError } from '../base/errors.ts'
import { run } from './exec.ts'

interface Mount {
  id: number
  parent: number
  /** The directory of the filesystem that is mounted. It is not `/` for a bind mount of a part. */
  root: string
  /** The directory or file on which it is mounted. */
  point: string
  options: readonly string[]
  /** Whether mounts that are made below it in other namespaces appear here, and those made here there. */
  isShared: boolean
  type: string
  source: string
  /** Options of the filesystem rather than of this mount, such as `size=…` of a tmpfs. */
  superOptions: readonly string[]
}

interface Mounts {
  list(): Promise<readonly Mount[]>
  isMounted(path: string): Promise<boolean>
  /** The mount at exactly this path, the topmost of several; undefined without one. */
  at(path: string): Promise<Mount | undefined>
  /**
   * Mounts `source` at `target`, which must exist. A source `/proc/PID/fd/N` is not resolved first, so the file that
   * was opened is the file that is mounted.
   */
  bind(source: string, target: string, o?: BindOptions): Promise<void>
  tmpfs(target: string, o?: { sizeBytes?: number; mode?: number }): Promise<void>
  /** Mounts any other filesystem, like `mount -t TYPE -o OPTIONS SOURCE TARGET`. */
  mount(type: string, source: string, target: string, options?: readonly string[]): Promise<void>
  /**
   * Unmounts everything at and below `path`, innermost first. It does so lazily: a busy mount disappears from the tree
   * at once, and ends with its last user. A path without mounts is no error.
   */
  unmountAll(path: string): Promise<void>
  /**
   * Makes sure that a directory is on a shared mount. Where it is not, the directory becomes a mount of its own; nothing
   * may be mounted below it yet then.
   */
  share(path: string): Promise<void>
}

interface BindOptions {
  readOnly?: boolean
  /** Whether mounts below `source` are included. */
  recursive?: boolean
  propagation?: 'private' | 'rslave' | 'rshared'
}

/** The mounts of this process's mount namespace. */
export const realMounts: Mounts = {
  list: listMounts,
  isMounted: async path => (await mountAt(path)) !== undefined,
  at: mountAt,
  async bind(source, target, o = {}) {
    await mount(['--no-canonicalize', o.recursive ? '--rbind' : '--bind', source, target])
    // The kernel ignores `ro` when it creates a bind mount, so a second step sets it.
    if (o.readOnly) await mount(['--no-canonicalize', '-o', 'remount,bind,ro', target])
    if (o.propagation) await mount([`--make-${o.propagation}`, target])
  },
  async tmpfs(target, o = {}) {
    const options = ['nosuid', 'nodev', `mode=${(o.mode ?? 0o777).toString(8)}`]
    if (o.sizeBytes !== undefined) options.push(`size=${o.sizeBytes}`)
    await mount(['-t', 'tmpfs', '-o', options.join(','), 'tmpfs', target])
  },
  async mount(type, source, target, options = []) {
    const short = shortLayers(options)
    const given = short.options.length > 0 ? ['-o', short.options.join(',')] : []
    await run('mount', ['-t', type, ...given, source, target], short.dir === undefined ? {} : { cwd: short.dir })
  },
  unmountAll,
  share,
}

/**
 * The kernel accepts at most a page of options, which the paths of many overlay layers would exceed. So the layers are
 * given relative to their common directory, which is returned as the working directory for mount(8).
 */
export function shortLayers(options: readonly string[]): { options: readonly string[]; dir?: string } {
  const prefix = 'lowerdir='
  const layers =
    options
      .find(option => option.startsWith(prefix))
      ?.slice(prefix.length)
      .split(':') ?? []
  if (layers.length < 2 || !layers.every(isAbsolute)) return { options }
  let dir = dirname(layers[0]!)
  while (!layers.every(layer => layer.startsWith(dir === '/' ? '/' : `${dir}/`))) dir = dirname(dir)
  const short = `${prefix}${layers.map(layer => relative(dir, layer)).join(':')}`
  return { options: options.map(option => (option.startsWith(prefix) ? short : option)), dir }
}

/** Parses the text of a mountinfo file. The mounts keep the order in which they were mounted. */
export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap(line => {
    // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    const [before = '', after = ''] = line.split(' - ')
    const [id, parent, , root, point, options, ...tags] = before.split(' ')
    const [type, source, superOptions] = after.split(' ')
    if (!point || !type) return []
    return [
      {
        id: Number(id),
        parent: Number(parent),
        root: unescapeOctal(root ?? ''),
        point: unescapeOctal(point),
        options: (options ?? '').split(','),
        isShared: tags.some(tag => tag.startsWith('shared:')),
        type,
        source: unescapeOctal(source ?? ''),
        superOptions: (superOptions ?? '').split(','),
      },
    ]
  })
}

async function mountAt(path: string): Promise<Mount | undefined> {
  const real = await realpathOr(path)
  return (await listMounts()).findLast(mount => mount.point === real)
}

async function listMounts(): Promise<Mount[]> {
  return parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'))
}

// Mounts can hide one another, so unmounting may uncover more. It is repeated until nothing is left.
const maxUnmountRounds = 32
const umountBatch = 200

async function unmountAll(path: string): Promise<void> {
  if (!isAbsolute(path) || path === '/') {
    throw new StatusError('InternalError', `unmounting below ${JSON.stringify(path)} is refused`)
  }
  const real = await realpathOr(path)
  for (let round = 0; round < maxUnmountRounds; round++) {
    const points = (await listMounts()).map(m => m.point).filter(p => p === real || p.startsWith(`${real}/`))
    if (points.length === 0) return
    points.reverse()
    for (let i = 0; i < points.length; i += umountBatch) {
      // Propagation may have unmounted some of them already, so errors are ignored: the next round lists what is left.
      const batch = points.slice(i, i + umountBatch)
      await run('umount', ['--lazy', '--no-canonicalize', ...batch], { accept: 'any' })
    }
  }
  throw new StatusError(
    'InternalError',
    `mounts below ${real} are still there after ${maxUnmountRounds} rounds of umount`,
  )
}

async function share(path: string): Promise<void> {
  const real = await realpath(path)
  const mounts = await listMounts()
  const above = mounts.filter(({ point }) => real === point || real.startsWith(point === '/' ? '/' : `${point}/`))
  // Of several mounts on one point the last is seen.
  const nearest = above.reduce((best, one) => (one.point.length >= best.point.length ? one : best), above[0]!)
  if (nearest.isShared) return
  const below = mounts.find(({ point }) => point.startsWith(`${real}/`))
  if (below) throw new StatusError('Conflict', `${real} cannot be shared: ${below.point} is mounted already`)
  if (nearest.point !== real) await mount(['--no-canonicalize', '--bind', real, real])
  await mount(['--make-shared', real])
}

async function mount(args: string[]): Promise<void> {
  await run('mount', args)
}

async function realpathOr(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path
    // The path on a dead network filesystem or FUSE server cannot be resolved, and must still be unmounted by its name.
    if (['ENOTCONN', 'ESTALE', 'EIO'].includes((error as NodeJS.ErrnoException).code ?? '')) return path
    throw error
  }
}

// The kernel writes spaces, tabs, newlines and backslashes as octal escapes such as \040.
function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text
  const bytes = text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return bytes
}
