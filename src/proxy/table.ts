// The frame of the proxy's nftables table: hooks, maps and the chains every service uses. Services come and go as
// map elements and one chain each, so that a change touches only its own.
//
//   prerouting, output ─► services ─► service-ips: address . protocol . port ─► the service's chain ─► dnat
//                                 └─► node-ports:  protocol . port (on an address of this node) ─► its chain
//   postrouting        ─► masquerade what was marked, what a pod sends to itself, what leaves the cluster
//   forward, output    ─► (after translation) reject what goes to a service that has no endpoints
//
// Source of the rules: kube-proxy's nftables mode (KEP-3866).

interface TableOptions {
  table: string
  /** Addresses of all pods of the cluster. */
  podCidr: string
  serviceCidr: string
  bridge: string
}

/** Marks a connection whose source must be rewritten on its way out. */
export const masqueradeMark = '0x4000'

/** Maps and sets, with what their elements are. */
const collections: Readonly<Record<string, string>> = {
  'service-ips': 'map { type ipv4_addr . inet_proto . inet_service : verdict ; }',
  'node-ports': 'map { type inet_proto . inet_service : verdict ; }',
  'no-endpoints': 'map { type ipv4_addr . inet_proto . inet_service : verdict ; }',
  'no-endpoint-node-ports': 'map { type inet_proto . inet_service : verdict ; }',
  'cluster-ips': 'set { type ipv4_addr ; }',
  hairpin: 'set { type ipv4_addr . ipv4_addr ; }',
}

/** Text that makes the table anew. */
export function tableText({ table, podCidr, serviceCidr, bridge }: TableOptions): string {
  const name = `ip ${table}`
  const declared = Object.entries(collections).map(([collection, definition]) =>
    definition.replace(/^(map|set)/, `add $1 ${name} ${collection}`),
  )
  const chains: Record<string, { hook?: string; rules: string[] }> = {
    martians: {
      hook: 'type filter hook prerouting priority raw ;',
      // Links to pods route 127/8 so that local NodePorts work; nobody may use that to reach this machine's loopback.
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

export const deleteTableText = (table: string): string => `add table ip ${table}\ndelete table ip ${table}\n`
