import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { otherAddresses, presentAddresses, urlHost } from './node-addresses.ts'

test('other addresses count when they have been there at two looks', async () => {
  const clock = new VirtualClock()
  const end = new AbortController()
  let now = ['192.0.2.7', 'fd00::7']
  let isOther = false
  void otherAddresses(() => now, clock, end.signal).then(() => (isOther = true))
  await clock.forward(60_000)
  assert.equal(isOther, false)
  // One that comes back at once, as with a lease that is renewed.
  now = ['fd00::7']
  await clock.forward(10_000)
  now = ['192.0.2.7', 'fd00::7']
  await clock.forward(60_000)
  assert.equal(isOther, false)
  now = ['192.0.2.8', 'fd00::7']
  await clock.forward(20_000)
  assert.equal(isOther, true)
})

test('an address of IPv6 has brackets in a URL', () => {
  assert.deepEqual(['192.0.2.7', 'fd00::7'].map(urlHost), ['192.0.2.7', '[fd00::7]'])
})

test('a joined machine keeps an address while it has it, and takes another one of the family then', () => {
  const usable = (family: 4 | 6) => ({ 4: ['192.0.2.9', '198.51.100.9'], 6: [] as string[] })[family]
  const had = ['192.0.2.7', 'fd00::7']
  assert.deepEqual(presentAddresses(had, had, usable, '198.51.100.9'), had)
  assert.deepEqual(presentAddresses(had, ['fd00::7'], usable), ['192.0.2.9', 'fd00::7'])
  assert.deepEqual(presentAddresses(had, ['fd00::7'], usable, '198.51.100.9'), ['198.51.100.9', 'fd00::7'])
  // Without another one it stays what it was.
  assert.deepEqual(presentAddresses(had, ['192.0.2.7'], usable, '192.0.2.7'), had)
})
