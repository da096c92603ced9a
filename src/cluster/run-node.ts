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
import { keepPodRoutes, startPodNetwork } from '../network/index.ts'
import { startProxy } from '../proxy/index.ts'
import type { KeyPair } from '../wire/x509.ts'
import { clusterTag } from './config.ts'
import { dnsPort } from './dns-service.ts'
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
  const client = (part: string) => {
    const user = { name: '', groups: [] }
    return new Client({ serve: transport.serve, user, userAgent: part, clock, log: log.with({ part }) })
  }
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
  let networked: string | undefined
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
    onPodCIDR: ([podCidr]) => {
      if (!podCidr || podCidr === networked) return
      networked = podCidr
      network(podCidr).catch(error => log.error('cannot set up the pod network', { error }))
    },
  })
  const network = async (podCidr: string) => {
    const { cniConf, cniState } = nodeDirs(paths.node(nodeName))
    const place = { bridge: bridgeOf(tag), podCidr, confDir: cniConf, stateDir: cniState }
    const address = await startPodNetwork({ ...place, log })
    await kubelet.refresh()
    const dns = { client: client('dns'), address, port: dnsPort, domain: config.domain, resolvConf }
    await startDns({ ...dns, clock, log: log.with({ part: 'dns' }), signal })
  }
  options.tell({ ready: true })
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

const resolvConfs = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']

/** The first that names a resolver pods can reach: one on the machine's loopback is out of reach for them. */
async function usableResolvConf(): Promise<string> {
  for (const file of resolvConfs) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (/^\s*nameserver\s+(?!127\.|::1\b)\S/m.test(text)) return file
  }
  return resolvConfs[0]!
}
