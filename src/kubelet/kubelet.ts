// Wires a node together: runtime, volumes, events, node object, and a worker for each pod that is bound to the node.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Mirror } from '../api/mirror.ts'
import { parseTime } from '../api/time.ts'
import { type Client, EventRecorder } from '../client/index.ts'
import type { Node } from '../kinds/core/node.ts'
import { Pod } from '../kinds/core/pod.ts'
import { Service } from '../kinds/core/service.ts'
import { RuntimeClass } from '../kinds/node/runtimeclass.ts'
import { findCgroups } from '../linux/index.ts'
import { planAdmission, type Rejection } from './admission.ts'
import { type PodHost, simulatedHost } from './host.ts'
import { realHost } from './host-real.ts'
import { makeImages } from './images.ts'
import { rotateLogs } from './logs/rotate.ts'
import { type Machine, readMachine, readPressure, simulatedMachine } from './node/machine.ts'
import { every, keepNode, type NodeKeeper } from './node/node.ts'
import { nodeStatus, ownLabels } from './node/status.ts'
import { nodeObjects } from './objects.ts'
import { type NodeContext, reportUnsynced } from './pod/context.ts'
import { isTerminal, type ReadPod, uidOf } from './pod/spec.ts'
import { PodWorker, removePod } from './pod/worker.ts'
import type { PodSeen, Runtime, RuntimeInfo } from './runtime/runtime.ts'
import { startServer } from './server/server.ts'
import { podTokens } from './volumes/tokens.ts'

export interface ServerOptions {
  host: string
  /** Default 10250; 0 for any. */
  port?: number
  /** PEM. */
  cert: string
  key: string
  clientCA: string
}

export interface KubeletOptions {
  client: Client
  nodeName: string
  nodeIP: string
  labels?: Readonly<Record<string, string>>
  taints?: Node['spec']['taints']
  runtime: Runtime
  /** Everything of this node: pods, logs, volumes. */
  rootDir: string
  /** The control group that the node's pods live in. Default `/kutter/NODE`. */
  cgroupRoot?: string
  /** Called when the node has got its range of pod addresses, and when it changes. */
  onPodCIDR?: (cidrs: readonly string[]) => void
  clusterDNS: string
  clusterDomain: string
  /** What pods with dnsPolicy Default get. Default `/etc/resolv.conf`. */
  resolvConf?: string
  /** Default 110. */
  maxPods?: number
  /** Processes a pod may have. Default 4096. */
  podPidsLimit?: number
  clock: Clock
  random: Random
  log: Log
  server?: ServerOptions
  signal: AbortSignal
}

export interface Kubelet {
  /** Resolves when the node is registered and its pods are being worked on. */
  ready: Promise<void>
  /** The HTTPS server's, or 0 without one. */
  port: number
  /** Looks at the runtime again and writes the node's status: call when the network has been configured. */
  refresh(): Promise<void>
  /** Shows another certificate from now on. */
  renewServing(pair: { certPem: string; keyPem: string }): void
  /** Stops working; containers go on running. */
  close(): Promise<void>
}

const relistMs = 60_000
const minMemoryAvailableBytes = 100 * 2 ** 20
const minDiskShare = 0.1
const minInodeShare = 0.05
const unknownRuntime: RuntimeInfo = {
  name: 'unknown',
  version: '',
  apiVersion: 'v1',
  runtimeProblem: 'container runtime status check may not have completed yet',
  networkProblem: '',
  handlers: [],
}

export async function startKubelet(o: KubeletOptions): Promise<Kubelet> {
  const stop = new AbortController()
  const signal = AbortSignal.any([o.signal, stop.signal])
  const log = o.log.with({ node: o.nodeName })
  const { client, runtime, clock } = o
  const machine = runtime.real ? await readMachine(await ensureDir(o.rootDir)) : simulatedMachine
  const workers = new Map<string, PodWorker>()
  const events = new EventRecorder(client, { component: 'kubelet', host: o.nodeName })
  const services = client.mirror(Service, {})
  const info = { current: unknownRuntime }
  const context = await makeContext(o, machine, workers, events, services, info, log)
  const pods = client.mirror(Pod, { fieldSelector: `spec.nodeName=${o.nodeName}` })
  const server =
    o.server &&
    (await startServer({ ...o.server, context, workers, pods, nodeName: o.nodeName, rootDir: o.rootDir, signal }))

  const node = keepNode({
    client,
    name: o.nodeName,
    labels: { ...ownLabels(o.nodeName, machine), ...o.labels },
    taints: o.taints,
    events,
    log,
    signal,
    onPodCIDR: cidrs => o.onPodCIDR?.(cidrs),
    status: async before => {
      const hadNetwork = !info.current.networkProblem
      info.current = await runtimeInfo(runtime)
      if (!hadNetwork && !info.current.networkProblem) for (const worker of workers.values()) worker.nodeReady()
      const images = info.current.runtimeProblem ? [] : await runtime.images()
      const pressure = runtime.real ? await pressures(o.rootDir) : { memory: false, disk: false, pid: false }
      return nodeStatus(
        {
          name: o.nodeName,
          ips: [o.nodeIP],
          machine,
          runtime: info.current,
          images,
          port: server?.port ?? 0,
          maxPods: o.maxPods ?? 110,
          problem: '',
          pressure,
        },
        before,
        clock.now(),
      )
    },
  })
  const ready = (async () => {
    await node.registered
    await client.synced([pods, services], signal)
    const admit = (pod: ReadPod) => planAdmission(pod, node.mirror.get(undefined, o.nodeName), othersOf(workers, pod))
    await adoptUntilDone(context, pods, workers, admit, signal)
    signal.addEventListener('abort', follow(context, pods, workers, admit), { once: true })
    runtime
      .watch((uid, event) => hear(workers, uid, event?.topic), signal)
      .catch((error: unknown) => signal.aborted || log.error('events of the runtime are not followed', { error }))
    void every(clock, relistMs, signal, () => relist(context, pods, workers, signal))
    if (runtime.real) void rotateLogs({ runtime, workers, clock, log, signal })
  })()
  // Whoever starts a kubelet may only look at `ready` later.
  ready.catch(error => signal.aborted || log.error('kubelet did not start', { error }))
  return {
    ready,
    port: server?.port ?? 0,
    renewServing: ({ certPem, keyPem }) => server?.renew(certPem, keyPem),
    refresh: () => reportNetwork(node, info, clock, signal),
    async close() {
      stop.abort(new Error('the kubelet ends'))
      for (const worker of workers.values()) worker.close()
      await server?.close()
      await events.flushed()
    },
  }
}

async function ensureDir(dir: string): Promise<string> {
  await import('node:fs/promises').then(fs => fs.mkdir(dir, { recursive: true, mode: 0o700 }))
  return dir
}

async function makeContext(
  o: KubeletOptions,
  machine: Machine,
  workers: Map<string, PodWorker>,
  events: NodeContext['events'],
  services: Mirror<Service>,
  info: { current: RuntimeInfo },
  log: Log,
): Promise<NodeContext> {
  const { client, runtime, clock } = o
  const facts = {
    nodeIPs: [o.nodeIP],
    cpuMilli: machine.cpuMilli,
    memoryBytes: machine.memoryBytes,
    ephemeralStorageBytes: machine.ephemeralStorageBytes,
  }
  const objects = nodeObjects(client, uid => workers.get(uid)?.objectsChanged())
  const place = {
    clusterDNS: o.clusterDNS,
    clusterDomain: o.clusterDomain,
    hostResolvConf: runtime.real ? await readFile(o.resolvConf ?? '/etc/resolv.conf', 'utf8').catch(() => '') : '',
    logRoot: join(o.rootDir, 'logs'),
    cgroupRoot: o.cgroupRoot ?? `/kutter/${o.nodeName}`,
    seccompRoot: join(o.rootDir, 'seccomp'),
    nodeMemoryBytes: machine.memoryBytes,
  }
  let host: PodHost = simulatedHost(runtime)
  if (runtime.real) {
    const volumes = {
      podsDir: join(o.rootDir, 'pods'),
      memoryDir: join(o.rootDir, 'memory'),
      client,
      objects,
      tokens: podTokens(client),
      facts,
      podIPs: (uid: string) => workers.get(uid)?.seen.sandboxes[0]?.ips ?? [],
      clock,
    }
    host = await realHost({
      rootDir: o.rootDir,
      place,
      cgroups: await findCgroups(),
      pidsLimit: o.podPidsLimit ?? 4096,
      volumes,
      runtime,
    })
  }
  return {
    client,
    runtime,
    host,
    images: makeImages(runtime, clock),
    objects,
    events,
    facts,
    place,
    services: namespace => services.list(namespace),
    networkProblem: () => info.current.networkProblem,
    runtimeName: runtime.real ? 'containerd' : 'simulated',
    runtimeHandler: async name => (await client.get(RuntimeClass, { name })).handler,
    clock,
    log,
  }
}

async function runtimeInfo(runtime: Runtime): Promise<RuntimeInfo> {
  try {
    return await runtime.info()
  } catch (error) {
    return { ...unknownRuntime, runtimeProblem: messageOf(error) }
  }
}

async function pressures(rootDir: string) {
  const { memoryAvailableBytes, diskAvailableShare, inodesFreeShare } = await readPressure(rootDir)
  return {
    memory: memoryAvailableBytes < minMemoryAvailableBytes,
    disk: diskAvailableShare < minDiskShare || inodesFreeShare < minInodeShare,
    pid: false,
  }
}

const nothing = (uid: string): PodSeen => ({ uid, namespace: '', name: '', sandboxes: [], containers: [] })

type Workers = Map<string, PodWorker>

// A runtime that is not up yet will be.
const adoptRetryMs = 1000

async function adoptUntilDone(
  context: NodeContext,
  pods: Mirror<Pod>,
  workers: Workers,
  admit: Admit,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      return await adopt(context, pods, workers, admit)
    } catch (error) {
      signal.throwIfAborted()
      context.log.warn('the container runtime could not be asked for its pods, trying again', { why: messageOf(error) })
    }
    await context.clock.sleep(adoptRetryMs, signal)
  }
}

/** Takes over what a former kubelet left running, and ends what no pod stands for. */
async function adopt(context: NodeContext, pods: Mirror<Pod>, workers: Workers, admit: Admit): Promise<void> {
  const seen = new Map((await context.runtime.pods()).map(pod => [pod.uid, pod]))
  for (const pod of pods.list()) if (seen.has(uidOf(pod))) addWorker(context, workers, pod, seen.get(uidOf(pod)))
  // What does not run yet has to fit beside what does, the oldest first.
  for (const pod of pods.list().sort(byAge)) {
    if (seen.has(uidOf(pod))) continue
    addWorker(context, workers, pod)
    admitted(workers, pod, admit)
  }
  await removeOrphans(context, pods, workers, [...seen.values()])
  await releaseOrphans(context, workers)
}

const byAge = (a: ReadPod, b: ReadPod) =>
  (parseTime(a.metadata.creationTimestamp) ?? 0) - (parseTime(b.metadata.creationTimestamp) ?? 0)

function addWorker(context: NodeContext, workers: Workers, pod: ReadPod, seen?: PodSeen): void {
  const uid = uidOf(pod)
  tryPod(context, pod, () => {
    workers.set(uid, new PodWorker(context, pod, seen ?? nothing(uid), worker => workers.delete(worker.uid)))
  })
}

type Admit = (pod: ReadPod) => Rejection | undefined

/** Refuses a pod that the node does not take. */
function admitted(workers: Workers, pod: ReadPod, admit: Admit): void {
  const rejection = isTerminal(pod) || pod.metadata.deletionTimestamp ? undefined : admit(pod)
  if (rejection) workers.get(uidOf(pod))?.reject(rejection)
}

/** The pods that take something of the node, but for one. */
const othersOf = (workers: Workers, but: ReadPod): ReadPod[] =>
  [...workers.values()].filter(worker => worker.uid !== uidOf(but) && !worker.over).map(worker => worker.pod)

function follow(context: NodeContext, pods: Mirror<Pod>, workers: Workers, admit: Admit): () => void {
  return pods.subscribeEach(({ type, item }) => {
    const pod = item.object
    const worker = workers.get(uidOf(pod))
    if (type === 'DELETED') worker?.objectGone()
    else if (worker) tryPod(context, pod, () => worker.update(pod))
    else {
      // The same name again with another uid: the mirror reports one change for two pods.
      for (const old of workers.values())
        if (old.pod.metadata.name === pod.metadata.name && old.pod.metadata.namespace === pod.metadata.namespace)
          old.objectGone()
      addWorker(context, workers, pod)
      admitted(workers, pod, admit)
    }
  }, 'kubelet')
}

/** A pod that cannot be worked on says so, and keeps no other from being worked on. */
function tryPod(context: NodeContext, pod: ReadPod, work: () => void): void {
  try {
    work()
  } catch (error) {
    reportUnsynced(context, pod, error)
  }
}

// The runtime notices a new network configuration a moment after it was written.
const networkPauseMs = 50
const networkTries = 60

async function reportNetwork(
  node: NodeKeeper,
  info: { current: RuntimeInfo },
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (let tries = 0; tries < networkTries; tries++) {
    await node.report()
    if (!info.current.networkProblem && !info.current.runtimeProblem) return
    await clock.sleep(networkPauseMs, signal)
  }
}

function hear(workers: Workers, uid: string | undefined, topic?: string): void {
  // Who created or started something looks at it anyway.
  if (topic === 'created' || topic === 'started') return
  if (uid !== undefined) return workers.get(uid)?.heard()
  for (const worker of workers.values()) worker.heard()
}

// Events can be lost: now and then everything is looked at.
async function relist(context: NodeContext, pods: Mirror<Pod>, workers: Workers, signal: AbortSignal): Promise<void> {
  try {
    const all = await context.runtime.pods()
    const seen = new Map(all.map(pod => [pod.uid, pod]))
    for (const worker of workers.values())
      if (fingerprint(worker.seen) !== fingerprint(seen.get(worker.uid) ?? nothing(worker.uid))) worker.heard()
    await removeOrphans(context, pods, workers, all)
  } catch (error) {
    if (!signal.aborted) context.log.warn('pods could not be listed', { why: messageOf(error) })
  }
}

const fingerprint = (pod: PodSeen) =>
  JSON.stringify([pod.sandboxes.map(s => [s.id, s.ready]), pod.containers.map(c => [c.id, c.state])])

// Views of images whose pods left nothing else behind.
async function releaseOrphans({ runtime, host }: NodeContext, workers: Workers): Promise<void> {
  const known = new Set([...workers.keys(), ...(await host.known())])
  const orphans = new Set((await runtime.views()).map(view => view.podUid).filter(uid => !known.has(uid)))
  for (const uid of orphans) await runtime.releaseViews(uid)
}

const orphanGraceSeconds = 2

async function removeOrphans(
  context: NodeContext,
  pods: Mirror<Pod>,
  workers: Workers,
  seen: readonly PodSeen[],
): Promise<void> {
  const wanted = new Set([...workers.keys(), ...pods.list().map(uidOf)])
  const orphans = new Set([...seen.map(p => p.uid), ...(await context.host.known())].filter(uid => !wanted.has(uid)))
  for (const uid of orphans) {
    try {
      const running = seen.find(p => p.uid === uid)?.containers.filter(c => c.state === 'running') ?? []
      await Promise.all(running.map(c => context.runtime.stopContainer(c.id, orphanGraceSeconds)))
      await removePod(context, uid)
      context.log.info('removed what was left of a pod', { uid })
    } catch (error) {
      context.log.warn('what is left of a pod could not be removed', { uid, why: messageOf(error) })
    }
  }
}
