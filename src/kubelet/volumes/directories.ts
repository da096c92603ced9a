// The directories of this node that are volumes of the cluster. The server asks for them through the kubelet's API, when a
// claim of the class for directories has been given to this node, and for their removal when the claim is gone.
//
//   PUT /directories/NAME?bytes=N     makes it, and returns its path and whether its size is limited
//   DELETE /directories/NAME          removes it with all that is in it
//
// With `existing=true` PUT makes none, but gives the one that is there another size. With `shared=true` it is one of the
// directories that all nodes of the machine share.
//
// A directory outlives pods, the kubelet and the machine's restart. It goes only by DELETE, which first moves it aside, so
// that a removal that is broken off never leaves half of the data under the volume's name.
import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, StatusError } from '../../base/errors.ts'
import { realMounts, run } from '../../linux/index.ts'

/** What is known of a directory that was made. */
interface MadeDirectory {
  path: string
  /** Why its size is not limited. Undefined if it is. */
  unlimited?: string
}

const nameOf = /^pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const removedPrefix = '.removed-'

export class NodeDirectories {
  readonly #root: string

  /** @param root the directory that has them all, and nothing else */
  constructor(root: string) {
    this.#root = root
  }

  /** May be called again for one that exists, whose contents stay. Throws BadRequest for another name than a volume's. */
  async make(name: string, bytes: number): Promise<MadeDirectory> {
    const path = this.#path(name)
    await mkdir(this.#root, { recursive: true, mode: 0o711 })
    const isNew = (await mkdir(path, { recursive: true })) !== undefined
    // Pods run as any user, and the mode of mkdir is subject to the umask.
    if (isNew) await chmod(path, 0o777)
    const unlimited = await limitSize(path, bytes)
    return { path, ...(unlimited !== undefined && { unlimited }) }
  }

  /** Changes the size of one that exists. Throws NotFound if there is none. */
  async grow(name: string, bytes: number): Promise<MadeDirectory> {
    const path = this.#path(name)
    const isThere = await stat(path).then(found => found.isDirectory(), isMissing)
    if (!isThere) throw new StatusError('NotFound', `path ${JSON.stringify(path)} does not exist`)
    return this.make(name, bytes)
  }

  /** Succeeds also if there is none. */
  async remove(name: string): Promise<void> {
    const path = this.#path(name)
    const aside = join(this.#root, `${removedPrefix}${name}`)
    // What a container has mounted there belongs to others.
    await realMounts.unmountAll(path)
    try {
      await rename(path, aside)
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(code)) throw error
      // What is left of an earlier removal is in the way.
      if (code !== 'ENOENT') {
        await rm(aside, { recursive: true, force: true })
        await rename(path, aside)
      }
    }
    await rm(aside, { recursive: true, force: true })
  }

  /** Completes removals that were broken off. */
  async tidy(): Promise<void> {
    const names = await readdir(this.#root).catch(() => [])
    for (const name of names)
      if (name.startsWith(removedPrefix)) await rm(join(this.#root, name), { recursive: true, force: true })
  }

  #path(name: string): string {
    if (nameOf.test(name)) return join(this.#root, name)
    throw new StatusError('BadRequest', `${JSON.stringify(name)} is not the name of a volume`)
  }
}

/** False for what does not exist. Throws every other error. */
function isMissing(error: NodeJS.ErrnoException): false {
  if (error.code !== 'ENOENT') throw error
  return false
}

/**
 * The directories that the nodes of a machine share, and a name for the machine: it is made up
 * once and kept in the directory, so that exactly the nodes that share it have the same one.
 */
export async function sharedDirectories(dir: string): Promise<{ machine: string; directories: NodeDirectories }> {
  await mkdir(dir, { recursive: true, mode: 0o711 })
  const file = join(dir, 'machine')
  // A link is made completely or not at all, so no other node reads half a name, and the first one counts.
  const own = `${file}.${randomBytes(8).toString('hex')}`
  await writeFile(own, randomBytes(8).toString('hex'), { mode: 0o600, flush: true })
  await link(own, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(own)
  return { machine: await readFile(file, 'utf8'), directories: new NodeDirectories(join(dir, 'volumes')) }
}

/**
 * Limits the size by a project quota, whose number is made of the directory's name. Returns why that is impossible, in
 * words for the user.
 */
async function limitSize(path: string, bytes: number): Promise<string | undefined> {
  const mount = await mountOf(path)
  if (!mount || !/(^|,)(prjquota|pquota)(,|$)/.test(mount.options))
    return `the file system at ${mount?.point ?? path} has no project quotas`
  const project = String(1_000_000 + (Number.parseInt(path.slice(-12, -4), 16) % 1_000_000_000))
  const kilobytes = String(Math.max(1, Math.ceil(bytes / 1024)))
  try {
    await run('chattr', ['-p', project, '+P', path])
    await run('setquota', ['-P', project, '0', kilobytes, '0', '0', mount.point])
    return undefined
  } catch (error) {
    return `the project quota could not be set: ${messageOf(error)}`
  }
}

/** The mount that a path is on, with the options of its file system. */
async function mountOf(path: string): Promise<{ point: string; options: string } | undefined> {
  const above = (await realMounts.list()).filter(
    ({ point }) => path === point || path.startsWith(point === '/' ? '/' : `${point}/`),
  )
  const [nearest] = above.sort((a, b) => b.point.length - a.point.length)
  return nearest && { point: nearest.point, options: nearest.superOptions.join(',') }
}
