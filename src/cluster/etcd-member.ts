// A member of the etcd that a cluster runs itself: where its files, ports and addresses are, and how its program is
// started. Every server of the cluster has one beside it, in the same network namespace. Pure, but for `rememberMembers`
// and what reads it.
//
//   <cluster>/etcd/NODE/data        what etcd stores
//   <cluster>/etcd/members.json     the addresses of all members that a server has seen last
//   <cluster>/pki/etcd/             an authority of etcd's own, and the certificates of members and of the server
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { replaceFile } from '../base/files.ts'
import { defaultName } from './hint.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { hostAddresses } from './machine.ts'
import { nodeAddresses, urlHost } from './node-addresses.ts'
import { addressIn } from './node-range.ts'
import { type EtcdStart, hasOwnEtcd } from './own-etcd.ts'

/** Begins the keys of the cluster, whatever its name is on each machine. */
export const ownPrefix = '/kutter'

type PortConfig = Pick<ClusterConfig, 'name' | 'slot'>

/** The ports of members for clients and for each other: etcd's own for the cluster `default`. */
export const etcdPortsOf = ({ name, slot }: PortConfig): { client: number; peer: number } =>
  name === defaultName || slot < 0
    ? { client: 2379, peer: 2380 }
    : { client: 12379 + slot * 20, peer: 12380 + slot * 20 }

/** The nodes of this machine that have a member beside them, by their names. */
export function membersHere(config: ClusterConfig): { name: string; start: EtcdStart }[] {
  if (!hasOwnEtcd(config)) return []
  const all = [{ name: config.nodeName, start: config.member }, ...config.nodes.map(n => ({ ...n, start: n.member }))]
  return all.flatMap(({ name, start }) => (start ? [{ name, start }] : []))
}

export const etcdDir = ({ root }: Pick<ClusterPaths, 'root'>): string => join(root, 'etcd')
export const memberDir = (paths: Pick<ClusterPaths, 'root'>, name: string): string => join(etcdDir(paths), name)
const dataOf = (paths: Pick<ClusterPaths, 'root'>, name: string) => join(memberDir(paths, name), 'data')
export const etcdPki = ({ pki }: Pick<ClusterPaths, 'pki'>): string => join(pki, 'etcd')
/** The name of a member's certificate. */
export const memberCertificate = (name: string): string => `member-${name}`

/** The address at which the other members reach that of a node on this machine. */
export function memberAddress(config: ClusterConfig, name: string): string {
  if (name !== config.nodeName) return nodeAddresses(config, name)[0]!
  const own = nodeAddresses(config, name)[0]!
  // Without a network of its own the machine has only the bridge to the nodes in namespaces.
  return hostAddresses(4).length || hostAddresses(6).length || !config.nodes.length
    ? own
    : addressIn(config.nodeCidrs[0]!, 1)
}

export const peerUrlOf = (config: ClusterConfig, name: string): string =>
  `https://${urlHost(memberAddress(config, name))}:${etcdPortsOf(config).peer}`

/** The `host:port` of the member beside a server, from there. */
const localEndpoint = (config: PortConfig): string => `127.0.0.1:${etcdPortsOf(config).client}`

/** The most that etcd recommends, instead of its 1.5 MiB and 2 GiB. */
const maxRequestBytes = 10 << 20
const quotaBytes = 8 * 2 ** 30

/** The words after `etcd`. Source: etcd's own `--help` of release 3.4, and its guide on reconfiguration. */
export function etcdArgs(
  config: ClusterConfig,
  paths: Pick<ClusterPaths, 'root' | 'pki'>,
  { name, start }: { name: string; start: EtcdStart },
  address = memberAddress(config, name),
): string[] {
  const { client, peer } = etcdPortsOf(config)
  const [host, pki] = [urlHost(address), etcdPki(paths)]
  const peerUrl = `https://${host}:${peer}`
  const [ca, certificate] = [join(pki, 'ca.crt'), join(pki, memberCertificate(name))]
  const listen = [...new Set([`https://127.0.0.1:${client}`, `https://${host}:${client}`])]
  return [
    `--name=${name}`,
    `--data-dir=${dataOf(paths, name)}`,
    `--listen-client-urls=${listen.join(',')}`,
    `--advertise-client-urls=https://${host}:${client}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=${start.cluster ?? `${name}=${peerUrl}`}`,
    // Only the very first start forms a cluster. A member without its data must not form a second one.
    `--initial-cluster-state=${start.cluster === undefined && !start.hasRun ? 'new' : 'existing'}`,
    `--cert-file=${certificate}.crt`,
    `--key-file=${certificate}.key`,
    `--client-cert-auth=true`,
    `--trusted-ca-file=${ca}`,
    `--peer-cert-file=${certificate}.crt`,
    `--peer-key-file=${certificate}.key`,
    `--peer-client-cert-auth=true`,
    `--peer-trusted-ca-file=${ca}`,
    `--max-request-bytes=${maxRequestBytes}`,
    `--quota-backend-bytes=${quotaBytes}`,
    `--logger=zap`,
    `--log-level=warn`,
  ]
}

/** Variables of the environment would set options of etcd, too. */
export const etcdEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([key]) => !key.startsWith('ETCD_') && key !== 'NOTIFY_SOCKET'))

/** By which the process of a member shows which authorities it has read at its start. */
export function trustEnvironment(paths: Pick<ClusterPaths, 'pki'>): NodeJS.ProcessEnv {
  const authorities = readFileSync(join(etcdPki(paths), 'ca.crt'))
  return { KUTTER_TRUSTS: createHash('sha256').update(authorities).digest('hex') }
}

/** Whether the end of etcd's log states that the member was removed, after which it cannot run again. */
export const isRemovedMember = (text: string): boolean =>
  /data-dir used by this member must be removed|permanently removed from the cluster/.test(text)

/** What a line of etcd's log says, without the rest of its JSON. */
export function etcdLogText(line: string): string {
  try {
    const { msg = '', error = '' } = JSON.parse(line) as { msg?: string; error?: string }
    return [msg, error].filter(Boolean).join(': ') || line
  } catch {
    // A line that etcd writes before its logger is there.
    return line
  }
}

const membersFile = (paths: Pick<ClusterPaths, 'root'>) => join(etcdDir(paths), 'members.json')
/** More are not kept: an etcd with more members would be slower for it. */
const maxMembers = 9

/** The `host:port` of all members that can be tried, that of this machine first. */
export const ownEndpoints = (config: PortConfig, paths: Pick<ClusterPaths, 'root'>): string[] => [
  ...new Set([localEndpoint(config), ...knownMembers(paths)]),
]

/** Keeps the `host:port` of the members for a start at which the own one does not answer. */
export async function rememberMembers(paths: Pick<ClusterPaths, 'root'>, endpoints: readonly string[]): Promise<void> {
  const all = [...new Set(endpoints)].sort().slice(0, maxMembers)
  if (!all.length || all.join() === knownMembers(paths).join()) return
  mkdirSync(dirname(membersFile(paths)), { recursive: true, mode: 0o700 })
  await replaceFile(membersFile(paths), `${JSON.stringify(all)}\n`, { mode: 0o600 })
}

function knownMembers(paths: Pick<ClusterPaths, 'root'>): string[] {
  try {
    const list: unknown = JSON.parse(readFileSync(membersFile(paths), 'utf8'))
    return Array.isArray(list) ? list.filter(one => typeof one === 'string' && /^[^/\s]+:\d+$/.test(one)) : []
  } catch {
    // There is none yet, or it is damaged and will be written again.
    return []
  }
}
