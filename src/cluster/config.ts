// What a cluster on this machine is: its name, ports, ranges and directories. Chosen at the first `up`, kept in
// <data-dir>/<name>/cluster.json, the same from then on.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { commandLine, defaultName } from './hint.ts'
import { portFree } from './machine.ts'
import { chooseNodeRange } from './node-range.ts'

export { defaultDataDir, defaultName } from './hint.ts'

export interface ClusterConfig {
  name: string
  port: number
  kubeletPort: number
  nodeName: string
  podCidr: string
  serviceCidr: string
  dnsAddress: string
  nodePorts: [number, number]
  domain: string
  /** Which of the machine's clusters this is: 0 for the first. Keeps ranges and ports apart. */
  slot: number
  /** Addresses of the nodes in namespaces; the first is the machine's own among them. */
  nodeCidr: string
  /** Nodes of this machine besides the first, each in a network namespace of its own. */
  nodes: readonly LocalNode[]
  /** How long a node may be silent, as `40s`; the controllers' own default without it. */
  nodeMonitorGracePeriod?: string
  /** The longest life of certificates that are asked for; a year without it. */
  clusterSigningDuration?: string
  /** This machine is a node of a cluster elsewhere; the rest is what that cluster said of itself. */
  joined?: { server: string; nodeIP: string }
  /** Parts that the server leaves to processes of their own. */
  disable?: readonly ServerPart[]
  /** The scheduler's configuration file, when it has one. */
  schedulerConfig?: string
}

/** What runs in the server's process unless it is switched off. */
export const serverParts = ['controller-manager', 'scheduler'] as const
export type ServerPart = (typeof serverParts)[number]

export interface LocalNode {
  name: string
  /** The last number of its address; the machine itself has 1. */
  index: number
}

/** Where packages for images are kept, beside the clusters. */
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
    store: join(root, 'store'),
    kubeconfig: join(root, 'kubeconfig'),
    /** Of a part of the server that runs by itself. */
    kubeconfigOf: (part: ServerPart) => join(root, `${part}.kubeconfig`),
    logs: join(root, 'logs'),
    run: join(root, 'run'),
    manifests: join(root, 'manifests'),
    images: join(root, 'images'),
    /** Debian packages that images are built from, kept for the next build. */
    debs: process.env.KUTTER_PACKAGE_CACHE ?? join(dataDir, packageDir),
    socket: join(root, 'run', 'supervisor.sock'),
    node: (node: string) => join(root, 'agents', node),
  }
}

export type ClusterPaths = ReturnType<typeof pathsOf>

/** What tells one cluster's interfaces, tables and cgroups from another's: short, for interface names have 15 characters. */
export function clusterTag(paths: ClusterPaths, name: string): string {
  return createHash('sha256').update(`${paths.dataDir}/${name}`).digest('hex').slice(0, 6)
}

export function readConfig(paths: ClusterPaths): ClusterConfig | undefined {
  if (!existsSync(paths.config)) return undefined
  try {
    const config = JSON.parse(readFileSync(paths.config, 'utf8')) as ClusterConfig
    return { ...config, nodes: config.nodes ?? [], nodeCidr: config.nodeCidr ?? chooseNodeRange(config.slot) }
  } catch (cause) {
    throw new Error(
      `${paths.config} is damaged: it is not JSON. Put back a copy of it, or remove ${paths.root} to start over without its data.`,
      { cause },
    )
  }
}

/** Keeps an existing configuration; makes one that collides with no other cluster of this data directory. */
export async function ensureConfig(
  paths: ClusterPaths,
  wanted: { name: string; nodes?: number } & Chosen,
): Promise<ClusterConfig> {
  const existing = readConfig(paths)
  if (existing) {
    if (existing.joined)
      throw new Error(
        `${paths.root} belongs to a node of the cluster at ${existing.joined.server}; take another --name, or remove it with: ${commandLine('kutter', 'down --purge', paths)}`,
      )
    claimSlot(existing.slot, paths.root)
    const changed = withNodes({ ...existing, ...chosen(wanted) }, wanted.nodes ?? 1)
    await writeConfig(paths, changed)
    return changed
  }
  const taken = new Set(otherClusters(paths).map(c => c.slot))
  const slot = await freeSlot(paths.root, taken)
  if (slot === undefined)
    throw new Error(
      `${paths.dataDir} holds ${maxSlots} clusters already; remove one with: kutter down --purge --name NAME`,
    )
  const made: ClusterConfig = {
    name: wanted.name,
    // The usual port for the usual cluster; others keep apart from each other.
    port: wanted.port ?? (wanted.name === defaultName ? 6443 : 6443 + slot),
    kubeletPort: kubeletPortOf(slot),
    nodeName: nodeNameOf(hostname()),
    podCidr: `10.${244 - slot}.0.0/16`,
    serviceCidr: `10.${96 + slot}.0.0/16`,
    dnsAddress: `10.${96 + slot}.0.10`,
    nodePorts: [30000, 32767],
    domain: 'cluster.local',
    slot,
    nodeCidr: chooseNodeRange(slot),
    nodes: [],
    ...chosen(wanted),
  }
  const config = withNodes(made, wanted.nodes ?? 1)
  await writeConfig(paths, config)
  return config
}

/** The highest index a node may have in its range, whose last address is the broadcast's. */
const maxIndex = 254

/** Adds nodes until there are `count` with the first; those there are stay. */
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
    throw new Error(`the cluster ${config.name} has ${maxIndex} nodes on this machine, and there is room for no more`)
  }
  const index = free(n => config.nodes.some(node => node.index === n))
  const chosenName = name ?? `node-${free(n => names.includes(`node-${n}`))}`
  return { ...config, nodes: [...config.nodes, { name: chosenName, index }] }
}

/** The names of all nodes of this machine, the first one first. */
export const nodeNames = (config: ClusterConfig): string[] => [config.nodeName, ...config.nodes.map(n => n.name)]

/** What the command line asked for, without what it left open. */
const chosen = ({
  port,
  nodeMonitorGracePeriod,
  clusterSigningDuration,
  schedulerConfig,
  disable,
  nodePorts,
}: Chosen) => ({
  ...(port !== undefined && { port }),
  ...(nodeMonitorGracePeriod !== undefined && { nodeMonitorGracePeriod }),
  ...(clusterSigningDuration !== undefined && { clusterSigningDuration }),
  ...(schedulerConfig !== undefined && { schedulerConfig }),
  ...(disable !== undefined && { disable }),
  ...(nodePorts !== undefined && { nodePorts }),
})

type Chosen = Partial<
  Pick<
    ClusterConfig,
    'port' | 'nodeMonitorGracePeriod' | 'clusterSigningDuration' | 'schedulerConfig' | 'disable' | 'nodePorts'
  >
>

const kubeletPortOf = (slot: number) => 10250 + slot * 20

async function freeSlot(root: string, taken: ReadonlySet<number>): Promise<number | undefined> {
  for (let slot = 0; slot < maxSlots; slot++) {
    if (!taken.has(slot) && (await portFree(kubeletPortOf(slot))) && claimSlot(slot, root)) return slot
  }
  return undefined
}

const slotDir = '/run/kutter'
const slotFile = (slot: number) => join(slotDir, `slot-${slot}`)

/** Takes a slot for a cluster, machine-wide: clusters of other data directories must not collide either. */
function claimSlot(slot: number, root: string): boolean {
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

/** Gives a slot back when its cluster's data is removed. */
export function releaseSlot(slot: number, root: string): void {
  if (!existsSync(slotFile(slot)) || readFileSync(slotFile(slot), 'utf8') !== root) return
  rmSync(slotFile(slot))
  if (readdirSync(slotDir).length === 0) rmdirSync(slotDir)
}

export async function writeConfig(paths: ClusterPaths, config: ClusterConfig): Promise<void> {
  await mkdir(paths.root, { recursive: true, mode: 0o700 })
  await writeFile(`${paths.config}.new`, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  await rename(`${paths.config}.new`, paths.config)
}

function otherClusters(paths: ClusterPaths): ClusterConfig[] {
  if (!existsSync(paths.dataDir)) return []
  return readdirSync(paths.dataDir, { withFileTypes: true })
    .filter(entry => entry.isDirectory() && !entry.name.startsWith('.'))
    .flatMap(entry => readConfig(pathsOf(paths.dataDir, entry.name)) ?? [])
}

/** A machine's name as a node's: a DNS subdomain. */
export function nodeNameOf(text: string): string {
  const clean = text
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
  return clean || 'node-1'
}
