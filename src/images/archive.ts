// Reads image archives of other tools: `docker save` in its old and its new form, and OCI layouts in a tar file, each
// perhaps compressed with gzip, for one platform or many. The result lists the images for this machine's platform, and
// an archive that is damaged or incomplete is an error before anything is loaded.
//
//   index.json ─► index (one for each image) ─► manifest for this platform ─► config, layers      all in blobs/sha256
//   manifest.json ─► config, layers, names                                                        docker save only
//
// Source: OCI image-spec v1 (image-layout, image-index); Docker image spec v1.2.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { type Extract, extract } from 'tar-stream'
import { isReason, messageOf, StatusError } from '../base/errors.ts'
import { platform } from './build.ts'
import { normalizeName } from './names.ts'

export interface ArchiveImage {
  /** Full names; none when the archive does not name the image. */
  names: readonly string[]
  /** The manifest for this machine's platform; undefined in a docker archive without an OCI index. */
  manifest: Descriptor | undefined
  /** The paths in the archive of all files that belong to the image. */
  blobs: readonly string[]
  /** The platforms that the archive lists, such as `linux/arm64`. */
  platforms: readonly string[]
}

export interface Archive {
  file: string
  format: 'docker' | 'oci'
  images: readonly ArchiveImage[]
  /** Whether containerd 1.6 would fail on it, because it lists other platforms or has names that are not full. */
  needsRewrite: boolean
}

interface Descriptor {
  mediaType: string
  digest: string
  size: number
  platform?: Platform | null
  annotations?: Record<string, string> | null
}

interface Platform {
  os: string
  architecture: string
  variant?: string
}

/**
 * Reads the whole archive once and verifies every blob by its digest. Throws Invalid with the reason when the archive
 * is damaged, incomplete, or has no image for this machine's platform.
 */
export async function readArchive(file: string): Promise<Archive> {
  const scan = await scanArchive(file)
  const invalid = (why: string) => new StatusError('Invalid', `${file}: ${why}`)
  const tags = dockerTags(scan, invalid)
  if (scan.json.has('index.json')) return { file, ...ociImages(scan, tags, invalid) }
  if (!tags) throw invalid('it is neither a docker archive (no manifest.json) nor an OCI archive (no index.json)')
  const images = tags.map(({ Config, RepoTags, Layers }) => {
    const blobs = [Config, ...Layers]
    const missing = blobs.filter(path => !scan.sizes.has(path))
    if (missing.length > 0) throw invalid(`${missing[0]} is missing; the archive is incomplete`)
    return { names: (RepoTags ?? []).map(normalizeName), manifest: undefined, blobs, platforms: [] }
  })
  return { file, format: 'docker', images, needsRewrite: false }
}

/**
 * Calls `visit` for each file of a tar file in order, which may be compressed. `visit` must read the body to its end.
 */
export async function eachEntry(
  file: string,
  visit: (name: string, size: number, body: AsyncIterable<unknown>) => Promise<void>,
) {
  const reader: Extract = extract()
  const reading = (await isGzip(file))
    ? pipeline(createReadStream(file), createGunzip(), reader)
    : pipeline(createReadStream(file), reader)
  // It is awaited below. Until then a failure must not count as unhandled.
  reading.catch(() => {})
  try {
    for await (const entry of reader) {
      const name = entry.header.name.replace(/^\.\//, '')
      if (entry.header.type === 'file') await visit(name, entry.header.size ?? 0, entry)
      else entry.resume()
    }
    await reading
  } catch (error) {
    if (isReason(error, 'Invalid') || (error as NodeJS.ErrnoException).code === 'ENOENT') throw error
    throw new StatusError('Invalid', `${file} is damaged or not a tar archive: ${messageOf(error)}`, { cause: error })
  }
}

/** What one pass over an archive keeps: the sizes of all files, and the parsed content of JSON files up to 4 MiB. */
interface Scan {
  sizes: ReadonlyMap<string, number>
  json: ReadonlyMap<string, unknown>
}

const maxJsonBytes = 4 * 1024 * 1024
const maxEntries = 100_000

async function scanArchive(file: string): Promise<Scan> {
  const sizes = new Map<string, number>()
  const json = new Map<string, unknown>()
  await eachEntry(file, async (name, size, body) => {
    if (sizes.size >= maxEntries) throw new StatusError('Invalid', `${file} has more than ${maxEntries} files`)
    sizes.set(name, size)
    const hash = createHash('sha256')
    const kept: Buffer[] = []
    const keep = size <= maxJsonBytes
    for await (const chunk of body) {
      hash.update(chunk as Buffer)
      if (keep) kept.push(chunk as Buffer)
    }
    const expected = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1]
    if (expected && hash.digest('hex') !== expected)
      throw new StatusError('Invalid', `${file}: ${name} is damaged, since its digest differs`)
    const bytes = Buffer.concat(kept)
    if (keep && (bytes[0] === 0x7b || bytes[0] === 0x5b)) {
      try {
        json.set(name, JSON.parse(bytes.toString('utf8')))
      } catch (cause) {
        if (name.endsWith('.json')) throw new StatusError('Invalid', `${file}: ${name} is not valid JSON`, { cause })
      }
    }
  })
  return { sizes, json }
}

type DockerEntry = { Config: string; RepoTags: string[] | null; Layers: string[] }
type Invalid = (why: string) => StatusError

function dockerTags({ json }: Scan, invalid: Invalid): DockerEntry[] | undefined {
  const manifest = json.get('manifest.json')
  if (manifest === undefined) return undefined
  const fine =
    Array.isArray(manifest) &&
    manifest.every(
      e =>
        isMap(e) &&
        typeof e.Config === 'string' &&
        isStrings(e.Layers) &&
        (isAbsent(e.RepoTags) || isStrings(e.RepoTags)),
    )
  if (!fine) throw invalid('manifest.json is not a list of images with Config and Layers')
  return manifest as DockerEntry[]
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isAbsent = (value: unknown): boolean => value === undefined || value === null
const isStrings = (value: unknown): boolean => Array.isArray(value) && value.every(item => typeof item === 'string')

const isPlatform = (value: unknown): value is Platform => isMap(value) && isStrings([value.os, value.architecture])

/** A value of a JSON file as a descriptor. Throws Invalid, with the place of the value, when it is none. */
function descriptorOf(value: unknown, where: string, invalid: Invalid): Descriptor {
  const { digest, platform, annotations } = isMap(value) ? value : {}
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw invalid(`a digest in ${where} is not sha256:<64 hex digits>`)
  if (!isAbsent(platform) && !isPlatform(platform)) throw invalid(`a platform in ${where} has no os and architecture`)
  if (!isAbsent(annotations) && !(isMap(annotations) && isStrings(Object.values(annotations))))
    throw invalid(`annotations in ${where} are not a map of texts`)
  return value as Descriptor
}

function descriptorsOf(list: unknown, field: string, where: string, invalid: Invalid): Descriptor[] {
  if (!Array.isArray(list)) throw invalid(`${where} has no list of ${field}`)
  return list.map(value => descriptorOf(value, where, invalid))
}

function ociImages(scan: Scan, tags: DockerEntry[] | undefined, invalid: Invalid): Omit<Archive, 'file'> {
  const index = scan.json.get('index.json')
  const manifests = descriptorsOf(isMap(index) ? index.manifests : undefined, 'manifests', 'index.json', invalid)
  const byDigest = new Map<string, ArchiveImage>()
  let needsRewrite = false
  for (const top of manifests) {
    if (isAttestation(top)) continue
    const found = pick(top, scan, invalid)
    if (!found.manifest) {
      // In an index of several plain manifests, those for other platforms are skipped.
      if (top.platform && manifests.length > 1) {
        needsRewrite = true
        continue
      }
      const has = found.platforms.length > 0 ? `has only ${found.platforms.join(', ')}` : `${pathOf(top)} is missing`
      throw invalid(`no image for linux/${platform.architecture}: the archive ${has}`)
    }
    const parts = partsOf(found.manifest, scan, invalid).map(pathOf)
    const missing = parts.filter(path => !scan.sizes.has(path))
    if (missing.length > 0) throw invalid(`${missing[0]} is missing; the archive is incomplete`)
    const named = nameOf(top)
    const fromTags = tags?.find(tag => tag.Config === parts[0])?.RepoTags ?? []
    const before = byDigest.get(found.manifest.digest)
    const names = named ? [named] : fromTags.map(normalizeName)
    if (found.manifest.digest !== top.digest || top.annotations?.['io.containerd.image.name'] !== names[0])
      needsRewrite = true
    byDigest.set(found.manifest.digest, {
      names: [...new Set([...(before?.names ?? []), ...names])],
      manifest: found.manifest,
      blobs: [pathOf(found.manifest), ...parts],
      platforms: found.platforms,
    })
  }
  if (byDigest.size === 0) throw invalid(`no image for linux/${platform.architecture} is in the archive`)
  return { format: 'oci', images: [...byDigest.values()], needsRewrite }
}

/** The configuration and the layers of a manifest. */
function partsOf(manifest: Descriptor, scan: Scan, invalid: Invalid): Descriptor[] {
  const path = pathOf(manifest)
  const { config, layers } = scan.json.get(path) as Readonly<Record<string, unknown>>
  return [descriptorOf(config, path, invalid), ...descriptorsOf(layers, 'layers', path, invalid)]
}

/** Finds the manifest for this machine's platform at or below a descriptor. Blobs of other platforms may be missing. */
function pick(
  top: Descriptor,
  scan: Scan,
  invalid: Invalid,
): { manifest: Descriptor | undefined; platforms: string[] } {
  const path = pathOf(top)
  const content = scan.json.get(path)
  if (content === undefined)
    return { manifest: undefined, platforms: top.platform ? [nameOfPlatform(top.platform)] : [] }
  if (!isMap(content)) throw invalid(`${path} is not a manifest`)
  if (content.manifests) {
    const below = descriptorsOf(content.manifests, 'manifests', path, invalid)
      .filter(d => !isAttestation(d))
      .map(d => pick(d, scan, invalid))
    const manifest = below.find(found => found.manifest)?.manifest
    return { manifest, platforms: below.flatMap(found => found.platforms) }
  }
  const config = scan.json.get(pathOf(descriptorOf(content.config, path, invalid)))
  // A configuration that does not have a platform fits each machine, as for containerd.
  const own = isPlatform(config) ? config : undefined
  const is = top.platform ?? own
  const fits = !is || (is.os === platform.os && is.architecture === platform.architecture)
  return { manifest: fits ? top : undefined, platforms: is ? [nameOfPlatform(is)] : [] }
}

// buildx adds attestations beside the images, with the platform unknown/unknown.
const isAttestation = (d: Descriptor) =>
  d.platform?.os === 'unknown' || d.annotations?.['vnd.docker.reference.type'] === 'attestation-manifest'

function nameOf({ annotations }: Descriptor): string | undefined {
  const whole = annotations?.['io.containerd.image.name']
  if (whole) return normalizeName(whole)
  // This annotation is often only a tag. It counts as a name only if it looks like one.
  const ref = annotations?.['org.opencontainers.image.ref.name']
  return ref && /[/:]/.test(ref) ? normalizeName(ref) : undefined
}

const nameOfPlatform = (p: Platform) => [p.os, p.architecture, p.variant].filter(Boolean).join('/')
const pathOf = (d: Pick<Descriptor, 'digest'>) => `blobs/${d.digest.replace(':', '/')}`

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file)
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0)
    return buffer[0] === 0x1f && buffer[1] === 0x8b
  } finally {
    await handle.close()
  }
}
