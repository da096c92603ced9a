// Routes to the pods of other nodes, called host-gw elsewhere: the range of each node is routed to that node's own
// address. The routes follow the Node objects, and are removed with them.
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { cidrContains, ipFamily, parseCidr } from '../api/ip.ts'
import type { Mirror } from '../api/mirror.ts'
import type { Client } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import { makeIp, type Route, setKernel } from '../linux/index.ts'

interface PodRoutesOptions {
  client: Client
  nodeName: string
  /** The ranges of all pod addresses of the cluster, at most one of each family. */
  podCidrs: readonly string[]
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** The protocol number that marks Kutter's routes in the kernel's table. Others are never changed. */
export const routeProtocol = '157'

/** How often the routes are compared even without a change: the kernel removes them when a link goes down. */
const lookAgainMs = 60_000
const retryMs = 1_000

/**
 * Keeps the routes up to date until the signal aborts. They stay after that, as pods do. Resolves when the nodes are
 * listed.
 */
export async function keepPodRoutes(options: PodRoutesOptions): Promise<void> {
  const { client, clock, log, signal } = options
  const nodes = client.mirror(Node)
  await client.synced([nodes], signal)
  let seen = ''
  let cancel = () => {}
  const failed = (error: unknown) =>
    log.error('cannot set the routes to pods of other nodes, trying again', { why: messageOf(error) })
  const chore = new Chore({ signal, retry: { clock, firstMs: retryMs, maxMs: retryMs, failed } }, async () => {
    seen = factsOf(nodes, options)
    cancel()
    cancel = clock.after(lookAgainMs, () => chore.wake())
    await setRoutes(options, nodes.list())
  })
  const stop = nodes.subscribe(() => {
    if (factsOf(nodes, options) !== seen) chore.wake()
  })
  const end = () => {
    stop()
    cancel()
  }
  signal.addEventListener('abort', end, { once: true })
  chore.wake()
}

/** What of the nodes matters here. They write their status often, and most of it does not. */
const factsOf = (nodes: Mirror<Node>, { nodeName }: PodRoutesOptions) =>
  JSON.stringify(([4, 6] as const).map(family => remoteRanges(nodes.list(), nodeName, family)))

async function setRoutes(options: PodRoutesOptions, nodes: readonly Node[]): Promise<void> {
  for (const podCidr of options.podCidrs) await setRoutesIn(podCidr, options, nodes)
}

async function setRoutesIn(
  podCidr: string,
  { nodeName, log }: PodRoutesOptions,
  nodes: readonly Node[],
): Promise<void> {
  const ip = makeIp()
  const family = parseCidr(podCidr)!.family
  const plan = planRoutes({
    remote: remoteRanges(nodes, nodeName, family),
    podCidr,
    routes: await ip.routes({ family }),
  })
  await ip.batch(plan.commands)
  if (plan.commands.length) log.info('routes to pods of other nodes changed', { commands: plan.commands })
  // A NodePort on 127.0.0.1 may lead to a pod of another node. The proxy's table drops packets to 127/8 that come in.
  for (const link of family === 4 ? plan.links : []) await setKernel(`net/ipv4/conf/${link}/route_localnet`, '1', log)
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
}

/** The range and address of a family of each other node that has both, in the order of their ranges. */
export function remoteRanges(nodes: readonly Node[], self: string, family: 4 | 6): RemoteRange[] {
  return nodes
    .filter(node => node.metadata.name !== self)
    .flatMap(node => {
      const ranges = node.spec.podCIDRs?.length ? node.spec.podCIDRs : node.spec.podCIDR ? [node.spec.podCIDR] : []
      const address = node.status.addresses?.find(
        a => a.type === 'InternalIP' && ipFamily(a.address) === family,
      )?.address
      const range = ranges.find(r => parseCidr(r)?.family === family)
      return address && range ? [{ range, address }] : []
    })
    .sort((a, b) => (a.range < b.range ? -1 : 1))
}

/** The `ip` commands that turn the present routes into the wanted ones, and the links that those use. Pure. */
export function planRoutes({
  remote,
  podCidr,
  routes,
}: {
  remote: readonly RemoteRange[]
  podCidr: string
  routes: readonly Route[]
}): { commands: string[]; links: string[] } {
  const ours = oursIn(podCidr, routes)
  const foreign = routes.filter(r => r.protocol !== routeProtocol)
  const commands: string[] = []
  const links = new Set<string>()
  for (const { range, address } of remote) {
    const way = wayTo(address, foreign)
    if (!way) continue
    links.add(way.link)
    const has = ours.find(r => r.to === range)
    if (has?.via !== way.via || has.link !== way.link)
      commands.push(`route replace ${range} via ${way.via} dev ${way.link} proto ${routeProtocol}`)
  }
  for (const { to } of ours) if (!remote.some(r => r.range === to)) commands.push(`route delete ${to}`)
  return { commands, links: [...links] }
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
