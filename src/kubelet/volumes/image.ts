// image: the files of an image, for reading only. Nothing is there before the first container that mounts it: its image
// is pulled then, as that of the container itself is, and once for the life of the pod. Sources: KEP-4639; containerd internal/cri/server/container_image_mount.go.
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isReason, messageOf } from '../../base/errors.ts'
import { type Beneath, openBeneath, realMounts } from '../../linux/index.ts'
import { grpcOf } from '../cri/index.ts'
import { ImageMountFailure } from '../host.ts'
import type { FileSystem, Runtime } from '../runtime/runtime.ts'
import type { VolumePlugin } from './volume.ts'

export const image: VolumePlugin = {
  name: 'image',
  matches: volume => volume.image !== undefined,
  readOnly: true,
  async setUp() {},
  openPart: openImagePart,
}

/** The image volumes of a node's pods. */
export class ImageVolumes {
  readonly #podsDir: string
  readonly #runtime: Pick<Runtime, 'viewImage' | 'releaseViews' | 'views'>
  /** Pods of which a former kubelet left views; known once the runtime has answered. */
  #left: Set<string> | undefined

  constructor(podsDir: string, runtime: Pick<Runtime, 'viewImage' | 'releaseViews' | 'views'>) {
    this.#podsDir = podsDir
    this.#runtime = runtime
  }

  /** Whether an image is mounted there whole: a kubelet that ended in between may have left it open to be written. */
  async has(podUid: string, volume: string): Promise<boolean> {
    return (await realMounts.at(join(this.#dir(podUid), volume)))?.options.includes('ro') ?? false
  }

  async mount(podUid: string, volume: string, ref: string): Promise<void> {
    const dir = join(this.#dir(podUid), volume)
    try {
      await realMounts.unmountAll(dir)
      await mkdir(dir, { recursive: true, mode: 0o750 })
      await mountLayers(dir, await this.#runtime.viewImage(ref, { podUid, volume }))
    } catch (error) {
      throw new ImageMountFailure(grpcOf(error)?.desc ?? messageOf(error), error)
    }
  }

  /** Call when the volumes are unmounted and their directory is still there: by it another kubelet would find them. */
  async release(podUid: string): Promise<void> {
    if (!existsSync(this.#dir(podUid)) && !this.#left?.has(podUid)) return
    await this.#runtime.releaseViews(podUid)
    this.#left?.delete(podUid)
  }

  /** Pods that may have left views behind and nothing else. */
  async pods(): Promise<readonly string[]> {
    this.#left ??= new Set((await this.#runtime.views()).map(view => view.podUid))
    return [...this.#left]
  }

  #dir(podUid: string): string {
    return join(this.#podsDir, podUid, 'volumes', 'kubernetes.io~image')
  }
}

async function mountLayers(dir: string, layers: readonly FileSystem[]): Promise<void> {
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
