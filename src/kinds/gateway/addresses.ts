// Addresses of Gateways. In a cluster with a pool each Gateway has some of its own, which its status keeps; the nodes that
// announce them and serve at them, and the controller that gives them out, read them here.
import { type IPRange, isInRanges } from '../../api/ip-range.ts'
import { formatIP, parseIP } from '../../api/ip.ts'
import type { Gateway } from './gateway.ts'

/** The most addresses of one Gateway. */
const maxAddresses = 16

/** An address in its one form; undefined for any other text. */
export function addressText(text: string): string | undefined {
  const ip = parseIP(text)
  return ip && formatIP(ip.family, ip.value)
}

/** The addresses of the pool in the status of a Gateway, in their one form and each once. */
export function presentAddresses({ status }: Gateway, pool: readonly IPRange[]): string[] {
  const all = (status?.addresses ?? []).flatMap(({ type = 'IPAddress', value }) =>
    type === 'IPAddress' && isInRanges(pool, value) ? (addressText(value) ?? []) : [],
  )
  return [...new Set(all)].slice(0, maxAddresses)
}

/** The addresses at which each Gateway is served. Of two with the same one the first has it. */
export function servedAddresses(gateways: readonly Gateway[], pool: readonly IPRange[]): Map<Gateway, string[]> {
  const given = new Set<string>()
  return new Map(
    gateways.map(gateway => {
      const own = presentAddresses(gateway, pool).filter(address => !given.has(address))
      for (const address of own) given.add(address)
      return [gateway, own]
    }),
  )
}
