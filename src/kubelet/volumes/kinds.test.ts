// Volumes of every type that is made of files and directories, in a directory of this machine: what containers find
// there, with which modes and owners, how it is brought up to date, and what is refused.
import assert from 'node:assert/strict'
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import type { Draft } from '../../api/kind.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { objectOf, podOf } from '../../kinds/testing.ts'
import { pageSizeFor } from './empty-dir.ts'
import { pluginFor } from './index.ts'
import { type VolumeContext, volumePath } from './volume.ts'

type Spec = Partial<Draft<Pod>['spec']>
type VolumeDraft = NonNullable<NonNullable<Draft<Pod>['spec']>['volumes']>[number]

const isRoot = process.getuid?.() === 0
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** A node with one pod: its volumes are below a temporary directory. */
async function nodeFor(t: TestContext, spec: Spec = {}) {
  const root = await mkdtemp(join(tmpdir(), 'kutter-volumes-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  const clock = new VirtualClock()
  const configMaps = new Map<string, ConfigMap>()
  const secrets = new Map<string, Secret>()
  const tokens: { value: string; renewAt: number; asked: string[] } = { value: 'token-1', renewAt: 5000, asked: [] }
  const objects: Partial<VolumeContext['objects']> = {
    configMap: async (_uid, _namespace, name) => configMaps.get(name),
    secret: async (_uid, _namespace, name) => secrets.get(name),
  }
  const issuer: Partial<VolumeContext['tokens']> = {
    async get(_pod, audience, seconds) {
      tokens.asked.push(`${audience} ${seconds}`)
      return { token: tokens.value, renewAt: tokens.renewAt, expirationTimestamp: '' }
    },
  }
  const parts: Partial<VolumeContext> = {
    clock,
    nodeDir: root,
    podsDir: root,
    memoryDir: join(root, 'memory'),
    facts: { nodeIPs: ['10.0.0.1'], cpuMilli: 4000, memoryBytes: 2 ** 33, ephemeralStorageBytes: 2 ** 40 },
    podIPs: () => ['10.1.1.1'],
    objects: objects as VolumeContext['objects'],
    tokens: issuer as VolumeContext['tokens'],
  }
  const context = parts as VolumeContext
  const of = (volume: VolumeDraft, metadata: object = {}) => {
    const pod = podOf({
      metadata: { name: 'p', namespace: 'd', uid: 'u', labels: { app: 'x' }, ...metadata },
      spec: { ...spec, volumes: [{ name: 'v', ...volume }] },
    })
    const [made] = pod.spec.volumes!
    const plugin = pluginFor(made!)!
    const dir = volumePath(context, pod, made!, plugin)
    const request = { pod, volume: made!, dir, context, signal: new AbortController().signal }
    return {
      dir,
      plugin,
      volume: made!,
      context,
      setUp: () => plugin.setUp(request),
      refresh: () => plugin.refresh!(request),
    }
  }
  return { root, clock, configMaps, secrets, tokens, of }
}

/** The files that a container sees: path, mode and text. */
async function shown(dir: string): Promise<string[]> {
  const out: string[] = []
  const walk = async (at: string) => {
    for (const name of (await readdir(join(dir, at))).sort()) {
      if (name.startsWith('..')) continue
      const path = join(at, name)
      const stats = await stat(join(dir, path))
      if (stats.isDirectory()) await walk(path)
      else out.push(`${path} ${(stats.mode & 0o7777).toString(8)} ${await readFile(join(dir, path), 'utf8')}`)
    }
  }
  await walk('')
  return out
}

const configMap = (data: Record<string, string>, binaryData?: Record<string, string>) =>
  objectOf(ConfigMap, { metadata: { name: 'c' }, data, ...(binaryData && { binaryData }) })
const secret = (data: Record<string, string>) =>
  objectOf(Secret, {
    metadata: { name: 's' },
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, base64(text)])),
  })

test('a ConfigMap is a file for each key, of text and of bytes, or for each item at the path of the item', async t => {
  const node = await nodeFor(t)
  node.configMaps.set('c', configMap({ a: 'text', b: 'more' }, { bin: base64('bytes') }))
  const table: [volume: object, files: string[]][] = [
    [{}, ['a 644 text', 'b 644 more', 'bin 644 bytes']],
    [{ defaultMode: 0o400 }, ['a 400 text', 'b 400 more', 'bin 400 bytes']],
    [{ items: [{ key: 'a', path: 'deep/er/x' }] }, ['deep/er/x 644 text']],
    [
      {
        defaultMode: 0o440,
        items: [
          { key: 'a', path: 'x' },
          { key: 'bin', path: 'd/y', mode: 0o755 },
        ],
      },
      ['d/y 755 bytes', 'x 440 text'],
    ],
    [
      {
        optional: true,
        items: [
          { key: 'none', path: 'x' },
          { key: 'b', path: 'b' },
        ],
      },
      ['b 644 more'],
    ],
    [{ name: 'none', optional: true }, []],
  ]
  for (const [volume, files] of table) {
    const v = node.of({ configMap: { name: 'c', ...volume } })
    await rm(v.dir, { recursive: true, force: true })
    await v.setUp()
    assert.deepEqual(await shown(v.dir), files, JSON.stringify(volume))
  }
})

test('a secret is files in memory, and what is missing from it is named', async t => {
  const node = await nodeFor(t)
  node.secrets.set('s', secret({ user: 'me', password: 'pä' }))
  const v = node.of({ secret: { secretName: 's', defaultMode: 0o400 } })
  assert.equal(v.dir, join(node.root, 'memory', 'u', 'v'))
  await v.setUp()
  assert.deepEqual(await shown(v.dir), ['password 400 pä', 'user 400 me'])
  const table: [volume: VolumeDraft, error: RegExp][] = [
    [{ secret: { secretName: 'none' } }, /^Error: secret "none" not found$/],
    [
      { secret: { secretName: 's', items: [{ key: 'k', path: 'x' }] } },
      /^Error: references non-existent secret key: k$/,
    ],
    [{ configMap: { name: 'none' } }, /^Error: configmap "none" not found$/],
    [{ configMap: { name: 'c', items: [{ key: 'k', path: 'x' }] } }, /^Error: references non-existent config key: k$/],
    [{ projected: { sources: [{ secret: { name: 'none' } }] } }, /^Error: secret "none" not found$/],
    [{ projected: { sources: [{ configMap: { name: 'none' } }] } }, /^Error: configmap "none" not found$/],
  ]
  node.configMaps.set('c', configMap({ a: '1' }))
  for (const [volume, error] of table) await assert.rejects(node.of(volume).setUp(), error, JSON.stringify(volume))
})

test('the downward API is files with the pod’s fields and the resources of its containers', async t => {
  const resources = { limits: { cpu: '1500m', memory: '64Mi' } }
  const node = await nodeFor(t, { containers: [{ name: 'c', image: 'x', resources }] })
  const items = [
    { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
    { path: 'where/name', fieldRef: { fieldPath: 'metadata.name' }, mode: 0o600 },
    { path: 'cpu', resourceFieldRef: { containerName: 'c', resource: 'limits.cpu', divisor: '1m' } },
  ]
  const v = node.of({ downwardAPI: { items } })
  await v.setUp()
  assert.deepEqual(await shown(v.dir), ['cpu 644 1500', 'labels 644 app="x"', 'where/name 600 p'])
  // Labels may change while the pod runs.
  await node.of({ downwardAPI: { items } }, { labels: { app: 'y' } }).refresh()
  assert.deepEqual((await shown(v.dir))[1], 'labels 644 app="y"')
})

test('a projected volume has the files of all its sources, of which a later one replaces an earlier one', async t => {
  const node = await nodeFor(t)
  node.configMaps.set('c', configMap({ a: 'config', both: 'config' }))
  node.secrets.set('s', secret({ both: 'secret' }))
  const sources = [
    { configMap: { name: 'c' } },
    { secret: { name: 's' } },
    { downwardAPI: { items: [{ path: 'pod/name', fieldRef: { fieldPath: 'metadata.name' } }] } },
    { serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds: 600 } },
  ]
  const v = node.of({ projected: { sources } })
  await v.setUp()
  assert.deepEqual(await shown(v.dir), ['a 644 config', 'both 644 secret', 'pod/name 644 p', 'token 644 token-1'])
  assert.deepEqual(node.tokens.asked, ['vault 600'])
  // It asks to be called again when its token is due, and writes the next one.
  node.tokens.value = 'token-2'
  node.tokens.renewAt = 9000
  assert.equal(await v.refresh(), 9000)
  assert.equal((await shown(v.dir)).at(-1), 'token 644 token-2')
})

test('files change together, and are not written again when nothing has changed', async t => {
  const node = await nodeFor(t)
  node.configMaps.set('c', configMap({ a: '1', b: '1' }))
  const v = node.of({ configMap: { name: 'c' } })
  await v.setUp()
  const first = await readlink(join(v.dir, '..data'))
  await v.setUp()
  assert.equal(await v.refresh(), undefined)
  assert.equal(await readlink(join(v.dir, '..data')), first)
  node.configMaps.set('c', configMap({ a: '2', c: '2' }))
  await v.refresh()
  assert.notEqual(await readlink(join(v.dir, '..data')), first)
  assert.deepEqual(await shown(v.dir), ['a 644 2', 'c 644 2'])
  // Only the links, the present files and the link to them are left.
  assert.equal((await readdir(v.dir)).length, 4)
  node.configMaps.delete('c')
  await assert.rejects(v.refresh(), /configmap "c" not found/)
  assert.deepEqual(await shown(v.dir), ['a 644 2', 'c 644 2'])
})

test('a write that was interrupted is completed by the next one', async t => {
  const node = await nodeFor(t)
  node.configMaps.set('c', configMap({ a: '1' }))
  const v = node.of({ configMap: { name: 'c' } })
  await v.setUp()
  // As after the end of a kubelet between two steps: a directory of files that nothing refers to, and a link to it.
  await mkdir(join(v.dir, '..1970_01_01_00_00_00.0002'))
  await symlink('..1970_01_01_00_00_00.0002', join(v.dir, '..data_tmp'))
  node.configMaps.set('c', configMap({ a: '2' }))
  await v.refresh()
  assert.deepEqual(await shown(v.dir), ['a 644 2'])
})

test('files belong to the pod’s group, and a token also to its user', { skip: !isRoot && 'needs root' }, async t => {
  const owners = async (spec: Spec) => {
    const node = await nodeFor(t, spec)
    node.configMaps.set('c', configMap({ a: '1' }))
    const sources = [{ configMap: { name: 'c' } }, { serviceAccountToken: { path: 'token' } }]
    const v = node.of({ projected: { sources, defaultMode: 0o400 } })
    await v.setUp()
    return Promise.all(
      ['a', 'token'].map(async name => {
        const { uid, gid, mode } = await stat(join(v.dir, name))
        return `${uid}:${gid} ${(mode & 0o777).toString(8)}`
      }),
    )
  }
  const two = (first: number, second: number): Spec => ({
    containers: [first, second].map((runAsUser, i) => ({ name: `c${i}`, image: 'x', securityContext: { runAsUser } })),
  })
  assert.deepEqual(await owners({}), ['0:0 400', '0:0 400'])
  assert.deepEqual(await owners({ securityContext: { fsGroup: 77 } }), ['0:77 440', '0:77 640'])
  assert.deepEqual(await owners({ securityContext: { runAsUser: 55 } }), ['0:0 400', '55:0 600'])
  assert.deepEqual(await owners({ securityContext: { runAsUser: 55, fsGroup: 77 } }), ['0:77 440', '55:77 640'])
  assert.deepEqual(await owners(two(55, 55)), ['0:0 400', '55:0 600'])
  // Containers of different users share it.
  assert.deepEqual(await owners(two(55, 66)), ['0:0 400', '0:0 400'])
})

test('an emptyDir can be written by everyone, and keeps its files when it is set up again', async t => {
  const node = await nodeFor(t)
  const v = node.of({ emptyDir: {} })
  await v.setUp()
  assert.equal((await stat(v.dir)).mode & 0o7777, 0o777)
  await writeFile(join(v.dir, 'mine'), 'x')
  await v.setUp()
  assert.deepEqual(await shown(v.dir), ['mine 644 x'])
  await assert.rejects(node.of({ emptyDir: { medium: 'Tape' } }).setUp(), /^Error: unknown storage medium "Tape"$/)
})

test('an emptyDir belongs to the pod’s group, as does what is made in it', {
  skip: !isRoot && 'needs root',
}, async t => {
  const node = await nodeFor(t, { securityContext: { fsGroup: 77 } })
  const v = node.of({ emptyDir: {} })
  await v.setUp()
  const { gid, mode } = await stat(v.dir)
  assert.deepEqual([gid, (mode & 0o7777).toString(8)], [77, '2777'])
  await writeFile(join(v.dir, 'mine'), 'x')
  assert.equal((await lstat(join(v.dir, 'mine'))).gid, 77)
})

test('a hostPath is what its type says, or is created where the type allows that', async t => {
  const node = await nodeFor(t)
  const at = (name: string) => join(node.root, name)
  await mkdir(at('dir'))
  await writeFile(at('file'), 'x')
  await symlink('dir', at('link'))
  const server = createServer()
  await new Promise<void>(resolve => server.listen(at('socket'), resolve))
  t.after(() => server.close())
  const paths = ['dir', 'file', 'link', 'socket', 'none']
  const fits: Readonly<Record<string, readonly string[]>> = {
    '': paths,
    Directory: ['dir', 'link'],
    DirectoryOrCreate: ['dir', 'link', 'none'],
    File: ['file'],
    FileOrCreate: ['file', 'none'],
    Socket: ['socket'],
    CharDevice: [],
    BlockDevice: [],
  }
  for (const [type, allowed] of Object.entries(fits))
    for (const name of paths) {
      await rm(at('none'), { recursive: true, force: true })
      const volume = node.of({ hostPath: { path: at(name), type: type as 'File' } })
      if (allowed.includes(name)) {
        await volume.setUp()
        assert.ok(await stat(at(name)), `${type} ${name}`)
      } else
        await assert.rejects(
          volume.setUp(),
          new RegExp(`^Error: hostPath type check failed: ${at(name)} is not a `),
          `${type} ${name}`,
        )
    }
  await node.of({ hostPath: { path: at('new/deep'), type: 'DirectoryOrCreate' } }).setUp()
  assert.equal((await stat(at('new/deep'))).mode & 0o777, 0o755)
  await node.of({ hostPath: { path: at('made'), type: 'FileOrCreate' } }).setUp()
  assert.equal((await stat(at('made'))).mode & 0o777, 0o644)
  await node.of({ hostPath: { path: '/dev/null', type: 'CharDevice' } }).setUp()
  assert.match(
    await node
      .of({ hostPath: { path: at('file'), type: 'Socket' } })
      .setUp()
      .then(String, String),
    /is not a socket file$/,
  )
  const v = node.of({ hostPath: { path: at('dir') } })
  assert.equal(v.plugin.source!(v.volume, v.context), at('dir'))
})

test('/var/lib/kubelet is the directory of the node', async t => {
  const node = await nodeFor(t)
  const paths = [
    '/var/lib/kubelet',
    '/var/lib/kubelet/',
    '/var/lib/kubelet/plugins_registry',
    '/var/lib/kubelets',
    '/x',
  ]
  const seen = paths.map(path => {
    const { plugin, volume, context } = node.of({ hostPath: { path, type: 'DirectoryOrCreate' } })
    return plugin.source!(volume, context)
  })
  assert.deepEqual(seen, [node.root, `${node.root}/`, join(node.root, 'plugins_registry'), '/var/lib/kubelets', '/x'])
  await node.of({ hostPath: { path: '/var/lib/kubelet/plugins/d', type: 'DirectoryOrCreate' } }).setUp()
  assert.ok((await stat(join(node.root, 'plugins/d'))).isDirectory())
})

test('an emptyDir of huge pages has the size that its pod requests', () => {
  const pods = (...sizes: string[]) =>
    podOf({
      spec: {
        containers: sizes.map((size, i) => ({
          name: `c${i}`,
          image: 'x',
          resources: { requests: { [`hugepages-${size}`]: size }, limits: { [`hugepages-${size}`]: size } },
        })),
      },
    })
  const table: [medium: string, sizes: string[], expected: number | RegExp][] = [
    ['HugePages', ['2Mi'], 2 ** 21],
    ['HugePages', ['2Mi', '2Mi'], 2 ** 21],
    ['HugePages-1Gi', ['2Mi', '1Gi'], 2 ** 30],
    ['HugePages', ['2Mi', '1Gi'], /containers request huge pages of several sizes/],
    ['HugePages', [], /no container requests huge pages$/],
    ['HugePages-1Gi', ['2Mi'], /no container requests hugepages-1Gi$/],
  ]
  for (const [medium, sizes, expected] of table)
    if (expected instanceof RegExp) assert.throws(() => pageSizeFor(medium, pods(...sizes)), { message: expected })
    else assert.equal(pageSizeFor(medium, pods(...sizes)), expected)
})
