// Writes into a node's Node which networks it is on, and its key where what nodes send to each other is encrypted.
import { formatIP, parseCidr } from '../api/ip.ts'
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Client } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import { encryptionAnnotation, encryptionText } from '../kinds/core/node-encryption.ts'
import { maxNetworks, networksAnnotation } from '../kinds/core/node-networks.ts'
import { makeIp } from '../linux/index.ts'
import { ownKey } from './wireguard.ts'

interface NetworksOptions {
  client: Client
  nodeName: string
  /** The bridge of the node's pods; `BRIDGEn` is that between the nodes of this machine. */
  bridge: string
  /** The directory of the node's key, where there is encryption. */
  keyDir?: string
  clock: Clock
  log: Log
  signal: AbortSignal
}

type Addresses = Awaited<ReturnType<ReturnType<typeof makeIp>['addresses']>>

const lookMs = 60_000
const retry = { firstMs: 1_000, maxMs: 60_000 }

/** Keeps the annotation up to date until the signal aborts. Resolves when the Node is in the mirror. */
export async function keepNetworks({
  client,
  nodeName,
  bridge,
  keyDir,
  clock,
  log,
  signal,
}: NetworksOptions): Promise<void> {
  const nodes = client.mirror(Node)
  await client.synced([nodes], signal)
  let cancel = () => {}
  const failed = (error: unknown) => log.warn('cannot write the networks of the node', { why: messageOf(error) })
  const chore = new Chore({ signal, retry: { clock, ...retry, failed } }, async () => {
    cancel()
    cancel = clock.after(lookMs, () => chore.wake())
    const annotations: Record<string, string | null> = {
      [networksAnnotation]: networksText(await makeIp().addresses(), bridge),
      [encryptionAnnotation]: keyDir === undefined ? null : encryptionText(await ownKey(keyDir)),
    }
    const node = nodes.get(undefined, nodeName)
    if (!node || isThere(node, annotations)) return
    await client.patch(Node, { name: nodeName }, 'merge', { metadata: { annotations } })
  })
  // The Node may come later, and somebody may take the annotation away.
  const stop = nodes.subscribe(changes => {
    const own = changes.find(({ item }) => item.object.metadata.name === nodeName)?.item.object
    const has = own?.metadata.annotations
    const isMissing = has?.[networksAnnotation] === undefined || (keyDir && has[encryptionAnnotation] === undefined)
    if (own && isMissing) chore.wake()
  })
  signal.addEventListener('abort', () => (stop(), cancel()), { once: true })
  chore.wake()
}

const isThere = ({ metadata }: Node, annotations: Readonly<Record<string, string | null>>): boolean =>
  Object.entries(annotations).every(([key, value]) => (metadata.annotations?.[key] ?? null) === value)

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
