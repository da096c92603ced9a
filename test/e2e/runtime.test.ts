// Everything below the kubelet, with real containers: a containerd of our own, images that are built here, a pod on the
// host's network and one behind a CNI bridge, logs, exec, events. Nothing is left afterwards.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { realClock } from '../../src/base/clock.ts'
import { isReason } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import {
  buildDescription,
  buildImage,
  buildPause,
  eachEntry,
  listImages,
  loadArchive,
  pauseImage,
  pinsFileFor,
  readPins,
  removeImage,
} from '../../src/images/index.ts'
import {
  containerdPaths,
  ensureContainerd,
  keepContainerd,
  stopEverything,
} from '../../src/kubelet/containerd/index.ts'
import {
  connectCri,
  containerdEvents,
  type CriClient,
  type Request,
  type RuntimeEvent,
} from '../../src/kubelet/cri/index.ts'
import { CriRuntime } from '../../src/kubelet/index.ts'
import { runtimeContract } from '../../src/kubelet/runtime/contract.ts'
import { labelNames } from '../../src/kubelet/runtime/runtime.ts'
import { findCgroups, makeIp, realMounts, run } from '../../src/linux/index.ts'

const skip = await whyNot()
const cache = join(process.env.XDG_CACHE_HOME ?? '/var/cache', 'kutter-test')
const examples = new URL('../../examples/images/', import.meta.url).pathname
const bridge = `kt${process.pid}`
const cgroupRoot = `/kutter-test-${process.pid}`
let dir = ''
let cri: CriClient

async function whyNot(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'needs root'
  for (const program of ['containerd', 'runc', 'ctr', 'apt-get', 'dpkg-deb']) {
    const { code } = await run('sh', ['-c', `command -v ${program}`], { accept: 'any' })
    if (code !== 0) return `needs ${program}`
  }
  return false
}

const options = () => ({ dir: join(dir, 'c'), cniConfDir: join(dir, 'cni'), sandboxImage: pauseImage, log: silentLog })
const store = () => {
  const { socket } = containerdPaths(options().dir)
  return { socket, pinsFile: pinsFileFor(socket) }
}

before(async () => {
  if (skip) return
  // The path is short because the path of a socket must be.
  dir = await mkdtemp('/tmp/kutter-e2e-')
  await mkdir(join(dir, 'cni'))
  const ipam = { type: 'host-local', subnet: '10.253.77.0/24', dataDir: join(dir, 'ipam') }
  const plugins = [{ type: 'bridge', bridge, isGateway: true, ipMasq: false, ipam }]
  await writeFile(join(dir, 'cni/10-test.conflist'), JSON.stringify({ cniVersion: '0.4.0', name: 'test', plugins }))
  await ensureContainerd(options())
  cri = connectCri(store().socket)
  const build = { cacheDir: cache }
  await loadArchive((await buildPause(join(dir, 'pause.tar'), build)).file, store())
  await loadArchive((await buildImage(join(examples, 'busybox'), join(dir, 'busybox.tar'), build)).file, store())
})

after(async () => {
  if (skip) return
  cri?.close()
  await stopEverything({ dir: options().dir, log: silentLog, cgroups: [cgroupRoot], purge: true })
  await run('ip', ['link', 'delete', bridge], { accept: 'any' })
  const left = {
    mounts: (await realMounts.list()).filter(m => m.point.startsWith(dir)),
    processes: await processesNaming(dir),
    cniResults: (await readdir('/var/lib/cni/results').catch(() => [])).filter(name => name.startsWith('test-')),
    cgroup: await (await findCgroups()).exists(cgroupRoot),
    links: (await makeIp().links()).filter(l => l.name === bridge || l.master === bridge),
    files: (await readdir(dir)).filter(name => name === 'c'),
  }
  await rm(dir, { recursive: true, force: true })
  assert.deepEqual(left, { mounts: [], processes: [], cniResults: [], cgroup: false, links: [], files: [] })
})

async function processesNaming(text: string): Promise<string[]> {
  const found = []
  for (const pid of (await readdir('/proc')).filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (line.includes(text)) found.push(line.replaceAll('\0', ' '))
  }
  return found
}

function sandboxConfig(name: string, hostNetwork: boolean): Request<'PodSandboxConfig'> {
  const network = hostNetwork ? ('NODE' as const) : ('POD' as const)
  return {
    metadata: { name, uid: `${name}-uid`, namespace: 'default', attempt: 0 },
    ...(hostNetwork ? {} : { hostname: name }),
    logDirectory: join(dir, 'logs', name),
    labels: { 'io.kubernetes.pod.name': name },
    linux: {
      cgroupParent: `${cgroupRoot}/${name}`,
      securityContext: { namespaceOptions: { network, pid: 'CONTAINER' } },
    },
  }
}

const shell = (script: string, image = 'busybox'): Request<'ContainerConfig'> => ({
  metadata: { name: 'main', attempt: 0 },
  image: { image },
  command: ['sh', '-c', script],
  logPath: 'main/0.log',
  linux: {
    resources: { cpuShares: 100, memoryLimitInBytes: 64 << 20 },
    securityContext: { namespaceOptions: { pid: 'CONTAINER' } },
  },
})

async function runPod(name: string, hostNetwork: boolean, container: Request<'ContainerConfig'>) {
  const sandbox = sandboxConfig(name, hostNetwork)
  await mkdir(join(dir, 'logs', name, 'main'), { recursive: true })
  const timings: Record<string, number> = {}
  const timed = async <T>(what: string, work: Promise<T>): Promise<T> => {
    const from = performance.now()
    const result = await work
    timings[what] = Math.round(performance.now() - from)
    return result
  }
  const { podSandboxId } = await timed('runPodSandbox', cri.cri.runPodSandbox({ config: sandbox }))
  const created = cri.cri.createContainer({ podSandboxId, config: container, sandboxConfig: sandbox })
  const { containerId } = await timed('createContainer', created)
  await timed('startContainer', cri.cri.startContainer({ containerId }))
  return { podSandboxId, containerId, timings }
}

async function removePod(podSandboxId: string): Promise<void> {
  await cri.cri.stopPodSandbox({ podSandboxId })
  await cri.cri.removePodSandbox({ podSandboxId })
}

async function eventually<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (let tries = 0; tries < 500; tries++) {
    const found = await look()
    if (found) return found
    await realClock.sleep(20)
  }
  throw new Error(`did not happen: ${what}`)
}

let contractRuntime: CriRuntime | undefined
after(() => contractRuntime?.close())

runtimeContract('containerd', {
  skip,
  runtime: () => (contractRuntime ??= new CriRuntime({ socket: store().socket, clock: realClock, log: silentLog })),
  async sandbox(uid) {
    await mkdir(join(dir, 'logs', uid, 'main'), { recursive: true })
    const config = sandboxConfig(uid, true)
    return { ...config, metadata: { ...config.metadata!, uid }, labels: { [labelNames.podUid]: uid } }
  },
  container: process => shell(process === 'ends' ? 'exit 3' : 'trap "" TERM; while :; do sleep 0.1; done'),
})

test('a pod on the host network can be created, started, entered, read, ended and removed', { skip }, async t => {
  const abort = new AbortController()
  t.after(() => abort.abort())
  const events: RuntimeEvent[] = []
  const listening = (async () => {
    for await (const event of containerdEvents(store().socket).subscribe(abort.signal)) events.push(event)
  })()
  const { podSandboxId, containerId, timings } = await runPod(
    'host',
    true,
    shell('echo hello; echo trouble >&2; trap "exit 7" TERM; while :; do sleep 0.1; done'),
  )
  t.diagnostic(`host network: ${JSON.stringify(timings)}`)

  const { status } = await cri.cri.containerStatus({ containerId })
  assert.equal(status?.state, 'CONTAINER_RUNNING')
  // containerd returns one of the image's names, which is not always the requested one.
  assert.match(status?.image?.image ?? '', /^docker\.io\/library\/busybox:/)
  const log = await eventually('two log lines', async () => {
    const text = await readFile(join(dir, 'logs/host/main/0.log'), 'utf8')
    return text.split('\n').length >= 3 && text
  })
  assert.match(log, / stdout F hello\n/)
  assert.match(log, / stderr F trouble\n/)

  const exec = await cri.cri.execSync({ containerId, cmd: ['sh', '-c', 'echo out; echo err >&2; exit 3'], timeout: 10 })
  assert.deepEqual(
    [Buffer.from(exec.stdout).toString(), Buffer.from(exec.stderr).toString(), exec.exitCode],
    ['out\n', 'err\n', 3],
  )
  assert.match(
    (await cri.cri.exec({ containerId, cmd: ['sh'], stdout: true })).url,
    /^http:\/\/127\.0\.0\.1:\d+\/exec\//,
  )

  const usage = await (await findCgroups()).usage(`${cgroupRoot}/host`)
  assert.ok(usage && usage.memoryBytes > 0 && usage.pids >= 2)
  const stats = await cri.cri.containerStats({ containerId })
  assert.ok((stats.stats?.memory?.workingSetBytes?.value ?? 0) > 0)

  await cri.cri.stopContainer({ containerId, timeout: 10 })
  const exited = (await cri.cri.containerStatus({ containerId })).status
  assert.deepEqual([exited?.state, exited?.exitCode], ['CONTAINER_EXITED', 7])
  await cri.cri.removeContainer({ containerId })
  await assert.rejects(cri.cri.containerStatus({ containerId }), error => isReason(error, 'NotFound'))
  await removePod(podSandboxId)
  await eventually('the event of the removal', async () =>
    events.some(e => e.topic === 'deleted' && e.containerId === podSandboxId),
  )
  abort.abort()
  await listening
  const seen = events.filter(e => 'containerId' in e && e.containerId === containerId).map(e => e.topic)
  assert.deepEqual(seen, ['created', 'started', 'exec-exited', 'exited', 'deleted'])
  assert.equal(events.find(e => e.topic === 'exited')?.exitCode, 7)
})

test('a pod with its own address serves the example application', { skip }, async t => {
  const myapp = await buildImage(join(examples, 'myapp'), join(dir, 'myapp.tar'), { cacheDir: cache })
  await loadArchive(myapp.file, store())
  const { podSandboxId, timings } = await runPod('web', false, {
    ...shell(''),
    image: { image: 'myapp:v2' },
    command: ['/apps/start.sh'],
    workingDir: '/apps/',
    envs: [{ key: 'PATH', value: '/usr/local/bin/:/usr/local/sbin/:/usr/bin/:/usr/sbin/:/bin/:/sbin/' }],
  })
  t.diagnostic(`CNI bridge: ${JSON.stringify(timings)}`)
  const { status } = await cri.cri.podSandboxStatus({ podSandboxId })
  const address = status?.network?.ip ?? ''
  assert.match(address, /^10\.253\.77\./)
  assert.equal(await eventually('an answer', () => fetchText(`http://${address}:8080/`)), 'web\n')
  await removePod(podSandboxId)
})

function fetchText(url: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const request = get(url, { agent: false }, response => resolve(readText(response)))
    request.on('error', () => resolve(undefined))
  })
}

test('nginx and redis from Debian run as pods', { skip, timeout: 300_000 }, async () => {
  for (const name of ['nginx', 'redis', 'redis-slave']) {
    await loadArchive(
      (await buildImage(join(examples, name), join(dir, `${name}.tar`), { cacheDir: cache })).file,
      store(),
    )
  }
  const main = { metadata: { name: 'main', attempt: 0 }, logPath: 'main/0.log' }
  const nginx = await runPod('nginx', false, { ...main, image: { image: 'nginx' } })
  const redis = await runPod('redis', false, { ...main, image: { image: 'redis' } })
  const addressOf = async (podSandboxId: string) =>
    (await cri.cri.podSandboxStatus({ podSandboxId })).status?.network?.ip ?? ''
  const master = await addressOf(redis.podSandboxId)
  const redisCli = async (containerId: string, ...args: string[]) => {
    const { stdout } = await cri.cri.execSync({ containerId, cmd: ['redis-cli', ...args], timeout: 10 })
    return Buffer.from(stdout).toString().trim()
  }
  // Without this, Redis waits five seconds for more replicas before it sends its data.
  const hurry = ['config', 'set', 'repl-diskless-sync-delay', '0']
  await eventually('redis answers', async () => (await redisCli(redis.containerId, ...hurry)) === 'OK')
  const slave = await runPod('slave', false, {
    ...main,
    image: { image: 'kubeguide/guestbook-redis-slave' },
    envs: [
      { key: 'GET_HOSTS_FROM', value: 'env' },
      { key: 'REDIS_MASTER_SERVICE_HOST', value: master },
    ],
  })
  const nginxAt = await addressOf(nginx.podSandboxId)
  assert.match(await eventually('the index page', () => fetchText(`http://${nginxAt}/`)), /Welcome to nginx!/)
  await eventually('the access log', async () =>
    /GET \/ HTTP/.test(await readFile(join(dir, 'logs/nginx/main/0.log'), 'utf8')),
  )
  await eventually('redis answers', async () => (await redisCli(redis.containerId, 'set', 'k', 'v')) === 'OK')
  await eventually('the replica has it', async () => (await redisCli(slave.containerId, 'get', 'k')) === 'v')
  for (const pod of [nginx, redis, slave]) await removePod(pod.podSandboxId)
})

test('loaded images have full names and are pinned until they are removed', { skip }, async () => {
  const pins = await readPins(store().pinsFile)
  assert.ok(pins.has('docker.io/library/busybox:1.36') && pins.has(pauseImage))
  const { image } = await cri.cri.imageStatus({ image: { image: 'busybox:1.28' } })
  assert.ok(image?.repoTags.includes('docker.io/library/busybox:latest'))
  const file = join(dir, 'gone.tar')
  await buildDescription({ names: ['gone:1'], files: [{ to: '/x', text: 'x' }] }, dir, file, { cacheDir: cache })
  await loadArchive(file, store())
  assert.ok((await listImages(store())).some(i => i.name === 'docker.io/library/gone:1' && i.pinned))
  await removeImage('gone:1', store())
  assert.ok(!(await readPins(store().pinsFile)).has('docker.io/library/gone:1'))
  await assert.rejects(removeImage('gone:1', store()), error => isReason(error, 'NotFound'))
})

test('an archive for several architectures is loaded if the one of this machine is complete', { skip }, async () => {
  const built = await buildDescription(
    { names: ['multi'], files: [{ to: '/x', text: 'x' }] },
    dir,
    join(dir, 'one.tar'),
    {
      cacheDir: cache,
    },
  )
  const files = new Map<string, Buffer>()
  await eachEntry(built.file, async (name, _size, body) => {
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(chunk as Buffer)
    files.set(name, Buffer.concat(chunks))
  })
  files.delete('manifest.json')
  const { manifests } = JSON.parse(String(files.get('index.json'))) as { manifests: { annotations?: object }[] }
  const ours = { ...manifests[0], annotations: undefined }
  const other = { ...ours, digest: `sha256:${'0'.repeat(64)}`, platform: { os: 'linux', architecture: 'mips64le' } }
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const inner = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: [other, ours] }))
  const hex = createHash('sha256').update(inner).digest('hex')
  files.set(`blobs/sha256/${hex}`, inner)
  const top = {
    mediaType,
    digest: `sha256:${hex}`,
    size: inner.length,
    annotations: { 'io.containerd.image.name': 'multi:2' },
  }
  files.set('index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [top] })))
  const packer = pack()
  for (const [name, content] of files) packer.entry({ name }, content)
  packer.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of packer) chunks.push(chunk as Buffer)
  await writeFile(join(dir, 'many.tar.gz'), gzipSync(Buffer.concat(chunks)))
  assert.deepEqual((await loadArchive(join(dir, 'many.tar.gz'), store())).names, ['docker.io/library/multi:2'])
  const { image } = await eventually('the image', async () => {
    const found = await cri.cri.imageStatus({ image: { image: 'multi:2' } })
    return found.image ? found : undefined
  })
  assert.deepEqual(image?.repoTags, ['docker.io/library/multi:2'])
})

test('containers outlive containerd, which is restarted', { skip }, async t => {
  const { podSandboxId, containerId } = await runPod('survivor', true, shell('while :; do sleep 0.1; done'))
  const abort = new AbortController()
  let restarts = 0
  const keeping = keepContainerd(options(), abort.signal, () => restarts++)
  try {
    const { pid } = await ensureContainerd(options())
    const killedAt = performance.now()
    process.kill(pid, 'SIGKILL')
    await eventually('a restart', async () => restarts > 0)
    t.diagnostic(`restart after SIGKILL: ${Math.round(performance.now() - killedAt)} ms`)
  } finally {
    abort.abort()
    await keeping
  }
  const { status } = await cri.cri.containerStatus({ containerId })
  assert.equal(status?.state, 'CONTAINER_RUNNING')
  await removePod(podSandboxId)
})

test('the teardown also removes the pods of a containerd that was killed', { skip }, async () => {
  const { containerId } = await runPod('orphan', false, shell('while :; do sleep 0.1; done'))
  const { pid } = await ensureContainerd(options())
  assert.ok((await cri.cri.containerStatus({ containerId })).status)
  process.kill(pid, 'SIGKILL')
  // The teardown itself, and the check that nothing is left, are in `after`.
})
