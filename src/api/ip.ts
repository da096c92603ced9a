// Parses and formats IPv4 and IPv6 addresses, and ranges in CIDR form, as numbers.
import { isIPv4, isIPv6 } from 'node:net'

export interface Cidr {
  family: 4 | 6
  /** The first address. */
  base: bigint
  /** Prefix length in bits. */
  bits: number
  /** Number of addresses. */
  size: bigint
}

/** Parses an address; undefined for any other text. */
export function parseIP(text: string): { family: 4 | 6; value: bigint } | undefined {
  if (isIPv4(text)) return { family: 4, value: text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n) }
  if (!isIPv6(text) || text.includes('%')) return undefined
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const source = dotted ? dotted[1]! + hexPair(parseIP(dotted[2]!)!.value) : text
  const [head = '', tail] = source.split('::') as [string, string?]
  const groups = (part: string) => (part ? part.split(':') : [])
  const left = groups(head)
  const right = groups(tail ?? '')
  const middle = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0')
  return {
    family: 6,
    value: [...left, ...middle, ...right].reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n),
  }
}

/** The family of an address; undefined for any other text. */
export const ipFamily = (text: string): 4 | 6 | undefined => parseIP(text)?.family

const hexPair = (value: bigint) => `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`

/** Formats an address in its canonical spelling. Source: RFC 5952. */
export function formatIP(family: 4 | 6, value: bigint): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map(shift => (value >> shift) & 255n).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16))
  // The longest run of zero groups becomes "::".
  const runs = [...groups.join(':').matchAll(/(^|:)0(:0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length)
  const text = groups.join(':')
  const run = runs[0]
  if (!run) return text
  return `${text.slice(0, run.index)}::${text.slice(run.index + run[0].length).replace(/^:/, '')}`
}

/** Parses a range such as 10.96.0.0/16; undefined for any other text. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length = ''] = text.split('/')
  const ip = parseIP(address)
  const total = ip?.family === 4 ? 32 : 128
  if (!ip || !/^\d+$/.test(length) || Number(length) > total) return undefined
  const bits = Number(length)
  const size = 1n << BigInt(total - bits)
  return { family: ip.family, base: (ip.value / size) * size, bits, size }
}

/** The families of ranges, in their order. What is no range is passed over. */
export const familiesOf = (ranges: readonly string[]): (4 | 6)[] =>
  ranges.flatMap(range => parseCidr(range)?.family ?? [])

export function cidrContains(cidr: Cidr, address: string): boolean {
  const ip = parseIP(address)
  return ip?.family === cidr.family && ip.value >= cidr.base && ip.value < cidr.base + cidr.size
}
