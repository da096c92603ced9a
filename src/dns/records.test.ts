// The records of the Kubernetes DNS specification 1.1.0, by table; and what it leaves open, as CoreDNS does it.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { answer } from './answer.ts'
import { lowerCase, types } from './message.ts'
import type { Record } from './records.ts'
import { namesOf, service, slice } from './testing.ts'

const many = (count: number) => Array.from({ length: count }, (_, i) => ({ addresses: [`10.9.8.${i}`] }))

const names = namesOf(
  [
    service('web', {
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20', 'fd00::20'],
      ports: [
        { name: 'http', port: 80, protocol: 'TCP' },
        { name: 'dns', port: 53, protocol: 'UDP' },
        { port: 99, protocol: 'TCP' },
      ],
    }),
    service('db', { clusterIP: 'None', clusterIPs: ['None'] }),
    service('early', { clusterIP: 'None', publishNotReadyAddresses: true }),
    service('nobody', { clusterIP: 'None' }),
    service('bare', { clusterIP: 'None', ports: undefined }),
    service('names', { clusterIP: 'None' }),
    service('large', { clusterIP: 'None' }),
    service('far', { type: 'ExternalName', externalName: 'www.Example.org.' }),
    service('near', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local' }),
    service('lost', { type: 'ExternalName', externalName: 'none.shop.svc.cluster.local' }),
    service('circle', { type: 'ExternalName', externalName: 'circle.shop.svc.cluster.local' }),
    service('number', { type: 'ExternalName', externalName: '192.0.2.1' }),
    { metadata: { name: 'kube-dns', namespace: 'kube-system' }, spec: { clusterIPs: ['10.96.0.10'] } },
  ],
  [
    slice('db', [
      { addresses: ['10.244.0.5'], hostname: 'db-0' },
      { addresses: ['10.244.0.6'] },
      { addresses: ['10.244.0.7'], conditions: { ready: false } },
      { addresses: ['10.244.0.8'], conditions: {} },
    ]),
    slice('db', [{ addresses: ['fd00:10:0::5'], hostname: 'db-0' }], {
      metadata: { name: 'db-2', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'db' } },
      addressType: 'IPv6',
    }),
    slice('early', [{ addresses: ['10.244.0.9'], conditions: { ready: false } }]),
    slice('nobody', [{ addresses: ['10.244.0.10'], conditions: { ready: false } }]),
    slice('bare', [{ addresses: ['10.244.0.11'] }], { ports: [] }),
    slice('names', [{ addresses: ['some.where'] }], { addressType: 'FQDN' }),
    slice('web', [{ addresses: ['10.244.0.5'] }], { ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] }),
    slice('large', many(250)),
  ],
)

/** A record in the form of the specification, without its class; the name only where it is not the question's. */
function textOf(record: Record): string {
  const name = record.name === undefined ? '' : `${record.name} `
  const head = `${name}${record.ttl} ${record.type}`
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return `${head} ${record.address}`
    case 'SRV':
      return `${head} ${record.priority} ${record.weight} ${record.port} ${record.target}`
    case 'CNAME':
    case 'PTR':
    case 'NS':
      return `${head} ${record.target}`
    case 'TXT':
      return `${head} "${record.text}"`
    case 'HINFO':
      return `${head} "${record.cpu}" "${record.os}"`
    case 'SOA':
      return `${head} ${record.server} ${record.mailbox}`
    case 'bytes':
      return head
  }
}

const ask = (name: string, type: keyof typeof types) => answer(names, lowerCase(name).split('.'), types[type])
const zone = 'cluster.local'
const web = `web.shop.svc.${zone}`
const db = `db.shop.svc.${zone}`
/** The name of an address of eight groups of four digits. */
const reversed6 = (groups: string) => `${[...groups.replaceAll(':', '')].reverse().join('.')}.ip6.arpa`

type Row = readonly [
  name: string,
  type: keyof typeof types,
  answers: readonly string[],
  additionals?: readonly string[],
]
const rows: readonly Row[] = [
  // 2.2 the version of the schema
  [`dns-version.${zone}`, 'TXT', ['28800 TXT "1.1.0"']],
  // 2.3 Services with a cluster address
  [web, 'A', ['5 A 10.96.0.20']],
  [web, 'AAAA', ['5 AAAA fd00::20']],
  ['WEB.Shop.svc.Cluster.LOCAL', 'A', ['5 A 10.96.0.20']],
  [`_http._tcp.${web}`, 'SRV', [`5 SRV 0 50 80 ${web}`], [`${web} 5 A 10.96.0.20`, `${web} 5 AAAA fd00::20`]],
  [`_HTTP._TCP.${web}`, 'SRV', [`5 SRV 0 50 80 ${web}`], [`${web} 5 A 10.96.0.20`, `${web} 5 AAAA fd00::20`]],
  [`_dns._udp.${web}`, 'SRV', [`5 SRV 0 50 53 ${web}`], [`${web} 5 A 10.96.0.20`, `${web} 5 AAAA fd00::20`]],
  ['20.0.96.10.in-addr.arpa', 'PTR', [`5 PTR ${web}`]],
  [reversed6('fd00:0000:0000:0000:0000:0000:0000:0020'), 'PTR', [`5 PTR ${web}`]],
  // 2.4 headless Services
  [db, 'A', ['5 A 10.244.0.5', '5 A 10.244.0.6', '5 A 10.244.0.8']],
  [db, 'AAAA', ['5 AAAA fd00:10:0::5']],
  [`db-0.${db}`, 'A', ['5 A 10.244.0.5']],
  [`db-0.${db}`, 'AAAA', ['5 AAAA fd00:10:0::5']],
  [`10-244-0-6.${db}`, 'A', ['5 A 10.244.0.6']],
  [
    `_http._tcp.${db}`,
    'SRV',
    [`5 SRV 0 25 5432 db-0.${db}`, `5 SRV 0 25 5432 10-244-0-6.${db}`, `5 SRV 0 25 5432 10-244-0-8.${db}`],
    [
      `db-0.${db} 5 A 10.244.0.5`,
      `10-244-0-6.${db} 5 A 10.244.0.6`,
      `10-244-0-8.${db} 5 A 10.244.0.8`,
      `db-0.${db} 5 AAAA fd00:10:0::5`,
    ],
  ],
  ['6.0.244.10.in-addr.arpa', 'PTR', [`5 PTR 10-244-0-6.${db}`]],
  // An address behind two Services has two names, that of the pod first.
  ['5.0.244.10.in-addr.arpa', 'PTR', [`5 PTR db-0.${db}`, `5 PTR 10-244-0-5.${web}`]],
  [reversed6('fd00:0010:0000:0000:0000:0000:0000:0005'), 'PTR', [`5 PTR db-0.${db}`]],
  // 2.4.1 publishNotReadyAddresses
  [`early.shop.svc.${zone}`, 'A', ['5 A 10.244.0.9']],
  // 2.5 external names
  [`far.shop.svc.${zone}`, 'CNAME', ['5 CNAME www.Example.org']],
  [`near.shop.svc.${zone}`, 'A', [`5 CNAME ${web}`, `${web} 5 A 10.96.0.20`]],
  // 2.6 pods by address
  [`10-244-0-9.shop.pod.${zone}`, 'A', ['5 A 10.244.0.9']],
  [`fd00--9.shop.pod.${zone}`, 'AAAA', ['5 AAAA fd00::9']],
  [`fd00-1-2-3-4-5-6-7.shop.pod.${zone}`, 'AAAA', ['5 AAAA fd00:1:2:3:4:5:6:7']],
  // What the specification leaves open.
  [`bare.shop.svc.${zone}`, 'A', ['5 A 10.244.0.11']],
  [`_http._tcp.${web}`, 'A', ['5 A 10.96.0.20']],
  [`10-244-0-5.${web}`, 'A', ['5 A 10.244.0.5']],
  [web, 'ANY', ['5 HINFO "RFC8482" ""']],
  [zone, 'SOA', [`cluster.local 5 SOA ns.dns.${zone} hostmaster.${zone}`]],
  [zone, 'NS', [`5 NS ns.dns.${zone}`], [`ns.dns.${zone} 5 A 10.96.0.10`]],
  [`ns.dns.${zone}`, 'A', ['5 A 10.96.0.10']],
]
for (const [name, type, answers, additionals = []] of rows)
  test(`${name} ${type}`, () => {
    const found = ask(name, type)
    deepStrictEqual(found?.reply.answers.map(textOf), answers)
    deepStrictEqual(found?.reply.additionals.map(textOf), additionals)
    deepStrictEqual([found?.reply.rcode, found?.reply.authorities], [0, []])
  })

const soa = (name: string) => [`${name} 5 SOA ns.dns.${name} hostmaster.${name}`]

const nothing: readonly (readonly [name: string, type: keyof typeof types])[] = [
  [zone, 'A'],
  [`svc.${zone}`, 'A'],
  [`pod.${zone}`, 'A'],
  [`shop.svc.${zone}`, 'A'],
  [`shop.pod.${zone}`, 'A'],
  [`dns.${zone}`, 'A'],
  [`dns-version.${zone}`, 'A'],
  [`bare.shop.svc.${zone}`, 'SRV'],
  [`early.shop.svc.${zone}`, 'AAAA'],
  [web, 'MX'],
  [web, 'CNAME'],
  [`10-244-0-9.shop.pod.${zone}`, 'AAAA'],
]
for (const [name, type] of nothing)
  test(`${name} exists without ${type}, which is said with a SOA record`, () => {
    const { reply } = ask(name, type)!
    deepStrictEqual([reply.rcode, reply.answers, reply.authorities.map(textOf)], [0, [], soa(zone)])
  })

const missing = [
  `none.shop.svc.${zone}`,
  `web.nowhere.svc.${zone}`,
  `x.${web}`,
  `shop.${zone}`,
  `x.dns.${zone}`,
  // Without ready endpoints a headless Service has no records, and no name.
  `nobody.shop.svc.${zone}`,
  `names.shop.svc.${zone}`,
  `number.shop.svc.${zone}`,
  `10-244-0-7.${db}`,
  `x.far.shop.svc.${zone}`,
  `_ftp._tcp.${web}`,
  `_http._udp.${web}`,
  `http.tcp.${web}`,
  `a._http._tcp.${web}`,
  // Wildcards are not in version 1.1.0 any more.
  `*.shop.svc.${zone}`,
  `web.*.svc.${zone}`,
  `_*._tcp.${web}`,
  `any.shop.svc.${zone}`,
  `999-1-1-1.shop.pod.${zone}`,
  `10-244-0-09.shop.pod.${zone}`,
  `10-244-0-9.nowhere.pod.${zone}`,
  `a.10-244-0-9.shop.pod.${zone}`,
]
for (const name of missing)
  test(`${name} does not exist`, () => {
    const { reply } = ask(name, 'A')!
    deepStrictEqual([reply.rcode, reply.answers, reply.authorities.map(textOf)], [3, [], soa(zone)])
  })

test('names of other domains, and addresses that nothing here has, are for other resolvers', () => {
  for (const name of ['example.org', 'cluster.local.example.org', 'xcluster.local', '1.1.1.1.in-addr.arpa', 'ip6.arpa'])
    strictEqual(ask(name, 'PTR'), undefined, name)
})

test('an address that has a name has only PTR records, in its own zone', () => {
  const { reply } = ask('20.0.96.10.in-addr.arpa', 'A')!
  deepStrictEqual([reply.rcode, reply.authorities.map(textOf)], [0, soa('in-addr.arpa')])
})

test('an alias that leads out of the cluster is for other resolvers to complete', () => {
  const found = ask(`far.shop.svc.${zone}`, 'A')
  deepStrictEqual([found?.outside, found?.reply.answers.map(textOf)], ['www.Example.org', ['5 CNAME www.Example.org']])
})

test('an alias of nothing, and one of itself, end', () => {
  const lost = ask(`lost.shop.svc.${zone}`, 'A')!.reply
  deepStrictEqual([lost.rcode, lost.answers.length, lost.authorities.map(textOf)], [3, 1, soa(zone)])
  const circle = ask(`circle.shop.svc.${zone}`, 'A')!.reply
  strictEqual(circle.rcode, 0)
})

test('a Service of 250 endpoints has 250 addresses, and weights of at least 1', () => {
  strictEqual(ask(`large.shop.svc.${zone}`, 'A')?.reply.answers.length, 250)
  const records = ask(`_http._tcp.large.shop.svc.${zone}`, 'SRV')!.reply.answers
  deepStrictEqual([records.length, new Set(records.map(r => r.type === 'SRV' && r.weight))], [250, new Set([1])])
})

test('a label with a dot in it is one label, and no Service', () => {
  strictEqual(answer(names, ['web.shop', 'svc', 'cluster', 'local'], types.A)?.reply.rcode, 3)
  strictEqual(answer(names, ['shop/web', 'svc', 'cluster', 'local'], types.A)?.reply.rcode, 3)
})
