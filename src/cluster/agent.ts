// The agent role as a process: kubelet, kube-proxy, pod network and DNS of one node, and the containerd they use.
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import { Client, type HttpsTransport, httpsTransport } from '../client/index.ts'
import { startDns } from '../dns/index.ts'
import {
  buildPause,
  copyImages,
  listImages,
  loadArchive,
  normalizeName,
  pauseImage,
  pinsFileFor,
  readPins,
} from '../images/index.ts'
import { containerdPaths, ensureContainerd, keepContainerd } from '../kubelet/containerd/index.ts'
import { criRuntime, startKubelet } from '../kubelet/index.ts'
import { keepPodRoutes, startPodNetwork } from '../network/index.ts'
import { startProxy } from '../proxy/index.ts'
import { clusterTag, nodeNames } from './config.ts'
import { dnsPort } from './dns-service.ts'
import { keepLifeline } from './lifeline.ts'
import { hostAddresses } from './machine.ts'
import { bridgeOf, nodeCgroupOf, nodeDirs, tableOf } from './node-names.ts'
import { addressIn } from './node-range.ts'
import { Pki } from './pki.ts'
import type { RoleOptions } from './server.ts'

type AgentOptions = RoleOptions & { nodeName: string }

/** Runs the agent until the signal aborts. Containers go on running then. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { config, paths, log, signal, revive, nodeName } = options
  const clock = realClock
  const lifeline = keepLifeline({
    socket: paths.socket,
    hello: { role: 'agent', node: nodeName },
    clock,
    log,
    revive,
    signal,
  })
  const dirs = nodeDirs(paths.node(nodeName))
  const tag = clusterTag(paths, config.name)
  const { nodeIP, apiAddress } = placeOf(options)
  const resolvConf = await usableResolvConf()
  const [{ transport, serving, ca }, runtimeSocket] = await Promise.all([
    connect(options, nodeIP, apiAddress),
    startRuntime(options),
  ])
  const client = (part: string) =>
    new Client({
      serve: transport.serve,
      user: { name: '', groups: [] },
      userAgent: part,
      clock,
      log: log.with({ part }),
    })
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
    runtime: criRuntime({
      socket: runtimeSocket,
      clock,
      log,
      pinnedImages: () => readPins(pinsFileFor(runtimeSocket)),
    }),
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
    const gateway = await startPodNetwork({
      bridge: bridgeOf(tag),
      podCidr,
      confDir: dirs.cniConf,
      stateDir: dirs.cniState,
      log,
    })
    await kubelet.refresh()
    await startDns({
      client: client('dns'),
      address: gateway,
      port: dnsPort,
      domain: config.domain,
      resolvConf,
      clock,
      log: log.with({ part: 'dns' }),
      signal,
    })
  }
  lifeline.tell({ ready: true })
  proxy
    .then(() => keepPodRoutes({ client: client('network'), nodeName, podCidr: config.podCidr, clock, log, signal }))
    .catch(error => {
      if (!signal.aborted) lifeline.tell({ ready: true, problem: `kube-proxy: ${messageOf(error)}` })
    })
  log.info('node is up', { node: nodeName, startedInMs: Math.round(performance.now()) })
  void loadImages(options, runtimeSocket).catch(error => log.error('cannot load the images of the cluster', { error }))
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  await kubelet.close()
  transport.close()
}

/** A node in a namespace has an address of its own there, and reaches the machine at the bridge's. */
function placeOf({ config, nodeName }: AgentOptions): { nodeIP: string; apiAddress: string } {
  const own = config.nodes.find(node => node.name === nodeName)
  return own
    ? { nodeIP: addressIn(config.nodeCidr, own.index), apiAddress: addressIn(config.nodeCidr, 1) }
    : { nodeIP: hostAddresses()[0] ?? '127.0.0.1', apiAddress: '127.0.0.1' }
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

/** Credentials of the node, and the connection made with them. */
async function connect({ config, paths, nodeName }: AgentOptions, nodeIP: string, apiAddress: string) {
  const pki = new Pki(paths.pki, realClock)
  const authority = await pki.authority()
  const own = new Pki(nodeDirs(paths.node(nodeName)).pki, realClock, authority)
  const subject = { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] }
  const client = await own.certificate('client', subject, ['client auth', 'digital signature'])
  const serving = await own.certificate('serving', { ...subject, dnsNames: [nodeName], ips: [nodeIP, '127.0.0.1'] }, [
    'server auth',
    'digital signature',
  ])
  const transport: HttpsTransport = httpsTransport(() => ({
    server: `https://${apiAddress}:${config.port}`,
    ca: authority.certPem,
    cert: client.certPem,
    key: client.keyPem,
  }))
  return { transport, serving, ca: authority.certPem }
}

/** Starts containerd, or finds it running, and makes sure it has the pause image. Returns its socket. */
async function startRuntime({ config, paths, nodeName, log, signal }: AgentOptions): Promise<string> {
  const dirs = nodeDirs(paths.node(nodeName))
  await mkdir(dirs.containerd, { recursive: true, mode: 0o711 })
  await mkdir(dirs.registry, { recursive: true })
  const place = {
    dir: dirs.containerd,
    cniConfDir: dirs.cniConf,
    sandboxImage: pauseImage,
    registryDir: dirs.registry,
    log: log.with({ part: 'containerd' }),
  }
  const archive = ensurePause(dirs.pauseArchive, paths.debs, log)
  await ensureContainerd(place, signal)
  keepContainerd(place, signal, () => log.info('containerd is watched')).catch(error => {
    if (!signal.aborted) log.error('containerd cannot be kept running', { error })
  })
  const { socket } = containerdPaths(dirs.containerd)
  const store = { socket, pinsFile: pinsFileFor(socket) }
  if (!(await listImages(store, signal)).some(image => image.name === normalizeName(pauseImage)))
    await loadArchive(await archive, store, { signal })
  for (const other of nodeNames(config)) {
    const from = containerdPaths(nodeDirs(paths.node(other)).containerd).socket
    if (other === nodeName || !existsSync(from)) continue
    // What a user loaded is on every node, on those that came later, too.
    await copyImages({ socket: from, pinsFile: pinsFileFor(from) }, store, { signal }).then(
      names => names.length && log.info('images taken over', { from: other, names }),
      error => signal.aborted || log.warn('cannot take over images', { from: other, why: messageOf(error) }),
    )
  }
  return socket
}

async function ensurePause(file: string, cacheDir: string, log: Log): Promise<string> {
  if (!existsSync(file)) {
    await mkdir(cacheDir, { recursive: true })
    await buildPause(file, { cacheDir, log })
  }
  return file
}

/** Archives in <data>/images are loaded at every start; those there already cost little. */
async function loadImages({ paths, log, signal }: AgentOptions, socket: string): Promise<void> {
  if (!existsSync(paths.images)) return
  for (const name of await readdir(paths.images)) {
    if (!/\.(tar|tgz|tar\.gz)$/.test(name)) continue
    const { names } = await loadArchive(join(paths.images, name), { socket, pinsFile: pinsFileFor(socket) }, { signal })
    log.info('image loaded', { archive: name, names })
  }
}
