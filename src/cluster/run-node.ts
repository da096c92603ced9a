// A node at work, wherever it is: kubelet, kube-proxy, pod network and DNS over one connection to the API server, and
// the containerd they use.
import { readFile } from 'node:fs/promises'
import { realClock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import { Client, type HttpsTransport } from '../client/index.ts'
import { startDns } from '../dns/index.ts'
import { pinsFileFor, readPins } from '../images/index.ts'
import { criRuntime, type Kubelet, startKubelet } from '../kubelet/index.ts'
import { announceNetwork, keepPodRoutes, makeBridge } from '../network/index.ts'
import { startProxy } from '../proxy/index.ts'
import type { KeyPair } from '../wire/x509.ts'
import { clusterTag } from './config.ts'
import { dnsAnswers } from './dns-probe.ts'
import { dnsPort } from './dns-service.ts'
import { keepNodeNetwork } from './node-network.ts'
import { bridgeOf, nodeCgroupOf, nodeDirs, tableOf } from './node-names.ts'
import { loadImages, type RuntimeOptions, startRuntime } from './node-runtime.ts'

export interface NodeConnection {
  transport: HttpsTransport
  /** What the kubelet's server shows. */
  serving: KeyPair
  /** PEM of the cluster's authority. */
  ca: string
}

interface NodeOptions extends RuntimeOptions {
  nodeIP: string
  connection: Promise<NodeConnection>
  /** Hears how the node is. */
  tell(state: { ready: boolean; problem?: string }): void
  /** Called once, when the kubelet works. */
  onKubelet?(kubelet: Kubelet): void
  log: Log
}

/** The client of one part of the node; the connection says who it is. */
const clientOf = (part: string, { serve }: HttpsTransport, log: Log) =>
  new Client({
    serve,
    user: { name: '', groups: [] },
    userAgent: part,
    clock: realClock,
    log: log.with({ part }),
  })

/** Runs the node until the signal aborts. Containers go on running then. */
export async function runNode(options: NodeOptions): Promise<void> {
  const { config, paths, log, signal, nodeName, nodeIP } = options
  const clock = realClock
  const tag = clusterTag(paths, config.name)
  const [{ transport, serving, ca }, socket, resolvConf] = await Promise.all([
    options.connection,
    startRuntime(options),
    usableResolvConf(),
  ])
  const client = (part: string) => clientOf(part, transport, log)
  const proxy = startProxy({
    client: client('kube-proxy'),
    nodeName,
    table: tableOf(tag),
    podCidr: config.podCidr,
    serviceCidr: config.serviceCidr,
    bridge: bridgeOf(tag),
    clock,
    log: log.with({ part: 'kube-proxy' }),
    signal,
  })
  const network = keepNodeNetwork({
    setUp: (podCidr, signal) => setUp(podCidr, signal),
    clock,
    log: log.with({ part: 'network' }),
    signal,
  })
  const kubelet = await startKubelet({
    client: client('kubelet'),
    nodeName,
    nodeIP,
    runtime: criRuntime({ socket, clock, log, pinnedImages: () => readPins(pinsFileFor(socket)) }),
    rootDir: paths.node(nodeName),
    cgroupRoot: nodeCgroupOf(tag, nodeName),
    resolvConf,
    clusterDNS: config.dnsAddress,
    clusterDomain: config.domain,
    clock,
    random: realRandom,
    log: log.with({ part: 'kubelet' }),
    server: { host: '0.0.0.0', port: config.kubeletPort, cert: serving.certPem, key: serving.keyPem, clientCA: ca },
    signal,
    onPodCIDR: ([podCidr]) => podCidr && network(podCidr),
  })
  const dnsClient = client('dns')
  // A node is ready for pods when the addresses and names of services work on it, not sooner.
  const setUp = async (podCidr: string, signal: AbortSignal) => {
    const { cniConf, cniState } = nodeDirs(paths.node(nodeName))
    const place = { bridge: bridgeOf(tag), podCidr, confDir: cniConf, stateDir: cniState }
    const { address, mtu } = await makeBridge(place, log)
    const dns = { client: dnsClient, address, port: dnsPort, domain: config.domain, resolvConf }
    await startDns({ ...dns, clock, log: log.with({ part: 'dns' }), signal })
    await proxy
    await announceNetwork(place, mtu)
    await kubelet.refresh()
    void reportDns(options, signal)
  }
  options.tell({ ready: false, problem: 'the network for pods is not set up yet' })
  proxy
    .then(() => keepPodRoutes({ client: client('network'), nodeName, podCidr: config.podCidr, clock, log, signal }))
    .catch(error => {
      if (!signal.aborted) options.tell({ ready: true, problem: `kube-proxy: ${messageOf(error)}` })
    })
  options.onKubelet?.(kubelet)
  log.info('node is up', { node: nodeName, startedInMs: Math.round(performance.now()) })
  void loadImages(options, socket).catch(error => log.error('cannot load the images of the cluster', { error }))
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  await kubelet.close()
  transport.close()
}

const dnsPatienceMs = 10_000
const dnsPauseMs = { hasty: 20, slow: 2_000 }

/**
 * Reports the agent as ready when DNS answers at its service address, as pods ask it: after that nothing of the network
 * is missing. When it does not answer for long, that is a problem, but no reason to wait with everything else.
 */
async function reportDns({ config, tell }: NodeOptions, signal: AbortSignal): Promise<void> {
  const [address, name] = [config.dnsAddress, `kubernetes.default.svc.${config.domain}`]
  const since = realClock.now()
  let pauseMs = dnsPauseMs.hasty
  while (!signal.aborted && !(await dnsAnswers(address, name))) {
    if (pauseMs === dnsPauseMs.hasty && realClock.now() - since > dnsPatienceMs) {
      pauseMs = dnsPauseMs.slow
      tell({ ready: true, problem: `DNS does not answer at ${address}` })
    }
    // Rejects only when aborted, which the loop's condition sees.
    await realClock.sleep(pauseMs, signal).catch(() => {})
  }
  if (!signal.aborted) tell({ ready: true })
}

const resolvConfs = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']

/** The first that names a resolver pods can reach: one on the machine's loopback is out of reach for them. */
async function usableResolvConf(): Promise<string> {
  for (const file of resolvConfs) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (/^\s*nameserver\s+(?!127\.|::1\b)\S/m.test(text)) return file
  }
  return resolvConfs[0]!
}
