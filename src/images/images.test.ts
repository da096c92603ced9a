// Images without containerd: names, descriptions, Debian's lists of packages, and archives, both whole and damaged.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { isReason } from '../base/errors.ts'
import { eachEntry, readArchive } from './archive.ts'
import { platform } from './build.ts'
import { parseStanzas } from './debian.ts'
import { buildDescription, normalizeName, parseDescription } from './index.ts'
import { Tree } from './tree.ts'

test('names are completed', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  for (const [name, whole] of [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['kubeguide/guestbook-redis-slave', 'docker.io/kubeguide/guestbook-redis-slave:latest'],
    ['registry.k8s.io/e2e-test-images/agnhost:2.53', 'registry.k8s.io/e2e-test-images/agnhost:2.53'],
    ['localhost/x', 'localhost/x:latest'],
    ['localhost:5000/x/y:z', 'localhost:5000/x/y:z'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/a/b', 'docker.io/a/b:latest'],
    [`busybox:1@${digest}`, `docker.io/library/busybox@${digest}`],
    [`gcr.io/a/b@${digest}`, `gcr.io/a/b@${digest}`],
  ] as const)
    assert.equal(normalizeName(name), whole)
  for (const name of ['', 'Busybox', 'a//b', 'a:b:c/', 'x@sha256:12', 'a:-x', '-a', 'a b', '../x', 'x:']) {
    assert.throws(
      () => normalizeName(name),
      error => isReason(error, 'Invalid'),
      name,
    )
  }
})

test('errors of a description name the file and the field', () => {
  assert.deepEqual(parseDescription('{"names": ["x"]}', 'f').names, ['x'])
  for (const [text, message] of [
    ['names: [x]\ncommand: [y]', /image\.yaml: unknown field command; the fields are names/],
    ['names: []', /names: must have at least one/],
    ['names: x', /names: must be a list/],
    ['- a', /must be a map/],
    ['names: [x]\nfiles: [{ to: a, text: b }]', /files\[0\]\.to: must be an absolute path/],
    ['names: [x]\nfiles: [{ to: /a }]', /files\[0\]: must have either from or text/],
    ['names: [x]\nfiles: [{ to: /a, text: b, mode: "9" }]', /mode: must be octal/],
    ['names: [', /image\.yaml: /],
  ] as const)
    assert.throws(() => parseDescription(text, 'image.yaml'), message)
})

test('the output of apt-cache show is parsed', () => {
  const text = `Package: redis-tools
Version: 5:7.0.15-1
Depends: adduser, libc6 (>= 2.34), debconf (>= 0.5) | debconf-2.0, python3:any
Pre-Depends: init-system-helpers (>= 1.54~)

Package: tar
Essential: yes
Version: 1.34
`
  assert.deepEqual(parseStanzas(text), [
    {
      name: 'redis-tools',
      version: '5:7.0.15-1',
      essential: false,
      depends: [['init-system-helpers'], ['adduser'], ['libc6'], ['debconf', 'debconf-2.0'], ['python3']],
    },
    { name: 'tar', version: '1.34', essential: true, depends: [] },
  ])
})

test('a tree has one /usr, no documentation, and the same bytes in any order', async () => {
  const one = new Tree()
  one.file('/bin/x', 'x', 0o755)
  one.file('/usr/share/doc/x/README', 'long')
  one.file('/usr/share/doc/x/copyright', 'free')
  const other = new Tree()
  other.file('usr/share/doc/x/copyright', 'free')
  other.file('./bin/x', 'x', 0o755)
  const [a, b] = [await one.pack(), await other.pack()]
  assert.deepEqual(a.gzip, b.gzip)
  assert.ok(one.has('/usr/bin/x') && !one.has('/usr/share/doc/x/README'))
  assert.deepEqual(gunzipSync(a.gzip), a.tar)
  assert.throws(() => one.file('/a/../../b', ''), /must not contain/)
})

async function inTemp(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-images-'))
  try {
    await work(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

type Files = Record<string, string | Buffer>

async function tarOf(files: Files): Promise<Buffer> {
  const packer = pack()
  for (const [name, content] of Object.entries(files)) packer.entry({ name }, content)
  packer.finalize()
  const chunks = []
  for await (const chunk of packer) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function blob(files: Files, content: string) {
  const hex = createHash('sha256').update(content).digest('hex')
  files[`blobs/sha256/${hex}`] = content
  return { digest: `sha256:${hex}`, size: content.length }
}

/** An OCI archive with images for several machines, of which only some are whole. */
function multiPlatform(whole: string[], all: string[]): Files {
  const files: Files = { 'oci-layout': '{}' }
  const manifests = all.map(architecture => {
    const into = whole.includes(architecture) ? files : {}
    const config = blob(into, JSON.stringify({ os: 'linux', architecture }))
    const layers = [blob(into, `layer of ${architecture}`)]
    return { ...blob(into, JSON.stringify({ config, layers })), platform: { os: 'linux', architecture } }
  })
  const index = blob(files, JSON.stringify({ manifests }))
  files['index.json'] = JSON.stringify({
    manifests: [{ ...index, annotations: { 'io.containerd.image.name': 'web' } }],
  })
  return files
}

test('a built image is an archive that can be read as a whole', () =>
  inTemp(async dir => {
    const file = join(dir, 'x.tar')
    const description = { names: ['x', 'x:1'], files: [{ to: '/hello', text: 'hello' }], cmd: ['/hello'], ports: [80] }
    const built = await buildDescription(description, dir, file, { cacheDir: dir })
    const archive = await readArchive(file)
    assert.equal(archive.needsRewrite, false)
    assert.deepEqual(archive.images[0]?.names, ['docker.io/library/x:latest', 'docker.io/library/x:1'])
    assert.equal(archive.images[0]?.manifest?.digest, built.digest)
    const again = await buildDescription(description, dir, join(dir, 'y.tar'), { cacheDir: dir })
    assert.deepEqual(await readFile(again.file), await readFile(file))

    const bytes = await readFile(file)
    await writeFile(join(dir, 'x.tgz'), gzipSync(bytes))
    assert.equal((await readArchive(join(dir, 'x.tgz'))).images.length, 1)
    await writeFile(join(dir, 'cut.tar'), bytes.subarray(0, bytes.length - 3000))
    await assert.rejects(readArchive(join(dir, 'cut.tar')), /cut\.tar/)
    bytes.write('X', bytes.indexOf('kutter image build'))
    await writeFile(join(dir, 'bad.tar'), bytes)
    await assert.rejects(readArchive(join(dir, 'bad.tar')), /is damaged, since its digest differs/)
  }))

test("the image for this machine's platform is found, even if blobs of others are missing", () =>
  inTemp(async dir => {
    const file = join(dir, 'web.tar')
    const here = platform.architecture
    await writeFile(file, await tarOf(multiPlatform([here], ['s390x', here, 'ppc64le'])))
    const { images, needsRewrite } = await readArchive(file)
    assert.equal(needsRewrite, true)
    assert.deepEqual(images[0]?.names, ['docker.io/library/web:latest'])
    assert.equal(images[0]?.manifest?.platform?.architecture, here)
    assert.equal(images[0]?.blobs.length, 3)

    await writeFile(file, await tarOf(multiPlatform(['s390x'], ['s390x'])))
    await assert.rejects(readArchive(file), /no image for linux\/\w+: the archive has only linux\/s390x/)
    await writeFile(file, await tarOf(multiPlatform([], [here])))
    await assert.rejects(readArchive(file), /no image for/)
  }))

test('docker archives of the old form are read, and other files are refused', () =>
  inTemp(async dir => {
    const file = join(dir, 'd.tar')
    const manifest = JSON.stringify([{ Config: 'c.json', RepoTags: ['busybox:1'], Layers: ['a/layer.tar'] }])
    await writeFile(file, await tarOf({ 'manifest.json': manifest, 'c.json': '{}', 'a/layer.tar': 'x' }))
    const archive = await readArchive(file)
    assert.deepEqual([archive.format, archive.images[0]?.names], ['docker', ['docker.io/library/busybox:1']])
    await writeFile(file, await tarOf({ 'manifest.json': manifest, 'c.json': '{}' }))
    await assert.rejects(readArchive(file), /a\/layer\.tar is missing; the archive is incomplete/)
    await writeFile(file, await tarOf({ readme: 'x' }))
    await assert.rejects(readArchive(file), /neither a docker archive/)
    await writeFile(file, 'hello '.repeat(1000))
    await assert.rejects(readArchive(file), /is damaged or not a tar archive/)
    await assert.rejects(
      eachEntry(join(dir, 'none'), async () => {}),
      { code: 'ENOENT' },
    )
  }))
