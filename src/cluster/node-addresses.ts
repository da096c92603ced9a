// The addresses of the nodes of a machine: one of each family of the cluster, that of the default family first.
import { networkInterfaces } from 'node:os'
import { familiesOf, ipFamily, parseCidr } from '../api/ip.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { ClusterConfig } from './config.ts'
import { hostAddresses } from './machine.ts'
import { addressIn } from './node-range.ts'

/**
 * The addresses of a node. One in a namespace has them out of the ranges of nodes. The machine has its own, and where it
 * has none of IPv6 the first of the range of nodes (run-node.ts puts it on the bridge).
 */
export function nodeAddresses(config: ClusterConfig, nodeName: string): string[] {
  if (config.joined) return [...config.joined.nodeIPs]
  const own = config.nodes.find(node => node.name === nodeName)
  if (own) return config.nodeCidrs.map(range => addressIn(range, own.index))
  return familiesOf(config.podCidrs).flatMap(family => {
    const range = config.nodeCidrs.find(cidr => parseCidr(cidr)?.family === family)
    return hostAddresses(family)[0] ?? (family === 4 ? '127.0.0.1' : range ? addressIn(range, 1) : [])
  })
}

const lookMs = 10_000

/**
 * Resolves when a node has had other addresses than at first at two looks. Certificates, statuses and endpoints have the
 * addresses in them, so a process that uses this starts again.
 */
export async function otherAddresses(
  addresses: () => readonly string[],
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const first = addresses().join()
  for (let changed = 0; changed < 2; ) {
    await clock.sleep(lookMs, signal)
    changed = addresses().join() === first ? 0 : changed + 1
  }
}

/** A signal that aborts when a node has other addresses, so that its process starts again with them. */
export function movedSignal(
  addresses: () => readonly string[],
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): AbortSignal {
  const moved = new AbortController()
  const before = addresses()
  otherAddresses(addresses, clock, signal).then(
    () => {
      log.warn('the node has other addresses, starting again', { before, now: addresses() })
      moved.abort()
    },
    // The process ends for another reason.
    () => {},
  )
  return moved.signal
}

/**
 * The addresses of a machine that joined: of each family the one that it had while that is on one of its links, else what
 * it has there now, which is the local end of the way to the server where that is known. Pure.
 */
export function presentAddresses(
  had: readonly string[],
  present: readonly string[],
  usable: (family: 4 | 6) => readonly string[],
  local?: string,
): string[] {
  return had.map(address => {
    if (present.includes(address)) return address
    const family = ipFamily(address) ?? 4
    return local !== undefined && ipFamily(local) === family ? local : (usable(family)[0] ?? address)
  })
}

/** Every address on a link of this machine. */
export const linkAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap(link => (link ?? []).map(({ address }) => address))

/** Whether a cluster has IPv6, alone or beside IPv4. */
export const hasIPv6 = ({ podCidrs }: Pick<ClusterConfig, 'podCidrs'>): boolean => familiesOf(podCidrs).includes(6)

/** What servers listen on to be reached by all families of a cluster. */
export const anyAddress = (config: Pick<ClusterConfig, 'podCidrs'>): string => (hasIPv6(config) ? '::' : '0.0.0.0')

/** An address as the host of a URL, where IPv6 has brackets. */
export const urlHost = (address: string): string => (ipFamily(address) === 6 ? `[${address}]` : address)
