import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { addressesIn, isInRanges, parseIPRange } from './ip-range.ts'

const all = (text: string, family: 4 | 6 = 4) => [...addressesIn([parseIPRange(text)], family)]

test('a range is two addresses, a prefix, or one address', () => {
  deepStrictEqual(all('192.0.2.254-192.0.3.1'), ['192.0.2.254', '192.0.2.255', '192.0.3.0', '192.0.3.1'])
  deepStrictEqual(all('198.51.100.4/31'), ['198.51.100.4', '198.51.100.5'])
  deepStrictEqual(all('192.0.2.7'), ['192.0.2.7'])
  deepStrictEqual(all('fd00::ffff-fd00::1:0', 6), ['fd00::ffff', 'fd00::1:0'])
  deepStrictEqual(all('fd00::1', 4), [])
})

test('whether an address is in a range depends on its family and value', () => {
  const ranges = [parseIPRange('192.0.2.10-192.0.2.20'), parseIPRange('fd00::/64')]
  for (const [address, isIn] of Object.entries({
    '192.0.2.10': true,
    '192.0.2.20': true,
    '192.0.2.21': false,
    'fd00::5': true,
    'fd00:0:0:1::': false,
    '::c000:20a': false,
    nonsense: false,
  }))
    strictEqual(isInRanges(ranges, address), isIn, address)
})

test('what is no range is refused with the reason', () => {
  for (const [text, why] of [
    ['', /"" is no address/],
    ['192.0.2.300', /is no address/],
    ['192.0.2.1-192.0.2.2-192.0.2.3', /is no address/],
    ['192.0.2.0/33', /is not a range of addresses/],
    ['192.0.2.9-192.0.2.1', /ends before it begins/],
    ['192.0.2.9-fd00::1', /begins with IPv4 and ends with IPv6/],
  ] as const)
    throws(() => parseIPRange(text), why)
})
