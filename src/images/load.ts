// Loads image archives into a node's containerd, with full names and only for this machine's platform, and pins them.
// An image that a user loaded by hand cannot be pulled again, so image garbage collection must never remove it.
//
// containerd reports `pinned` over CRI only since 1.7, from the label io.cri-containerd.pinned, which is set here. For
// 1.6 the names are also in a file (`readPins`), from which the kubelet adds them to its own list.
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import { replaceFile } from '../base/files.ts'
import { isReason, StatusError } from '../base/errors.ts'
import { run } from '../linux/index.ts'
import { type Archive, type ArchiveImage, eachEntry, readArchive } from './archive.ts'
import { annotationsOf } from './build.ts'
import { normalizeName } from './names.ts'

interface ImageStore {
  /** The path of containerd's socket. */
  socket: string
  /** The path of a JSON file with the names of pinned images. */
  pinsFile: string
  namespace?: string
  snapshotter?: string
}

interface Loaded {
  names: readonly string[]
}

/**
 * Loads and pins all images of an archive. An image without a name gets that of the file: `web.tar` becomes
 * `docker.io/library/web:latest`. Throws Invalid for an archive that is damaged or has no image for this platform.
 */
export async function loadArchive(file: string, store: ImageStore, o: { signal?: AbortSignal } = {}): Promise<Loaded> {
  const archive = named(await readArchive(file))
  const names = archive.images.flatMap(image => image.names)
  const dir = await mkdtemp(join(tmpdir(), 'kutter-load-'))
  try {
    const ready = archive.needsRewrite ? await rewrite(archive, join(dir, 'image.tar')) : file
    const snapshotter = store.snapshotter ? ['--snapshotter', store.snapshotter] : []
    await ctr(store, ['images', 'import', ...snapshotter, ready], o.signal)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
  await pin(names, store, o.signal)
  return { names }
}

/** Copies the pinned images of another node of this machine that this one lacks, and returns their names. */
export async function copyImages(
  from: ImageStore,
  to: ImageStore,
  o: { signal?: AbortSignal } = {},
): Promise<readonly string[]> {
  const has = await readPins(to.pinsFile)
  const names = [...(await readPins(from.pinsFile))].filter(name => !has.has(name))
  if (!names.length) return []
  const dir = await mkdtemp(join(tmpdir(), 'kutter-copy-'))
  try {
    const file = join(dir, 'images.tar')
    await ctr(from, ['images', 'export', file, ...names], o.signal)
    return (await loadArchive(file, to, o)).names
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

interface Listed {
  name: string
  digest: string
  size: string
  pinned: boolean
}

/** Lists the images of a node by name, without the entries that containerd has for their digests. */
export async function listImages(store: ImageStore, signal?: AbortSignal): Promise<Listed[]> {
  const pins = await readPins(store.pinsFile)
  const { stdout } = await ctr(store, ['images', 'list'], signal)
  return stdout
    .split('\n')
    .slice(1)
    .flatMap(line => {
      // The columns are REF TYPE DIGEST SIZE PLATFORMS LABELS, and a size such as `1.0 MiB` is two words.
      const [name, , digest, amount, unit] = line.trim().split(/\s+/)
      if (!name || !digest || name.startsWith('sha256:') || name.includes('@')) return []
      return [{ name, digest, size: `${amount} ${unit}`, pinned: pins.has(name) }]
    })
}

/** Removes an image by name, with its pin. Throws NotFound when the node does not have it. */
export async function removeImage(name: string, store: ImageStore, signal?: AbortSignal): Promise<void> {
  const whole = normalizeName(name)
  if (!(await listImages(store, signal)).some(image => image.name === whole)) {
    throw new StatusError('NotFound', `the node has no image ${whole}`)
  }
  await ctr(store, ['images', 'remove', '--sync', whole], signal)
  const pins = await readPins(store.pinsFile)
  if (pins.delete(whole)) await writePins(store.pinsFile, pins)
}

/** The full names of the pinned images; none when the file does not exist. Throws Invalid when it is damaged. */
export async function readPins(file: string): Promise<Set<string>> {
  try {
    return new Set(JSON.parse(await readFile(file, 'utf8')) as string[])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Set()
    throw new StatusError('Invalid', `${file} is not a list of image names; remove it to start with an empty one`, {
      cause: error,
    })
  }
}

const labelsAtOnce = 4

async function pin(names: readonly string[], store: ImageStore, signal?: AbortSignal): Promise<void> {
  for (let i = 0; i < names.length; i += labelsAtOnce) {
    const some = names.slice(i, i + labelsAtOnce)
    await Promise.all(
      some.map(name => ctr(store, ['images', 'label', name, 'io.cri-containerd.pinned=pinned'], signal)),
    )
  }
  const pins = await readPins(store.pinsFile)
  await writePins(store.pinsFile, new Set([...pins, ...names]))
}

const writePins = (file: string, pins: ReadonlySet<string>): Promise<void> =>
  replaceFile(file, `${JSON.stringify([...pins].sort(), null, 1)}\n`)

const importTimeoutMs = 600_000

async function ctr(store: ImageStore, args: string[], signal?: AbortSignal) {
  const all = ['-a', store.socket, '-n', store.namespace ?? 'k8s.io', ...args]
  return run('ctr', all, {
    label: `ctr ${args.slice(0, 2).join(' ')}`,
    timeoutMs: importTimeoutMs,
    ...(signal ? { signal } : {}),
  })
}

function named(archive: Archive): Archive {
  if (archive.images.every(image => image.names.length > 0)) return archive
  const base = basename(archive.file)
    .replace(/\.(tar|tgz|tar\.gz)$/, '')
    .toLowerCase()
  const nameless = () => {
    try {
      return normalizeName(base)
    } catch (error) {
      if (!isReason(error, 'Invalid')) throw error
      throw new StatusError(
        'Invalid',
        `${archive.file}: the image has no name, and the name of the file is not a valid one; rename the file`,
      )
    }
  }
  if (archive.format === 'docker') {
    throw new StatusError(
      'Invalid',
      `${archive.file}: the archive has an image without a name; save it by its name: docker save NAME:TAG`,
    )
  }
  const images = archive.images.map(image => (image.names.length > 0 ? image : { ...image, names: [nameless()] }))
  return { ...archive, images, needsRewrite: true }
}

/**
 * Writes a copy of an archive with one manifest for each image. containerd 1.6 would require all blobs that an index
 * names, of all platforms.
 */
async function rewrite(archive: Archive, target: string): Promise<string> {
  const wanted = new Set(archive.images.flatMap(image => image.blobs))
  const packer = pack()
  const writing = pipeline(packer, createWriteStream(target))
  writing.catch(() => {})
  packer.entry({ name: 'oci-layout' }, JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  packer.entry({ name: 'index.json' }, JSON.stringify(indexOf(archive.images)))
  await eachEntry(archive.file, async (name, size, body) => {
    if (wanted.delete(name)) await pipeline(body, packer.entry({ name, size }))
    else for await (const _ of body);
  })
  packer.finalize()
  await writing
  return target
}

function indexOf(images: readonly ArchiveImage[]): object {
  const manifests = images.flatMap(({ names, manifest }) =>
    names.map(name => ({ ...manifest, annotations: annotationsOf(name) })),
  )
  return { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests }
}

/** The path of the file of pins, which is beside containerd's socket. */
export const pinsFileFor = (socket: string) => join(dirname(socket), 'pinned-images.json')
