// Encoded answers decode to the same packet, write each name once, and leave out what does not fit.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, decode, encode, type Packet } from 'dns-packet'
import { encodeReply } from './encode.ts'

const name = 'db.shop.svc.cluster.local'
const address = (i: number): Answer => ({ type: 'A', name, ttl: 5, data: `10.9.7.${i}` })
const addresses = (count: number) => Array.from({ length: count }, (_, i) => address(i + 1))
const opt = { type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as unknown as Answer
const packet = (answers: Answer[], more: Partial<Packet> = {}): Packet => ({
  type: 'response',
  id: 7,
  flags: 1 << 10,
  questions: [{ type: 'A', name, class: 'IN' }],
  answers,
  authorities: [],
  additionals: [],
  ...more,
})

const records: Answer[] = [
  address(1),
  { type: 'CNAME', name: 'alias.shop.svc.cluster.local', ttl: 5, data: name },
  { type: 'PTR', name: '1.7.9.10.in-addr.arpa', ttl: 5, data: `pod.${name}` },
  { type: 'SRV', name: `_http._tcp.${name}`, ttl: 5, data: { target: name, port: 80, priority: 0, weight: 100 } },
  { type: 'MX', name: 'cluster.local', ttl: 5, data: { preference: 1, exchange: 'mail.cluster.local' } },
  { type: 'TXT', name: 'dns-version.cluster.local', ttl: 5, data: [Buffer.from('1.1.0')] },
  { type: 'AAAA', name: 'other.example', ttl: 5, data: 'fd00::1' },
  {
    type: 'SOA',
    name: 'cluster.local',
    ttl: 5,
    data: {
      mname: 'ns.dns.cluster.local',
      rname: 'hostmaster.cluster.local',
      serial: 1,
      refresh: 2,
      retry: 3,
      expire: 4,
      minimum: 5,
    },
  },
]

test('every type of record decodes to what was encoded', () => {
  const plain = packet(records, { additionals: [opt] })
  const bytes = encodeReply(plain, 65_535)
  deepStrictEqual(decode(bytes).answers, decode(encode(plain)).answers)
  deepStrictEqual(decode(bytes).additionals, decode(encode(plain)).additionals)
  ok(bytes.length < encode(plain).length * 0.75)
})

test('an address takes sixteen bytes, so 29 of them fit without EDNS', () => {
  const length = (count: number) => encodeReply(packet(addresses(count)), 512).length
  strictEqual(length(2) - length(1), 16)
  strictEqual(decode(encodeReply(packet(addresses(29)), 512)).answers?.length, 29)
})

test('records that do not fit are left out, and the truncation flag is set', () => {
  const cut = encodeReply(packet(addresses(120), { additionals: [opt] }), 512)
  const { answers, flag_tc: truncated, additionals } = decode(cut) as Packet & { flag_tc: boolean }
  ok(cut.length <= 512 && cut.length > 512 - 16)
  strictEqual(truncated, true)
  deepStrictEqual(answers, decode(encode(packet(addresses(answers!.length)))).answers)
  strictEqual(additionals?.length, 1)
  const whole = decode(encodeReply(packet(addresses(3)), 512)) as Packet & { flag_tc: boolean }
  strictEqual(whole.flag_tc, false)
})
