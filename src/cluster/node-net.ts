// The network between the nodes of one machine: a bridge, and for each further node a network namespace with a cable (a
// veth pair) to the bridge. The machine routes between the nodes and other networks.
//
//   machine: eth0 ── kt<tag>n 10.32.0.1 ──┬── kt<tag>-2 ═══ eth0 10.32.0.2  namespace kutter-<tag>-node-2
//                                         └── kt<tag>-3 ═══ eth0 10.32.0.3  namespace kutter-<tag>-node-3
import { silentLog } from '../base/log.ts'
import { deleteTableText, type Link, makeIp, makeNft, setKernel } from '../linux/index.ts'
import type { ClusterConfig, LocalNode } from './config.ts'
import { addressIn, strangeRoute } from './node-range.ts'
import { bridgeOf, cableOf, namespaceOf, namespacePrefix, nodeBridgeOf, nodeTableOf, tableOf } from './node-names.ts'

const defaultMtu = 1500

/** Creates whatever is missing for the nodes of the configuration. May be repeated at any time. */
export async function ensureNodeNetwork(tag: string, config: ClusterConfig): Promise<void> {
  if (!config.nodes.length) return
  const bridge = nodeBridgeOf(tag)
  for (const range of config.nodeCidrs) {
    const strange = strangeRoute(range, bridge)
    if (strange)
      throw new Error(
        `the range of node addresses ${range} overlaps with the route to ${strange.to} on ${strange.link}; set nodeCidrs in cluster.json to free ranges`,
      )
  }
  const ip = makeIp()
  const links = await ip.links()
  const mtu = mtuOf(links)
  if (!links.some(link => link.name === bridge)) await makeBridge(tag, config, mtu)
  await Promise.all(config.nodes.map(node => ensureCable(tag, config, node, links, mtu)))
}

/** Removes a node's cable and namespace, if they exist. */
export async function removeNodeNamespace(tag: string, node: LocalNode): Promise<void> {
  const ip = makeIp()
  const cable = cableOf(tag, node)
  if ((await ip.links()).some(link => link.name === cable)) await ip.batch([`link delete dev ${cable}`])
  await ip.deleteNamespace(namespaceOf(tag, node.name))
}

/** Removes bridge, cables, namespaces and table of a cluster, found by their names rather than by its configuration. */
export async function removeNodeNetwork(tag: string): Promise<void> {
  const ip = makeIp()
  // Deleting one end of a cable deletes the other, even while a process still holds its namespace.
  const links = (await ip.links()).filter(link => isNodeLink(tag, link.name))
  await ip.batch(links.map(link => `link delete dev ${link.name}`))
  for (const name of await ip.namespaces()) if (name.startsWith(namespacePrefix(tag))) await ip.deleteNamespace(name)
  const nft = makeNft()
  const table = nodeTableOf(tag)
  if ((await nft.tables()).some(one => one.split(' ')[1] === table)) await nft.apply(deleteTableText(table))
}

/** The links, namespaces and tables of a cluster that exist, as words for a message. */
export async function networkLeftovers(tag: string): Promise<string[]> {
  const ip = makeIp()
  const [links, namespaces, tables] = await Promise.all([ip.links(), ip.namespaces(), makeNft().tables()])
  return [
    ...links.filter(link => link.name.startsWith(bridgeOf(tag))).map(link => `interface ${link.name}`),
    ...namespaces.filter(name => name.startsWith(namespacePrefix(tag))).map(name => `network namespace ${name}`),
    ...tables.filter(table => table.split(' ')[1]?.startsWith(tableOf(tag))).map(table => `nft table ${table}`),
  ]
}

const isNodeLink = (tag: string, name: string) => name === nodeBridgeOf(tag) || name.startsWith(`${bridgeOf(tag)}-`)

async function makeBridge(tag: string, { nodeCidrs, podCidrs, slot }: ClusterConfig, mtu: number): Promise<void> {
  const bridge = nodeBridgeOf(tag)
  await makeIp().batch([
    `link add name ${bridge} address ${macOf(nodeCidrs[0]!, slot)} mtu ${mtu} type bridge`,
    ...nodeCidrs.map(range => addressCommand(range, 1, bridge)),
    `link set dev ${bridge} up`,
  ])
  for (const range of nodeCidrs)
    await setKernel(range.includes(':') ? 'net/ipv6/conf/all/forwarding' : 'net/ipv4/ip_forward', '1', silentLog)
  await makeNft().apply(nodeTableText(nodeTableOf(tag), { bridge, nodeCidrs, podCidrs }))
}

/**
 * A fixed MAC address. Otherwise the bridge takes the lowest one among its cables, and the nodes' neighbour tables are
 * wrong for a while whenever that changes.
 */
function macOf(range: string, slot: number): string {
  const parts = range.includes(':') ? [6, slot, 0, 1] : addressIn(range, 1).split('.').map(Number)
  return ['02', '4b', ...parts.map(part => part.toString(16).padStart(2, '0'))].join(':')
}

/** The command of ip(8) that gives a link an address of a range, which is good at once. */
const addressCommand = (range: string, index: number, link: string) =>
  `address replace ${addressIn(range, index)}/${range.split('/')[1]} dev ${link}${range.includes(':') ? ' nodad' : ''}`

interface NodeTable {
  bridge: string
  nodeCidrs: readonly string[]
  podCidrs: readonly string[]
}

/** Packets of nodes leave the machine with the machine's address; to pods and other nodes they keep their own. */
function nodeTableText(table: string, { bridge, nodeCidrs, podCidrs }: NodeTable): string {
  const outward = nodeCidrs.map((range, i) => {
    const ip = range.includes(':') ? 'ip6' : 'ip'
    return `${ip} saddr ${range} ${ip} daddr != ${podCidrs[i]} oifname != "${bridge}" masquerade fully-random`
  })
  return [
    deleteTableText(table).trimEnd(),
    `add table inet ${table}`,
    `add chain inet ${table} postrouting { type nat hook postrouting priority srcnat ; }`,
    ...outward.map(rule => `add rule inet ${table} postrouting ${rule}`),
    `add chain inet ${table} forward { type filter hook forward priority filter ; }`,
    `add rule inet ${table} forward iifname "${bridge}" accept`,
    `add rule inet ${table} forward oifname "${bridge}" accept`,
    '',
  ].join('\n')
}

async function ensureCable(
  tag: string,
  config: ClusterConfig,
  node: LocalNode,
  links: readonly Link[],
  mtu: number,
): Promise<void> {
  const ip = makeIp()
  const [namespace, cable] = [namespaceOf(tag, node.name), cableOf(tag, node)]
  await ip.addNamespace(namespace)
  if (!links.some(link => link.name === cable))
    await ip.batch([`link add name ${cable} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${namespace}`])
  await ip.batch([
    `link set dev ${cable} master ${nodeBridgeOf(tag)} up`,
    // Where bridged packets pass the machine's rules (net.bridge.bridge-nf-call-iptables), one that a node sends to a
    // NodePort of the machine, and whose endpoint is on that node, is bridged back to the cable it came from.
    `link set dev ${cable} type bridge_slave hairpin on`,
  ])
  const gateways = config.nodeCidrs.map(range => addressIn(range, 1))
  await ip
    .inside(namespace)
    .batch([
      ...config.nodeCidrs.map(range => addressCommand(range, node.index, 'eth0')),
      'link set dev eth0 up',
      ...gateways.map(gateway => `route replace default via ${gateway} dev eth0`),
    ])
}

/** The smallest MTU of the machine's uplinks, so that packets of nodes fit them. */
function mtuOf(links: readonly Link[]): number {
  const uplinks = links.filter(link => link.up && link.name !== 'lo' && link.kind === '' && link.master === '')
  return Math.min(defaultMtu, ...uplinks.map(link => link.mtu))
}
