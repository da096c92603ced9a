// Image volumes: the files of an image in a container, with one layer and with several, from the node and from a
// registry. Nothing of them is left when the pod, the kubelet or the cluster is removed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { buildDescription } from '../../src/images/index.ts'
import { clusterForFile, eventually, packageCache, run } from './cluster.ts'
import {
  becomesReady,
  eventComes,
  eventsOf,
  forever,
  getPod,
  inPod,
  mainOf,
  makePod,
  podIs,
  removePods,
  sh,
  waitingFor,
} from './pods.ts'
import { noRegistry, push, type Registry, startRegistry } from './registries.ts'

const options = { skip: noRegistry }
const cluster = clusterForFile('image-volumes', ['busybox'])
const dir = mkdtempSync(join(tmpdir(), 'kutter-image-volumes-'))
const agentDir = `${cluster.dataDir}/image-volumes`
const user = 'puller'
const password = 'let-me-in'
/** The bcrypt hash of the password. */
const passwordLine = 'puller:$2y$05$xm022oU4AllZvHwe9khz7eb4cvIAJ2VvSXZ5SSk1xJEB0d4GBmTJ.'
let registry: Registry
let closed: Registry
let own: { file: string; digest: string }

/** Builds an image that consists of these files and links. */
const built = async (names: string[], text: string) => {
  const file = join(dir, `${names[0]!.replaceAll(/\W/g, '-')}.tar`)
  const description = {
    names,
    files: [
      { to: '/data/model.txt', text },
      { to: '/data/run.sh', text: '#!/bin/sh\necho ran\n', mode: '0755' },
    ],
    links: { '/data/out': '/etc', '/data/up': '../../..' },
  }
  const { digest } = await buildDescription(description, dir, file, { cacheDir: packageCache })
  return { file, digest }
}
const volume = (reference: string, pullPolicy?: string) => ({ name: 'v', image: { reference, pullPolicy } })
/** A pod that mounts an image at /v. */
const showing = (image: object, mount: object = {}, more: object = {}) => ({
  volumes: [image],
  containers: [sh(forever, { volumeMounts: [{ name: 'v', mountPath: '/v', ...mount }] })],
  ...more,
})
const imported = async (file: string) => {
  const { code, stderr } = await cluster.kutter('image', 'import', file)
  assert.equal(code, 0, stderr)
}
const ctr = async (...args: string[]) => {
  const socket = (await run('find', [agentDir, '-name', 'containerd.sock'])).stdout.trim()
  return (await run('ctr', ['-a', socket, '-n', 'k8s.io', ...args])).stdout
}
/** The number of mounts on the node, and of snapshots in containerd, for the volumes of a pod. */
const leftOf = async (uid: string) => ({
  mounts: readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter(line => line.includes(`${uid}/volume`) && line.includes('image')).length,
  views: (await ctr('snapshots', 'list')).split('\n').filter(line => line.includes(`image-volume/${uid}/`)).length,
})
const nothing = { mounts: 0, views: 0 }
const goneWithout = (uid: string) =>
  eventually('nothing is left', async () => {
    assert.deepEqual(await leftOf(uid), nothing)
    return true
  })

describe('image volumes', { concurrency: 3, skip: noRegistry }, () => {
  before(async () => {
    registry = await startRegistry(dir, 'open')
    closed = await startRegistry(dir, 'closed', passwordLine)
    await imported((await built(['files:1'], 'one layer\n')).file)
    own = await built(['own:1'], 'its own\n')
    await imported(own.file)
    const { file, digest } = await built(['pulled:1'], 'first\n')
    await push(file, digest, registry.address, 'team/files')
    const basic = { authorization: `Basic ${btoa(`${user}:${password}`)}` }
    await push(file, digest, closed.address, 'team/secret', basic)
  })

  after(async () => {
    await registry.close()
    await closed.close()
    rmSync(dir, { recursive: true, force: true })
  })

  test('the files of an image volume can be read, in part and whole, as long as the pod exists', options, async () => {
    await makePod(cluster, 'shows', {
      volumes: [volume('own:1', 'IfNotPresent'), { name: 'unused', image: { reference: 'nowhere.invalid/x:1' } }],
      initContainers: [
        sh('cat /v/data/model.txt > /dev/termination-log', {
          name: 'early',
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        }),
      ],
      containers: [
        sh(forever, {
          env: [{ name: 'PART', value: 'data' }],
          volumeMounts: [
            { name: 'v', mountPath: '/v' },
            { name: 'v', mountPath: '/part', subPath: 'data' },
            { name: 'v', mountPath: '/asked', subPathExpr: '$(PART)' },
          ],
        }),
        sh(forever, { name: 'other', volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: false }] }),
      ],
    })
    const pod = await becomesReady(cluster, 'shows')
    assert.equal(pod.status.initContainerStatuses?.[0]?.state.terminated?.message, 'its own\n')
    for (const path of ['/v/data', '/part', '/asked'])
      assert.equal(await inPod(cluster, 'shows', `cat ${path}/model.txt`), 'its own')
    assert.equal(await inPod(cluster, 'shows', 'cat /v/data/model.txt', 'other'), 'its own')
    assert.equal(await inPod(cluster, 'shows', 'sh /v/data/run.sh; /part/run.sh'), 'ran\nran')
    for (const [path, container] of [
      ['/v/new', 'main'],
      ['/part/model.txt', 'main'],
      ['/v/data/model.txt', 'other'],
    ] as const)
      assert.match(await inPod(cluster, 'shows', `echo x 2>&1 > ${path} || true`, container), /Read-only file system/)
    const events = await eventsOf(cluster, 'shows')
    const present = 'Pulled: Container image "own:1" already present on machine and can be accessed by the pod'
    assert.equal(events.filter(e => e === present).length, 1, events.join('\n'))
    // A volume that no container mounts delays nothing.
    assert.ok(!events.some(e => e.includes('nowhere.invalid')))

    // The mounted files stay even without the image.
    const images = (await ctr('images', 'list')).split('\n').map(line => line.split(/\s+/))
    const { digest } = own
    await ctr('images', 'remove', '--sync', ...images.flatMap(([name, , at]) => (at === digest ? [name!] : [])))
    assert.doesNotMatch(await ctr('images', 'list'), new RegExp(digest))
    await cluster.tryKubectl('exec shows -c main -- kill 1')
    await podIs(cluster, 'shows', 'was restarted', p => mainOf(p)?.restartCount === 1 && mainOf(p)?.ready)
    assert.equal(await inPod(cluster, 'shows', 'cat /part/model.txt'), 'its own')
    assert.deepEqual(await leftOf(pod.metadata.uid), { mounts: 3, views: 1 })
    await cluster.kubectl('delete pod shows')
    await goneWithout(pod.metadata.uid)
  })

  test('a subPath of an image volume must be a directory of the image', options, async () => {
    const words: Record<string, RegExp> = {
      nothing: /openat nothing: no such file or directory$/,
      'data/model.txt': /only directory subpath is supported$/,
      'data/up': /openat data\/up: path escapes from parent$/,
      'data/out': /openat data\/out: path escapes from parent$/,
    }
    const names = Object.keys(words).map((_, i) => `part-${i}`)
    for (const [i, subPath] of Object.keys(words).entries())
      await makePod(cluster, names[i]!, showing(volume('files:1', 'Never'), { subPath }))
    for (const [i, like] of Object.values(words).entries()) {
      const pod = await podIs(cluster, names[i]!, 'waits', p => waitingFor(p) === 'CreateContainerError')
      const { message = '' } = mainOf(pod)?.state.waiting ?? {}
      assert.match(message, like)
      assert.match(message, /^failed to mount image volume: ImageVolumeMountFailed: failed to ensure image subpath "/)
      await eventComes(cluster, names[i]!, /^Failed: Error: failed to mount image volume: /)
    }
    await removePods(cluster, ...names)
  })

  test('image volumes are pulled by their policy, with back-off and with secrets', options, async () => {
    const image = `${registry.address}/team/files:1`
    await makePod(cluster, 'always', showing(volume(image, 'Always')))
    const first = await becomesReady(cluster, 'always')
    assert.equal(await inPod(cluster, 'always', 'cat /v/data/model.txt'), 'first')
    await eventComes(cluster, 'always', new RegExp(`^Pulling: Pulling image "${image}"$`))
    await eventComes(cluster, 'always', new RegExp(`^Pulled: Successfully pulled image "${image}" in `))
    // The name refers to other files now. Only pods that pull again get them.
    const newer = await built(['newer:1'], 'second\n')
    await push(newer.file, newer.digest, registry.address, 'team/files')
    await makePod(cluster, 'present', showing(volume(image, 'IfNotPresent')))
    await becomesReady(cluster, 'present')
    assert.equal(await inPod(cluster, 'present', 'cat /v/data/model.txt'), 'first')
    await makePod(cluster, 'newer', showing(volume(image, 'Always')))
    await becomesReady(cluster, 'newer')
    assert.equal(await inPod(cluster, 'newer', 'cat /v/data/model.txt'), 'second')
    assert.equal(await inPod(cluster, 'always', 'cat /v/data/model.txt'), 'first')

    await makePod(cluster, 'absent', showing(volume(`${registry.address}/team/none:1`)))
    await podIs(cluster, 'absent', 'backs off', p => waitingFor(p) === 'ImagePullBackOff')
    await eventComes(cluster, 'absent', /^Failed: Failed to pull image ".*\/team\/none:1": rpc error: code = NotFound /)
    await eventComes(cluster, 'absent', /^Failed: Error: ErrImagePull$/)
    await eventComes(cluster, 'absent', /^BackOff: Back-off pulling image ".*\/team\/none:1"$/)
    assert.equal((await getPod(cluster, 'absent')).status.phase, 'Pending')

    const secret = volume(`${closed.address}/team/secret:1`)
    await makePod(cluster, 'nobody', showing(secret))
    await podIs(cluster, 'nobody', 'may not', p => /^(ErrImagePull|ImagePullBackOff)$/.test(waitingFor(p) ?? ''))
    await cluster.kubectl(
      `create secret docker-registry right --docker-server=${closed.address} --docker-username=${user} --docker-password=${password}`,
    )
    await makePod(cluster, 'holder', showing(secret, {}, { imagePullSecrets: [{ name: 'right' }] }))
    await becomesReady(cluster, 'holder')
    assert.equal(await inPod(cluster, 'holder', 'cat /v/data/model.txt'), 'first')
    await removePods(cluster, 'present', 'newer', 'absent', 'nobody', 'holder')
    await cluster.kubectl('delete pod always --grace-period=0 --force')
    await goneWithout(first.metadata.uid)
  })

  test('an image volume shows many layers one over the other', options, async () => {
    const file = join(dir, 'layered.tar')
    writeFileSync(file, await layeredImage('layered:1', 50))
    await imported(file)
    await makePod(cluster, 'layers', showing(volume('layered:1', 'Never')))
    const pod = await becomesReady(cluster, 'layers')
    assert.equal(
      await inPod(cluster, 'layers', 'cat /v/uppermost; ls /v/each | wc -l; ls /v'),
      '49\n50\neach\nuppermost',
    )
    assert.match(await inPod(cluster, 'layers', 'echo x 2>&1 > /v/new || true'), /Read-only file system/)
    await cluster.kubectl('delete pod layers')
    await goneWithout(pod.metadata.uid)
  })
})

test('a restarted kubelet finds its image volumes, and removes those of deleted pods', options, async () => {
  await makePod(cluster, 'stays', showing(volume('files:1', 'Never')))
  await makePod(cluster, 'goes', showing(volume('files:1', 'Never')))
  const stays = await becomesReady(cluster, 'stays')
  const goes = await becomesReady(cluster, 'goes')
  const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { role: string; pid: number }[]
  }
  process.kill(processes.find(p => p.role === 'agent')!.pid, 'SIGKILL')
  await cluster.kubectl('delete pod goes --grace-period=0 --force')
  await goneWithout(goes.metadata.uid)
  assert.deepEqual(await leftOf(stays.metadata.uid), { mounts: 1, views: 1 })
  assert.equal(await inPod(cluster, 'stays', 'cat /v/data/model.txt'), 'one layer')
  assert.equal(mainOf(await getPod(cluster, 'stays'))?.restartCount, 0)
})

test('down unmounts image volumes, and up mounts them again', options, async () => {
  const down = await cluster.kutter('down')
  assert.equal(down.code, 0, down.stderr)
  assert.doesNotMatch(readFileSync('/proc/mounts', 'utf8'), new RegExp(agentDir))
  await cluster.up()
  await podIs(cluster, 'stays', 'runs again', p => mainOf(p)?.restartCount === 1 && mainOf(p)?.ready)
  assert.equal(await inPod(cluster, 'stays', 'cat /v/data/model.txt'), 'one layer')
  const { uid } = (await getPod(cluster, 'stays')).metadata
  await cluster.kubectl('delete pod stays')
  await goneWithout(uid)
})

/** An OCI archive of an image whose layers each have a file of their own, and one that all have. */
async function layeredImage(name: string, count: number): Promise<Buffer> {
  const layers: Buffer[] = []
  const diffIds: string[] = []
  for (let i = 0; i < count; i++) {
    const tar = await tarOf([
      [`each/${i}`, Buffer.from(String(i))],
      ['uppermost', Buffer.from(`${i}\n`)],
    ])
    diffIds.push(sha256(tar))
    layers.push(gzipSync(tar))
  }
  const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' }
  const config = json({ ...platform, config: {}, rootfs: { type: 'layers', diff_ids: diffIds } })
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: described('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map(layer => described('application/vnd.oci.image.layer.v1.tar+gzip', layer)),
  })
  const annotations = { 'io.containerd.image.name': `docker.io/library/${name}` }
  const index = json({
    schemaVersion: 2,
    manifests: [{ ...described('application/vnd.oci.image.manifest.v1+json', manifest), platform, annotations }],
  })
  return tarOf([
    ['oci-layout', json({ imageLayoutVersion: '1.0.0' })],
    ['index.json', index],
    ...[config, manifest, ...layers].map((blob): [string, Buffer] => [`blobs/${sha256(blob).replace(':', '/')}`, blob]),
  ])
}

const json = (value: object) => Buffer.from(JSON.stringify(value))
const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const described = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: sha256(bytes), size: bytes.length })

async function tarOf(entries: readonly [string, Buffer][]): Promise<Buffer> {
  const packer = pack()
  for (const [name, content] of entries) packer.entry({ name, mode: 0o644 }, content)
  packer.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of packer) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
