// VXLAN between nodes that have a router between them: packets to pods of another node travel in packets of UDP from
// node to node. Nothing is learned or asked from the network: which node has which address is in the Node objects, and
// the hardware address of a node's VXLAN follows from the node's address, so that all nodes agree without a word.
//
//   pod ─► bridge ─► route RANGE via RANGE's first address dev kt…v4 ─► neighbour: its MAC ─► fdb: the node's address ─► UDP
//
// Source: RFC 7348; flannel's backend of that name does it in the same way.
import { parseCidr } from '../api/ip.ts'
import { hasLink, makeIp } from '../linux/index.ts'
import { macOf } from './mac.ts'

/** A node behind a router: its range of pod addresses, and its own address. */
interface Peer {
  range: string
  address: string
}

interface OverlayOptions {
  link: string
  vxlanId: number
  /** This node's address. */
  address: string
  /** The range of this node's pods. */
  range: string
  /** The links by which the peers are reached. */
  uplinks: readonly string[]
  peers: readonly Peer[]
}

const port = 8472
/** The bytes that VXLAN adds to a packet, by the family of the nodes. */
const overheadBytes = { 4: 50, 6: 70 } as const
const defaultMtu = 1500

/** The name of the link of VXLAN for a family. */
export const overlayLink = (bridge: string, family: 4 | 6): string => `${bridge}v${family}`

/** The first address of a range, which no pod has, stands for the VXLAN of its node. */
export const vxlanAddress = (range: string): string => range.split('/')[0]!

/** The hardware address of the VXLAN of a node. */
export const vxlanMac = (address: string): string => macOf('0a:4b', address)

interface Neighbour {
  dst: string
  lladdr?: string
}
interface Forwarding {
  mac: string
  dst?: string
}

/** The commands of ip(8) and bridge(8) that turn the tables of the link into those for the peers. Pure. */
export function planPeers(
  link: string,
  peers: readonly Peer[],
  neighbours: readonly Neighbour[],
  forwarding: readonly Forwarding[],
): { ip: string[]; bridge: string[] } {
  const wanted = peers.map(({ range, address }) => ({ address, at: vxlanAddress(range), mac: vxlanMac(address) }))
  const ip = wanted
    .filter(({ at, mac }) => !neighbours.some(one => one.dst === at && one.lladdr === mac))
    .map(({ at, mac }) => `neighbour replace ${at} lladdr ${mac} dev ${link} nud permanent`)
  const bridge = wanted
    .filter(({ mac, address }) => !forwarding.some(one => one.mac === mac && one.dst === address))
    .map(({ mac, address }) => `fdb replace ${mac} dev ${link} dst ${address} self permanent`)
  for (const { dst } of neighbours)
    if (!wanted.some(({ at }) => at === dst)) ip.push(`neighbour delete ${dst} dev ${link}`)
  for (const { mac, dst } of forwarding)
    if (dst && !wanted.some(one => one.mac === mac && one.address === dst))
      bridge.push(`fdb delete ${mac} dev ${link} dst ${dst} self`)
  return { ip, bridge }
}

/** Creates the link, or corrects it, and makes its tables those of the peers. May be repeated at any time. */
export async function ensureOverlay({ link, vxlanId, address, range, uplinks, peers }: OverlayOptions): Promise<void> {
  const ip = makeIp()
  const links = await ip.links()
  const mtus = links.filter(({ name }) => uplinks.includes(name)).map(({ mtu }) => mtu)
  const mtu = Math.min(defaultMtu, ...mtus) - overheadBytes[address.includes(':') ? 6 : 4]
  const mac = vxlanMac(address)
  const present = links.find(({ name }) => name === link)
  // A link with another hardware address is of another address of this node.
  if (present && present.mac !== mac) await ip.batch([`link delete dev ${link}`])
  const isNew = present?.mac !== mac
  if (isNew)
    await ip.batch([
      `link add name ${link} address ${mac} type vxlan id ${vxlanId} local ${address} dstport ${port} nolearning`,
      `link set dev ${link} addrgenmode none`,
      // Packets whose source is replaced get this address, so that the answers come back through VXLAN.
      `address replace ${vxlanAddress(range)}/${address.includes(':') ? '128' : '32'} dev ${link}${address.includes(':') ? ' nodad' : ''}`,
    ])
  if (isNew || present?.mtu !== mtu || !present.up) await ip.batch([`link set dev ${link} mtu ${mtu} up`])
  const family = parseCidr(peers[0]!.range)?.family === 6 ? '-6' : '-4'
  const neighbours = await json<Neighbour>('ip', [family, '-j', 'neighbour', 'show', 'dev', link])
  const forwarding = await json<Forwarding>('bridge', ['-j', 'fdb', 'show', 'dev', link])
  const plan = planPeers(link, peers, neighbours, forwarding)
  await ip.batch(plan.ip)
  for (const command of plan.bridge) await ip.exec('bridge', command.split(' '))
}

/** Removes the link of VXLAN, if there is one. */
export async function removeOverlay(link: string): Promise<void> {
  if (await hasLink(link)) await makeIp().batch([`link delete dev ${link}`])
}

async function json<T>(program: string, args: readonly string[]): Promise<readonly T[]> {
  const { stdout } = await makeIp().exec(program, args)
  return stdout.trim() ? (JSON.parse(stdout) as T[]) : []
}
