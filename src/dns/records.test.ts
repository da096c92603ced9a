import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/kind.ts'
import { decode, encode } from 'dns-packet'
import { Item, Mirror } from '../api/mirror.ts'
import { replyFor } from './index.ts'
import { lookup, type Names } from './records.ts'

function mirrorOf<T extends KubeObject>(...objects: object[]): Mirror<T> {
  const mirror = new Mirror<T>()
  mirror.reset(objects.map(o => new Item(o as never, 1)) as never, 1)
  return mirror
}

const service = (name: string, spec: object) => ({
  metadata: { name, namespace: 'shop' },
  spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
})

const names: Names = {
  domain: 'cluster.local',
  namespaces: mirrorOf({ metadata: { name: 'shop' } }),
  services: mirrorOf(
    service('web', { clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20'] }),
    service('db', { clusterIP: 'None', clusterIPs: ['None'] }),
    service('far', { type: 'ExternalName', externalName: 'example.org' }),
  ),
  slices: mirrorOf({
    metadata: { name: 'db-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'db' } },
    ports: [{ name: 'http', port: 5432, protocol: 'TCP' }],
    endpoints: [
      { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true } },
      { addresses: ['10.244.0.6'], conditions: { ready: true } },
      { addresses: ['10.244.0.7'], conditions: { ready: false } },
    ],
  }),
}

const find = (name: string) => lookup(names, name)
const addresses = (name: string) =>
  find(name)
    ?.records.map(r => ('address' in r ? r.address : 'target' in r ? r.target : ''))
    .sort()

test('Services, headless Services and their endpoints have A records', () => {
  assert.deepEqual(addresses('web.shop.svc.cluster.local'), ['10.96.0.20'])
  assert.deepEqual(addresses('db.shop.svc.cluster.local'), ['10.244.0.5', '10.244.0.6'])
  assert.deepEqual(addresses('db-0.db.shop.svc.cluster.local'), ['10.244.0.5'])
  assert.deepEqual(addresses('10-244-0-6.db.shop.svc.cluster.local'), ['10.244.0.6'])
  assert.deepEqual(addresses('far.shop.svc.cluster.local'), ['example.org'])
  assert.deepEqual(addresses('10-244-0-9.shop.pod.cluster.local'), ['10.244.0.9'])
})

test('named ports have SRV records', () => {
  assert.deepEqual(find('_http._tcp.web.shop.svc.cluster.local')!.records, [
    {
      type: 'SRV',
      name: '_http._tcp.web.shop.svc.cluster.local',
      target: 'web.shop.svc.cluster.local',
      port: 80,
      priority: 0,
      weight: 100,
    },
  ])
  assert.deepEqual(
    find('_http._tcp.db.shop.svc.cluster.local')!.records.map(r => 'port' in r && [r.target, r.port]),
    [
      ['db-0.db.shop.svc.cluster.local', 5432],
      ['10-244-0-6.db.shop.svc.cluster.local', 5432],
    ],
  )
  assert.equal(find('_ftp._tcp.web.shop.svc.cluster.local')!.exists, false)
})

test('addresses have PTR records', () => {
  assert.deepEqual(addresses('20.0.96.10.in-addr.arpa'), ['web.shop.svc.cluster.local'])
  assert.deepEqual(addresses('5.0.244.10.in-addr.arpa'), ['db-0.db.shop.svc.cluster.local'])
  assert.equal(find('1.1.1.1.in-addr.arpa'), undefined)
})

test('missing names do not exist, names above others exist without records, and other domains are not answered', () => {
  for (const name of [
    'nothing.shop.svc.cluster.local',
    'web.nowhere.svc.cluster.local',
    'x.web.shop.svc.cluster.local',
    'shop.cluster.local',
    '999-1-1-1.shop.pod.cluster.local',
  ])
    assert.equal(find(name)!.exists, false, name)
  for (const name of ['cluster.local', 'svc.cluster.local', 'shop.svc.cluster.local'])
    assert.deepEqual(find(name), { exists: true, records: [] }, name)
  assert.equal(find('example.org'), undefined)
})

const noName = encode({ type: 'response', id: 1, flags: 3, questions: [] })

const short: [name: string, type: 'A' | 'AAAA', rcode: string, answers: string[]][] = [
  ['web.shop', 'A', 'NOERROR', ['CNAME web.shop.svc.cluster.local', 'A 10.96.0.20']],
  // The name exists without an address of this family. A client that gets NXDOMAIN would not ask for the other one.
  ['web.shop', 'AAAA', 'NOERROR', ['CNAME web.shop.svc.cluster.local']],
  ['none.shop', 'AAAA', 'NXDOMAIN', []],
  ['web.shop.svc.cluster.local', 'AAAA', 'NOERROR', []],
]
for (const [name, type, rcode, expected] of short)
  test(`${type} of ${name} is ${rcode}`, async () => {
    const packet = { type: 'query' as const, id: 1, questions: [{ name, type }] }
    const upstream = { forward: async () => noName, resolve: async () => [] }
    const reply = await replyFor(names, upstream, packet, encode(packet))
    const { flags = 0, answers } = decode(Buffer.isBuffer(reply) ? reply : encode(reply))
    // The response code is in the low four bits of the flags.
    assert.equal(flags & 15, rcode === 'NOERROR' ? 0 : 3)
    assert.deepEqual(
      answers?.map(a => `${a.type} ${'data' in a ? String(a.data) : ''}`),
      expected,
    )
  })
