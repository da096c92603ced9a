// Removal of the volumes of a pod. Where volumes hold the data of others, only what is empty is removed: a directory on
// which something is mounted is not empty, and the kernel refuses to remove it. So a mount that is still there, whatever
// the reason, stops the removal, and no data is deleted through it.
import { lstat, readdir, rm, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { namesIn } from '../../base/files.ts'
import { mountingTypes } from './index.ts'

/** The directories of types that mount what belongs to others. The files of all other types go with the pod. */
const mounted: ReadonlySet<string> = new Set(mountingTypes.map(name => `kubernetes.io~${name}`))

/** Removes the directory of a pod's volumes. Nothing may be mounted in it any more; otherwise it throws, and stops. */
export async function removeVolumes(dir: string): Promise<void> {
  for (const type of await namesIn(dir)) {
    if (mounted.has(type)) await removeEmpty(join(dir, type), 1)
    else await rm(join(dir, type), { recursive: true, force: true })
  }
  await removeEmpty(dir, 0)
}

/** Removes the directory of a pod's subPaths: below it are volume, container and number, and then mount points. */
export const removeSubpaths = (dir: string): Promise<void> => removeEmpty(dir, 3)

/**
 * Removes a directory with what is in it, down to `depth`. What is there must be empty: directories, links, and the
 * files that are mount points of files.
 */
async function removeEmpty(path: string, depth: number): Promise<void> {
  const stats = await lstat(path).catch(() => undefined)
  if (!stats) return
  if (!stats.isDirectory()) {
    if (stats.isFile() && stats.size > 0) throw new Error(`${path} is not empty, so it is not removed`)
    return unlink(path)
  }
  if (depth > 0) for (const name of await readdir(path)) await removeEmpty(join(path, name), depth - 1)
  await rmdir(path)
}
