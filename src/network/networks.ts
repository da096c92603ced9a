// Writes into a node's Node which networks it is on.
import { formatIP, parseCidr } from '../api/ip.ts'
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Client } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import { maxNetworks, networksAnnotation } from '../kinds/core/node-networks.ts'
import { makeIp } from '../linux/index.ts'

interface NetworksOptions {
  client: Client
  nodeName: string
  /** The bridge of the node's pods; `BRIDGEn` is that between the nodes of this machine. */
  bridge: string
  clock: Clock
  log: Log
  signal: AbortSignal
}

type Addresses = Awaited<ReturnType<ReturnType<typeof makeIp>['addresses']>>

const lookMs = 60_000
const retry = { firstMs: 1_000, maxMs: 60_000 }

/** Keeps the annotation up to date until the signal aborts. Resolves when the Node is in the mirror. */
export async function keepNetworks({ client, nodeName, bridge, clock, log, signal }: NetworksOptions): Promise<void> {
  const nodes = client.mirror(Node)
  await client.synced([nodes], signal)
  let cancel = () => {}
  const failed = (error: unknown) => log.warn('cannot write the networks of the node', { why: messageOf(error) })
  const chore = new Chore({ signal, retry: { clock, ...retry, failed } }, async () => {
    cancel()
    cancel = clock.after(lookMs, () => chore.wake())
    const text = networksText(await makeIp().addresses(), bridge)
    const node = nodes.get(undefined, nodeName)
    if (!node || node.metadata.annotations?.[networksAnnotation] === text) return
    await client.patch(Node, { name: nodeName }, 'merge', { metadata: { annotations: { [networksAnnotation]: text } } })
  })
  // The Node may come later, and somebody may take the annotation away.
  const stop = nodes.subscribe(changes => {
    const own = changes.find(({ item }) => item.object.metadata.name === nodeName)?.item.object
    if (own && own.metadata.annotations?.[networksAnnotation] === undefined) chore.wake()
  })
  signal.addEventListener('abort', () => (stop(), cancel()), { once: true })
  chore.wake()
}

/** The networks of a node's links to other nodes, as the value of the annotation. Pure. */
export function networksText(addresses: Addresses, bridge: string): string {
  const isOurs = (link: string) => link === `${bridge}n` || !/^(lo$|kt|veth|cni|docker|br-)/.test(link)
  const networks = addresses
    .filter(one => one.scope === 'global' && isOurs(one.link))
    .flatMap(({ address, prefixLength, family }) => {
      const cidr = parseCidr(`${address}/${prefixLength}`)
      const isSingle = prefixLength === (family === 'inet' ? 32 : 128)
      return cidr && !isSingle ? [`${formatIP(cidr.family, cidr.base)}/${prefixLength}`] : []
    })
  return [...new Set(networks)].sort().slice(0, maxNetworks).join(',')
}
