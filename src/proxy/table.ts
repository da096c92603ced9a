// The frame of the proxy's nftables table: hooks, maps, sets, and the chains that all Services share. A Service is
// elements of the maps (plan.ts), and has no chain of its own. So a change of one touches only its own elements, and the
// time to find the endpoint for a packet does not depend on the number of Services or endpoints.
//
//   prerouting, output ─► services ─► KEY in @services: class 1:3, which says how to pick and among how many
//                                       └─► @picks: 1:3 ─► chain to-cluster-3
//                                             └─► KEY . random number below 3 in @endpoints ─► dnat
//                                 └─► the same with @node-services for ports on an address of this node
//   postrouting        ─► masquerade what was marked, what a pod sends to itself, what leaves the cluster
//   forward, output    ─► (after translation) reject what goes to a service that has no endpoints
//
// where KEY is destination address . protocol . port, and for ports of the node only protocol . port.
//
// - The class, and then the random number, are kept in the packet's priority: the kernel has no better register for a
//   number that is looked up. Its mark may decide about routes, and the priority of the first packet of a connection
//   means next to nothing. Only that packet comes here: the kernel translates the others in the same way.
// - Maps have types and not `typeof`, since nft 1.0.6 cannot read such a map back.
// - There is one chain for each way to pick and number of endpoints, made when it is first needed. Chains of their own
//   have only Services with session affinity, since each client belongs to an endpoint there.
// - Verdicts of maps are few on purpose: with each change of one the kernel follows all of them. That, and reading the
//   table back, is what made chains for each Service slow.
// - IPv4 and IPv6 have maps of their own, whose names end in 6. Everything is in one table of the cluster, so that one
//   `delete table` removes it all, and other tables of the machine are not touched.
//
// Source of what the rules do: kube-proxy's nftables mode (KEP-3866).
import { deleteTableText } from '../linux/index.ts'
import { familiesOf, ipFamily } from '../api/ip.ts'

export type Family = 4 | 6

export interface TableOptions {
  table: string
  /** The ranges of all pod addresses of the cluster, at most one of each family. Its families are the table's. */
  podCidrs: readonly string[]
  serviceCidrs: readonly string[]
  bridge: string
  /**
   * Whether the pod network is Kutter's own. If so, the table has host ports, and replaces the source of packets of pods
   * that leave the cluster.
   */
  pods: boolean
  /** The bridge to nodes in namespaces of this machine. What goes on to them is theirs to drop. */
  nodesBridge?: string
  /** Ranges of the node's addresses that have node ports. In a family without one, all have. No two overlap. */
  nodePortAddresses: readonly string[]
}

/** The mark of packets whose source address is replaced on their way out. The bit is that of upstream's kube-proxy. */
const masqueradeMark = '0x4000'
export const markIt = `meta mark set meta mark or ${masqueradeMark}`

/** The words of a family in rules, and what its addresses are. */
export const words = {
  4: { ip: 'ip', type: 'ipv4_addr', end: '', multicast: '224.0.0.0/4' },
  6: { ip: 'ip6', type: 'ipv6_addr', end: '6', multicast: 'ff00::/8' },
} as const

/**
 * How an endpoint is picked, with the number that is the first half of the class:
 *
 * - cluster: among all, for a cluster address; a source that is no pod is replaced
 * - local: among those of this node
 * - outside: among all, for an address outside of the cluster; every source is replaced
 * - edge: for an address outside, with the policy Local: pods and the node itself among all, others among those of this
 *   node
 *
 * and the same by a port of the node.
 */
const ways = {
  cluster: 1,
  local: 2,
  outside: 3,
  edge: 4,
  'node-local': 5,
  'node-outside': 6,
  'node-edge': 7,
} as const
export type Way = keyof typeof ways

/** A way to pick and the number of endpoints. */
export interface PickChain {
  family: Family
  way: Way
  count: number
}

/** The kernel's classes have 16 bits for the number of endpoints. */
export const maxEndpoints = 0xffff

/** The number of an endpoint as a class, such as `0:a`. Hexadecimal. */
export const slotOf = (index: number): string => `0:${index.toString(16)}`

/** The class of packets that are to be picked for, such as `1:3`. Hexadecimal. */
export const classOf = ({ family, way, count }: PickChain): string =>
  `${(ways[way] + (family === 6 ? 16 : 0)).toString(16)}:${count.toString(16)}`

/** The address, protocol and port to which a packet goes, as maps have it. */
const keyOf = (family: Family) => `${words[family].ip} daddr . meta l4proto . th dport`
const nodeKey = 'meta l4proto . th dport'

/** The lines that add what a pick needs: its chain, and the elements that lead to it. Nothing else ever changes it. */
export function pickText(options: TableOptions, pick: PickChain): string {
  const { table } = options
  const { family, way, count } = pick
  const chain = `to-${way}${words[family].end}-${count}`
  const lines = [`add chain inet ${table} ${chain}`]
  for (const rule of pickRules(podCidrOf(options, family), pick)) lines.push(`add rule inet ${table} ${chain} ${rule}`)
  const element = `{ ${classOf(pick)} : goto ${chain} }`
  lines.push(`add element inet ${table} picks ${element}`)
  if (way === 'local' || way === 'node-local') lines.push(`add element inet ${table} local-picks ${element}`)
  return `${lines.join('\n')}\n`
}

function pickRules(podCidr: string, { family, way, count }: PickChain): string[] {
  const { ip, end } = words[family]
  const isNode = way.startsWith('node-')
  const [key, start] = isNode ? [nodeKey, 'node-'] : [keyOf(family), '']
  const among = (map: string) =>
    `meta priority set numgen random mod ${count} dnat ${ip} addr . port to ${key} . meta priority map @${start}${map}${end}`
  switch (way) {
    case 'cluster':
      return [`${ip} saddr != ${podCidr} ${markIt}`, among('endpoints')]
    case 'local':
    case 'node-local':
      return [among('local-endpoints')]
    case 'outside':
    case 'node-outside':
      return [markIt, among('endpoints')]
    case 'edge':
    case 'node-edge':
      // Pods and the node itself are not outside of the cluster: they reach all endpoints, as by the cluster address.
      return [
        `${ip} saddr ${podCidr} ${among('endpoints')}`,
        `fib saddr type local ${markIt} ${among('endpoints')}`,
        `meta priority set ${key} map @${start}local-services${end} meta priority vmap @local-picks`,
      ]
  }
}

const podCidrOf = ({ podCidrs }: TableOptions, family: Family) => podCidrs.find(cidr => familyOf(cidr) === family)!

/** The family of a range or an address. */
export const familyOf = (text: string): Family | undefined => ipFamily(text.split('/')[0]!)

/** The maps and sets for one family, with their definitions. */
function collectionsOf(family: Family): [name: string, kind: 'map' | 'set', definition: string][] {
  const { type, end } = words[family]
  const key = `${type} . inet_proto . inet_service`
  const endpoint = `${type} . inet_service`
  const all: [name: string, kind: 'map' | 'set', definition: string][] = [
    ['services', 'map', `type ${key} : classid ;`],
    ['local-services', 'map', `type ${key} : classid ;`],
    ['endpoints', 'map', `type ${key} . classid : ${endpoint} ;`],
    ['local-endpoints', 'map', `type ${key} . classid : ${endpoint} ;`],
    ['sticky', 'map', `type ${key} : verdict ;`],
    ['no-endpoints', 'set', `type ${key} ;`],
    ['no-local-endpoints', 'set', `type ${key} ;`],
    ['firewalled', 'set', `type ${key} ;`],
    ['allowed', 'set', `type ${key} . ${type} ; flags interval ;`],
    ['node-services', 'map', 'type inet_proto . inet_service : classid ;'],
    ['node-local-services', 'map', 'type inet_proto . inet_service : classid ;'],
    ['node-endpoints', 'map', `type inet_proto . inet_service . classid : ${endpoint} ;`],
    ['node-local-endpoints', 'map', `type inet_proto . inet_service . classid : ${endpoint} ;`],
    ['node-sticky', 'map', 'type inet_proto . inet_service : verdict ;'],
    ['node-no-endpoints', 'set', 'type inet_proto . inet_service ;'],
    ['node-no-local-endpoints', 'set', 'type inet_proto . inet_service ;'],
    // Ports of the node that all of its addresses have, whatever ranges are set for node ports.
    ['host-ports', 'set', 'type inet_proto . inet_service ;'],
    ['cluster-ips', 'set', `type ${type} ;`],
    ['hairpin', 'set', `type ${type} . ${type} ;`],
  ]
  return all.map(([name, kind, definition]) => [`${name}${end}`, kind, definition])
}

/** The rules of the frame for one family, by chain. */
function rulesOf(options: TableOptions, family: Family): Record<string, string[]> {
  const { ip, end, multicast } = words[family]
  const [key, podCidr] = [keyOf(family), podCidrOf(options, family)]
  const serviceCidr = options.serviceCidrs.find(cidr => familyOf(cidr) === family)
  const toNode = isNodePort(options, family)
  const firewall = `ct state new ${key} @firewalled${end} ${key} . ${ip} saddr != @allowed${end} drop`
  const leaving = `${ip} saddr ${podCidr} ${ip} daddr != ${podCidr}${serviceCidr ? ` ${ip} daddr != ${serviceCidr}` : ''} ${ip} daddr != ${multicast} oifname != "${options.bridge}" masquerade fully-random`
  return {
    services: [
      `${key} vmap @sticky${end}`,
      `meta priority set ${key} map @services${end} meta priority vmap @picks`,
      `${toNode} ${nodeKey} vmap @node-sticky${end}`,
      `${toNode} meta priority set ${nodeKey} map @node-services${end} meta priority vmap @picks`,
      ...(hasNodePortRange(options, family)
        ? [
            `${isOwn(family)} ${nodeKey} @host-ports${end} meta priority set ${nodeKey} map @node-services${end} meta priority vmap @picks`,
          ]
        : []),
    ],
    postrouting: [
      `${ip} saddr . ${ip} daddr @hairpin${end} masquerade fully-random`,
      ...(options.pods ? [leaving] : []),
    ],
    refuse: [
      `${key} @no-endpoints${end} goto refuse-now`,
      // An address may be that of a node to which this one only forwards, and which has endpoints.
      `${options.nodesBridge ? `oifname != "${options.nodesBridge}" ` : ''}${key} @no-local-endpoints${end} drop`,
      `${ip} daddr @cluster-ips${end} reject`,
    ],
    // What conntrack takes for no part of its connection keeps the address of the pod, to which the other end would answer
    // with a reset.
    'filter-forward': [`meta l4proto tcp ${ip} saddr ${podCidr} ct state invalid drop`],
    'filter-input': [
      `ct state new ${toNode} ${nodeKey} @node-no-endpoints${end} goto refuse-now`,
      `ct state new ${toNode} ${nodeKey} @node-no-local-endpoints${end} drop`,
    ],
    'firewall-in': [firewall],
    'firewall-out': [firewall],
  }
}

const rangesIn = ({ nodePortAddresses }: TableOptions, family: Family) =>
  nodePortAddresses.filter(range => familyOf(range) === family)
const hasNodePortRange = (options: TableOptions, family: Family) => rangesIn(options, family).length > 0

/** Whether a packet goes to an address of this node that has node ports. Source: pkg/proxy/util/nodeport_addresses.go. */
function isNodePort(options: TableOptions, family: Family): string {
  const chosen = rangesIn(options, family)
  return `${chosen.length ? `${words[family].ip} daddr { ${chosen.join(', ')} } ` : ''}${isOwn(family)}`
}

/** Whether a packet goes to an address of this node. The kernel cannot translate what comes from ::1 to another machine. */
const isOwn = (family: Family): string =>
  `${family === 6 ? 'ip6 daddr != ::1' : 'meta nfproto ipv4'} fib daddr type local`

const hooks: Readonly<Record<string, string>> = {
  martians: 'type filter hook prerouting priority raw ;',
  'firewall-in': 'type filter hook prerouting priority dstnat - 10 ;',
  'firewall-out': 'type filter hook output priority -110 ;',
  prerouting: 'type nat hook prerouting priority dstnat ;',
  output: 'type nat hook output priority -100 ;',
  postrouting: 'type nat hook postrouting priority srcnat ;',
  'filter-forward': 'type filter hook forward priority filter ;',
  'filter-output': 'type filter hook output priority filter ;',
  'filter-input': 'type filter hook input priority filter ;',
}

/** The text that replaces the table, whether it exists or not, by a new one without Services. */
export function tableText(options: TableOptions): string {
  const { table, bridge } = options
  const families = familiesOf(options.podCidrs)
  const name = `inet ${table}`
  const rules: Record<string, string[]> = {
    // Links to pods route 127/8 so that NodePorts work on 127.0.0.1. Packets from other links must not get in this way.
    martians: ['iifname != "lo" ip daddr 127.0.0.0/8 drop'],
    prerouting: ['jump services'],
    output: ['jump services'],
    postrouting: [
      `meta mark & ${masqueradeMark} == ${masqueradeMark} meta mark set meta mark xor ${masqueradeMark} masquerade fully-random`,
    ],
    'filter-forward': [],
    'filter-output': ['ct state new jump refuse'],
    'refuse-now': ['meta l4proto tcp reject with tcp reset', 'reject'],
  }
  for (const family of families)
    for (const [chain, more] of Object.entries(rulesOf(options, family))) (rules[chain] ??= []).push(...more)
  rules['filter-forward']?.push('ct state new jump refuse', `iifname "${bridge}" accept`, `oifname "${bridge}" accept`)
  const lines = [deleteTableText(table).trimEnd(), `add table ${name}`]
  for (const collection of ['picks', 'local-picks'])
    lines.push(`add map ${name} ${collection} { type classid : verdict ; }`)
  for (const [collection, kind, definition] of families.flatMap(collectionsOf))
    lines.push(`add ${kind} ${name} ${collection} { ${definition} }`)
  for (const chain of Object.keys(rules))
    lines.push(`add chain ${name} ${chain}${hooks[chain] ? ` { ${hooks[chain]} }` : ''}`)
  for (const [chain, list] of Object.entries(rules))
    for (const rule of list) lines.push(`add rule ${name} ${chain} ${rule}`)
  return `${lines.join('\n')}\n`
}
