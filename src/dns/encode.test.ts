// Encoded answers decode to the same records with another implementation, write each name once, leave out what does
// not fit, and give addresses in changing order.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { decode } from 'dns-packet'
import { seededRandom } from '../base/random.ts'
import type { Reply } from './answer.ts'
import { prepare, writeReply } from './encode.ts'
import { labelsOf, rcodes } from './message.ts'
import { readQuery } from './query.ts'
import type { Record } from './records.ts'
import { edns, query } from './testing.ts'

const name = 'db.shop.svc.cluster.local'
const random = seededRandom(1)
const addresses = (count: number): Record[] =>
  Array.from({ length: count }, (_, i) => ({ type: 'A', ttl: 5, address: `10.9.${i >> 8}.${i & 255}` }))

function write(asked: Buffer, reply: Partial<Reply>, limit: number): Buffer {
  const received = readQuery(asked)
  ok(received.kind === 'query')
  const whole: Reply = { rcode: rcodes.NOERROR, answers: [], authorities: [], additionals: [], ...reply }
  return writeReply(received.query, prepare(whole, labelsOf(received.query.name)), limit, random)
}
const addressesOf = (bytes: Buffer) => (decode(bytes).answers ?? []).map(a => ('data' in a ? String(a.data) : ''))

const records: readonly [Record, unknown][] = [
  [{ type: 'A', ttl: 5, address: '10.9.7.1' }, '10.9.7.1'],
  [{ type: 'AAAA', ttl: 5, address: 'fd00::1:0' }, 'fd00::1:0'],
  [{ type: 'CNAME', ttl: 5, target: 'web.shop.svc.cluster.local' }, 'web.shop.svc.cluster.local'],
  [{ type: 'PTR', ttl: 5, target: name }, name],
  [{ type: 'NS', ttl: 5, target: 'ns.dns.cluster.local' }, 'ns.dns.cluster.local'],
  [
    { type: 'SRV', ttl: 5, name: `_http._tcp.${name}`, target: `db-0.${name}`, port: 80, priority: 0, weight: 50 },
    { priority: 0, weight: 50, port: 80, target: `db-0.${name}` },
  ],
  [{ type: 'TXT', ttl: 28_800, name: 'dns-version.cluster.local', text: '1.1.0' }, [Buffer.from('1.1.0')]],
  [
    { type: 'HINFO', ttl: 5, cpu: 'RFC8482', os: '' },
    { cpu: 'RFC8482', os: '' },
  ],
  [
    {
      type: 'bytes',
      ttl: 5,
      code: 15,
      bytes: Buffer.from('\0\x0a\x04mail\0', 'latin1'),
      owner: Buffer.from('\x01x\0', 'latin1'),
    },
    { preference: 10, exchange: 'mail' },
  ],
]

test('every type of record decodes to what was encoded', () => {
  const bytes = write(query(name, 'A', edns(1232)), { answers: records.map(([record]) => record) }, 65_535)
  const { answers = [], additionals } = decode(bytes)
  deepStrictEqual(
    answers.map(a => 'data' in a && a.data),
    records.map(([, data]) => data),
  )
  deepStrictEqual(
    answers.map(a => a.name),
    records.map(([record]) => (record.type === 'bytes' ? 'x' : (record.name ?? name))),
  )
  deepStrictEqual(
    additionals?.map(a => a.type),
    ['OPT'],
  )
})

test('an address takes sixteen bytes, so 29 of them fit without EDNS', () => {
  const length = (count: number) => write(query(name), { answers: addresses(count) }, 512).length
  strictEqual(length(2) - length(1), 16)
  strictEqual(addressesOf(write(query(name), { answers: addresses(29) }, 512)).length, 29)
})

test('records that do not fit are left out, and the truncation flag is set', () => {
  const cut = write(query(name, 'A', edns(512)), { answers: addresses(120) }, 512)
  const packet = decode(cut)
  ok(cut.length <= 512 && cut.length > 512 - 16)
  strictEqual(packet.flag_tc, true)
  strictEqual(packet.additionals?.length, 1)
  strictEqual(decode(write(query(name), { answers: addresses(3) }, 512)).flag_tc, false)
})

test('additional records are left out before the answer is cut off', () => {
  const additionals = addresses(40).map((record): Record => ({ ...record, name: 'db-0.db.shop.svc.cluster.local' }))
  const packet = decode(write(query(name), { answers: addresses(20), additionals }, 512))
  deepStrictEqual([packet.flag_tc, packet.answers?.length, packet.additionals?.length], [false, 20, 0])
})

test('addresses come in changing order, each once, and each at the front of some answer', () => {
  const fronts = new Set<string>()
  for (let i = 0; i < 200; i++) {
    const found = addressesOf(write(query(name), { answers: addresses(5) }, 512))
    deepStrictEqual([...found].sort(), ['10.9.0.0', '10.9.0.1', '10.9.0.2', '10.9.0.3', '10.9.0.4'])
    fronts.add(found[0]!)
  }
  strictEqual(fronts.size, 5)
  const seen = new Set<string>()
  for (let i = 0; i < 200; i++)
    for (const one of addressesOf(write(query(name), { answers: addresses(60) }, 512))) seen.add(one)
  strictEqual(seen.size, 60)
})

test('what the client set comes back: its id, its spelling, recursion, and the bit DO', () => {
  const asked = query('DB.shop.svc.Cluster.local', 'A', { id: 4711, ...edns(1232, { flag_do: true, flags: 0x8000 }) })
  const packet = decode(write(asked, { answers: addresses(1) }, 512))
  deepStrictEqual(
    [packet.id, packet.questions?.[0]?.name, packet.answers?.[0]?.name, packet.flag_rd, packet.flag_ra, packet.flag_aa],
    [4711, 'DB.shop.svc.Cluster.local', 'DB.shop.svc.Cluster.local', true, true, true],
  )
  const [opt] = packet.additionals ?? []
  ok(opt?.type === 'OPT')
  strictEqual(opt.flag_do, true)
})
