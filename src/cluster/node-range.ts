// Chooses the range of addresses for the nodes of one machine: one that no other cluster has and, if possible, one that
// overlaps with no route of the machine.
import { readFileSync } from 'node:fs'
import { cidrContains, formatIP, parseCidr } from '../api/ip.ts'

/**
 * The possible ranges of a slot. They never overlap with those of another slot, nor with ranges of pods and Services.
 */
export const nodeRangesOf = (slot: number): string[] => [
  `10.${32 + slot}.0.0/24`,
  `172.28.${slot}.0/24`,
  `192.168.${120 + slot}.0/24`,
]

/** The first range of the slot that overlaps with no route of this machine; the first one when all of them do. */
export function chooseNodeRange(slot: number): string {
  const routes = machineRoutes()
  const ranges = nodeRangesOf(slot)
  return ranges.find(range => !routes.some(route => overlap(range, route.to))) ?? ranges[0]!
}

/** A route of this machine into the range over another link than `link`; undefined when there is none. */
export function strangeRoute(range: string, link: string): { to: string; link: string } | undefined {
  return machineRoutes().find(route => route.link !== link && overlap(range, route.to))
}

/** The address of the node with an index in the range. The machine itself has the index 1. */
export function addressIn(range: string, index: number): string {
  const { family, base } = parseCidr(range)!
  return formatIP(family, base + BigInt(index))
}

function overlap(a: string, b: string): boolean {
  const [first, second] = [parseCidr(a), parseCidr(b)]
  if (!first || !second) return false
  return cidrContains(first, b.split('/')[0]!) || cidrContains(second, a.split('/')[0]!)
}

/** The IPv4 routes of this machine, without the default route. */
function machineRoutes(): { to: string; link: string }[] {
  return parseRoutes(readFileSync('/proc/net/route', 'utf8'))
}

/** Parses /proc/net/route, where addresses are hexadecimal with the last byte first. */
export function parseRoutes(text: string): { to: string; link: string }[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [link, destination, , , , , , mask] = line.split('\t').map(word => word.trim())
      if (!link || !destination || !mask || mask === '00000000') return []
      const bytes = Buffer.from(destination, 'hex').reverse()
      const bits = [...Buffer.from(mask, 'hex')].reduce(
        (sum, byte) => sum + byte.toString(2).replaceAll('0', '').length,
        0,
      )
      return [{ to: `${[...bytes].join('.')}/${bits}`, link }]
    })
}
