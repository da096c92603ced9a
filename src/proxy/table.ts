// The frame of the proxy's nftables table: hooks, maps, sets, and the chains that all Services share. A Service is a
// few elements of the maps and a few chains of its own (plan.ts), so a change of one touches only its own part, and the
// time to find the rules for a packet does not depend on the number of Services.
//
//   prerouting, output ─► services ─► service-ips: address . protocol . port ─► the service's chain ─► dnat
//                                 └─► node-ports:  protocol . port (on an address of this node) ─► its chain
//   postrouting        ─► masquerade what was marked, what a pod sends to itself, what leaves the cluster
//   forward, output    ─► (after translation) reject what goes to a service that has no endpoints
//
// The frame itself never changes while the proxy runs. Everything is in one table of the cluster, so that one `delete
// table` removes it all, and other tables of the machine are not touched. Only the first packet of a connection is
// looked up in the maps: the kernel translates the others in the same way.
//
// Source of the rules: kube-proxy's nftables mode (KEP-3866).

interface TableOptions {
  table: string
  /** The range of all pod addresses of the cluster. */
  podCidr: string
  serviceCidr: string
  bridge: string
}

/** The mark of packets whose source address is replaced on their way out. The bit is that of upstream's kube-proxy. */
export const masqueradeMark = '0x4000'

/** The maps and sets of the frame, with the types of their elements. */
const collections: Readonly<Record<string, string>> = {
  'service-ips': 'map { type ipv4_addr . inet_proto . inet_service : verdict ; }',
  'node-ports': 'map { type inet_proto . inet_service : verdict ; }',
  'no-endpoints': 'map { type ipv4_addr . inet_proto . inet_service : verdict ; }',
  'no-endpoint-node-ports': 'map { type inet_proto . inet_service : verdict ; }',
  'cluster-ips': 'set { type ipv4_addr ; }',
  hairpin: 'set { type ipv4_addr . ipv4_addr ; }',
}

/** The text that replaces the table, whether it exists or not, by a new one without Services. */
export function tableText({ table, podCidr, serviceCidr, bridge }: TableOptions): string {
  const name = `ip ${table}`
  const declared = Object.entries(collections).map(([collection, definition]) =>
    definition.replace(/^(map|set)/, `add $1 ${name} ${collection}`),
  )
  const chains: Record<string, { hook?: string; rules: string[] }> = {
    martians: {
      hook: 'type filter hook prerouting priority raw ;',
      // Links to pods route 127/8 so that NodePorts work on 127.0.0.1. Packets from other links must not get in this
      // way.
      rules: ['iifname != "lo" ip daddr 127.0.0.0/8 drop'],
    },
    prerouting: { hook: 'type nat hook prerouting priority dstnat ;', rules: ['jump services'] },
    output: { hook: 'type nat hook output priority -100 ;', rules: ['jump services'] },
    postrouting: {
      hook: 'type nat hook postrouting priority srcnat ;',
      rules: [
        `meta mark & ${masqueradeMark} == ${masqueradeMark} meta mark set meta mark xor ${masqueradeMark} masquerade fully-random`,
        'ip saddr . ip daddr @hairpin masquerade fully-random',
        `ip saddr ${podCidr} ip daddr != ${podCidr} ip daddr != ${serviceCidr} ip daddr != 224.0.0.0/4 oifname != "${bridge}" masquerade fully-random`,
      ],
    },
    services: {
      rules: [
        'ip daddr . meta l4proto . th dport vmap @service-ips',
        'fib daddr type local meta l4proto . th dport vmap @node-ports',
      ],
    },
    'filter-forward': {
      hook: 'type filter hook forward priority filter ;',
      rules: ['ct state new jump refuse', `iifname "${bridge}" accept`, `oifname "${bridge}" accept`],
    },
    'filter-output': { hook: 'type filter hook output priority filter ;', rules: ['ct state new jump refuse'] },
    'filter-input': {
      hook: 'type filter hook input priority filter ;',
      rules: ['ct state new fib daddr type local meta l4proto . th dport vmap @no-endpoint-node-ports'],
    },
    refuse: { rules: ['ip daddr . meta l4proto . th dport vmap @no-endpoints', 'ip daddr @cluster-ips reject'] },
    'refuse-now': { rules: ['meta l4proto tcp reject with tcp reset', 'reject'] },
  }
  const lines = [`add table ${name}`, `delete table ${name}`, `add table ${name}`, ...declared]
  for (const [chain, { hook }] of Object.entries(chains))
    lines.push(`add chain ${name} ${chain}${hook ? ` { ${hook} }` : ''}`)
  for (const [chain, { rules }] of Object.entries(chains))
    for (const rule of rules) lines.push(`add rule ${name} ${chain} ${rule}`)
  return `${lines.join('\n')}\n`
}

/** The text that deletes the table. The first line makes it succeed when the table does not exist. */
export const deleteTableText = (table: string): string => `add table ip ${table}\ndelete table ip ${table}\n`
