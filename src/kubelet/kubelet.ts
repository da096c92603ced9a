// Puts the parts of a node together: runtime, volumes, events, the Node object, and the pods that are bound to the
// node.
import { joined } from '../base/waiters.ts'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Mirror } from '../api/mirror.ts'
import { type Client, EventRecorder } from '../client/index.ts'
import type { Node } from '../kinds/core/node.ts'
import { machineLabel } from '../kinds/core/machine-label.ts'
import type { NodeStatus } from '../kinds/core/nodestatus.ts'
import { Pod } from '../kinds/core/pod.ts'
import { Service } from '../kinds/core/service.ts'
import { RuntimeClass } from '../kinds/node/runtimeclass.ts'
import { type Cgroups, findCgroups, realMounts } from '../linux/index.ts'
import { type NodeNow, planAdmission } from './admission/admission.ts'
import { makeCsi } from './csi/index.ts'
import type { NodeSettings } from './config/configs.ts'
import { memoryRules } from './node/memory-rules.ts'
import { makeManagers, makePlacing, type Managers } from './topology/start.ts'
import { cdiParts } from './cdi/index.ts'
import { type DeviceManager, makeDevices } from './devices/index.ts'
import { makeDra, type NodeDra } from './dra/index.ts'
import { type Defence, makeDefence } from './defence.ts'
import { type Meter, RealMeter } from './eviction/meter.ts'
import { type PodHost, simulatedHost } from './host.ts'
import { realHost } from './host-real.ts'
import { Images } from './images.ts'
import { shownConfig } from './configz.ts'
import { defaultKubeletConfig, type KubeletConfig } from './kubelet-config.ts'
import { rotateLogs } from './logs/rotate.ts'
import { type Machine, readMachine, simulatedMachine } from './node/machine.ts'
import { makeGroups, type NodeGroups } from './node/groups.ts'
import { keepNode, type NodeKeeper } from './node/node.ts'
import { RuntimeState } from './node/runtime-state.ts'
import { nodeStatus, ownLabels } from './node/status.ts'
import { NodeObjects } from './objects.ts'
import type { NodeContext } from './pod/context.ts'
import { uidOf } from './pod/spec.ts'
import { Resizes } from './resize/resizes.ts'
import { livePods } from './on-node.ts'
import { NodePods, type Workers } from './pods.ts'
import { startPlugins } from './plugins/start.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { ShutdownSource } from './shutdown/logind.ts'
import { startServer } from './server/server.ts'
import { PodSource } from './static/pod-source.ts'
import { directorySource, type StaticSource, urlSource } from './static/sources.ts'
import { StaticPods } from './static/static-pods.ts'
import { NodeDirectories, sharedDirectories } from './volumes/directories.ts'
import { PodTokens } from './volumes/tokens.ts'

interface ServerOptions {
  /** Whether profiles can be taken. */
  profiling?: boolean
  host: string
  /** Default 10250; 0 for any. */
  port?: number
  /** PEM. */
  cert: string
  key: string
  clientCA: string
}

interface KubeletOptions {
  client: Client
  nodeName: string
  /** The node's addresses, at most one of each family, that of the default family first. */
  nodeIPs: readonly string[]
  labels?: Readonly<Record<string, string>>
  taints?: Node['spec']['taints']
  runtime: Runtime
  /** The directory of this node's pods, logs and volumes. */
  rootDir: string
  /** The control group of the node's pods. Default `/kutter/NODE`. */
  cgroupRoot?: string
  /** Is called with the node's ranges of pod addresses, once it has them and whenever they change. */
  onPodCIDR?: (cidrs: readonly string[]) => void
  /** Is awaited before the first container of a sandbox with these addresses. Default: nothing. */
  isolate?: NodeContext['isolate']
  /** Whether device plugins and DRA drivers may register, in `rootDir`. Default: not on a simulated node. */
  hasDevices?: boolean
  /** A directory that all nodes of this machine share. Without it they share none. */
  sharedDir?: string
  clusterDNS: string
  clusterDomain: string
  /** The resolv.conf of pods with dnsPolicy Default. Default `/etc/resolv.conf`. */
  resolvConf?: string
  /** Default: that of a kubelet without a configuration file. */
  config?: KubeletConfig
  /** Where static pods come from. Default: as the configuration says. */
  staticSources?: readonly StaticSource[]
  /** What announces that the machine shuts down. Default: systemd-logind, where it is there. */
  shutdownSource?: ShutdownSource
  /** Measures the node and its pods. Default: the machine, or nothing for a simulated runtime. */
  meter?: Meter
  clock: Clock
  random: Random
  log: Log
  server?: ServerOptions
  signal: AbortSignal
}

export interface Kubelet {
  /** Resolves when the node is registered and its pods have workers. */
  ready: Promise<void>
  /** The port of the HTTPS server, or 0 without one. */
  port: number
  /** Reads the state of the runtime and writes the node's status. Must be called after the network was configured. */
  refresh(): Promise<void>
  /** Uses another serving certificate for new connections. */
  renewServing(pair: { certPem: string; keyPem: string }): void
  /** Stops the kubelet. Containers go on running, and the next kubelet takes them over. */
  close(): Promise<void>
}

/** Where the configuration says nothing. Upstream does not limit the processes of a pod. */
const [maxPods, pidsLimit] = [110, 4096]

/**
 * Starts a kubelet. Resolves when its server listens; the rest follows in this order, and `ready` resolves at its end:
 *
 *   register the node ─► fill the mirrors of pods and services ─┬─► take over running pods ─► admit the others
 *   ask the runtime what runs ─► static pods ───────────────────┘
 *
 * The kubelet ends when `signal` aborts or `close` is called. Neither stops a container.
 */
export async function startKubelet(o: KubeletOptions): Promise<Kubelet> {
  const stop = new AbortController()
  const { signal } = joined(o.signal, stop.signal)
  const log = o.log.with({ node: o.nodeName })
  const { client, runtime, clock } = o
  const machine = runtime.real ? await readMachine(await ensureDir(o.rootDir)) : simulatedMachine
  const workers: Workers = new Map()
  const events = new EventRecorder(client, { component: 'kubelet', host: o.nodeName })
  const services = client.mirror(Service, {})
  const state = new RuntimeState(runtime, clock, log)
  const api = client.mirror(Pod, { fieldSelector: `spec.nodeName=${o.nodeName}` })
  const source = new PodSource(api, uid => workers.has(uid))
  const drivers = await makeDrivers({ ...o, workers, log, signal })
  const config = o.config ?? defaultKubeletConfig
  const managers = await makeManagers({ runtime, rootDir: o.rootDir, config, source, workers, clock, log, signal })
  // There is nothing to report before the node is registered.
  let keeper: NodeKeeper | undefined
  const report = () => keeper?.report()
  const devices = await makeDevices({ ...o, ...drivers, source, workers, ...managers, report, log, signal })
  const found = { machine, events, services, state, managers, devices, ...drivers }
  const cgroups = runtime.real ? await findCgroups() : undefined
  const context = await makeContext({ o, workers, source, cgroups, log, ...found })
  const meter = o.meter ?? realMeter(o, context, cgroups)
  const about = { context, nodeName: o.nodeName, workers, config, meter, shutdownSource: o.shutdownSource }
  const defence = await makeDefence({ ...about, onChange: () => void report(), clock, signal })
  const { directories, shared } = await nodeDirectories(o, log)
  const configz = shownConfig(config, { ...o, maxPods, pidsLimit })
  const own = { rootDir: o.rootDir, configz, directories, sharedDirectories: shared?.directories, cgroups, signal }
  const server = o.server && (await startServer({ ...o.server, ...own, ...about, pods: source.pods }))

  const node = (keeper = keepNode({
    client,
    name: o.nodeName,
    labels: { ...ownLabels(o.nodeName, machine), ...(shared && { [machineLabel]: shared.machine }), ...o.labels },
    taints: o.taints,
    events,
    log,
    signal,
    onPodCIDR: cidrs => o.onPodCIDR?.(cidrs),
    status: before => statusNow({ o, machine, workers, state, defence, devices, port: server?.port ?? 0 }, before),
  }))
  const groups = makeGroups({ ...context.settings, cgroups, machine, workers, config, clock, log, signal })
  const podParts = { o, context, workers, config, api, source, defence, devices, node, groups, managers, log, signal }
  const { nodePods, statics, podsChanged } = makePods(podParts)
  statics.start()
  const ready = (async () => {
    // Static pods need no API.
    const started = defence.look().then(() => nodePods.start())
    started.catch(() => {})
    await node.registered.then(() => startPlugins({ ...o, ...drivers, devices, log, signal }))
    await client.synced([api, services], signal)
    await started
    signal.addEventListener('abort', source.open(nodePods.order), { once: true })
    podsChanged()
    void managers.cpus?.run()
    statics.show()
    void nodePods.relist()
    defence.start()
    if (runtime.real) void rotateLogs({ runtime, workers, clock, log, signal })
  })()
  // A caller may await `ready` only later, so the failure is handled here too.
  ready.catch(error => signal.aborted || log.error('kubelet did not start', { error }))
  return {
    ready,
    port: server?.port ?? 0,
    renewServing: ({ certPem, keyPem }) => server?.renew(certPem, keyPem),
    refresh: () => reportNetwork(node, state, clock, signal),
    close: () => end({ stop, workers, server, events }),
  }
}

interface Running {
  stop: AbortController
  workers: Workers
  server: { close(): Promise<void> } | undefined
  events: EventRecorder
}

/** Ends the kubelet. What runs goes on. */
async function end({ stop, workers, server, events }: Running): Promise<void> {
  stop.abort(new Error('the kubelet ends'))
  for (const worker of workers.values()) worker.close()
  await server?.close()
  await events.flushed()
}

/** The directories of the node that are volumes, and those that it shares. */
async function nodeDirectories({ runtime, rootDir, sharedDir }: KubeletOptions, log: Log) {
  if (!runtime.real) return {}
  const directories = new NodeDirectories(join(rootDir, 'volumes'))
  const shared = sharedDir === undefined ? undefined : await sharedDirectories(sharedDir)
  for (const volumes of [directories, shared?.directories])
    volumes?.tidy().catch(error => log.warn('removed volumes are still there', { error }))
  return { directories, shared }
}

interface StatusParts {
  o: KubeletOptions
  machine: Machine
  workers: Workers
  state: RuntimeState
  defence: Defence
  devices: DeviceManager | undefined
  port: number
}

/**
 * The present status of the node, which is the one `before` while the state of a runtime is undecided. Pods that wait for
 * the network are woken once it is ready.
 */
async function statusNow(
  { o, machine, workers, state, defence, devices, port }: StatusParts,
  before: NodeStatus | undefined,
): Promise<NodeStatus> {
  const hadNetwork = !state.info.networkProblem
  await state.look()
  if (state.undecided && before?.conditions?.length) return before
  if (!hadNetwork && !state.info.networkProblem) for (const worker of workers.values()) worker.nodeReady()
  const { reserved } = o.config ?? defaultKubeletConfig
  const facts = {
    name: o.nodeName,
    ips: o.nodeIPs,
    machine,
    runtime: state.info,
    images: state.images,
    port,
    maxPods: o.config?.maxPods ?? maxPods,
    problem: defence.isShuttingDown() ? 'node is shutting down' : '',
    conditions: defence.conditions(),
    devices: devices?.counts() ?? new Map(),
    keptFree: {
      cpuMilli: reserved.cpuMilli,
      memoryBytes: reserved.memoryBytes + defence.keptFree('memory.available', machine.memoryBytes),
      storageBytes: reserved.storageBytes + defence.keptFree('nodefs.available', machine.ephemeralStorageBytes),
    },
  }
  return nodeStatus(facts, before, o.clock.now())
}

async function ensureDir(dir: string): Promise<string> {
  await import('node:fs/promises').then(fs => fs.mkdir(dir, { recursive: true, mode: 0o700 }))
  return dir
}

interface ContextParts {
  o: KubeletOptions
  machine: Machine
  workers: Workers
  events: NodeContext['events']
  services: Mirror<Service>
  state: RuntimeState
  source: PodSource
  /** Undefined on a simulated node. */
  cgroups: Cgroups | undefined
  managers: Managers
  log: Log
  tokens: PodTokens
  /** Undefined on a simulated node, which has no volumes of drivers. */
  csi: ReturnType<typeof makeCsi> | undefined
  devices: DeviceManager | undefined
  dra: NodeDra | undefined
}

/** The drivers of volumes and those of claims. */
async function makeDrivers(o: KubeletOptions & { workers: Workers }) {
  const { client, runtime, nodeName, rootDir, clock, log } = o
  const tokens = new PodTokens(client)
  const options = { client, nodeName, nodeDir: rootDir, tokens, mounts: realMounts, clock, log }
  return { tokens, csi: runtime.real ? makeCsi(options) : undefined, dra: await makeDra(o) }
}

async function nodeSettings({ o, machine, cgroups, log }: ContextParts): Promise<NodeSettings> {
  const resolvConf = o.resolvConf ?? '/etc/resolv.conf'
  return {
    clusterDNS: o.clusterDNS,
    clusterDomain: o.clusterDomain,
    hostResolvConf: o.runtime.real ? await readFile(resolvConf, 'utf8').catch(() => '') : '',
    logRoot: join(o.rootDir, 'logs'),
    cgroupRoot: o.cgroupRoot ?? `/kutter/${o.nodeName}`,
    seccompRoot: join(o.rootDir, 'seccomp'),
    memory: await memoryRules(o.config ?? defaultKubeletConfig, machine, cgroups, log),
  }
}

async function makeContext(parts: ContextParts): Promise<NodeContext> {
  const { o, machine, workers, events, services, state, source, log, tokens, csi, cgroups, managers, devices, dra } =
    parts
  const { client, runtime, clock } = o
  const facts = {
    nodeIPs: o.nodeIPs,
    cpuMilli: machine.cpuMilli,
    memoryBytes: machine.memoryBytes,
    ephemeralStorageBytes: machine.ephemeralStorageBytes,
  }
  const objects = new NodeObjects(client, uid => workers.get(uid)?.objectsChanged())
  const settings = await nodeSettings(parts)
  let host: PodHost = simulatedHost(runtime)
  if (csi && cgroups) {
    const volumes = {
      nodeDir: o.rootDir,
      podsDir: join(o.rootDir, 'pods'),
      memoryDir: join(o.rootDir, 'memory'),
      client,
      objects,
      tokens,
      drivers: csi.volumes,
      events,
      facts,
      podIPs: (uid: string) => workers.get(uid)?.seen.sandboxes[0]?.ips ?? [],
      clock,
    }
    host = await realHost({
      rootDir: o.rootDir,
      settings,
      cgroups,
      pidsLimit: o.config?.podPidsLimit ?? pidsLimit,
      volumes,
      csi: csi.volumes,
      runtime,
    })
  }
  return {
    client,
    runtime,
    host,
    images: new Images(runtime, clock, o.log),
    objects,
    devices,
    dra,
    cdiParts: names => cdiParts(names, { nodeDir: o.rootDir }),
    events,
    facts,
    settings,
    services: namespace => services.list(namespace),
    cpusetOf: (pod, container) => ({
      cpus: managers.cpus?.cpusetFor(pod, container) ?? '',
      mems: managers.memory?.memsFor(pod, container) ?? '',
    }),
    apiUid: source.apiUid,
    isolate: o.isolate ?? (() => undefined),
    networkProblem: () => state.info.networkProblem,
    abilities: handler => state.info.handlers.find(({ name }) => name === handler) ?? noAbilities,
    runtimeName: runtime.real ? 'containerd' : 'simulated',
    runtimeHandler: async name => (await client.get(RuntimeClass, { name })).handler,
    clock,
    log,
  }
}

function staticSources(config: KubeletConfig, clock: Clock, log: Log): StaticSource[] {
  const { staticPodPath, staticPodURL, staticPodURLHeader, fileCheckMs, httpCheckMs } = config
  return [
    ...(staticPodPath ? [directorySource(staticPodPath, { everyMs: fileCheckMs, clock, log })] : []),
    ...(staticPodURL ? [urlSource(staticPodURL, staticPodURLHeader, { everyMs: httpCheckMs, clock, log })] : []),
  ]
}

function realMeter({ runtime, rootDir, clock }: KubeletOptions, { settings }: NodeContext, cgroups?: Cgroups) {
  return cgroups && new RealMeter({ rootDir, runtime, cgroups, settings, clock })
}

interface PodsParts {
  o: KubeletOptions
  context: NodeContext
  workers: Workers
  config: KubeletConfig
  api: Mirror<Pod>
  source: PodSource
  defence: Defence
  devices: DeviceManager | undefined
  node: NodeKeeper
  /** Undefined where what all pods use together is not limited. */
  groups: NodeGroups | undefined
  managers: Managers
  log: Log
  signal: AbortSignal
}

function makePods(parts: PodsParts) {
  const { o, context, workers, config, api, source, defence, devices, node, groups, managers, log, signal } = parts
  const { client, clock, nodeName } = o
  const current = () => node.mirror.get(undefined, nodeName)
  const sources = o.staticSources ?? staticSources(config, clock, log)
  const statics = new StaticPods({ client, nodeName, sources, api, source, node: current, log, signal })
  const resizes = new Resizes({
    pods: () => workers.values(),
    node: current,
    exclusive: { cpu: managers.cpus !== undefined, memory: managers.memory !== undefined },
    clock,
    signal,
  })
  const hasAppArmor = readAppArmor()
  const podsChanged = () => {
    // What is granted must fit beside all pods, so all of them must be there first.
    if (source.isComplete) resizes.decide()
    groups?.changed()
    managers.cpus?.changed()
    managers.memory?.changed()
  }
  const nodePods = new NodePods({
    context,
    pods: source.pods,
    workers,
    admit: pod => planAdmission(pod, nodeNow(pod, { node: current(), workers, defence, config, hasAppArmor })),
    ...makePlacing({ config, signal, managers, devices }),
    changed: podsChanged,
    isComplete: () => source.isComplete,
    gone: uid => statics.gone(uid),
    signal,
  })
  return { nodePods, statics, podsChanged }
}

/** What a runtime can do that does not say anything about it. */
const noAbilities = { recursiveReadOnlyMounts: false, userNamespaces: false }

interface NowParts {
  node: Node | undefined
  workers: Workers
  defence: Defence
  config: KubeletConfig
  hasAppArmor: boolean
}

/** Whether the kernel has it. That is decided when the machine starts. Source: the kernel's admin-guide/LSM/apparmor. */
function readAppArmor(): boolean {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y')
  } catch {
    // A kernel without it has no such file.
    return false
  }
}

/** What the admission of a pod depends on. */
const nodeNow = (pod: Pod, { node, workers, defence, config, hasAppArmor }: NowParts): NodeNow => ({
  node,
  others: othersOf(workers, pod),
  pressures: defence.conditions(),
  isShuttingDown: defence.isShuttingDown(),
  hasAppArmor,
  allowedSysctls: config.allowedUnsafeSysctls,
})

/** The pods that use resources of the node, without one of them. */
const othersOf = (workers: Workers, but: Pod): Pod[] => livePods(workers).filter(pod => uidOf(pod) !== uidOf(but))

// The runtime reads a new network configuration a moment after it was written, so the status is read several times.
const networkPauseMs = 50
const networkTries = 60

async function reportNetwork(node: NodeKeeper, state: RuntimeState, clock: Clock, signal: AbortSignal): Promise<void> {
  for (let tries = 0; tries < networkTries; tries++) {
    await node.report()
    if (!state.problem) return
    await clock.sleep(networkPauseMs, signal)
  }
}
