// Queries are read as they were written, and any other bytes in bounded time without an exception.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { labelsOf } from './message.ts'
import { readQuery } from './query.ts'
import { edns, query } from './testing.ts'

const read = (bytes: Buffer) => {
  const received = readQuery(bytes)
  return received.kind === 'nothing' ? 'nothing' : received.kind === 'error' ? received.rcode : received.query
}
const changed = (bytes: Buffer, at: number, ...values: number[]) => {
  const copy = Buffer.from(bytes)
  for (const [i, value] of values.entries()) copy[at + i] = value
  return copy
}
const plain = query('www.example.com')
const withEdns = query('www.example.com', 'A', edns(1400))
const twice = { additionals: [...edns(512).additionals, ...edns(512).additionals] }

const table: readonly [what: string, bytes: Buffer, expected: 'nothing' | number][] = [
  ['nothing at all', Buffer.alloc(0), 'nothing'],
  ['less than a head', plain.subarray(0, 11), 'nothing'],
  ['a response', changed(plain, 2, 0x81), 'nothing'],
  ['an update', changed(plain, 2, 5 << 3), 4],
  ['no question', changed(plain, 4, 0, 0), 1],
  ['two questions', changed(plain, 4, 0, 2), 1],
  ['a name that does not end', plain.subarray(0, 20), 1],
  ['no type', plain.subarray(0, -4), 1],
  ['a pointer in the question', changed(plain, 12, 0xc0, 12), 1],
  ['a pointer from the question to itself', changed(plain, 12, 0xc0, 12, 0, 1, 0, 1), 1],
  ['a label of 64 bytes', changed(plain, 12, 64), 1],
  ['the class CHAOS', changed(plain, plain.length - 2, 0, 3), 5],
  ['any class', changed(plain, plain.length - 2, 0, 255), 5],
  ['version 1 of EDNS', query('a.b', 'A', edns(512, { ednsVersion: 1 })), 16],
  ['two EDNS records', query('a.b', 'A', twice), 1],
  ['an EDNS record that does not end', withEdns.subarray(0, -3), 1],
  ['an EDNS record that says it is longer', changed(withEdns, withEdns.length - 2, 0, 9), 1],
  ['more records than a query has', changed(withEdns, 6, 0, 9), 1],
]
for (const [what, bytes, expected] of table)
  test(`${what} is ${expected === 'nothing' ? 'not answered' : `error ${expected}`}`, () =>
    strictEqual(read(bytes), expected))

test('a query has its name in lower case, its type, and what EDNS says', () => {
  const bytes = query('WwW.Example.COM', 'SRV', edns(1400, { flag_do: true, flags: 0x8000 }))
  const received = readQuery(bytes)
  ok(received.kind === 'query')
  deepStrictEqual(labelsOf(received.query.name), ['www', 'example', 'com'])
  deepStrictEqual([received.query.type, received.query.edns?.size, received.query.edns?.dnssec], [33, 1400, true])
})

test('letters outside of ASCII have one case', () => {
  const received = readQuery(changed(plain, 13, 0xc4))
  ok(received.kind === 'query')
  strictEqual(labelsOf(received.query.name)[0], '\u00c4ww')
})

const label = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom(...'abcXYZ019-_') })
test('what was written is read', () => {
  fc.assert(
    fc.property(fc.array(label, { minLength: 1, maxLength: 8 }), fc.boolean(), (labels, hasEdns) => {
      const received = readQuery(query(labels.join('.'), 'AAAA', hasEdns ? edns(900) : {}))
      ok(received.kind === 'query')
      deepStrictEqual(
        labelsOf(received.query.name),
        labels.map(text => text.toLowerCase()),
      )
      strictEqual(received.query.edns?.size, hasEdns ? 900 : undefined)
    }),
  )
})

test('random bytes, and queries with random changes, are read without an exception', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), bytes => void readQuery(Buffer.from(bytes))))
  const change = fc.tuple(fc.nat(withEdns.length - 1), fc.nat(255))
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), fc.nat(withEdns.length), (changes, length) => {
      const bytes = Buffer.from(withEdns.subarray(0, length))
      for (const [at, value] of changes) if (at < length) bytes[at] = value
      const received = readQuery(bytes)
      if (received.kind === 'query') ok(received.query.end <= bytes.length)
    }),
    { numRuns: 2_000 },
  )
})
