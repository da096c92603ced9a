// How long a pod takes from being bound to its node until a watch shows it Running, beside the time that the bare CRI
// calls for the same pod take: one after the other, and a burst at once. Needs root and containerd.
// Run: node bench/pod-start.ts [PODS=20] [BURST=20]
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { realClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import { realRandom } from '../src/base/random.ts'
import { openServer } from '../src/apiserver/open.ts'
import { Client } from '../src/client/index.ts'
import { buildImage, buildPause, loadArchive, pauseImage, pinsFileFor } from '../src/images/index.ts'
import { builtinKinds } from '../src/kinds/all.ts'
import { Namespace } from '../src/kinds/core/namespace.ts'
import { Pod } from '../src/kinds/core/pod.ts'
import { ServiceAccount } from '../src/kinds/core/serviceaccount.ts'
import { containerdPaths, ensureContainerd, stopEverything } from '../src/kubelet/containerd/index.ts'
import { connectCri } from '../src/kubelet/cri/index.ts'
import { CriRuntime, startKubelet } from '../src/kubelet/index.ts'
import { realMounts, run } from '../src/linux/index.ts'
import { openMemoryStore } from '../src/store/index.ts'

const [sequential = 20, burst = 20] = process.argv.slice(2).map(Number)
const cacheDir = join(process.env.XDG_CACHE_HOME ?? '/var/cache', 'kutter-test')
const examples = new URL('../examples/images/', import.meta.url).pathname
const dir = await mkdtemp('/tmp/kutter-b-')
const bridge = `kb${process.pid}`
const cgroupRoot = `/kutter-bench-${process.pid}`
const namespace = 'default'
const containerd = { dir: join(dir, 'c'), cniConfDir: join(dir, 'cni'), sandboxImage: pauseImage, log: silentLog }
const command = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1; done']
const abort = new AbortController()
// As the kubelet asks for: compiling the filter is a part of what the calls cost.
const seccomp = { profileType: 'RuntimeDefault' as const }

try {
  const socket = await prepare()
  const raw = await rawCri(socket)
  const ours = await throughKubelet(socket)
  const median = (list: number[]) => Math.round([...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]! * 10) / 10
  const own = median(ours.each) - median(raw.each)
  console.log(
    JSON.stringify({
      bench: 'pod-start',
      value: median(ours.each),
      unit: 'ms',
      rawCriMs: median(raw.each),
      ownMs: Math.round(own * 10) / 10,
      burst,
      burstPodsPerSecond: Math.round((burst / ours.burstMs) * 10_000) / 10,
      rawBurstPodsPerSecond: Math.round((burst / raw.burstMs) * 10_000) / 10,
      pods: sequential,
      cpus: cpus().length,
      network: 'bridge',
      transport: 'in process, memory store',
    }),
  )
} finally {
  abort.abort()
  await stopEverything({ dir: containerd.dir, log: silentLog, cgroups: [cgroupRoot], purge: true })
  await realMounts.unmountAll(dir)
  await run('ip', ['link', 'delete', bridge], { accept: 'any' })
  await rm(dir, { recursive: true, force: true })
}

async function prepare(): Promise<string> {
  await mkdir(containerd.cniConfDir)
  const ipam = { type: 'host-local', subnet: '10.253.80.0/23', dataDir: join(dir, 'ipam') }
  const plugins = [{ type: 'bridge', bridge, isGateway: true, ipMasq: false, ipam }]
  await writeFile(
    join(containerd.cniConfDir, '10-bench.conflist'),
    JSON.stringify({ cniVersion: '0.4.0', name: 'kbench', plugins }),
  )
  await ensureContainerd(containerd)
  const { socket } = containerdPaths(containerd.dir)
  const store = { socket, pinsFile: pinsFileFor(socket) }
  await loadArchive((await buildPause(join(dir, 'pause.tar'), { cacheDir })).file, store)
  await loadArchive((await buildImage(join(examples, 'busybox'), join(dir, 'busybox.tar'), { cacheDir })).file, store)
  return socket
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

async function rawCri(socket: string): Promise<{ each: number[]; burstMs: number }> {
  using client = connectCri(socket)
  const { cri } = client
  const sandboxes: string[] = []
  const start = async (name: string) => {
    const config = {
      metadata: { name, uid: name, namespace, attempt: 0 },
      hostname: name,
      logDirectory: join(dir, 'raw', name),
      linux: {
        cgroupParent: `${cgroupRoot}/${name}`,
        securityContext: { namespaceOptions: { pid: 'CONTAINER' as const }, seccomp },
      },
    }
    await mkdir(join(config.logDirectory, 'main'), { recursive: true })
    const { podSandboxId } = await cri.runPodSandbox({ config })
    sandboxes.push(podSandboxId)
    const container = {
      metadata: { name: 'main', attempt: 0 },
      image: { image: 'busybox' },
      command,
      logPath: 'main/0.log',
      linux: { securityContext: { namespaceOptions: { pid: 'CONTAINER' as const }, seccomp } },
    }
    const { containerId } = await cri.createContainer({ podSandboxId, config: container, sandboxConfig: config })
    await cri.startContainer({ containerId })
  }
  await start('warm')
  const each: number[] = []
  for (let i = 0; i < sequential; i++) each.push(await timed(() => start(`raw-${i}`)))
  const burstMs = await timed(() => Promise.all(Array.from({ length: burst }, (_, i) => start(`rawburst-${i}`))))
  await Promise.all(
    sandboxes.map(async podSandboxId => {
      await cri.stopPodSandbox({ podSandboxId })
      await cri.removePodSandbox({ podSandboxId })
    }),
  )
  return { each, burstMs }
}

async function throughKubelet(socket: string): Promise<{ each: number[]; burstMs: number }> {
  const clock = realClock
  const tokens = {
    issuer: 'b',
    audiences: ['b'],
    sign: () => 'token',
    verify: () => undefined,
    jwks: () => ({ keys: [] }),
  }
  const shared = { clock, random: realRandom, log: silentLog }
  const server = await openServer({
    ...shared,
    store: openMemoryStore(),
    kinds: builtinKinds,
    tokens,
    serviceCidrs: ['10.96.0.0/16'],
    nodePorts: [30000, 32767],
  })
  const client = new Client({
    serve: server.serve,
    user: { name: 'bench', groups: ['system:masters'] },
    userAgent: 'bench',
    clock,
    log: silentLog,
  })
  for (const name of [namespace, 'kube-node-lease'])
    if (!(await client.find(Namespace, { name }))) await client.create(Namespace, { metadata: { name } })
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace }, automountServiceAccountToken: false })
  const runtime = new CriRuntime({ socket, clock, log: silentLog })
  const kubelet = await startKubelet({
    ...shared,
    client,
    nodeName: 'n1',
    nodeIPs: ['127.0.0.1'],
    runtime,
    rootDir: join(dir, 'n'),
    cgroupRoot,
    clusterDNS: '10.96.0.10',
    clusterDomain: 'cluster.local',
    signal: abort.signal,
  })
  await kubelet.ready
  const mirror = client.mirror(Pod, { namespace })
  await client.synced([mirror])
  const running = (name: string) =>
    new Promise<void>(resolve => {
      const stop = mirror.subscribe(() => {
        if (mirror.get(namespace, name)?.status.phase !== 'Running') return
        stop()
        resolve()
      })
    })
  const start = async (name: string) => {
    const seen = running(name)
    await client.create(Pod, {
      metadata: { name, namespace },
      spec: {
        nodeName: 'n1',
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'main', image: 'busybox', imagePullPolicy: 'IfNotPresent', command }],
      },
    })
    await seen
  }
  await start('warm')
  const each: number[] = []
  for (let i = 0; i < sequential; i++) each.push(await timed(() => start(`pod-${i}`)))
  const burstMs = await timed(() => Promise.all(Array.from({ length: burst }, (_, i) => start(`burst-${i}`))))
  await kubelet.close()
  runtime.close()
  client.close()
  await server.close()
  return { each, burstMs }
}
