// Addresses and ranges: `ip('10.0.0.1').isLoopback()`, `cidr('10.0.0.0/8').containsIP('10.1.2.3')`.
// Source: apiserver pkg/cel/library/ip.go, cidr.go; Go's net/netip.
import { formatIP, parseIP } from '../../api/ip.ts'
import { goQuote } from '../../base/go-text.ts'
import { fn, member, plain, type Implementation, type Library } from '../functions.ts'
import * as t from '../types.ts'
import { Failure, Opaque, failure, noSuchOverload, type Value } from '../values.ts'
import { addressFault } from './go-address.ts'

class IP extends Opaque {
  readonly family: 4 | 6
  readonly value: bigint

  constructor(family: 4 | 6, value: bigint) {
    super('net.IP')
    this.family = family
    this.value = value
  }

  equals(other: Opaque): boolean {
    return other instanceof IP && other.family === this.family && other.value === this.value
  }

  /** In bytes. */
  override get size(): number {
    return this.family === 4 ? 4 : 16
  }

  override toString(): string {
    return formatIP(this.family, this.value)
  }
}

/** A range. Its address need not be the first one of the range. */
class Cidr extends Opaque {
  readonly ip: IP
  readonly bits: number

  constructor(ip: IP, bits: number) {
    super('net.CIDR')
    this.ip = ip
    this.bits = bits
  }

  equals(other: Opaque): boolean {
    return other instanceof Cidr && other.bits === this.bits && other.ip.equals(this.ip)
  }

  /** In bytes of the prefix. */
  override get size(): number {
    return Math.ceil(this.bits / 8)
  }

  /** The address with all bits beyond the prefix zero. */
  mask(ip: IP): bigint {
    const rest = BigInt((ip.family === 4 ? 32 : 128) - this.bits)
    return (ip.value >> rest) << rest
  }

  contains(ip: IP): boolean {
    return ip.family === this.ip.family && this.mask(ip) === this.mask(this.ip)
  }

  override toString(): string {
    return `${this.ip.toString()}/${this.bits}`
  }
}

// The types of both, as the checker has them: opaque, with nothing but methods.
const ipType = new IP(4, 0n).type
const cidrType = new Cidr(new IP(4, 0n), 0).type
const isMappedIP = ({ family, value }: { family: 4 | 6; value: bigint }) => family === 6 && value >> 32n === 0xffffn

/** An address in any spelling, but neither one with a zone nor an IPv4 address in the clothes of an IPv6 one. */
function toIP(text: string): IP | Failure {
  const fault = addressFault(text)
  if (fault) return failure(`IP Address ${goQuote(text)} parse error during conversion from string: ${fault}`)
  const found = parseIP(text)
  if (!found) return failure(`IP address ${goQuote(text)} with zone value is not allowed`)
  if (isMappedIP(found)) return failure(`IPv4-mapped IPv6 address ${goQuote(text)} is not allowed`)
  return new IP(found.family, found.value)
}

/** An address and the length of a prefix. Bits beyond the prefix may be set: `masked()` clears them. */
function toCidr(text: string): Cidr | Failure {
  const slash = text.lastIndexOf('/')
  const fault = (message: string) => failure(`network address parse error during conversion from string: ${message}`)
  const parse = (message: string) =>
    fault(`network address parse error during conversion from string: netip.ParsePrefix(${goQuote(text)}): ${message}`)
  if (slash < 0) return parse("no '/'")
  const address = text.slice(0, slash)
  const wrong = addressFault(address)
  if (wrong) return parse(wrong)
  const found = parseIP(address)
  if (!found) return parse('IPv6 zones cannot be present in a prefix')
  const length = text.slice(slash + 1)
  if (!/^(0|[1-9]\d*)$/.test(length)) return parse(`bad bits after slash: ${goQuote(length)}`)
  if (Number(length) > (found.family === 4 ? 32 : 128)) return parse('prefix length out of range')
  if (isMappedIP(found)) return fault(`IPv4-mapped IPv6 address ${goQuote(text)} is not allowed`)
  return new Cidr(new IP(found.family, found.value), Number(length))
}

/** A test or part of an address. */
const ofIP = (name: string, id: string, result: t.Type, run: (ip: IP) => Value) =>
  fn(
    name,
    member(id, [ipType], result, value => (value instanceof IP ? run(value) : noSuchOverload())),
  )

/** Whether the address is in a range, of which there is one for each family. */
const isIn =
  (v4: string, v6: string) =>
  (ip: IP): boolean =>
    rangeOf(ip.family === 4 ? v4 : v6).contains(ip)

function rangeOf(text: string): Cidr {
  const range = toCidr(text)
  if (range instanceof Failure) throw new Error(range.message)
  return range
}

const isUnspecified = isIn('0.0.0.0/32', '::/128')
const isLoopback = isIn('127.0.0.0/8', '::1/128')
const isMulticast = isIn('224.0.0.0/4', 'ff00::/8')
const isLinkLocalUnicast = isIn('169.254.0.0/16', 'fe80::/10')
const isBroadcast = isIn('255.255.255.255/32', '::/128')

const isLinkLocalMulticast = (ip: IP) =>
  ip.family === 4 ? ip.value >> 8n === 0xe00000n : ip.value >> 120n === 0xffn && ((ip.value >> 112n) & 0xfn) === 2n

/** What is neither special nor for many. Private addresses count as global, as they do in Go. */
const isGlobalUnicast = (ip: IP) =>
  ![isUnspecified, isLoopback, isMulticast, isLinkLocalUnicast, isBroadcast].some(test => test(ip))

const asText: Implementation = value => (value instanceof Opaque ? value.toString() : noSuchOverload())

export const ips: Library = {
  name: 'kubernetes.net.ip',
  types: [ipType],
  functions: [
    fn(
      'ip',
      plain('string_to_ip', [t.string], ipType, text => toIP(text as string)),
    ),
    fn(
      'ip.isCanonical',
      plain('ip_is_canonical', [t.string], t.bool, text => {
        const ip = toIP(text as string)
        return ip instanceof Failure ? ip : ip.toString() === text
      }),
    ),
    fn(
      'isIP',
      plain('is_ip', [t.string], t.bool, text => !(toIP(text as string) instanceof Failure)),
    ),
    fn('string', plain('ip_to_string', [ipType], t.string, asText)),
    ofIP('family', 'ip_family', t.int, ({ family }) => BigInt(family)),
    ofIP('isUnspecified', 'ip_is_unspecified', t.bool, isUnspecified),
    ofIP('isLoopback', 'ip_is_loopback', t.bool, isLoopback),
    ofIP('isLinkLocalMulticast', 'ip_is_link_local_multicast', t.bool, isLinkLocalMulticast),
    ofIP('isLinkLocalUnicast', 'ip_is_link_local_unicast', t.bool, isLinkLocalUnicast),
    ofIP('isGlobalUnicast', 'ip_is_global_unicast', t.bool, isGlobalUnicast),
  ],
}

/** Whether an address, or the text of one, is in the range. */
function containsIP(range: Value, other: Value): Value {
  const ip = typeof other === 'string' ? toIP(other) : other
  if (ip instanceof Failure) return ip
  return range instanceof Cidr && ip instanceof IP ? range.contains(ip) : noSuchOverload()
}

/** Whether all addresses of the other range are in this one. */
function containsCidr(range: Value, other: Value): Value {
  const inner = typeof other === 'string' ? toCidr(other) : other
  if (inner instanceof Failure) return inner
  if (!(range instanceof Cidr && inner instanceof Cidr)) return noSuchOverload()
  return range.bits <= inner.bits && range.contains(inner.ip)
}

const ofCidr = (name: string, id: string, result: t.Type, run: (range: Cidr) => Value) =>
  fn(
    name,
    member(id, [cidrType], result, value => (value instanceof Cidr ? run(value) : noSuchOverload())),
  )

export const cidrs: Library = {
  name: 'net.cidr',
  types: [cidrType],
  functions: [
    fn(
      'cidr',
      plain('string_to_cidr', [t.string], cidrType, text => toCidr(text as string)),
    ),
    fn(
      'isCIDR',
      plain('is_cidr', [t.string], t.bool, text => !(toCidr(text as string) instanceof Failure)),
    ),
    fn('string', plain('cidr_to_string', [cidrType], t.string, asText)),
    fn(
      'containsIP',
      member('cidr_contains_ip_string', [cidrType, t.string], t.bool, containsIP),
      member('cidr_contains_ip_ip', [cidrType, ipType], t.bool, containsIP),
    ),
    fn(
      'containsCIDR',
      member('cidr_contains_cidr_string', [cidrType, t.string], t.bool, containsCidr),
      member('cidr_contains_cidr', [cidrType, cidrType], t.bool, containsCidr),
    ),
    ofCidr('ip', 'cidr_ip', ipType, ({ ip }) => ip),
    ofCidr('prefixLength', 'cidr_prefix_length', t.int, ({ bits }) => BigInt(bits)),
    ofCidr(
      'masked',
      'cidr_masked',
      cidrType,
      range => new Cidr(new IP(range.ip.family, range.mask(range.ip)), range.bits),
    ),
  ],
}
