// image: the files of an image, for reading only. Nothing is there before the first container that mounts it: its image
// is pulled then, as that of the container itself is, and once for the life of the pod. Sources: KEP-4639; containerd internal/cri/server/container_image_mount.go.
import { mkdir } from 'node:fs/promises'
import { isReason, messageOf } from '../../base/errors.ts'
import { type Beneath, openBeneath, realMounts } from '../../linux/index.ts'
import { ImageMountFailure } from '../host.ts'
import type { FileSystem } from '../runtime/runtime.ts'
import type { VolumePlugin } from './volume.ts'

export const image: VolumePlugin = {
  name: 'image',
  matches: volume => volume.image !== undefined,
  readOnly: true,
  async setUp() {},
  openPart: openImagePart,
}

/** Whether an image is mounted there whole: a kubelet that ended in between may have left it open to be written. */
export const isImageMounted = async (dir: string): Promise<boolean> =>
  (await realMounts.at(dir))?.options.includes('ro') ?? false

export async function mountImage(dir: string, layers: readonly FileSystem[]): Promise<void> {
  await realMounts.unmountAll(dir)
  await mkdir(dir, { recursive: true, mode: 0o750 })
  try {
    for (const { type, source, options } of layers) {
      // An image of one layer is that layer's directory.
      if (type === 'bind') await realMounts.bind(source, dir, { readOnly: true })
      else await realMounts.mount(type, source, dir, [...options, 'ro'])
    }
  } catch (error) {
    await realMounts.unmountAll(dir)
    throw error
  }
}

// Only directories, as containerd has it, and none that would have to be made.
async function openImagePart(dir: string, part: string): Promise<Beneath> {
  const fail = (why: string, cause?: unknown) =>
    new ImageMountFailure(`failed to ensure image subpath ${JSON.stringify(part)}: ${why}`, cause)
  let found: Beneath
  try {
    found = await openBeneath(dir, part)
  } catch (error) {
    if (isReason(error, 'NotFound')) throw fail(`openat ${part}: no such file or directory`, error)
    if (isReason(error, 'Forbidden')) throw fail(`openat ${part}: path escapes from parent`, error)
    throw fail(messageOf(error), error)
  }
  if (found.isDirectory) return found
  await found.close()
  throw fail('only directory subpath is supported')
}
