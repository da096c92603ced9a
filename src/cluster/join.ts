// `kutter agent --server URL --token TOKEN`: runs a node on another machine than the server's. It verifies that the
// server belongs to the token's cluster, requests a certificate as the token's user, and continues as the node. From
// then on the token is not needed.
//
// When the machine gets another address, the process starts again with that, and the Node and the routes of others follow.
//
//   token ─► discover (discovery.ts) ─► certificate request ─► system:node:NAME ─► kutter-config ─► run-node.ts
//            └── skipped at later starts, while the stored certificate is valid ───────────────────►┘
import { X509Certificate } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { sameJson } from '../api/equal.ts'
import { familiesOf, ipFamily } from '../api/ip.ts'
import { realClock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import { replaceFile } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import { joined } from '../base/waiters.ts'
import { Client, type Credentials, httpsTransport } from '../client/index.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Node } from '../kinds/core/node.ts'
import { isNodeReady } from '../kinds/core/node-ready.ts'
import { certificateInUse, type Kubelet, loadKubeletConfig } from '../kubelet/index.ts'
import { isPair, type KeyPair, makeAuthority, splitBundle } from '../wire/x509.ts'
import { serverUrl, UsageError } from './args.ts'
import { authoritiesOf, type ClusterFacts, factsMetadata, readClusterFacts } from './cluster-facts.ts'
import { type ClusterConfig, type ClusterPaths, nodeNameOf, readConfig, writeConfig } from './config.ts'
import { discover } from './discovery.ts'
import { readJoinToken } from './join-token.ts'
import { hostAddresses, missingPackages } from './machine.ts'
import { keepRenewed, type Kept, obtain, readKept, type Wanted, writeKept } from './node-certificates.ts'
import { linkAddresses, movedSignal, presentAddresses } from './node-addresses.ts'
import { nodeDirs } from './node-names.ts'
import { patiently } from './patience.ts'
import { runNode } from './run-node.ts'
import { ServerList } from './server-list.ts'
import { refuseEncryption } from './start-checks.ts'

interface JoinOptions {
  paths: ClusterPaths
  /** The name of the cluster on this machine, which need not be its name on the server's. */
  name: string
  server?: string
  token?: string
  nodeName?: string
  nodeIP?: string
  kubeletPort?: number
  /** The path of the kubelet's configuration file. It is kept for later starts. */
  kubeletConfig?: string
  log: Log
  signal: AbortSignal
}

const defaultKubeletPort = 10250
/** How long the server may take to accept a connection that finds out the way to it. */
const reachMs = 5_000

/**
 * Runs the node until the signal aborts, or until the machine has other addresses, with which the process is to start
 * again. Throws an Error whose message states in one sentence why it cannot join.
 */
export async function runJoined(options: JoinOptions): Promise<'ended' | 'moved'> {
  const { paths } = options
  const stored = readConfig(paths)
  if (stored && !stored.joined)
    throw new UsageError(`${paths.root} holds a cluster whose server runs here; join with another --name or --data-dir`)
  const server = serverOf(options.server ?? stored?.joined?.server)
  const nodeName = options.nodeName ?? stored?.nodeName ?? nodeNameOf(hostname())
  if (stored && nodeName !== stored.nodeName)
    throw new UsageError(
      `this machine joined as ${stored.nodeName} and cannot become ${nodeName} with the same data; use another --name`,
    )
  const missing = missingPackages()
  if (missing.length)
    throw new Error(
      `missing Debian packages: ${missing.join(', ')}; install them with: apt-get install ${missing.join(' ')}`,
    )
  const { kubeletConfig = stored?.kubeletConfig } = options
  if (kubeletConfig) await loadKubeletConfig(kubeletConfig)
  const place = {
    ...options,
    server,
    nodeName,
    files: filesOf(paths, nodeName),
    ...(kubeletConfig && { kubeletConfig }),
  }
  const kept = stored && (await keptIdentity(place))
  if (stored && kept) {
    const now = await rejoined(place, stored)
    const config = { ...stored, joined: now, ...(kubeletConfig && { kubeletConfig }) }
    if (kubeletConfig !== stored.kubeletConfig || !sameJson(now, stored.joined)) await writeConfig(paths, config)
    return work(place, config, kept)
  }
  const { config, identity } = await joinBy(place, stored)
  return work(place, config, identity)
}

interface Place extends JoinOptions {
  server: string
  nodeName: string
  files: { ca: string; client: string; serving: string }
}

interface Identity {
  /** PEM of the cluster's authority. */
  ca: string
  client: Kept
}

function serverOf(text: string | undefined): string {
  if (text === undefined)
    throw new UsageError('kutter agent requires --server https://HOST:PORT and --token TOKEN to join a cluster')
  return serverUrl('server', text)
}

/** The files of the node's certificates, with the names that other kubelets use. */
function filesOf(paths: ClusterPaths, nodeName: string) {
  const { pki } = nodeDirs(paths.node(nodeName))
  return {
    ca: join(pki, 'ca.crt'),
    client: join(pki, 'kubelet-client-current.pem'),
    serving: join(pki, 'kubelet-server-current.pem'),
  }
}

async function keptIdentity({ files }: Place): Promise<Identity | undefined> {
  const ca = await readFile(files.ca, 'utf8').catch(() => '')
  const client = ca ? await readKept(files.client, ca, realClock.now()) : undefined
  return client && { ca, client }
}

/** How the machine joined, with the addresses that it has at present. */
async function rejoined({ server, nodeIP, log }: Place, { joined }: ClusterConfig) {
  const had = joined!
  if (nodeIP) return { ...had, nodeIPs: nodeIP.split(',').map(ip => ip.trim()), isChosen: true }
  const present = linkAddresses()
  if (had.isChosen || had.nodeIPs.every(ip => present.includes(ip))) return had
  const local = await localAddressTo(server)
  const nodeIPs = presentAddresses(had.nodeIPs, present, hostAddresses, local && nodeAddress(local))
  log.warn('the node has other addresses', { before: had.nodeIPs, now: nodeIPs })
  return { ...had, nodeIPs }
}

/** The local end of a connection to the server; undefined when it cannot be reached now. */
function localAddressTo(server: string): Promise<string | undefined> {
  const { hostname: host, port } = new URL(server)
  return new Promise(resolve => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port: Number(port || 443), timeout: reachMs })
    const end = (address?: string) => {
      socket.destroy()
      resolve(address)
    }
    socket.on('connect', () => end(socket.localAddress))
    socket.on('timeout', () => end())
    socket.on('error', () => end())
  })
}

const wantedClient = (nodeName: string): Wanted => ({
  signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
  usage: 'client auth',
  subject: { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] },
})

const wantedServing = (nodeName: string, nodeIPs: readonly string[]): Wanted => ({
  signerName: 'kubernetes.io/kubelet-serving',
  usage: 'server auth',
  subject: {
    commonName: `system:node:${nodeName}`,
    organizations: ['system:nodes'],
    dnsNames: [nodeName],
    ips: nodeIPs,
  },
})

/** Joins with the token, and stores the certificate and the configuration for later starts. */
async function joinBy(
  place: Place,
  stored: ClusterConfig | undefined,
): Promise<{ config: ClusterConfig; identity: Identity }> {
  const { server, nodeName, files, paths, log } = place
  if (!place.token)
    throw new UsageError(
      stored
        ? `the certificate of ${nodeName} is missing or has expired; join again with --token TOKEN, created by kutter token create`
        : 'kutter agent requires --token TOKEN to join a cluster; create one on its server with: kutter token create',
    )
  const token = readJoinToken(place.token)
  const around = { clock: realClock, log, signal: place.signal }
  const { ca, localAddress } = await patiently(around, () => discover(server, token, realClock))
  log.info('the server belongs to the cluster of the token', { server })
  const bearer = `${token.id}.${token.secret}`
  const pair = await connected(place, { server, ca, token: () => bearer }, async client =>
    obtain(client, wantedClient(nodeName), { ...place, clock: realClock }),
  ).catch(error => {
    if (!isReason(error, 'Unauthorized', 'Forbidden')) throw error
    throw new Error(`${server} does not accept the token ${token.id}: it has expired, or may not be used to join`, {
      cause: error,
    })
  })
  const local = nodeAddress(localAddress)
  const facts = await connected(place, { server, ca, cert: pair.certPem, key: pair.keyPem }, async client => {
    if (!stored) await refuseTaken(client, nodeName, place.nodeIP ?? local)
    return readClusterFacts(client)
  })
  await refuseEncryption(facts)
  const config = configOf(place, facts, nodeIPsOf(facts, place.nodeIP?.split(',') ?? [], local))
  await mkdir(dirname(files.ca), { recursive: true, mode: 0o700 })
  await writeFile(files.ca, ca)
  await writeKept(files.client, pair)
  await writeConfig(paths, config)
  return { config, identity: { ca, client: { pair, since: realClock.now() } } }
}

/** Runs `exchange` with a client that has these credentials, and closes the client. */
async function connected<T>(
  { log, signal }: Place,
  credentials: Credentials,
  exchange: (client: Client) => Promise<T>,
): Promise<T> {
  const transport = httpsTransport(() => credentials)
  const user = { name: '', groups: [] }
  const client = new Client({ serve: transport.serve, user, userAgent: 'kubelet', clock: realClock, log })
  try {
    return await patiently({ clock: realClock, log, signal }, () => exchange(client))
  } finally {
    client.close()
    transport.close()
  }
}

/** The node's address: the local one of the connection to the server, unless the server is on this machine. */
const nodeAddress = (local: string) => {
  const address = local.replace(/^::ffff:/, '')
  return address.startsWith('127.') ? (hostAddresses(4)[0] ?? address) : address
}

/** One address for each family of the cluster: that of the command line, else the local one, else one of the machine. */
function nodeIPsOf(facts: ClusterFacts, given: readonly string[], local: string): string[] {
  const found = familiesOf(facts.podCidrs).flatMap(family => {
    const named = given.find(ip => ipFamily(ip.trim()) === family)?.trim()
    return named ?? (ipFamily(local) === family ? local : (hostAddresses(family)[0] ?? []))
  })
  return found.length ? found : [local]
}

/** Throws when a living node has the name already: two machines under one name would run the same pods. */
async function refuseTaken(client: Client, name: string, nodeIP: string): Promise<void> {
  const node = await client.find(Node, { name })
  const address = node?.status.addresses?.find(a => a.type === 'InternalIP')?.address
  if (node && isNodeReady(node) && address !== nodeIP.split(',')[0])
    throw new UsageError(`the cluster has a node ${name} already, Ready at ${address}; choose another --node-name`)
}

function configOf(
  { name, nodeName, server, nodeIP, kubeletPort, kubeletConfig }: Place,
  facts: ClusterFacts,
  nodeIPs: readonly string[],
): ClusterConfig {
  return {
    ...facts,
    name,
    nodeName,
    port: Number(new URL(server).port || 443),
    kubeletPort: kubeletPort ?? defaultKubeletPort,
    nodePorts: [30000, 32767],
    slot: -1,
    nodeCidrs: [],
    nodes: [],
    joined: { server, nodeIPs, ...(nodeIP && { isChosen: true }) },
    ...(kubeletConfig && { kubeletConfig }),
  }
}

/** Runs the node with its certificates, and renews them before they expire. */
async function work(place: Place, config: ClusterConfig, { ca, client }: Identity): Promise<'ended' | 'moved'> {
  const { paths, nodeName, server, files, log } = place
  const { nodeIPs, isChosen } = config.joined!
  const addresses = () => (isChosen ? nodeIPs : presentAddresses(nodeIPs, linkAddresses(), hostAddresses))
  const moved = movedSignal(addresses, realClock, log, place.signal)
  const rekeyed = new AbortController()
  const { signal } = joined(place.signal, moved, rekeyed.signal)
  const current = { client: client.pair }
  certificateInUse('client', client.pair.certPem)
  const servers = new ServerList(nodeDirs(paths.node(nodeName)).servers, [server])
  const transport = httpsTransport(() => {
    const at = servers.current
    const { certPem: cert, keyPem: key } = current.client
    return { server: at, ca, cert, key, onLost: () => servers.leave(at) }
  })
  const kept = await readKept(files.serving, ca, realClock.now())
  // One for other addresses is of no use to those who come by these.
  const serving = kept && isPair(kept.pair, ca) && isFor(kept, nodeIPs) ? kept : undefined
  const asNode = new Client({
    serve: transport.serve,
    user: { name: '', groups: [] },
    userAgent: 'kubelet',
    clock: realClock,
    log,
  })
  const common = { clock: realClock, random: realRandom, log, signal }
  const renew = (kubelet: Kubelet) => {
    void keepRenewed({
      ...common,
      // One of the authority before is replaced at once, while that is still accepted.
      first: isPair(client.pair, ca) ? client : undefined,
      file: files.client,
      ask: () => obtain(asNode, wantedClient(nodeName), common),
      use: pair => {
        current.client = pair
        certificateInUse('client', pair.certPem)
        transport.renew()
      },
    })
    // Serving certificates are approved only for addresses that the Node's status has, which the kubelet writes first.
    void kubelet.ready.then(() =>
      keepRenewed({
        ...common,
        first: serving,
        file: files.serving,
        ask: () => obtain(asNode, wantedServing(nodeName, nodeIPs), common),
        use: pair => (kubelet.renewServing(pair), certificateInUse('server', pair.certPem)),
      }),
    )
  }
  followAuthorities(asNode, files.ca, ca, rekeyed, log)
  await runNode({
    config,
    paths,
    nodeName,
    nodeIPs,
    connection: (async () => ({ transport, servers, ca, serving: serving?.pair ?? (await placeholder(nodeName)) }))(),
    report: ({ problem }) => problem && log.error('the node has a problem', { problem }),
    onKubelet: renew,
    log,
    signal,
  })
  asNode.close()
  return place.signal.aborted ? 'ended' : 'moved'
}

/** Takes the authorities of the cluster when they change; the process then starts again with them. */
function followAuthorities(client: Client, file: string, before: string, rekeyed: AbortController, log: Log): void {
  const { name, namespace } = factsMetadata
  const facts = client.mirror(ConfigMap, { namespace, fieldSelector: `metadata.name=${name}` })
  const look = async () => {
    const map = facts.get(namespace, name)
    const now = map && authoritiesOf(map)
    if (!now || now === before || !splitBundle(now).length) return
    await replaceFile(file, now, { mode: 0o600 })
    log.info('the cluster has other authorities, starting again')
    rekeyed.abort()
  }
  const failed = (error: unknown) => log.error('the authorities cannot be kept', { why: messageOf(error) })
  facts.subscribe(() => void look().catch(failed), 'authorities')
}

const isFor = ({ pair }: Kept, addresses: readonly string[]): boolean => {
  const certificate = new X509Certificate(pair.certPem)
  return addresses.every(address => certificate.checkIP(address) !== undefined)
}

/**
 * The certificate of the kubelet's server until the cluster has signed one. It is self-signed, so no client trusts it.
 */
const placeholder = (nodeName: string): Promise<KeyPair> =>
  makeAuthority({ commonName: `${nodeName}-waiting`, now: realClock.now(), validMs: 24 * 3600_000 })
