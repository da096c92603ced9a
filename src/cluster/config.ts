// The configuration of a cluster on this machine: name, ports, address ranges, directories. It is chosen at the first
// `up` and kept in <data-dir>/<name>/cluster.json. Ranges and node names stay the same from then on; ports and timings
// may be changed by a later `up`.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { replaceFile } from '../base/files.ts'
import { type AccessSettings, mergedAccess } from './access-settings.ts'
import type { AuditSettings } from './security-options.ts'
import { portFree } from '../linux/index.ts'
import { type EtcdStart, hasOwnEtcd } from './own-etcd.ts'
import { commandLine, defaultName } from './hint.ts'
import { addressIn, chooseNodeRange } from './node-range.ts'

export { defaultDataDir, defaultName } from './hint.ts'

export interface ClusterConfig {
  name: string
  port: number
  kubeletPort: number
  nodeName: string
  /** The ranges of pods, at most one of each family. The first is that of the default family. */
  podCidrs: readonly string[]
  /** The ranges of Services, of the same families in the same order. */
  serviceCidrs: readonly string[]
  dnsAddress: string
  nodePorts: [number, number]
  domain: string
  /** A number that no other cluster of this machine has, from 0. Ranges and default ports are derived from it. */
  slot: number
  /**
   * The ranges of addresses of nodes in network namespaces, of the same families. Their first addresses are the
   * machine's own. Empty on a machine that joined a cluster.
   */
  nodeCidrs: readonly string[]
  /** The number of the cluster's VXLAN on a machine that joined it; others derive it from the slot. */
  vxlanId?: number
  /** Nodes of this machine in addition to the first, each in a network namespace of its own. */
  nodes: readonly LocalNode[]
  /** How long a node may be silent before it counts as lost, such as `40s`; without it the controllers' default. */
  nodeMonitorGracePeriod?: string
  /** Longest lifetime of requested certificates, such as `24h`; one year without it. */
  clusterSigningDuration?: string
  /** Set on a machine that joined a cluster on another one; the ranges are then those of that cluster. */
  joined?: {
    server: string
    nodeIPs: readonly string[]
    /** Whether the command line named the addresses, which then stay. */
    isChosen?: boolean
  }
  /** Parts that do not run in the server's process. */
  disable?: readonly ServerPart[]
  /** Admission plugins that run in addition to those that do by default. */
  enableAdmissionPlugins?: readonly string[]
  /** Admission plugins that do not run. */
  disableAdmissionPlugins?: readonly string[]
  /** Path of the file that configures admission plugins. */
  admissionConfig?: string
  /** Path of the file that chooses how objects are encrypted in the store. */
  encryptionConfig?: string
  /** Whether that file is read again when it has changed. */
  encryptionReload?: boolean
  /** Path of a file with tokens and their users. */
  tokenFile?: string
  /** Path of a kubeconfig file for the server that decides about tokens. */
  tokenWebhook?: string
  /** Who may use the API server. */
  access?: AccessSettings
  /** How requests are audited. */
  audit?: AuditSettings
  /** Path of the scheduler's configuration file; without it the defaults apply. */
  schedulerConfig?: string
  /** Path of the kubelets' configuration file; without it the defaults apply. */
  kubeletConfig?: string
  /** The ports of the nodes for Ingresses; without them those of `ingressPortsOf`. */
  ingressHttpPort?: number
  ingressHttpsPort?: number
  /** Ranges of addresses for Services of type LoadBalancer; without any they get those of the nodes. */
  loadBalancerPool?: readonly string[]
  /** Ranges of addresses of the nodes that have node ports; without any all addresses have them. */
  nodePortAddresses?: readonly string[]
  /** Whether the cluster has the kinds of Gateway API, and serves Gateways. */
  gateway?: boolean
  /** Whether what pods of different nodes send to each other is encrypted. */
  encrypt?: boolean
  /** The store, as `--store` names it; without it the one in the cluster's directory. */
  store?: string
  /** The revision at which the store began that was restored or repaired last. */
  restoredAt?: number
  /** Set where this machine has a member of the cluster's own etcd. */
  member?: EtcdStart
  /** An address outside of all nodes at which some healthy server answers. */
  virtualAddress?: string
  /** Paths of the files of TLS with etcd. */
  etcdCa?: string
  etcdCert?: string
  etcdKey?: string
  /** How often a snapshot is taken, such as `6h`, or `0` for never; and how many are kept. */
  snapshotInterval?: string
  snapshotsKept?: number
  /** The size that the store of this machine may have, such as `8Gi`. */
  storeQuota?: string
  /** The release that started the cluster last. */
  release?: Release
  /** The release before an upgrade, and the state that it left. */
  before?: Release & { snapshot: string; at: string }
  /** How many requests the server serves at once, reading and writing, and how long each may take, such as `1m`. */
  maxRequestsInflight?: number
  maxMutatingRequestsInflight?: number
  /** How many watches there may be. */
  maxWatches?: number
  requestTimeout?: string
  /** Path of the file that asks for traces of the server. */
  tracingConfig?: string
  /** Whether profiles of the server and of nodes can be taken: `false` if not. */
  profiling?: string
}

/** A release of Kutter: where its programs are, and which version it is. */
export interface Release {
  directory: string
  version: string
}

/**
 * The parts of nodes that can be left to others: the pod network, to a CNI plugin with a configuration in /etc/cni/net.d;
 * and the rules of Services.
 */
export const nodeParts = ['network', 'proxy'] as const

/** The parts of the server's process that can be disabled, to run as processes of their own. */
export const processParts = ['controller-manager', 'scheduler'] as const
/**
 * All that can be disabled: also the storage class and the provisioner that a cluster has by itself, its own ingress
 * controller, and its own load balancer.
 */
export const serverParts = [...processParts, 'storage', 'ingress', 'loadbalancer', ...nodeParts] as const
export type ServerPart = (typeof serverParts)[number]

export interface LocalNode {
  name: string
  /** Set where a member of the cluster's own etcd runs beside the node. */
  member?: EtcdStart
  /** Whether a server runs beside the node. */
  isServer?: true
  /** The last number of its addresses in `nodeCidrs`; the machine itself has 1. */
  index: number
}

/**
 * The ports of the nodes for Ingresses. The default cluster has those of HTTP and HTTPS, others have some that are derived
 * from their slot.
 */
export function ingressPortsOf({
  name,
  slot,
  ingressHttpPort,
  ingressHttpsPort,
}: Pick<ClusterConfig, 'name' | 'slot' | 'ingressHttpPort' | 'ingressHttpsPort'>): { http: number; https: number } {
  const [http, https] = name === defaultName || slot < 0 ? [80, 443] : [10080 + slot * 20, 10443 + slot * 20]
  return { http: ingressHttpPort ?? http, https: ingressHttpsPort ?? https }
}

/** The port at which a node's proxy answers whether it is healthy: 10256 where the kubelet has 10250. */
export const proxyHealthPortOf = ({ kubeletPort }: Pick<ClusterConfig, 'kubeletPort'>): number => kubeletPort + 6

/** The port on loopback at which a node's proxy has its metrics: 10249 where the kubelet has 10250. */
export const proxyMetricsPortOf = ({ kubeletPort }: Pick<ClusterConfig, 'kubeletPort'>): number => kubeletPort - 1

/** The number of the VXLAN of a cluster. No other cluster of its server's machine has it. */
export const vxlanIdOf = (slot: number): number => 0x4b00 + slot

/** The directory of downloaded packages, beside those of the clusters. */
export const packageDir = '.debs'
const maxSlots = 60

/** The files and directories of one cluster. */
export function pathsOf(dataDir: string, name: string) {
  const root = join(dataDir, name)
  return {
    dataDir,
    root,
    config: join(root, 'cluster.json'),
    pki: join(root, 'pki'),
    /** The key with which Secrets are encrypted in the store. */
    encryptionKey: join(root, 'pki', 'encryption.key'),
    store: join(root, 'store'),
    snapshots: join(root, 'snapshots'),
    kubeconfig: join(root, 'kubeconfig'),
    /** The credentials for a part that runs as a process of its own. */
    kubeconfigOf: (part: ServerPart) => join(root, `${part}.kubeconfig`),
    logs: join(root, 'logs'),
    run: join(root, 'run'),
    auditLog: join(root, 'logs', 'audit.log'),
    manifests: join(root, 'manifests'),
    images: join(root, 'images'),
    /** Debian packages from which images are built; they are kept for the next build. */
    debs: process.env.KUTTER_PACKAGE_CACHE ?? join(dataDir, packageDir),
    socket: join(root, 'run', 'supervisor.sock'),
    node: (node: string) => join(root, 'agents', node),
    /** What all nodes on this machine share. */
    shared: join(root, 'shared'),
  }
}

export type ClusterPaths = ReturnType<typeof pathsOf>

/**
 * A short hash that is part of the name of every interface, table, cgroup and namespace of a cluster, so that clusters
 * do not touch each other's. It has six characters, since the names of interfaces have at most 15.
 */
export function clusterTag(paths: ClusterPaths, name: string): string {
  return createHash('sha256').update(`${paths.dataDir}/${name}`).digest('hex').slice(0, 6)
}

export function readConfig(paths: ClusterPaths): ClusterConfig | undefined {
  if (!existsSync(paths.config)) return undefined
  try {
    return upgraded(JSON.parse(readFileSync(paths.config, 'utf8')) as ClusterConfig & OldConfig)
  } catch (cause) {
    throw new Error(
      `${paths.config} is damaged: it is not valid JSON. Restore a copy of it, or remove ${paths.root} to start over without its data.`,
      { cause },
    )
  }
}

/**
 * Returns the configuration of a cluster after applying what the command line chose, and stores it. A new cluster gets
 * a slot, and with it ports and ranges that no other cluster of this machine uses.
 */
export async function ensureConfig(
  paths: ClusterPaths,
  wanted: { name: string; nodes?: number; ipFamily?: IpFamily } & Chosen,
): Promise<ClusterConfig> {
  const existing = readConfig(paths)
  if (existing) {
    if (existing.joined)
      throw new Error(
        `${paths.root} belongs to a node of the cluster at ${existing.joined.server}; choose another --name, or remove it with: ${commandLine('kutter', 'down --purge', paths)}`,
      )
    if (wanted.ipFamily && wanted.ipFamily !== familyOf(existing))
      throw new Error(
        `the cluster ${existing.name} has the addresses of --ip-family ${familyOf(existing)}, which stay; remove it first with: ${commandLine('kutter', 'down --purge', paths)}`,
      )
    claimSlot(existing.slot, paths.root)
    // Each of the settings of the audit is kept unless it is given.
    const audit = wanted.audit && { audit: { ...existing.audit, ...wanted.audit } }
    const access = wanted.access && { access: mergedAccess(existing.access, wanted.access) }
    const merged = withMember({ ...existing, ...chosen(wanted), ...access, ...audit })
    const changed = withNodes(merged, wanted.nodes ?? 1)
    await writeConfig(paths, changed)
    return changed
  }
  const slot = await takeSlot(paths)
  const made: ClusterConfig = {
    name: wanted.name,
    // The default cluster has the port of Kubernetes, others have one that is derived from their slot.
    port: wanted.port ?? (wanted.name === defaultName ? 6443 : 6443 + slot),
    kubeletPort: kubeletPortOf(slot),
    nodeName: nodeNameOf(hostname()),
    ...rangesOf(slot, wanted.ipFamily ?? 'ipv4'),
    nodePorts: [30000, 32767],
    domain: 'cluster.local',
    slot,
    nodes: [],
    ...chosen(wanted),
  }
  const config = withNodes(withMember(made), wanted.nodes ?? 1)
  await writeConfig(paths, config)
  return config
}

/**
 * The configuration of a further server, from that of the first: with a slot, a name and ranges for nodes in namespaces
 * of this machine's own. It is not stored.
 */
export async function addServer(
  paths: ClusterPaths,
  shared: ClusterConfig,
  own: { name: string; nodeName?: string; port?: number },
): Promise<ClusterConfig> {
  const slot = await takeSlot(paths)
  return {
    ...shared,
    name: own.name,
    slot,
    nodeName: own.nodeName ?? nodeNameOf(hostname()),
    port: own.port ?? shared.port,
    kubeletPort: kubeletPortOf(slot),
    nodeCidrs: rangesOf(slot, familyOf(shared)).nodeCidrs,
    nodes: [],
  }
}

/** The first member of a cluster's own etcd is beside its first server. */
const withMember = (config: ClusterConfig): ClusterConfig =>
  hasOwnEtcd(config) && !config.member ? { ...config, member: {} } : config

/** The families of a cluster's addresses: both means that IPv4 is the default. */
export const ipFamilies = ['ipv4', 'ipv6', 'dual'] as const
export type IpFamily = (typeof ipFamilies)[number]

/** The family of a cluster, by its ranges. */
const familyOf = ({ podCidrs }: ClusterConfig): IpFamily =>
  podCidrs.length > 1 ? 'dual' : podCidrs[0]?.includes(':') ? 'ipv6' : 'ipv4'

/** The ranges of a slot, and the address of DNS, which is the tenth of the Services. */
function rangesOf(
  slot: number,
  family: IpFamily,
): Pick<ClusterConfig, 'podCidrs' | 'serviceCidrs' | 'nodeCidrs' | 'dnsAddress'> {
  const four = [`10.${244 - slot}.0.0/16`, `10.${96 + slot}.0.0/16`, family === 'ipv6' ? '' : chooseNodeRange(slot)]
  const six = [`fd00:10:${244 - slot}::/56`, `fd00:10:${96 + slot}::/112`, `fd00:10:${32 + slot}::/64`]
  const chosen = { ipv4: [four], ipv6: [six], dual: [four, six] }[family]
  const [podCidrs = [], serviceCidrs = [], nodeCidrs = []] = [0, 1, 2].map(i => chosen.map(ranges => ranges[i]!))
  return { podCidrs, serviceCidrs, nodeCidrs, dnsAddress: addressIn(serviceCidrs[0]!, 10) }
}

/** The settings of clusters that were made before there was IPv6. */
interface OldConfig {
  podCidr?: string
  serviceCidr?: string
  nodeCidr?: string
  joined?: { server: string; nodeIP?: string; nodeIPs?: readonly string[]; isChosen?: boolean }
}

function upgraded({ podCidr, serviceCidr, nodeCidr, joined, ...config }: ClusterConfig & OldConfig): ClusterConfig {
  return {
    ...config,
    nodes: config.nodes ?? [],
    podCidrs: config.podCidrs ?? (podCidr ? [podCidr] : []),
    serviceCidrs: config.serviceCidrs ?? (serviceCidr ? [serviceCidr] : []),
    nodeCidrs: config.nodeCidrs ?? (joined ? [] : [nodeCidr ?? chooseNodeRange(config.slot)]),
    ...(joined && {
      joined: {
        server: joined.server,
        nodeIPs: joined.nodeIPs ?? [joined.nodeIP ?? ''],
        ...(joined.isChosen && { isChosen: true }),
      },
    }),
  }
}

/** The highest index of a node: the last address of a range is the broadcast address. */
const maxIndex = 254

/** Adds nodes until there are `count`, the first included. Existing nodes stay. */
export function withNodes(config: ClusterConfig, count: number): ClusterConfig {
  let result = config
  while (result.nodes.length + 1 < count) result = withNode(result)
  return result
}

/** Adds a node in a namespace; without a name it is called `node-2`, `node-3`, … */
export function withNode(config: ClusterConfig, name?: string): ClusterConfig {
  const names = nodeNames(config)
  const free = (taken: (n: number) => boolean) => {
    for (let n = 2; n <= maxIndex; n++) if (!taken(n)) return n
    throw new Error(`the cluster ${config.name} cannot have more than ${maxIndex} nodes on one machine`)
  }
  const { virtualAddress, nodeCidrs } = config
  const isVirtual = (n: number) => virtualAddress !== undefined && addressIn(nodeCidrs[0]!, n) === virtualAddress
  const index = free(n => isVirtual(n) || config.nodes.some(node => node.index === n))
  const chosenName = name ?? `node-${free(n => names.includes(`node-${n}`))}`
  return { ...config, nodes: [...config.nodes, { name: chosenName, index }] }
}

/** The names of all nodes on this machine, beginning with the machine's own. */
export const nodeNames = (config: ClusterConfig): string[] => [config.nodeName, ...config.nodes.map(n => n.name)]

/** The settings that the command line may give, and a later `up` may change. */
const choices = [
  'port',
  'nodeMonitorGracePeriod',
  'clusterSigningDuration',
  'schedulerConfig',
  'kubeletConfig',
  'admissionConfig',
  'encryptionConfig',
  'encryptionReload',
  'tokenFile',
  'tokenWebhook',
  'access',
  'audit',
  'disable',
  'nodePorts',
  'enableAdmissionPlugins',
  'disableAdmissionPlugins',
  'ingressHttpPort',
  'ingressHttpsPort',
  'loadBalancerPool',
  'nodePortAddresses',
  'gateway',
  'encrypt',
  'release',
  'store',
  'virtualAddress',
  'etcdCa',
  'etcdCert',
  'etcdKey',
  'snapshotInterval',
  'snapshotsKept',
  'profiling',
  'tracingConfig',
  'storeQuota',
  'maxRequestsInflight',
  'maxWatches',
  'maxMutatingRequestsInflight',
  'requestTimeout',
] as const satisfies readonly (keyof ClusterConfig)[]

export type Chosen = Partial<Pick<ClusterConfig, (typeof choices)[number]>>

/** The settings that the command line gave, without those it left out. */
const chosen = (given: Chosen): Chosen =>
  Object.fromEntries(choices.flatMap(key => (given[key] === undefined ? [] : [[key, given[key]]])))

const kubeletPortOf = (slot: number) => 10250 + slot * 20

/** Claims a slot that no other cluster of this machine has. */
async function takeSlot(paths: ClusterPaths): Promise<number> {
  const taken = new Set(otherClusters(paths).map(c => c.slot))
  for (let slot = 0; slot < maxSlots; slot++)
    if (!taken.has(slot) && (await portFree(kubeletPortOf(slot))) && claimSlot(slot, paths.root)) return slot
  throw new Error(
    `this machine has no free slot for another cluster: at most ${maxSlots} fit; remove one with: kutter down --purge --name NAME`,
  )
}

const slotDir = '/run/kutter'
const slotFile = (slot: number) => join(slotDir, `slot-${slot}`)

/**
 * Claims a slot for the whole machine, since clusters in other data directories use the same addresses. Returns false
 * when another cluster that still exists has it.
 */
export function claimSlot(slot: number, root: string): boolean {
  mkdirSync(slotDir, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(slotFile(slot), root, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const owner = readFileSync(slotFile(slot), 'utf8')
  if (owner !== root && existsSync(join(owner, 'cluster.json'))) return false
  writeFileSync(slotFile(slot), root)
  return true
}

/** Releases a slot when the data of its cluster is removed. */
export function releaseSlot(slot: number, root: string): void {
  if (!existsSync(slotFile(slot)) || readFileSync(slotFile(slot), 'utf8') !== root) return
  rmSync(slotFile(slot), { force: true })
  try {
    rmdirSync(slotDir)
  } catch {
    // Another cluster has a slot, or has removed the directory.
  }
}

/** Stores the configuration. */
export async function writeConfig(paths: ClusterPaths, config: ClusterConfig): Promise<void> {
  await mkdir(paths.root, { recursive: true, mode: 0o700 })
  await replaceFile(paths.config, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
}

function otherClusters(paths: ClusterPaths): ClusterConfig[] {
  if (!existsSync(paths.dataDir)) return []
  return readdirSync(paths.dataDir, { withFileTypes: true })
    .filter(entry => entry.isDirectory() && !entry.name.startsWith('.'))
    .flatMap(entry => readConfig(pathsOf(paths.dataDir, entry.name)) ?? [])
}

/** The value of the label kubernetes.io/hostname, which is the name, has at most this many characters. */
const maxNodeName = 63

/** Turns a host name into a valid name of a Node, which must be a DNS subdomain. */
export function nodeNameOf(text: string): string {
  const clean = text
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '-')
    .slice(0, maxNodeName)
    // Every part between dots begins and ends with a letter or digit.
    .replace(/-*\.[-.]*/g, '.')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
  return clean || 'node-1'
}
