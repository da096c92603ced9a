// What a node changes in its kernel to announce addresses. Pure.
//
// An address is put on the link to its network, so that the kernel answers ARP and neighbour solicitations for it. It is
// also put on the ledger, a link of the cluster's own that carries no packet: by it the next agent, and `kutter down`,
// find what belongs to the cluster. The ledger has an address before the link and loses it after, so a crash in between
// leaves nothing that cannot be found.
//
// With an address on a link, every program of the machine that listens on all addresses would answer at it, too. The
// table refuses what is for such an address and has not been translated by kube-proxy, but for the ports of Gateways, at
// which HAProxy listens.
import { cidrContains, ipFamily, parseCidr } from '../../api/ip.ts'

/** An address of the kernel, as `ip address show` lists it. */
interface Held {
  link: string
  address: string
  prefixLength: number
  scope: string
}

export interface Place {
  /** The name of the ledger. */
  ledger: string
  /** The addresses of the node, on whose link those go that belong to no network of the node. */
  nodeIPs: readonly string[]
  /** The bridge of the pods, on which there are no clients. */
  podBridge: string
}

export interface AddressPlan {
  /** For each address that changes, the commands of ip(8). */
  changes: Map<string, string[]>
  /** The link of each wanted address. */
  links: Map<string, string>
  /** Those that were not on their link before, so that the neighbours have to be shown them. */
  news: string[]
  /** The addresses of the cluster that the node has now. */
  ours: string[]
  /** Those for which the node has no link. */
  lost: string[]
}

const bitsOf = (address: string) => (ipFamily(address) === 6 ? 128 : 32)
const isSingle = ({ address, prefixLength }: Held) => prefixLength === bitsOf(address)

/** What has to be done so that the node has exactly the wanted ones of the cluster's addresses. */
export function planAddresses(wanted: ReadonlySet<string>, held: readonly Held[], place: Place): AddressPlan {
  const { ledger } = place
  const ours = held.filter(({ link }) => link === ledger).map(({ address }) => address)
  const changes = new Map<string, string[]>()
  const links = new Map<string, string>()
  const news: string[] = []
  const onLinks = (address: string) =>
    held.filter(one => one.address === address && one.link !== ledger && isSingle(one)).map(({ link }) => link)
  const remove = (address: string, link: string) => `address delete ${address}/${bitsOf(address)} dev ${link}`
  for (const address of ours)
    if (!wanted.has(address))
      changes.set(address, [...onLinks(address).map(link => remove(address, link)), remove(address, ledger)])
  const lost: string[] = []
  for (const address of wanted) {
    const link = linkFor(address, held, place)
    const present = ours.includes(address) ? onLinks(address) : []
    const commands = present.filter(one => one !== link).map(one => remove(address, one))
    if (!ours.includes(address)) commands.push(add(address, ledger))
    if (link === undefined) lost.push(address)
    else {
      links.set(address, link)
      if (!present.includes(link)) {
        commands.push(add(address, link))
        news.push(address)
      }
    }
    if (commands.length) changes.set(address, commands)
  }
  return { changes, links, news, ours, lost }
}

/** The commands by which an IPv6 address is shown to the neighbours once more. */
export const showSixAgain = (address: string, link: string): string[] => [
  `address delete ${address}/128 dev ${link}`,
  add(address, link),
]

const add = (address: string, link: string) =>
  `address add ${address}/${bitsOf(address)} dev ${link}${ipFamily(address) === 6 ? ' noprefixroute' : ''}`

/** The link to the network of an address, or else that of the node's own address, if possible of the same family. */
function linkFor(address: string, held: readonly Held[], place: Place): string | undefined {
  const near = networks(held, place)
    .filter(({ text }) => cidrContains(parseCidr(text)!, address))
    .sort((a, b) => b.prefixLength - a.prefixLength)[0]
  const own = held.filter(one => place.nodeIPs.includes(one.address) && one.link !== place.podBridge)
  return (near ?? own.find(one => ipFamily(one.address) === ipFamily(address)) ?? own[0])?.link
}

function networks(held: readonly Held[], { ledger, podBridge }: Place) {
  return held.flatMap(one => {
    const isOwn = one.link === ledger || one.link === podBridge
    if (isOwn || one.scope !== 'global' || isSingle(one)) return []
    return [{ ...one, text: `${one.address}/${one.prefixLength}` }]
  })
}

/**
 * The text that replaces the table by one that refuses what is for these addresses; without any it is removed.
 * @param open TCP ports of addresses that are served on the node itself
 */
export function refusalText(
  table: string,
  addresses: readonly string[],
  open: ReadonlyMap<string, readonly number[]> = new Map(),
): string {
  const name = `inet ${table}`
  const lines = [`add table ${name}`, `delete table ${name}`]
  const of = (family: 4 | 6) => addresses.filter(address => ipFamily(address) === family)
  const families = [
    { word: 'ip', icmp: 'icmp', some: of(4) },
    { word: 'ip6', icmp: 'icmpv6', some: of(6) },
  ].filter(({ some }) => some.length)
  if (!families.length) return `${lines.join('\n')}\n`
  lines.push(
    `add table ${name}`,
    `add chain ${name} refuse`,
    `add rule ${name} refuse meta l4proto tcp reject with tcp reset`,
    `add rule ${name} refuse reject`,
    `add chain ${name} input { type filter hook input priority filter ; }`,
    // The node itself connects to such an address from the same one, so that answers are for it, too.
    ...(open.size ? [`add rule ${name} input ct state established,related accept`] : []),
    ...addresses.flatMap(address => {
      const ports = open.get(address) ?? []
      const word = ipFamily(address) === 6 ? 'ip6' : 'ip'
      return ports.length
        ? `add rule ${name} input ${word} daddr ${address} tcp dport { ${ports.join(', ')} } accept`
        : []
    }),
    // The kernel may answer a ping, and has to answer neighbours.
    ...families.map(
      ({ word, icmp, some }) =>
        `add rule ${name} input ${word} daddr { ${some.join(', ')} } meta l4proto != ${icmp} jump refuse`,
    ),
  )
  return `${lines.join('\n')}\n`
}
