// `kutter up --ha`: three servers and three members of etcd on one machine. The first are the machine's own; further ones
// are beside nodes in network namespaces. Each joins the etcd that is there, as one on another machine would.
import { rm } from 'node:fs/promises'
import { realClock } from '../base/clock.ts'
import { type EtcdMembership, withMembers } from '../store/index.ts'
import { UsageError } from './args.ts'
import { type ClusterConfig, type ClusterPaths, type LocalNode, writeConfig } from './config.ts'
import { etcdPortsOf, memberAddress, memberDir, membersHere, ownEndpoints, peerUrlOf } from './etcd-member.ts'
import { ensureEtcdCertificates, ownEtcdTls } from './etcd-pki.ts'
import { endEtcd } from './etcd-process.ts'
import { commandLine } from './hint.ts'
import { ask } from './link.ts'
import { addMember } from './member-join.ts'
import { urlHost } from './node-addresses.ts'
import { addressIn } from './node-range.ts'
import { hasOwnEtcd, ownEtcd } from './own-etcd.ts'
import { waitUntil } from './ready.ts'

/** Two of them are a quorum, so that one can be lost. */
export const haServers = 3
const lastIndex = 254
const serverMs = 60_000

/** What `--ha` asks for beside the servers. Throws where the cluster has its objects elsewhere. */
export function haChoices(
  existing: ClusterConfig | undefined,
  { store, nodes = 1 }: { store?: string; nodes?: number },
  paths: ClusterPaths,
): { store: string; nodes: number } {
  const present = existing ? (existing.store ?? 'embedded') : (store ?? ownEtcd)
  if (present !== ownEtcd)
    throw new UsageError(
      existing
        ? `--ha requires an etcd of the cluster's own, and its objects are in ${present}; copy them first with: ${commandLine('kutter', `store migrate --to ${ownEtcd}`, paths)}`
        : `--ha requires --store ${ownEtcd}, which is its default`,
    )
  const elsewhere = existing ? membersElsewhere(existing, ownEndpoints(existing, paths)) : []
  if (elsewhere.length)
    throw new UsageError(
      `the etcd has members on other machines, at ${elsewhere.join(' and ')}, which cannot reach further ones in network namespaces of this machine; for more servers, let other machines join with: kutter server --join`,
    )
  return { store: ownEtcd, nodes: Math.max(nodes, haServers) }
}

/** Those of the `host:port` of members that are not on this machine. Pure. */
export function membersElsewhere(config: ClusterConfig, endpoints: readonly string[]): string[] {
  const { client } = etcdPortsOf(config)
  const here = membersHere(config).map(({ name }) => memberAddress(config, name))
  const own = new Set(['127.0.0.1', ...here].map(host => `${urlHost(host)}:${client}`))
  return endpoints.filter(endpoint => !own.has(endpoint))
}

/** The address between the nodes of one machine that moves from one of its servers to another. */
export const localVirtualAddress = ({ nodeCidrs }: Pick<ClusterConfig, 'nodeCidrs'>): string =>
  addressIn(nodeCidrs[0]!, lastIndex)

/** The nodes beside which servers are missing. Pure. */
export function missingServers({ nodes }: Pick<ClusterConfig, 'nodes'>, count: number): LocalNode[] {
  const there = 1 + nodes.filter(({ isServer }) => isServer).length
  return nodes.filter(({ isServer }) => !isServer).slice(0, Math.max(0, count - there))
}

/** Adds servers to a running cluster, one after the other, until there are `count`. Returns the new configuration. */
export async function growServers(config: ClusterConfig, paths: ClusterPaths, count: number): Promise<ClusterConfig> {
  if (!hasOwnEtcd(config)) return config
  return withMembers(ownEtcdTls(paths), async membership => {
    let now = config
    for (const { name } of missingServers(config, count)) now = await addServerBeside(now, paths, name, membership)
    return now
  })
}

async function addServerBeside(
  config: ClusterConfig,
  paths: ClusterPaths,
  name: string,
  membership: EtcdMembership,
): Promise<ClusterConfig> {
  const use = async (change: Pick<LocalNode, 'member' | 'isServer'>) => {
    const changed = {
      ...config,
      nodes: config.nodes.map(({ member: _, isServer: __, ...node }, i) =>
        node.name === name ? { ...node, ...change } : config.nodes[i]!,
      ),
    }
    await ensureEtcdCertificates(changed, paths, realClock)
    await writeConfig(paths, changed)
    await ask(paths.socket, { command: 'reload' })
    return changed
  }
  let member: LocalNode['member']
  await addMember({
    membership,
    endpoints: ownEndpoints(config, paths),
    name,
    peerUrl: peerUrlOf(config, name),
    async start(cluster) {
      member = { cluster, hasRun: true }
      await use({ member })
    },
    // The supervisor starts it again when it ends.
    failed: () => undefined,
    async undo() {
      await use({})
      await endEtcd(paths, realClock, name)
      await rm(memberDir(paths, name), { recursive: true, force: true })
    },
    clock: realClock,
  })
  const changed = await use({ ...(member && { member }), isServer: true })
  const deadline = realClock.steady() + serverMs
  await waitUntil(deadline, paths, async () => {
    const state = await ask(paths.socket, { command: 'status' })
    return Boolean(state?.processes.some(p => p.role === 'server' && p.node === name && p.ready))
  })
  return changed
}
