// image: the files of an image, read-only. The image is pulled and mounted before the first container that mounts the
// volume starts (pod/image-volumes.ts), and stays mounted until the pod is settled.
// Sources: KEP-4639; containerd internal/cri/server/container_image_mount.go.
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
  isMount: true,
  matches: volume => volume.image !== undefined,
  readOnly: true,
  async setUp() {},
  openPart: openImagePart,
}

/**
 * The image volumes of a node's pods. Each is a view in containerd (a read-only snapshot of the image) and a mount of
 * it. A view is released by the uid of its pod, after its mounts are gone. The views that a former kubelet left are
 * read from containerd once.
 */
export class ImageVolumes {
  readonly #podsDir: string
  readonly #runtime: Pick<Runtime, 'viewImage' | 'releaseViews' | 'views'>
  /** The uids of pods of which a former kubelet left views. Undefined until the runtime has listed them. */
  #left: Set<string> | undefined

  constructor(podsDir: string, runtime: Pick<Runtime, 'viewImage' | 'releaseViews' | 'views'>) {
    this.#podsDir = podsDir
    this.#runtime = runtime
  }

  /** Whether the image is mounted, and read-only. It is writable if a kubelet ended in the middle of the mount. */
  async has(podUid: string, volume: string): Promise<boolean> {
    return (await realMounts.at(join(this.#dir(podUid), volume)))?.options.includes('ro') ?? false
  }

  /** Mounts the image with the id or name `ref`, in place of what is mounted. Throws ImageMountFailure. */
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

  /**
   * Releases the views of a pod. Must be called after the volumes are unmounted and before their directory is removed,
   * since the directory is how the next kubelet finds views after a crash in between.
   */
  async release(podUid: string): Promise<void> {
    if (!existsSync(this.#dir(podUid)) && !this.#left?.has(podUid)) return
    await this.#runtime.releaseViews(podUid)
    this.#left?.delete(podUid)
  }

  /** The uids of the pods of which a former kubelet left views, and possibly nothing else. */
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
      // The view of an image with one layer is the directory of that layer.
      if (type === 'bind') await realMounts.bind(source, dir, { readOnly: true })
      else await realMounts.mount(type, source, dir, [...options, 'ro'])
    }
  } catch (error) {
    await realMounts.unmountAll(dir)
    throw error
  }
}

// As in containerd, only a directory can be mounted, and it must exist.
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
