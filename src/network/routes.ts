// Routes to the pods of other nodes: the range of each node is routed to that node's own address, called host-gw
// elsewhere, or through VXLAN (overlay.ts) where a router is between the two nodes, which would not have a way to the
// pods. Both nodes of a pair must decide alike, though each sees only its own routes: so every node writes the networks
// that it is on into an annotation of its Node, and a pair does without VXLAN only if each is on a network of the other.
// The routes follow the Node objects, and are removed with them. With encryption all of them lead into WireGuard
// (wireguard.ts) instead.
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { type Cidr, cidrContains, ipFamily, parseCidr } from '../api/ip.ts'
import type { Client } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import { encryptionOf, encryptionText, type NodeKey } from '../kinds/core/node-encryption.ts'
import { networksOf } from '../kinds/core/node-networks.ts'
import { hasLink, makeIp, type Route, setKernel } from '../linux/index.ts'
import { gatewayOf } from './cni.ts'
import { ensureOverlay, overlayLink, removeOverlay, vxlanAddress } from './overlay.ts'
import { Device, ownKey, planPeers, removeWireguard, wireguardLink } from './wireguard.ts'

interface PodRoutesOptions {
  client: Client
  nodeName: string
  /** The ranges of all pod addresses of the cluster, at most one of each family. */
  podCidrs: readonly string[]
  /** Routers that have ways to all pods: for a node in a namespace its machine. */
  routers: readonly string[]
  /** The ranges of nodes in namespaces of this machine, to which it is the router. */
  localNodes: readonly string[]
  /** The name of the bridge of this node's pods, with which names of links begin. */
  bridge: string
  /** The number of the node on its machine. */
  index: number
  /** The number of the cluster's VXLAN, the same on all nodes. */
  vxlanId: number
  /** Set where all that goes to other nodes is encrypted. */
  encryption?: Encryption
  /** Called with the nodes that cannot be reached for want of a key, when they change. */
  unreachable?(nodes: readonly string[]): void
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** The device of this node, and the directory of its key. */
interface Encryption {
  link: string
  dir: string
}

/** The protocol number that marks Kutter's routes in the kernel's table. Others are never changed. */
export const routeProtocol = '157'

/** How often the routes are compared even without a change: the kernel removes them when a link goes down. */
const lookAgainMs = 60_000
const lookAtDeviceMs = 2_000
const retryMs = 1_000

/**
 * Keeps the routes up to date until the signal aborts. They stay after that, as pods do. Resolves when the nodes are
 * listed.
 */
export async function keepPodRoutes(options: PodRoutesOptions): Promise<void> {
  const { client, clock, log, signal, encryption } = options
  const nodes = client.mirror(Node)
  await client.synced([nodes], signal)
  const former = wireguardLink(options.bridge, options.index)
  if (!encryption && (await hasLink(former))) await removeWireguard(former)
  const set = encryption ? await encrypted(options, encryption) : (now: readonly Node[]) => setRoutes(options, now)
  let seen = ''
  let cancel = () => {}
  const failed = (error: unknown) =>
    log.error('cannot set the routes to pods of other nodes, trying again', { why: messageOf(error) })
  const chore = new Chore({ signal, retry: { clock, firstMs: retryMs, maxMs: retryMs, failed } }, async () => {
    seen = factsOf(nodes.list())
    cancel()
    cancel = clock.after(lookAgainMs, () => chore.wake())
    await set(nodes.list())
  })
  const stop = nodes.subscribe(() => {
    if (factsOf(nodes.list()) !== seen) chore.wake()
  })
  // A device in user space is gone when its process ends.
  let cancelLook = () => {}
  const look = async () => {
    if (signal.aborted) return
    if (encryption && !(await hasLink(encryption.link))) chore.wake()
    cancelLook = clock.after(lookAtDeviceMs, () => void look())
  }
  if (encryption) void look()
  const end = () => {
    stop()
    cancel()
    cancelLook()
  }
  signal.addEventListener('abort', end, { once: true })
  chore.wake()
}

/**
 * What of the nodes matters here, this one's own range too, without which there is no VXLAN. They write their status
 * often, and most of it does not matter.
 */
export const factsOf = (nodes: readonly Node[]): string =>
  ([4, 6] as const)
    .flatMap(family => placesOf(nodes, family))
    .map(
      one =>
        `${one.name} ${one.range} ${one.address} ${one.key ? encryptionText(one.key) : '-'} ${one.networks?.map(cidr => `${cidr.base}/${cidr.bits}`).join()}`,
    )
    .sort()
    .join('; ')

async function setRoutes(options: PodRoutesOptions, nodes: readonly Node[]): Promise<void> {
  for (const podCidr of options.podCidrs) await setRoutesIn(podCidr, options, nodes)
}

async function setRoutesIn(podCidr: string, options: PodRoutesOptions, nodes: readonly Node[]): Promise<void> {
  const { nodeName, routers, localNodes, log, bridge, vxlanId } = options
  const ip = makeIp()
  const family = parseCidr(podCidr)!.family
  const link = overlayLink(bridge, family)
  const own = placesOf(nodes, family).find(({ name }) => name === nodeName)
  const remote = remoteRanges(nodes, nodeName, family)
  const routes = await ip.routes({ family })
  const self = own && { address: own.address, source: gatewayOf(own.range) }
  const plan = planRoutes({ remote, podCidr, routes, routers, localNodes, link, self })
  if (plan.overlay.length && own)
    await ensureOverlay({ ...own, link, vxlanId, uplinks: plan.uplinks, peers: plan.overlay })
  await ip.batch(plan.commands)
  if (!plan.overlay.length) await removeOverlay(link)
  if (plan.commands.length) log.info('routes to pods of other nodes changed', { commands: plan.commands })
  // A NodePort on 127.0.0.1 may lead to a pod of another node. The proxy's table drops packets to 127/8 that come in.
  for (const name of family === 4 ? plan.links : []) await setKernel(`net/ipv4/conf/${name}/route_localnet`, '1', log)
}

/** Sets routes into WireGuard, and keeps its device. Resolves when this node has its key. */
async function encrypted(
  options: PodRoutesOptions,
  { link, dir }: Encryption,
): Promise<(nodes: readonly Node[]) => Promise<void>> {
  const { nodeName, podCidrs, bridge, log } = options
  const key = await ownKey(dir)
  const device = new Device()
  const ip = makeIp()
  let silentBefore = ''
  return async nodes => {
    const { peers, silent } = planPeers(nodes, nodeName)
    if (silent.join() !== silentBefore) options.unreachable?.(silent)
    silentBefore = silent.join()
    const own = nodes.find(node => node.metadata.name === nodeName)?.spec.podCIDRs ?? []
    const tables = await Promise.all(([4, 6] as const).map(family => ip.routes({ family })))
    const ways = peers.map(({ address }) =>
      wayTo(
        address,
        tables.flat().filter(r => r.protocol !== routeProtocol),
      ),
    )
    const uplinks = ways.flatMap(way => way?.link ?? [])
    await device.ensure({ link, dir, key, peers, addresses: own.map(vxlanAddress), uplinks, log })
    for (const podCidr of podCidrs) {
      const family = parseCidr(podCidr)!.family
      const range = own.find(one => parseCidr(one)?.family === family)
      const source = range === undefined ? undefined : gatewayOf(range)
      const remote = remoteRanges(nodes, nodeName, family).map(one => one.range)
      const commands = planEncrypted({ remote, podCidr, routes: tables[family === 4 ? 0 : 1]!, link, source })
      await ip.batch(commands)
      if (commands.length) log.info('routes to pods of other nodes changed', { commands })
      await removeOverlay(overlayLink(bridge, family))
      if (family === 4) await setKernel(`net/ipv4/conf/${link}/route_localnet`, '1', log)
    }
  }
}

/** A route for all pods that counts when no other one does. */
const lastMetric = 4_000_000_000

/** The command that lets nothing for pods of the cluster leave by the way to other networks. */
const refusal = (podCidr: string) => `route replace prohibit ${podCidr} metric ${lastMetric} proto ${routeProtocol}`

/** Refuses all that is for pods of other nodes until there are routes to them, before the first pod starts. */
export const refuseUnencrypted = (podCidrs: readonly string[]): Promise<void> => makeIp().batch(podCidrs.map(refusal))

/** The `ip` commands that turn the present routes into those through WireGuard. Pure. */
export function planEncrypted({
  remote,
  podCidr,
  routes,
  link,
  source,
}: Pick<RoutesInput, 'podCidr' | 'routes' | 'link'> & {
  remote: readonly string[]
  source: string | undefined
}): string[] {
  const ours = oursIn(podCidr, routes)
  const commands = ours.some(({ to }) => to === podCidr) ? [] : [refusal(podCidr)]
  for (const range of remote) {
    const has = ours.find(({ to }) => to === range)
    if (source === undefined || (has?.link === link && has.source === source)) continue
    commands.push(`route replace ${range} dev ${link} src ${source} proto ${routeProtocol}`)
  }
  for (const { to } of ours) if (to !== podCidr && !remote.includes(to)) commands.push(`route delete ${to}`)
  return commands
}

/** Kutter's routes to pods of the cluster that are in the kernel's table. */
export async function podRoutes(podCidrs: readonly string[]): Promise<readonly Route[]> {
  const found: Route[] = []
  for (const range of podCidrs)
    found.push(...oursIn(range, await makeIp().routes({ family: parseCidr(range)?.family ?? 4 })))
  return found
}

/** Removes all of these routes, when the node is stopped. */
export async function removePodRoutes(podCidrs: readonly string[]): Promise<void> {
  await makeIp().batch((await podRoutes(podCidrs)).map(({ to }) => `route delete ${to}`))
}

/** Only routes into this cluster's range: other clusters on this machine mark theirs in the same way. */
function oursIn(podCidr: string, routes: readonly Route[]): Route[] {
  const cluster = parseCidr(podCidr)!
  return routes.filter(r => r.protocol === routeProtocol && cidrContains(cluster, r.to.split('/')[0]!))
}

interface RemoteRange {
  range: string
  address: string
  /** The networks that the node is on, if it says so. */
  networks: readonly Cidr[] | undefined
  /** The key of the node, if it has one. */
  key?: NodeKey | undefined
}

/** The range and address of a family of each node that has both. */
function placesOf(nodes: readonly Node[], family: 4 | 6): (RemoteRange & { name: string })[] {
  return nodes.flatMap(node => {
    const { spec, status } = node
    const ranges = spec.podCIDRs?.length ? spec.podCIDRs : spec.podCIDR ? [spec.podCIDR] : []
    const address = status.addresses?.find(a => a.type === 'InternalIP' && ipFamily(a.address) === family)?.address
    const range = ranges.find(r => parseCidr(r)?.family === family)
    return address && range
      ? [{ name: node.metadata.name ?? '', range, address, networks: networksOf(node), key: encryptionOf(node) }]
      : []
  })
}

/** The range and address of a family of each other node that has both, in the order of their ranges. */
export const remoteRanges = (nodes: readonly Node[], self: string, family: 4 | 6): RemoteRange[] =>
  placesOf(nodes, family)
    .filter(({ name }) => name !== self)
    .map(({ name: _, key: __, ...rest }) => rest)
    .sort((a, b) => (a.range < b.range ? -1 : 1))

interface RoutesInput {
  remote: readonly RemoteRange[]
  podCidr: string
  routes: readonly Route[]
  routers: readonly string[]
  localNodes: readonly string[]
  /** The link of VXLAN. */
  link: string
  /** This node's address, and the one that its own packets have in VXLAN; undefined without a range of pods. */
  self: { address: string; source: string } | undefined
}

interface RoutesPlan {
  commands: string[]
  /** The links that direct routes use. */
  links: string[]
  /** The nodes behind a router, and the links on the way to them. */
  overlay: RemoteRange[]
  uplinks: string[]
}

/** The `ip` commands that turn the present routes into the wanted ones, and what those need. Pure. */
export function planRoutes({ remote, podCidr, routes, routers, localNodes, link, self }: RoutesInput): RoutesPlan {
  const ours = oursIn(podCidr, routes)
  const foreign = routes.filter(r => r.protocol !== routeProtocol)
  const commands: string[] = []
  const [links, uplinks] = [new Set<string>(), new Set<string>()]
  const behind: RemoteRange[] = []
  const isLocal = (address: string) => localNodes.some(range => cidrContains(parseCidr(range)!, address))
  for (const { range, address, networks } of remote) {
    const way = wayTo(address, foreign)
    if (!way) continue
    const has = ours.find(r => r.to === range)
    const seesUs = !networks || !self || networks.some(cidr => cidrContains(cidr, self.address))
    const isDirect = routers.includes(way.via) || (way.via === address && (seesUs || isLocal(address)))
    if (!isDirect) {
      // Without a range of its own this node has no pods, and no address in the overlay.
      if (!self) continue
      behind.push({ range, address, networks })
      uplinks.add(way.link)
      const via = vxlanAddress(range)
      if (has?.via !== via || has.link !== link || has.source !== self.source)
        commands.push(`route replace ${range} via ${via} dev ${link} onlink src ${self.source} proto ${routeProtocol}`)
      continue
    }
    links.add(way.link)
    if (has?.via !== way.via || has.link !== way.link)
      commands.push(`route replace ${range} via ${way.via} dev ${way.link} proto ${routeProtocol}`)
  }
  for (const { to } of ours) if (!remote.some(r => r.range === to)) commands.push(`route delete ${to}`)
  return { commands, links: [...links], overlay: behind, uplinks: [...uplinks] }
}

/**
 * The next hop to a node: the node itself when it is on a network of this machine, otherwise the router on the way to
 * it, which for nodes in namespaces is their machine. Undefined when there is no route to the node.
 */
function wayTo(address: string, routes: readonly Route[]): { via: string; link: string } | undefined {
  const matching = routes.flatMap(route => {
    const isSix = address.includes(':')
    const whole = isSix ? '::/0' : '0.0.0.0/0'
    const cidr = parseCidr(
      route.to === 'default' ? whole : route.to.includes('/') ? route.to : `${route.to}/${isSix ? 128 : 32}`,
    )
    return cidr && route.link && cidrContains(cidr, address) ? [{ route, bits: cidr.bits }] : []
  })
  const best = matching.sort((a, b) => b.bits - a.bits)[0]?.route
  return best && { via: best.via ?? address, link: best.link! }
}
