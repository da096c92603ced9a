// Runs a node, on the server's machine or another: kubelet, kube-proxy, pod network and DNS over one connection to the
// API server, and the containerd they use.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { IPRange } from '../api/ip-range.ts'
import { familiesOf } from '../api/ip.ts'
import { realClock } from '../base/clock.ts'
import { messageOf, StatusError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import { Client, type HttpsTransport } from '../client/index.ts'
import { startDns } from '../dns/index.ts'
import { removeAnnouncements, startBalancer, startGateways, startIngress, startVirtualAddress } from '../edge/index.ts'
import { pinsFileFor, readPins } from '../images/index.ts'
import type { Pod } from '../kinds/core/pod.ts'
import { CriRuntime, type Kubelet, loadKubeletConfig, startKubelet } from '../kubelet/index.ts'
import {
  announceNetwork,
  keepNetworks,
  keepPodRoutes,
  makeBridge,
  refuseUnencrypted,
  startPolicies,
  wireguardLink,
} from '../network/index.ts'
import { startProxy } from '../proxy/index.ts'
import type { KeyPair } from '../wire/x509.ts'
import {
  type ClusterConfig,
  clusterTag,
  ingressPortsOf,
  proxyHealthPortOf,
  proxyMetricsPortOf,
  type ServerPart,
  vxlanIdOf,
} from './config.ts'
import { makeIp } from '../linux/index.ts'
import { dnsAnswers } from './dns-probe.ts'
import { dnsMetricsPort, dnsPort } from './dns-service.ts'
import type { ServerList } from './server-list.ts'
import { gatewaySharingOf, poolOf } from './load-balancing.ts'
import { Isolation } from './node-isolation.ts'
import { anyAddress, hasIPv6 } from './node-addresses.ts'
import { keepNodeNetwork } from './node-network.ts'
import { addressIn } from './node-range.ts'
import {
  balancerLinkOf,
  balancerTableOf,
  bridgeOf,
  nodeBridgeOf,
  nodeCgroupOf,
  nodeDirs,
  policyTableOf,
  tableOf,
  virtualLinkOf,
  virtualTableOf,
} from './node-names.ts'
import { problemsOf } from './node-problems.ts'
import { loadImages, type RuntimeOptions, startRuntime } from './node-runtime.ts'

export interface NodeConnection {
  transport: HttpsTransport
  /** The API servers that the transport may talk to. */
  servers: ServerList
  /** To a server beside the node; absent where there cannot be one. */
  beside?: HttpsTransport
  /** The certificate of the kubelet's server. */
  serving: KeyPair
  /** PEM of the cluster's authority. */
  ca: string
}

interface NodeOptions extends RuntimeOptions {
  /** The node's addresses, one of each family, that of the default family first. */
  nodeIPs: readonly string[]
  connection: Promise<NodeConnection>
  /** Called with each change of the node's state. */
  report(state: { ready: boolean; problem?: string }): void
  /** Called once, when the kubelet has started. */
  onKubelet?(kubelet: Kubelet): void
  log: Log
}

/** The client of one part of the node. The server takes the user from the certificate, so none is named here. */
const clientOf = (part: string, { serve }: HttpsTransport, log: Log) =>
  new Client({
    serve,
    user: { name: '', groups: [] },
    userAgent: part,
    clock: realClock,
    log: log.with({ part }),
  })

/** Runs the node until the signal aborts. Containers keep running after that. */
export async function runNode(options: NodeOptions): Promise<void> {
  const { config, paths, log, signal, nodeName, nodeIPs } = options
  const clock = realClock
  const tag = clusterTag(paths, config.name)
  const [{ transport, servers, serving, ca, beside }, socket, resolvConf] = await Promise.all([
    options.connection,
    startRuntime(options),
    usableResolvConf(),
  ])
  const client = (part: string) => clientOf(part, transport, log)
  const proxyClient = client('kube-proxy')
  servers.follow(proxyClient, error => log.warn('the list of servers cannot be kept', { error }))
  const reports = problemsOf(options.report)
  const isOn = (part: ServerPart) => !config.disable?.includes(part)
  const proxy = keepRules(options, proxyClient)
  const isolation = new Isolation(clock, signal)
  const around = { options, report: reports('network'), client: client('dns'), resolvConf, proxy, isolation }
  const network = keepNodeNetwork({
    setUp: (podCidrs, signal) => setUpNetwork({ ...around, podCidrs, kubelet, signal }),
    clock,
    log: log.with({ part: 'network' }),
    signal,
  })
  const kubelet = await startKubelet({
    client: client('kubelet'),
    nodeName,
    nodeIPs,
    runtime: new CriRuntime({ socket, clock, log, pinnedImages: () => readPins(pinsFileFor(socket)) }),
    rootDir: paths.node(nodeName),
    sharedDir: paths.shared,
    ...(config.kubeletConfig && { config: await loadKubeletConfig(config.kubeletConfig) }),
    cgroupRoot: nodeCgroupOf(tag, nodeName),
    resolvConf,
    clusterDNS: config.dnsAddress,
    clusterDomain: config.domain,
    clock,
    random: realRandom,
    log: log.with({ part: 'kubelet' }),
    server: {
      host: anyAddress(config),
      port: config.kubeletPort,
      cert: serving.certPem,
      key: serving.keyPem,
      clientCA: ca,
      profiling: config.profiling !== 'false',
    },
    signal,
    ...(isOn('network') && { isolate: (pod: Pod, ips: readonly string[]) => isolation.beforeStart(pod, ips) }),
    onPodCIDR: podCidrs => isOn('network') && podCidrs.length && network(podCidrs),
  })
  around.report({ ready: false, problem: 'the pod network is not set up yet' })
  if (!isOn('network')) serveNames(around)
  keepRoutes(options, proxy, client('network'), reports('kube-proxy'))
  serveRequests(options, proxyClient, reports)
  const balancer = announceAddresses(options, proxy, proxyClient, reports('load balancer'))
  const virtual = announceVirtual(options, beside)
  options.onKubelet?.(kubelet)
  log.info('the node is running', { node: nodeName, startedInMs: Math.round(performance.now()) })
  void loadImages(options, socket).catch(error => log.error("cannot load the cluster's images", { error }))
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  await Promise.all([
    kubelet.close(),
    balancer.then(running => running?.stop()),
    virtual.then(running => running?.stop()),
  ])
  transport.close()
}

/** Starts the rules of Services and of the pod network, as far as they are not left to others. */
function keepRules({ config, paths, nodeName, nodeIPs, log, signal }: NodeOptions, client: Client): Promise<unknown> {
  const tag = clusterTag(paths, config.name)
  const [services, pods] = [!config.disable?.includes('proxy'), !config.disable?.includes('network')]
  if (!services && !pods) return Promise.resolve()
  return startProxy({
    client,
    nodeName,
    services,
    pods,
    ...(services && { healthPort: proxyHealthPortOf(config), metricsPort: proxyMetricsPortOf(config) }),
    table: tableOf(tag),
    nodeIPs,
    podCidrs: config.podCidrs,
    serviceCidrs: config.serviceCidrs,
    nodePortAddresses: config.nodePortAddresses ?? [],
    bridge: bridgeOf(tag),
    nodesBridge: nodeBridgeOf(tag),
    clock: realClock,
    log: log.with({ part: 'kube-proxy' }),
    signal,
  })
}

/** Starts the node's DNS server on these of its addresses. */
function startNames(
  { config, nodeName, log }: NodeOptions,
  client: Client,
  addresses: readonly string[],
  resolvConf: string,
  signal: AbortSignal,
): Promise<unknown> {
  const place = { addresses, port: dnsPort, metricsPort: dnsMetricsPort, domain: config.domain, resolvConf }
  const around = { clock: realClock, random: realRandom, log: log.with({ part: 'dns' }), signal }
  return startDns({ client, nodeName, ...place, ...around })
}

/** Starts DNS on the node's own addresses, where the pod network is left to a CNI plugin. */
function serveNames({
  options,
  report,
  client,
  resolvConf,
  proxy,
}: Omit<NetworkSetUp, 'podCidrs' | 'kubelet' | 'signal'>): void {
  const { nodeIPs, signal } = options
  Promise.all([startNames(options, client, nodeIPs, resolvConf, signal), proxy]).then(
    () => report({ ready: true }),
    (error: unknown) => {
      if (!signal.aborted) report({ ready: true, problem: `DNS: ${messageOf(error)}` })
    },
  )
}

/** Keeps the networks of the node in its Node, and the routes to pods of other nodes once the proxy's rules are there. */
function keepRoutes(
  { nodeName, config, paths, log, signal }: NodeOptions,
  proxy: Promise<unknown>,
  client: Client,
  report: NodeOptions['report'],
): void {
  const own = config.nodes.find(node => node.name === nodeName)
  const bridge = bridgeOf(clusterTag(paths, config.name))
  const index = own?.index ?? 1
  const dir = nodeDirs(paths.node(nodeName)).wireguard
  const common = { client, nodeName, bridge, clock: realClock, log: log.with({ part: 'network' }), signal }
  const routing = {
    podCidrs: config.podCidrs,
    index,
    ...(config.encrypt && { encryption: { link: wireguardLink(bridge, index), dir } }),
    unreachable: (names: readonly string[]) => {
      const problem = names.length
        ? `no traffic with pods of ${names.join(', ')}: without a key there is no encryption`
        : undefined
      report({ ready: true, ...(problem && { problem }) })
    },
    routers: own ? config.nodeCidrs.map(range => addressIn(range, 1)) : [],
    localNodes: config.nodeCidrs,
    vxlanId: config.vxlanId ?? vxlanIdOf(config.slot),
  }
  keepNetworks({ ...common, ...(config.encrypt && { keyDir: dir }) }).catch(
    (error: unknown) => signal.aborted || log.error('cannot follow the networks of the node', { error }),
  )
  if (config.disable?.includes('network')) return
  proxy
    .then(() => keepPodRoutes({ ...common, ...routing }))
    .catch(error => {
      if (!signal.aborted) report({ ready: true, problem: `kube-proxy: ${messageOf(error)}` })
    })
}

/** Serves what leads requests from outside to Services. */
function serveRequests(options: NodeOptions, client: Client, reports: ReturnType<typeof problemsOf>): void {
  const sharing = gatewaySharingOf(options.config)
  serveIngresses(options, client, sharing?.pool ?? [], reports('ingress'))
  if (sharing) serveGateways(options, client, sharing, reports('gateways'))
}

/** Serves Ingresses from the mirrors of the proxy, unless they are left to others. */
function serveIngresses(
  options: NodeOptions,
  client: Client,
  pool: readonly IPRange[],
  report: NodeOptions['report'],
): void {
  const { config, paths, nodeName, nodeIPs, signal } = options
  if (config.disable?.includes('ingress')) return
  const log = options.log.with({ part: 'ingress' })
  startIngress({
    client,
    nodeName,
    nodeIP: nodeIPs[0]!,
    isIPv6: hasIPv6(config),
    ports: ingressPortsOf(config),
    pool,
    dir: nodeDirs(paths.node(nodeName)).ingress,
    report: problem => report({ ready: true, ...(problem !== undefined && { problem }) }),
    clock: realClock,
    log,
    signal,
  }).catch((error: unknown) => signal.aborted || log.error('cannot serve Ingresses', { error }))
}

/** Serves Gateways from the mirrors of the proxy. */
function serveGateways(
  options: NodeOptions,
  client: Client,
  sharing: NonNullable<ReturnType<typeof gatewaySharingOf>>,
  report: NodeOptions['report'],
): void {
  const { config, paths, nodeName, signal } = options
  const log = options.log.with({ part: 'gateways' })
  startGateways({
    client,
    nodeName,
    isIPv6: hasIPv6(config),
    ...sharing,
    dir: nodeDirs(paths.node(nodeName)).gateway,
    report: problem => report({ ready: true, ...(problem !== undefined && { problem }) }),
    clock: realClock,
    log,
    signal,
  }).catch((error: unknown) => signal.aborted || log.error('cannot serve Gateways', { error }))
}

/**
 * Announces the addresses that Services have from a pool, once the rules of the proxy are there. Resolves when it has
 * begun; without a pool there is nothing to announce.
 */
async function announceAddresses(
  options: NodeOptions,
  proxy: Promise<unknown>,
  client: Client,
  report: NodeOptions['report'],
): Promise<Awaited<ReturnType<typeof startBalancer>> | undefined> {
  const { config, paths, nodeName, nodeIPs, signal } = options
  const log = options.log.with({ part: 'load balancer' })
  const tag = clusterTag(paths, config.name)
  const [ledger, table] = [balancerLinkOf(tag), balancerTableOf(tag)]
  try {
    const pool = poolOf(config)
    // A cluster that was killed may have had a pool before.
    if (!pool) {
      if (existsSync(`/sys/class/net/${ledger}`)) await removeAnnouncements(ledger, table)
      return undefined
    }
    await proxy
    return await startBalancer({
      client,
      nodeName,
      nodeIPs,
      pool,
      gateways: config.gateway ?? false,
      ledger,
      table,
      podBridge: bridgeOf(tag),
      report: problem => report({ ready: true, ...(problem !== undefined && { problem }) }),
      clock: realClock,
      log,
      signal,
    })
  } catch (error) {
    if (!signal.aborted) log.error('cannot announce addresses of load balancers', { error })
    return undefined
  }
}

/** Takes part in announcing the virtual address of the servers, while one answers beside the node. */
async function announceVirtual(
  { config, paths, nodeName, nodeIPs, signal, ...options }: NodeOptions,
  beside: HttpsTransport | undefined,
): Promise<Awaited<ReturnType<typeof startVirtualAddress>> | undefined> {
  const log = options.log.with({ part: 'virtual address' })
  const tag = clusterTag(paths, config.name)
  const [ledger, table, address] = [virtualLinkOf(tag), virtualTableOf(tag), config.virtualAddress]
  try {
    if (!address || !beside) {
      if (existsSync(`/sys/class/net/${ledger}`)) await removeAnnouncements(ledger, table)
      return undefined
    }
    const place = { nodeName, nodeIPs, address, port: config.port, ledger, table, podBridge: bridgeOf(tag) }
    const isServing = (until: AbortSignal) =>
      beside.fetch('/livez', until).then(
        () => true,
        () => false,
      )
    const isStaying = (until: AbortSignal) =>
      beside.fetch('/readyz/shutdown', until).then(
        () => true,
        // A server of an earlier release does not have the path.
        (error: unknown) => !(error instanceof StatusError && error.code === 500),
      )
    const client = clientOf('virtual-address', beside, log)
    return await startVirtualAddress({ ...place, client, isServing, isStaying, clock: realClock, log, signal })
  } catch (error) {
    if (!signal.aborted) log.error('cannot announce the virtual address', { error })
    return undefined
  }
}

interface NetworkSetUp {
  options: NodeOptions
  report: NodeOptions['report']
  client: Client
  podCidrs: readonly string[]
  resolvConf: string
  proxy: Promise<unknown>
  isolation: Isolation
  kubelet: Kubelet
  signal: AbortSignal
}

/**
 * Sets the pod network up for a range. The node becomes Ready only when addresses and names of Services work on it, so
 * the proxy and DNS come before the network is announced to the kubelet.
 */
async function setUpNetwork({
  options,
  report,
  client,
  podCidrs,
  resolvConf,
  proxy,
  isolation,
  kubelet,
  signal,
}: NetworkSetUp): Promise<void> {
  const { config, paths, log, nodeName, nodeIPs } = options
  const { cniConf, cniState } = nodeDirs(paths.node(nodeName))
  const pods = { bridge: bridgeOf(clusterTag(paths, config.name)), podCidrs, confDir: cniConf, stateDir: cniState }
  // Pods that run from before may send already.
  if (config.encrypt) await refuseUnencrypted(config.podCidrs)
  const { addresses, mtu } = await makeBridge(pods, log)
  await ownAddresses(pods.bridge, nodeIPs)
  const policies = startPolicies({
    client,
    nodeName,
    table: policyTableOf(clusterTag(paths, config.name)),
    bridge: pods.bridge,
    families: familiesOf(config.podCidrs),
    dns: { addresses, port: dnsPort },
    clock: realClock,
    log: log.with({ part: 'network' }),
    signal,
  })
  isolation.use(policies)
  await startNames(options, client, addresses, resolvConf, signal)
  await Promise.all([proxy, policies])
  const works = await dnsWorks(config, dnsPatience, signal)
  await announceNetwork(pods, mtu)
  await kubelet.refresh()
  if (works) return report({ ready: true })
  report({ ready: true, problem: `DNS does not answer at ${config.dnsAddress}` })
  void dnsWorks(config, dnsOutage, signal).then(late => late && report({ ready: true }))
}

/**
 * Gives the node those of its IPv6 addresses that it has on no link: a machine without one of its own gets one, so that
 * others on it have something to reach it by.
 */
async function ownAddresses(bridge: string, nodeIPs: readonly string[]): Promise<void> {
  const ip = makeIp()
  const present = new Set((await ip.addresses()).map(({ address }) => address))
  const missing = nodeIPs.filter(address => address.includes(':') && !present.has(address))
  await ip.batch(missing.map(address => `address replace ${address}/128 dev ${bridge} nodad`))
}

/** How long a node waits for DNS, and how often it asks. A cluster may have another DNS server, or none, so it ends. */
const dnsPatience = { limitMs: 5_000, pauseMs: 20 }
const dnsOutage = { limitMs: Infinity, pauseMs: 2_000 }

/** Whether DNS begins to answer in time at the address of its Service. As for pods, this needs the proxy too. */
async function dnsWorks(
  { dnsAddress, domain }: ClusterConfig,
  { limitMs, pauseMs }: typeof dnsPatience,
  signal: AbortSignal,
): Promise<boolean> {
  const until = realClock.steady() + limitMs
  while (!signal.aborted) {
    if (await dnsAnswers(dnsAddress, `kubernetes.default.svc.${domain}`)) return true
    if (realClock.steady() > until) return false
    // The sleep rejects only when aborted, which the loop checks.
    await realClock.sleep(pauseMs, signal).catch(() => {})
  }
  return false
}

const resolvConfs = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']

/** The first file that names a resolver pods can reach. They cannot reach one on the machine's loopback. */
async function usableResolvConf(): Promise<string> {
  for (const file of resolvConfs) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (/^\s*nameserver\s+(?!127\.|::1\b)\S/m.test(text)) return file
  }
  return resolvConfs[0]!
}
