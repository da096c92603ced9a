// Addresses that services may lead to: those of one place in the network, not of a node itself or of nobody.
// Source: pkg/apis/core/validation (ValidateNonSpecialIP).
import type { Problems } from '../../api/checks.ts'
import { cidrContains, parseCidr, parseIP } from '../../api/ip.ts'
import type { Path } from '../../api/path.ts'

const special: readonly (readonly [readonly string[], string])[] = [
  [['127.0.0.0/8', '::1/128'], 'may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  [['169.254.0.0/16', 'fe80::/10'], 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
  [['224.0.0.0/24', 'ff02::/16'], 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
]
const ranges = special.map(([cidrs, problem]) => [cidrs.map(cidr => parseCidr(cidr)!), problem] as const)

/** An address that is of one place. */
export function* notSpecialIP(address: string, at: Path): Problems {
  const ip = parseIP(address)
  if (!ip) return yield at.invalid(address, 'must be a valid IP address')
  if (ip.value === 0n) yield at.invalid(address, `may not be unspecified (${address})`)
  for (const [cidrs, problem] of ranges)
    if (cidrs.some(cidr => cidrContains(cidr, address))) yield at.invalid(address, problem)
}
