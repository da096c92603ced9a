// The addresses of the nodes of one machine: a range that no other cluster has, and, where there is a choice, none
// that the machine reaches something else by.
import { readFileSync } from 'node:fs'
import { cidrContains, formatIP, parseCidr } from '../api/ip.ts'

/** The ranges a cluster may have, by its slot; those of different slots never meet each other, pods or services. */
export const nodeRangesOf = (slot: number): string[] => [
  `10.${32 + slot}.0.0/24`,
  `172.28.${slot}.0/24`,
  `192.168.${120 + slot}.0/24`,
]

/** The first range of the slot that no route of this machine meets; the first of all when all are taken. */
export function chooseNodeRange(slot: number): string {
  const routes = machineRoutes()
  const ranges = nodeRangesOf(slot)
  return ranges.find(range => !routes.some(route => overlap(range, route.to))) ?? ranges[0]!
}

/** A route of this machine into the range by another link than ours; undefined when there is none. */
export function strangeRoute(range: string, link: string): { to: string; link: string } | undefined {
  return machineRoutes().find(route => route.link !== link && overlap(range, route.to))
}

/** The address of a node in the range: 1 for the machine itself. */
export function addressIn(range: string, index: number): string {
  const { family, base } = parseCidr(range)!
  return formatIP(family, base + BigInt(index))
}

function overlap(a: string, b: string): boolean {
  const [first, second] = [parseCidr(a), parseCidr(b)]
  if (!first || !second) return false
  return cidrContains(first, b.split('/')[0]!) || cidrContains(second, a.split('/')[0]!)
}

/** The IPv4 routes of this machine but the default one. */
function machineRoutes(): { to: string; link: string }[] {
  return parseRoutes(readFileSync('/proc/net/route', 'utf8'))
}

/** Reads the text of /proc/net/route: addresses are hexadecimal, the last byte first. */
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
