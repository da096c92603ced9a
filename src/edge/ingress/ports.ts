// Where HAProxy listens: at a port of all addresses, or of one address that the node may have now or later. Programs that
// have such a place already are found out before HAProxy starts, since it would not start at all.
import { type IPRange, isInRanges } from '../../api/ip-range.ts'
import { formatIP, ipFamily } from '../../api/ip.ts'
import { listenersOn, portFree, portShared } from '../../linux/index.ts'

export interface Binding {
  /** Empty for all addresses. */
  address: string
  port: number
}

/** `192.0.2.10:80`, or `:80` for all addresses. */
export const bindingKey = ({ address, port }: Binding): string => `${address}:${port}`

/** The places in which a configuration listens. */
export const bindingsIn = (config: string): string[] =>
  [...config.matchAll(/^\s*bind (\S*):(\d+)( |$)/gm)].map(([, address = '', port]) =>
    bindingKey({ address: address === '::' ? '' : address, port: Number(port) }),
  )

/**
 * Whether HAProxy may listen there.
 * @param pool addresses on which an HAProxy of this node may listen beside one that listens on all
 */
export async function isFree({ address, port }: Binding, pool: readonly IPRange[]): Promise<boolean> {
  if (!address && !pool.length) return portFree(port)
  const others = (await listenersOn(port)).map(({ family, value }) => formatIP(family, value))
  if (!address) return others.every(one => isInRanges(pool, one))
  return !others.includes(address) && (await portShared(port, ipFamily(address) ?? 4))
}
