// Archives with one field changed, in any place: each is read, or refused as Invalid, and never fails in another way.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pack } from 'tar-stream'
import { isReason } from '../base/errors.ts'
import { readArchive } from './archive.ts'
import { platform } from './build.ts'

type Json = null | boolean | number | string | readonly Json[] | JsonMap
interface JsonMap {
  readonly [key: string]: Json
}

async function tarOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const packer = pack()
  for (const [name, content] of Object.entries(files)) packer.entry({ name }, content)
  packer.finalize()
  const chunks = []
  for await (const chunk of packer) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const wrong: readonly Json[] = [null, 0, true, '', 'x', [], {}, [null], ['x'], 'sha256:x']

/** Each copy of a value with one place changed to a value of another form, or removed. */
function* changed(value: Json): Iterable<Json> {
  yield* wrong
  if (Array.isArray(value))
    for (const [i, item] of value.entries()) {
      yield value.toSpliced(i, 1)
      for (const other of changed(item)) yield value.with(i, other)
    }
  else if (typeof value === 'object' && value) {
    const entries = Object.entries(value)
    for (const [i, [key, item]] of entries.entries()) {
      yield Object.fromEntries(entries.toSpliced(i, 1))
      for (const other of changed(item)) yield { ...value, [key]: other }
    }
  }
}

const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`
const pathOf = (digest: string) => `blobs/${digest.replace(':', '/')}`
const text = (value: Json) => JSON.stringify(value)
const { architecture } = platform
const config: Json = { os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: ['x'] } }
const layer = 'the layer'
const described = (content: string) => ({ mediaType: 'x', digest: digestOf(content), size: content.length })
const manifest: Json = { config: described(text(config)), layers: [described(layer)] }
const index = (of: string): Json => ({
  manifests: [{ ...described(of), platform: { os: 'linux', architecture } }],
})
const top = (of: string): Json => ({
  manifests: [{ ...described(of), annotations: { 'io.containerd.image.name': 'docker.io/library/web:1' } }],
})

/** The archive with one of its documents replaced; those above it name the new digest. */
function files(replace: { index?: Json; middle?: Json; manifest?: Json; config?: Json; docker?: Json }) {
  const configText = text(replace.config ?? config)
  const usual = { config: described(configText), layers: [described(layer)] }
  const manifestText = text(replace.manifest ?? usual)
  const middle = text(replace.middle ?? index(manifestText))
  const blobs = [configText, manifestText, middle, layer].map(content => [pathOf(digestOf(content)), content])
  return {
    ...Object.fromEntries(blobs),
    'index.json': text(replace.index ?? top(middle)),
    ...(replace.docker !== undefined && { 'manifest.json': text(replace.docker) }),
  }
}

const docker: Json = [
  { Config: pathOf(digestOf(text(config))), RepoTags: ['web:1'], Layers: [pathOf(digestOf(layer))] },
]
const middle = index(text(manifest))

const cases: [string, Json, (value: Json) => Record<string, string>][] = [
  ['the index', top(text(middle)), value => files({ index: value })],
  ['the index of an image', middle, value => files({ middle: value })],
  ['the manifest', manifest, value => files({ manifest: value })],
  ['the configuration', config, value => files({ config: value })],
  ['the list of a docker archive with an index', docker, value => files({ docker: value })],
  [
    'the list of a docker archive',
    docker,
    value => {
      const { 'index.json': _, ...rest } = files({ docker: value })
      return rest
    },
  ],
]

for (const [what, document, archive] of cases)
  test(`an archive is read or refused, whatever ${what} has`, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'kutter-archive-'))
    try {
      const file = join(dir, 'a.tar')
      await writeFile(file, await tarOf(archive(document)))
      assert.deepEqual((await readArchive(file)).images[0]?.names, ['docker.io/library/web:1'])
      for (const value of changed(document)) {
        await writeFile(file, await tarOf(archive(value)))
        try {
          for (const { names, blobs, platforms } of (await readArchive(file)).images)
            for (const item of [...names, ...blobs, ...platforms]) assert.equal(typeof item, 'string', text(value))
        } catch (error) {
          assert.ok(isReason(error, 'Invalid'), `${text(value)}: ${(error as Error).stack}`)
        }
      }
    } finally {
      await rm(dir, { recursive: true })
    }
  })
