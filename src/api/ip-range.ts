// Ranges of addresses from a first to a last one, as users write them: `192.0.2.10-192.0.2.20`, `198.51.100.0/28`, or
// one address. Unlike a range in CIDR form, one of these may begin and end anywhere.
import { type Cidr, formatIP, parseCidr, parseIP } from './ip.ts'

export interface IPRange {
  readonly family: 4 | 6
  readonly first: bigint
  readonly last: bigint
  /** As it was written. */
  readonly text: string
}

/** Parses a range. Throws an Error that states what is wrong with it. */
export function parseIPRange(text: string): IPRange {
  const [from = '', to, ...rest] = text.split('-')
  if (text.includes('/')) {
    const cidr = parseCidr(text)
    if (!cidr) throw new Error(`${JSON.stringify(text)} is not a range of addresses such as 198.51.100.0/28`)
    return ofCidr(cidr, text)
  }
  const first = parseIP(from)
  const last = to === undefined ? first : parseIP(to)
  if (!first || !last || rest.length)
    throw new Error(
      `${JSON.stringify(text)} is no address and no range of addresses; write 192.0.2.10-192.0.2.20, 198.51.100.0/28 or one address`,
    )
  if (first.family !== last.family)
    throw new Error(`the range ${text} begins with IPv${first.family} and ends with IPv${last.family}`)
  if (first.value > last.value) throw new Error(`the range ${text} ends before it begins`)
  return { family: first.family, first: first.value, last: last.value, text }
}

const ofCidr = ({ family, base, size }: Cidr, text: string): IPRange => ({
  family,
  first: base,
  last: base + size - 1n,
  text,
})

export const rangesOverlap = (a: IPRange, b: IPRange): boolean =>
  a.family === b.family && a.first <= b.last && b.first <= a.last

/** Whether an address is in one of the ranges; false for any other text. */
export function isInRanges(ranges: readonly IPRange[], address: string): boolean {
  const ip = parseIP(address)
  return ip !== undefined && ranges.some(r => r.family === ip.family && r.first <= ip.value && ip.value <= r.last)
}

/** The addresses of the ranges of one family, in their order. */
export function* addressesIn(ranges: readonly IPRange[], family: 4 | 6): Iterable<string> {
  for (const range of ranges)
    if (range.family === family) for (let ip = range.first; ip <= range.last; ip++) yield formatIP(family, ip)
}
