// Reads image archives as other tools write them: `docker save` (old and new), OCI layouts in a tar file, either
// compressed with gzip, with one platform or many. Says what is inside and whether it is whole.
// Source: OCI image-spec v1 (image-layout, image-index); Docker image spec v1.2.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { type Extract, extract } from 'tar-stream'
import { isReason, messageOf, StatusError } from '../base/errors.ts'
import { platform } from './build.ts'
import { normalizeName } from './names.ts'

export interface ArchiveImage {
  /** Whole names; may be empty. */
  names: readonly string[]
  /** The manifest for this machine's platform; undefined in a docker archive without an OCI index. */
  manifest: Descriptor | undefined
  /** Paths in the archive that belong to the image. */
  blobs: readonly string[]
  /** The platforms the archive says it has, as `linux/arm64`. */
  platforms: readonly string[]
}

export interface Archive {
  file: string
  format: 'docker' | 'oci'
  images: readonly ArchiveImage[]
  /** It has more than what this machine needs, or names that are not whole: containerd 1.6 would stumble over it. */
  needsRewrite: boolean
}

interface Descriptor {
  mediaType: string
  digest: string
  size: number
  platform?: { os: string; architecture: string; variant?: string }
  annotations?: Record<string, string>
}

/** Reads the whole archive once, checking every blob against its digest. Invalid, with the reason, when damaged. */
export async function readArchive(file: string): Promise<Archive> {
  const scan = await scanArchive(file)
  const invalid = (why: string) => new StatusError('Invalid', `${file}: ${why}`)
  const tags = dockerTags(scan, invalid)
  if (scan.json.has('index.json')) return { file, ...ociImages(scan, tags, invalid) }
  if (!tags) throw invalid('is neither a docker archive (no manifest.json) nor an OCI archive (no index.json)')
  const images = tags.map(({ Config, RepoTags, Layers }) => {
    const blobs = [Config, ...Layers]
    const missing = blobs.filter(path => !scan.sizes.has(path))
    if (missing.length > 0) throw invalid(`${missing[0]} is missing; the archive is incomplete`)
    return { names: (RepoTags ?? []).map(normalizeName), manifest: undefined, blobs, platforms: [] }
  })
  return { file, format: 'docker', images, needsRewrite: false }
}

/** A tar file's entries in order, unpacked when it is compressed. Every entry must be read or resumed. */
export async function eachEntry(file: string, visit: (name: string, size: number, body: Readable) => Promise<void>) {
  const reader: Extract = extract()
  const reading = (await isGzip(file))
    ? pipeline(createReadStream(file), createGunzip(), reader)
    : pipeline(createReadStream(file), reader)
  // Awaited below; without this a failure while an entry is read would count as unhandled.
  reading.catch(() => {})
  try {
    for await (const entry of reader) {
      const name = entry.header.name.replace(/^\.\//, '')
      if (entry.header.type === 'file') await visit(name, entry.header.size ?? 0, entry as unknown as Readable)
      else entry.resume()
    }
    await reading
  } catch (error) {
    if (isReason(error, 'Invalid') || (error as NodeJS.ErrnoException).code === 'ENOENT') throw error
    throw new StatusError('Invalid', `${file}: is damaged or no tar archive: ${messageOf(error)}`, { cause: error })
  }
}

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
    if (sizes.size >= maxEntries) throw new StatusError('Invalid', `${file}: has more than ${maxEntries} files`)
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
      throw new StatusError('Invalid', `${file}: ${name} is damaged: its digest differs`)
    const bytes = Buffer.concat(kept)
    if (keep && (bytes[0] === 0x7b || bytes[0] === 0x5b)) {
      try {
        json.set(name, JSON.parse(bytes.toString('utf8')))
      } catch (cause) {
        if (name.endsWith('.json')) throw new StatusError('Invalid', `${file}: ${name} is not JSON`, { cause })
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
  const fine = Array.isArray(manifest) && manifest.every(e => typeof e.Config === 'string' && Array.isArray(e.Layers))
  if (!fine) throw invalid('manifest.json is not a list of images with Config and Layers')
  return manifest as DockerEntry[]
}

type Manifest = { config: Descriptor; layers: Descriptor[] }
type Index = { manifests: Descriptor[] }

function ociImages(scan: Scan, tags: DockerEntry[] | undefined, invalid: Invalid): Omit<Archive, 'file'> {
  const index = scan.json.get('index.json') as Index
  if (!Array.isArray(index.manifests)) throw invalid('index.json has no list of manifests')
  const byDigest = new Map<string, ArchiveImage>()
  let needsRewrite = false
  for (const top of index.manifests) {
    if (isAttestation(top)) continue
    const found = pick(top, scan)
    if (!found.manifest) {
      // An index of several plain manifests: those for other machines are none of ours.
      if (top.platform && index.manifests.length > 1) {
        needsRewrite = true
        continue
      }
      const has = found.platforms.length > 0 ? `has only ${found.platforms.join(', ')}` : `${pathOf(top)} is missing`
      throw invalid(`no image for linux/${platform.architecture}: the archive ${has}`)
    }
    const manifest = scan.json.get(pathOf(found.manifest)) as Manifest
    const parts = [manifest.config, ...manifest.layers].map(pathOf)
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

// The manifest for this machine at or below a descriptor. Blobs of other platforms may be missing.
function pick(top: Descriptor, scan: Scan): { manifest: Descriptor | undefined; platforms: string[] } {
  const content = scan.json.get(pathOf(top)) as (Partial<Index> & Partial<Manifest>) | undefined
  if (!content) return { manifest: undefined, platforms: top.platform ? [nameOfPlatform(top.platform)] : [] }
  if (content.manifests) {
    const below = content.manifests.filter(d => !isAttestation(d)).map(d => pick(d, scan))
    const manifest = below.find(found => found.manifest)?.manifest
    return { manifest, platforms: below.flatMap(found => found.platforms) }
  }
  const config = content.config ? (scan.json.get(pathOf(content.config)) as Descriptor['platform']) : undefined
  const is = top.platform ?? config
  const fits = !is || (is.os === platform.os && is.architecture === platform.architecture)
  return { manifest: fits ? top : undefined, platforms: is ? [nameOfPlatform(is)] : [] }
}

// buildx puts provenance beside the images, with a platform of unknown/unknown.
const isAttestation = (d: Descriptor) =>
  d.platform?.os === 'unknown' || d.annotations?.['vnd.docker.reference.type'] === 'attestation-manifest'

function nameOf({ annotations = {} }: Descriptor): string | undefined {
  const whole = annotations['io.containerd.image.name']
  if (whole) return normalizeName(whole)
  // Often only a tag: it says no name unless it looks like one.
  const ref = annotations['org.opencontainers.image.ref.name']
  return ref && /[/:]/.test(ref) ? normalizeName(ref) : undefined
}

const nameOfPlatform = (p: NonNullable<Descriptor['platform']>) =>
  [p.os, p.architecture, p.variant].filter(Boolean).join('/')
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
