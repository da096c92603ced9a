// Answers of other resolvers: what counts as one, how long it is kept, and that nothing in it can do harm.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, encode, type Packet } from 'dns-packet'
import fc from 'fast-check'
import { type Asked, readForeign, recordsOf, wireOf } from './foreign.ts'
import { readName, skipName } from './message.ts'
import { edns } from './testing.ts'

const asked: Asked = { id: 9, name: wireOf('www.example.com'), type: 1 }
const address = (ttl: number, name = 'www.example.com'): Answer => ({ type: 'A', name, ttl, data: '192.0.2.1' })
const soa = (ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name: 'example.com',
  ttl,
  data: { mname: 'a.b', rname: 'c.d', serial: 1, refresh: 2, retry: 3, expire: 4, minimum },
})
const reply = (more: Partial<Packet> = {}): Buffer =>
  encode({
    type: 'response',
    id: 9,
    questions: [{ type: 'A', name: 'www.example.com' }],
    answers: [address(300)],
    ...more,
  })

const refused: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['another id', reply({ id: 8 })],
  ['a query', reply({ type: 'query' })],
  ['another name', reply({ questions: [{ type: 'A', name: 'www.example.org' }] })],
  ['another type', reply({ questions: [{ type: 'AAAA', name: 'www.example.com' }] })],
  ['no question', reply({ questions: [] })],
  ['a record that does not end', reply().subarray(0, -1)],
  ['nothing', Buffer.alloc(0)],
]
for (const [what, bytes] of refused)
  test(`${what} is no answer`, () => strictEqual(readForeign(bytes, asked), undefined))

test('an answer counts in whichever spelling its question comes back', () => {
  ok(readForeign(reply({ questions: [{ type: 'A', name: 'WWW.example.Com' }] }), asked))
})

const kept: readonly (readonly [what: string, more: Partial<Packet>, seconds: number])[] = [
  ['an answer, for 30 s at most', {}, 30],
  ['an answer, for as long as its shortest record lasts', { answers: [address(20), address(7)] }, 7],
  ['an answer that lasts no time', { answers: [address(0)] }, 0],
  ['that there is nothing, for as long as the SOA says', { answers: [], authorities: [soa(60, 12)] }, 12],
  ['that there is nothing, for as long as the SOA lasts', { answers: [], authorities: [soa(6, 12)] }, 6],
  ['that there is nothing, without a SOA', { answers: [] }, 0],
  ['that there is no such name', { flags: 3, answers: [], authorities: [soa(60, 12)] }, 12],
  ['a failure', { flags: 2, answers: [] }, 0],
  ['an answer that is cut off', { flags: 0x200 }, 0],
]
for (const [what, more, seconds] of kept)
  test(`${what}: kept for ${seconds} s`, () => strictEqual(readForeign(reply(more), asked)?.ttl, seconds))

test('the EDNS record is left out, and so is what is behind it', () => {
  const more = { additionals: [address(60, 'a.example.com'), ...edns(4096).additionals, address(60, 'b.example.com')] }
  const { message } = readForeign(reply(more as Partial<Packet>), asked)!
  deepStrictEqual([message.readUInt16BE(6), message.readUInt16BE(10)], [1, 1])
  strictEqual(message.length, reply({ additionals: [address(60, 'a.example.com')] }).length)
})

test('the records of an answer come out without pointers', () => {
  const alias: Answer = { type: 'CNAME', name: 'www.example.com', ttl: 60, data: 'web.example.com' }
  const whole = reply({ answers: [alias, address(60, 'web.example.com')] })
  // The name of the first record becomes a pointer to the question.
  const at = 12 + asked.name.length + 4
  const bytes = Buffer.concat([whole.subarray(0, at), Buffer.from([0xc0, 12]), whole.subarray(at + asked.name.length)])
  const records = recordsOf(readForeign(bytes, asked)!)
  deepStrictEqual(
    records.map(record => record.type === 'bytes' && [record.owner.toString('latin1'), record.code]),
    [
      [wireOf('www.example.com'), 5],
      [wireOf('web.example.com'), 1],
    ],
  )
  deepStrictEqual(records[0]?.type === 'bytes' && records[0].bytes.toString('latin1'), wireOf('web.example.com'))
})

test('names with pointers that lead to themselves, forwards, or in a circle are none', () => {
  const head = Buffer.alloc(12)
  const read = (...bytes: number[]) => readName(Buffer.concat([head, Buffer.from(bytes)]), 12)
  strictEqual(read(0xc0, 12), undefined)
  strictEqual(read(0xc0, 14, 0), undefined)
  strictEqual(read(1, 97, 0xc0, 12), undefined)
  strictEqual(read(1, 97), undefined)
  strictEqual(read(64, 97), undefined)
  deepStrictEqual(read(1, 97, 0), Buffer.from([1, 97]))
  // A chain of pointers is followed as long as each leads further to the front.
  const chain = Buffer.concat([Buffer.from([1, 97, 0]), Buffer.from([0xc0, 0, 0xc0, 3, 0xc0, 5])])
  deepStrictEqual(readName(chain, 7), Buffer.from([1, 97]))
})

test('random answers, and answers with random changes, are read without an exception', () => {
  const good = reply({ answers: [address(60)], authorities: [soa(60, 12)], ...edns(4096) } as Partial<Packet>)
  const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255))
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), fc.nat(good.length), (changes, length) => {
      const bytes = Buffer.from(good.subarray(0, length))
      for (const [at, value] of changes) if (at < length) bytes[at] = value
      const found = readForeign(bytes, asked)
      if (!found) return
      recordsOf(found)
      ok(found.ttl >= 0 && found.ttl <= 30 && found.ttlAt.every(at => at + 4 <= found.message.length))
    }),
    { numRuns: 3_000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, at) => {
      readName(Buffer.from(bytes), at)
      skipName(Buffer.from(bytes), at)
    }),
  )
})
