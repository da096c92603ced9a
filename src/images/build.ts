// Builds an OCI image from a description, without Docker and without a registry. Debian packages and files become one
// layer, in an archive that containerd, docker and podman can load. The same description, packages and files give the
// same bytes, and so the same digest: times are zero, and entries are sorted.
//
// Source: OCI image-spec v1 (config, manifest, index, layout); `docker save`'s manifest.json.
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pack } from 'tar-stream'
import { replaceFile } from '../base/files.ts'
import { messageOf, StatusError } from '../base/errors.ts'
import { type Log, silentLog } from '../base/log.ts'
import { run } from '../linux/index.ts'
import { fetchPackages } from './debian.ts'
import { type Description, readDescription } from './description.ts'
import { normalizeName } from './names.ts'
import { Tree } from './tree.ts'

export interface Built {
  /** The path of the archive. */
  file: string
  names: readonly string[]
  /** The digest of the manifest. */
  digest: string
  sizeBytes: number
}

export interface BuildOptions {
  /** The directory in which downloaded packages are kept for the next build. */
  cacheDir: string
  log?: Log
  signal?: AbortSignal
}

/** Builds the image that is described in `dir`, and writes it to the tar file `file`. */
export async function buildImage(dir: string, file: string, o: BuildOptions): Promise<Built> {
  return buildDescription(await readDescription(dir), dir, file, o)
}

/** Builds an image from a description. `dir` is the directory of the files that it names. */
export async function buildDescription(d: Description, dir: string, file: string, o: BuildOptions): Promise<Built> {
  const names = [...new Set(d.names.map(normalizeName))]
  const tree = await assemble(d, dir, o)
  const layer = await tree.pack()
  return writeArchive(file, names, configOf(d, layer.tar), layer.gzip)
}

async function assemble(d: Description, dir: string, o: BuildOptions): Promise<Tree> {
  const tree = new Tree()
  const debs = await fetchPackages(d.packages ?? [], {
    cacheDir: o.cacheDir,
    skip: d.skip ?? [],
    log: o.log ?? silentLog,
    ...(o.signal ? { signal: o.signal } : {}),
  })
  for (const deb of debs) await tree.addTar(deb.tar)
  skeleton(tree, d)
  for (const { path, mode, owner } of d.directories ?? []) tree.directory(path, octal(mode, 0o755), owner)
  for (const { to, from, text, mode, owner } of d.files ?? []) {
    const content = text ?? (await readSource(resolve(dir, from!)))
    tree.file(to, content, octal(mode, 0o644), owner)
  }
  for (const [path, target] of Object.entries(d.links ?? {})) tree.symlink(path, target)
  if (d.applets) await addApplets(tree, d.applets)
  return tree
}

/** Adds the directories and files that every program expects, whichever packages are included. */
function skeleton(tree: Tree, d: Description): void {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    tree.directory(`/usr/${name}`)
    tree.symlink(`/${name}`, `usr/${name}`)
  }
  for (const name of ['dev', 'etc', 'proc', 'run', 'sys', 'var/log', 'var/lib', 'usr/local/bin', 'home'])
    tree.directory(name)
  tree.directory('/root', 0o700)
  for (const name of ['/tmp', '/var/tmp']) tree.directory(name, 0o1777)
  tree.symlink('/var/run', '/run')
  const users = [
    { name: 'root', id: 0, home: '/root', shell: '/bin/sh' },
    ...(d.users ?? []),
    { name: 'nobody', id: 65534 },
  ]
  const lines = users.map(u => {
    const {
      name,
      id,
      home = '/nonexistent',
      shell = '/usr/sbin/nologin',
    } = u as NonNullable<Description['users']>[number]
    return `${name}:x:${id}:${id}:${name}:${home}:${shell}\n`
  })
  tree.file('/etc/passwd', lines.join(''))
  tree.file('/etc/group', users.map(({ name, id }) => `${name === 'nobody' ? 'nogroup' : name}:x:${id}:\n`).join(''))
  tree.file('/etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n')
}

/** Links the applets that busybox lists when it is run. It is static, so it can be run outside of the image. */
async function addApplets(tree: Tree, path: string): Promise<void> {
  const entry = tree.get(path)
  if (entry?.kind !== 'file') throw new StatusError('Invalid', `applets: the image has no file ${path}`)
  const dir = await mkdtemp(join(tmpdir(), 'kutter-applets-'))
  try {
    const program = join(dir, 'busybox')
    await writeFile(program, entry.content, { mode: 0o755 })
    const { stdout } = await run(program, ['--list-full'], { label: 'busybox' })
    for (const applet of stdout.split('\n').filter(Boolean)) if (!tree.has(applet)) tree.symlink(applet, path)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

async function readSource(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new StatusError('NotFound', `cannot read ${path}: ${messageOf(cause)}`, { cause })
  }
}

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The platform of this machine, with the names of OCI. */
export const platform = {
  os: 'linux',
  architecture:
    ({ x64: 'amd64', arm64: 'arm64', ia32: '386', arm: 'arm' } as Record<string, string>)[process.arch] ?? process.arch,
}

function configOf(d: Description, layerTar: Buffer): object {
  const env = { PATH: defaultPath, ...d.env }
  const ports = (d.ports ?? []).map(port => (String(port).includes('/') ? String(port) : `${port}/tcp`))
  const epoch = new Date(0).toISOString()
  return {
    created: epoch,
    ...platform,
    config: {
      ...(d.user ? { User: d.user } : {}),
      ...(ports.length > 0 ? { ExposedPorts: Object.fromEntries(ports.map(port => [port, {}])) } : {}),
      Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...(d.entrypoint ? { Entrypoint: d.entrypoint } : {}),
      ...(d.cmd ? { Cmd: d.cmd } : {}),
      ...(d.workdir ? { WorkingDir: d.workdir } : {}),
      ...(d.stopSignal ? { StopSignal: d.stopSignal } : {}),
      ...(d.labels ? { Labels: d.labels } : {}),
    },
    rootfs: { type: 'layers', diff_ids: [sha256(layerTar)] },
    history: [{ created: epoch, created_by: 'kutter image build' }],
  }
}

async function writeArchive(file: string, names: string[], config: object, layer: Buffer): Promise<Built> {
  const configBytes = Buffer.from(JSON.stringify(config))
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', configBytes),
    layers: [descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
  }
  const manifestBytes = Buffer.from(JSON.stringify(manifest))
  const described = { ...descriptor(manifest.mediaType, manifestBytes), platform }
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: names.map(name => ({ ...described, annotations: annotationsOf(name) })),
  }
  const dockerManifest = [{ Config: blobPath(configBytes), RepoTags: names, Layers: [blobPath(layer)] }]
  const entries: [string, Buffer][] = [
    ['oci-layout', Buffer.from(JSON.stringify({ imageLayoutVersion: '1.0.0' }))],
    ['index.json', Buffer.from(JSON.stringify(index))],
    ['manifest.json', Buffer.from(JSON.stringify(dockerManifest))],
    [blobPath(manifestBytes), manifestBytes],
    [blobPath(configBytes), configBytes],
    [blobPath(layer), layer],
  ]
  await mkdir(dirname(file), { recursive: true })
  const bytes = await tarOf(entries)
  await replaceFile(file, bytes)
  return { file, names, digest: described.digest, sizeBytes: bytes.length }
}

/** The annotations by which containerd and other tools find the name of a manifest in an index. */
export function annotationsOf(name: string): Record<string, string> {
  const tag = /:([^:/]+)$/.exec(name)?.[1]
  return { 'io.containerd.image.name': name, ...(tag ? { 'org.opencontainers.image.ref.name': tag } : {}) }
}

async function tarOf(entries: [string, Buffer][]): Promise<Buffer> {
  const packer = pack()
  for (const [name, content] of entries) packer.entry({ name, mode: 0o644, mtime: new Date(0) }, content)
  packer.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of packer) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const blobPath = (bytes: Buffer) => `blobs/${sha256(bytes).replace(':', '/')}`
const descriptor = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: sha256(bytes), size: bytes.length })
const octal = (mode: string | undefined, otherwise: number) =>
  mode === undefined ? otherwise : Number.parseInt(mode, 8)
