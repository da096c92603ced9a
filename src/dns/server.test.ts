// The DNS server on real sockets of the loopback: UDP and TCP, what fits into an answer, and what is no question.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { decode, encode, type Packet } from 'dns-packet'
import { realClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import { openTestServer } from '../apiserver/testing.ts'
import { Client } from '../client/index.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Event } from '../kinds/core/event.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { startDns } from './index.ts'
import { address, edns, FakeResolver, query, works } from './testing.ts'

async function serving(t: TestContext, addresses: readonly string[] = ['127.0.0.1']) {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-dns-'))
  t.after(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'resolv.conf'), '# no resolvers\n')
  const { admin, serve, clock } = await openTestServer(t)
  const client = new Client({ serve, user: admin.user, userAgent: 'dns', clock, log: silentLog })
  const abort = new AbortController()
  t.after(() => (abort.abort(), client.close()))
  await admin.create(Service, {
    metadata: { name: 'web' },
    spec: { clusterIP: '10.96.0.20', ports: [{ name: 'http', port: 80 }] },
  })
  await admin.create(Service, {
    metadata: { name: 'many' },
    spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] },
  })
  await admin.create(Service, {
    metadata: { name: 'alias' },
    spec: { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' },
  })
  await admin.create(EndpointSlice, {
    metadata: { name: 'many-1', labels: { 'kubernetes.io/service-name': 'many' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: 60 }, (_, i) => ({
      addresses: [`10.244.0.${i + 1}`],
      conditions: { ready: true },
    })),
  })
  const options = {
    client,
    nodeName: 'node-1',
    addresses,
    port: 0,
    metricsPort: 0,
    domain: 'cluster.local',
    resolvConf: join(dir, 'resolv.conf'),
    clock: realClock,
    random: seededRandom(1),
    log: silentLog,
    signal: abort.signal,
  }
  // The port that is free for UDP may be taken for TCP.
  const { port, metricsPort } = await startDns(options).catch(() => startDns(options))
  return { admin, port, metricsPort, abort }
}

/** The first answer to the last of these messages over UDP. Those before it must get none. */
const overUdp = (port: number, ...messages: Buffer[]) => overUdpTo('127.0.0.1', port, ...messages)

async function overUdpTo(address: string, port: number, ...messages: Buffer[]): Promise<Buffer> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      socket.once('error', reject)
      socket.once('message', resolve)
      for (const message of messages) socket.send(message, port, address)
    })
  } finally {
    socket.close()
  }
}

class Tcp {
  readonly socket: Socket
  #bytes = Buffer.alloc(0)
  #arrived = () => {}
  ended = false

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', chunk => {
      this.#bytes = Buffer.concat([this.#bytes, chunk as Buffer])
      this.#arrived()
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.ended = true
      this.#arrived()
    })
  }

  /** A message behind its length. */
  static framed(message: Buffer): Buffer {
    const head = Buffer.alloc(2)
    head.writeUInt16BE(message.length)
    return Buffer.concat([head, message])
  }

  async read(): Promise<Packet> {
    while (this.#bytes.length < 2 || this.#bytes.length < 2 + this.#bytes.readUInt16BE(0)) {
      assert.ok(!this.ended, 'the connection has ended')
      await new Promise<void>(resolve => (this.#arrived = resolve))
    }
    const length = this.#bytes.readUInt16BE(0)
    const packet = decode(this.#bytes.subarray(2, 2 + length))
    this.#bytes = this.#bytes.subarray(2 + length)
    return packet
  }

  async closed(): Promise<void> {
    while (!this.ended) await new Promise<void>(resolve => (this.#arrived = resolve))
  }
}

const rcodeOf = (packet: Packet) => (packet.flags ?? 0) & 15
const addressesOf = ({ answers = [] }: Packet) => answers.flatMap(a => (a.type === 'A' ? [a.data] : []))
const many = 'many.default.svc.cluster.local'

test('a name of the cluster is answered with the id and the question of the query', async t => {
  const { port } = await serving(t)
  const reply = decode(await overUdp(port, query('WEB.default.svc.cluster.local')))
  assert.deepEqual([reply.id, reply.type, rcodeOf(reply)], [7, 'response', 0])
  assert.equal(reply.questions?.[0]?.name, 'WEB.default.svc.cluster.local')
  assert.deepEqual(addressesOf(reply), ['10.96.0.20'])
  assert.equal(reply.flag_aa, true)
  // A name in the spelling of the question, since some resolvers compare it letter for letter.
  assert.equal(reply.answers?.[0]?.name, 'WEB.default.svc.cluster.local')
})

const hasIPv6 = Object.values(networkInterfaces()).some(all => all?.some(({ address }) => address === '::1'))

test('both families of addresses are served, and counted apart', { skip: !hasIPv6 }, async t => {
  const { port, metricsPort } = await serving(t, ['127.0.0.1', '::1'])
  const reply = decode(await overUdpTo('::1', port, query('web.default.svc.cluster.local')))
  assert.deepEqual(addressesOf(reply), ['10.96.0.20'])
  const text = await (await fetch(`http://[::1]:${metricsPort}/metrics`)).text()
  assert.match(text, /^coredns_dns_requests_total\{.*proto="udp",family="2",type="A"\} 1$/m)
})

test('there is nothing for a family without addresses, and no such name for what does not exist', async t => {
  const { port } = await serving(t)
  const nothing = decode(await overUdp(port, query('web.default.svc.cluster.local', 'AAAA')))
  assert.deepEqual([rcodeOf(nothing), nothing.answers, nothing.authorities?.[0]?.type], [0, [], 'SOA'])
  const none = decode(await overUdp(port, query('no.default.svc.cluster.local')))
  assert.deepEqual([rcodeOf(none), none.answers, none.authorities?.[0]?.type], [3, [], 'SOA'])
})

test('an alias of a name of the cluster is followed to its address', async t => {
  const { port } = await serving(t)
  const reply = decode(await overUdp(port, query('alias.default.svc.cluster.local')))
  assert.deepEqual(
    reply.answers?.map(a => a.type),
    ['CNAME', 'A'],
  )
  assert.deepEqual(addressesOf(reply), ['10.96.0.20'])
  const alone = decode(await overUdp(port, query('alias.default.svc.cluster.local', 'CNAME')))
  assert.deepEqual(
    alone.answers?.map(a => a.type),
    ['CNAME'],
  )
})

test('an answer over UDP is cut off at 512 bytes, or at what the client offers up to 1232', async t => {
  const { port } = await serving(t)
  const sizes: [offered: number | undefined, limit: number][] = [
    [undefined, 512],
    [100, 512],
    [800, 800],
    [1232, 1232],
    [65_535, 1232],
  ]
  let last = 0
  for (const [offered, limit] of sizes) {
    const bytes = await overUdp(port, query(many, 'A', offered === undefined ? {} : edns(offered)))
    const reply = decode(bytes)
    const found = addressesOf(reply).length
    assert.ok(bytes.length <= limit, `${bytes.length} of ${limit} bytes`)
    assert.equal(reply.flag_tc, found < 60, `${found} addresses in ${limit} bytes`)
    assert.ok(found >= Math.min(60, Math.floor((limit - 60) / 16)), `${found} addresses in ${limit} bytes`)
    last = found
    assert.equal(
      reply.additionals?.some(a => a.type === 'OPT'),
      offered !== undefined,
    )
  }
  assert.equal(last, 60)
})

test('over TCP an answer is whole', async t => {
  const { port } = await serving(t)
  const tcp = new Tcp(port)
  t.after(() => tcp.socket.destroy())
  tcp.socket.write(Tcp.framed(query(many)))
  const reply = await tcp.read()
  assert.deepEqual([addressesOf(reply).length, (reply.flags ?? 0) & 0x200], [60, 0])
})

test('a connection takes several queries, also in pieces, and one that is no DNS message ends it', async t => {
  const { port } = await serving(t)
  const tcp = new Tcp(port)
  t.after(() => tcp.socket.destroy())
  const both = Buffer.concat([
    Tcp.framed(query('web.default.svc.cluster.local')),
    Tcp.framed(query('no.default.svc.cluster.local')),
  ])
  for (const byte of both.subarray(0, 10)) tcp.socket.write(Buffer.from([byte]))
  tcp.socket.write(both.subarray(10))
  assert.deepEqual([rcodeOf(await tcp.read()), rcodeOf(await tcp.read())], [0, 3])
  tcp.socket.write(Tcp.framed(Buffer.from('what?')))
  await tcp.closed()
})

test('a client that asks much and reads late gets all answers, and the others are not kept waiting', async t => {
  const { port } = await serving(t)
  const tcp = new Tcp(port)
  t.after(() => tcp.socket.destroy())
  tcp.socket.pause()
  const count = 1000
  const ids = Array.from({ length: count }, (_, i) => i + 1)
  tcp.socket.write(Buffer.concat(ids.map(id => Tcp.framed(query('many.default.svc.cluster.local', 'A', { id })))))
  const other = new Tcp(port)
  t.after(() => other.socket.destroy())
  other.socket.write(Tcp.framed(query('web.default.svc.cluster.local')))
  assert.deepEqual(addressesOf(await other.read()), ['10.96.0.20'])
  tcp.socket.resume()
  const seen = new Set<number>()
  while (seen.size < count) {
    const { id = 0, answers } = await tcp.read()
    assert.equal(answers?.length, 60)
    seen.add(id)
  }
})

test('what is no question gets no answer or an error, and the server goes on', async t => {
  const { port } = await serving(t)
  const good = query('web.default.svc.cluster.local')
  const reply = decode(await overUdp(port, Buffer.from('nonsense'), Buffer.alloc(0), Buffer.alloc(5), good))
  assert.deepEqual(addressesOf(reply), ['10.96.0.20'])
  const without = decode(await overUdp(port, encode({ type: 'query', id: 9, questions: [] })))
  assert.deepEqual([without.id, rcodeOf(without)], [9, 1])
  const several = [
    { name: 'web.default.svc.cluster.local', type: 'A' },
    { name: 'many.default.svc.cluster.local', type: 'A' },
  ] as const
  const two = decode(await overUdp(port, encode({ type: 'query', id: 8, questions: [...several] })))
  assert.deepEqual([two.id, rcodeOf(two), two.answers], [8, 1, []])
  const update = 5 << 11
  const refused = decode(await overUdp(port, query('web.default.svc.cluster.local', 'A', { flags: update | (1 << 8) })))
  assert.deepEqual([refused.id, rcodeOf(refused), (refused.flags ?? 0) & update, refused.answers], [7, 4, update, []])
  // A response is no question either: two servers would answer each other for ever.
  const response = encode({ type: 'response', id: 3, questions: [{ name: 'x', type: 'A' }] })
  assert.deepEqual(addressesOf(decode(await overUdp(port, response, good))), ['10.96.0.20'])
})

test('a name outside of the cluster fails while there is no resolver', async t => {
  const { port } = await serving(t)
  const reply = decode(await overUdp(port, query('www.example.com')))
  assert.deepEqual([rcodeOf(reply), reply.answers], [2, []])
})

test('an answer follows the Services and endpoints, and ends with the signal', async t => {
  const { admin, port, abort } = await serving(t)
  const ask = async () => addressesOf(decode(await overUdp(port, query('new.default.svc.cluster.local'))))
  assert.deepEqual(await ask(), [])
  await admin.create(Service, { metadata: { name: 'new' }, spec: { clusterIP: '10.96.0.21', ports: [{ port: 80 }] } })
  while ((await ask()).length === 0);
  assert.deepEqual(await ask(), ['10.96.0.21'])
  abort.abort()
  const tcp = new Tcp(port)
  await tcp.closed()
})

test('errors have the code that is meant for them', async t => {
  const { port } = await serving(t)
  const name = 'web.default.svc.cluster.local'
  const other = decode(await overUdp(port, query(name, 'A', edns(512, { ednsVersion: 1 }))))
  // The upper bits of the code are in the EDNS record.
  const [opt] = other.additionals ?? []
  assert.ok(opt?.type === 'OPT')
  assert.deepEqual([rcodeOf(other), opt.extendedRcode, other.answers], [0, 1, []])
  const chaos = encode({ type: 'query', id: 7, questions: [{ name: 'version.bind', type: 'TXT', class: 'CH' }] })
  assert.equal(rcodeOf(decode(await overUdp(port, chaos))), 5)
  assert.equal(rcodeOf(decode(await overUdp(port, query('cluster.local', 'AXFR')))), 5)
  const any = decode(await overUdp(port, query(name, 'ANY')))
  assert.deepEqual(
    any.answers?.map(a => a.type),
    ['HINFO'],
  )
})

/** A server with other resolvers, which the ConfigMap names. */
async function forwarding(t: TestContext) {
  const server = await serving(t)
  const [plain, acme] = [await FakeResolver.start(t, works), await FakeResolver.start(t, works)]
  const metadata = { name: 'kube-dns', namespace: 'kube-system' }
  const dataWith = (stubs: object) => ({
    stubDomains: JSON.stringify(stubs),
    upstreamNameservers: JSON.stringify([`127.0.0.1:${plain.port}`]),
  })
  const stubs = { 'acme.local': [`127.0.0.1:${acme.port}`] }
  await server.admin.create(Namespace, { metadata: { name: 'kube-system' } })
  await server.admin.create(ConfigMap, { metadata, data: dataWith(stubs) })
  const ask = async (name: string) => decode(await overUdp(server.port, query(name, 'A', edns(1232))))
  while (rcodeOf(await ask('first.example.com')) !== 0);
  return { ...server, plain, acme, metadata, dataWith, stubs, ask }
}

test('names outside of the cluster are asked of the resolvers of the settings, in the spelling of the client', async t => {
  const { ask, acme, port } = await forwarding(t)
  const reply = await ask('x.ACME.local')
  assert.deepEqual([reply.questions?.[0]?.name, addressesOf(reply)], ['x.ACME.local', ['192.0.2.1']])
  assert.deepEqual([reply.id, reply.flag_ra, reply.flag_aa, reply.additionals?.[0]?.type], [7, true, false, 'OPT'])
  assert.deepEqual((await ask('x.acme.local')).answers?.length, 1)
  assert.deepEqual(acme.asked, ['udp x.acme.local'])
  // Without EDNS in the query there is none in the answer.
  assert.deepEqual(decode(await overUdp(port, query('x.acme.local'))).additionals, [])
})

test('a stub domain below the domain of the cluster is not answered by the cluster', async t => {
  const { admin, ask, dataWith, acme } = await forwarding(t)
  const data = dataWith({ 'web.default.svc.cluster.local': [`127.0.0.1:${acme.port}`] })
  await admin.patch(ConfigMap, 'kube-system/kube-dns', 'merge', { data })
  while (addressesOf(await ask('web.default.svc.cluster.local'))[0] !== '192.0.2.1');
  assert.deepEqual(addressesOf(await ask('x.web.default.svc.cluster.local')), ['192.0.2.1'])
  assert.deepEqual(addressesOf(await ask('many.default.svc.cluster.local')).length, 60)
})

test('what another resolver answers over TCP is cut off over UDP', async t => {
  const { port, plain } = await forwarding(t)
  const many = Array.from({ length: 100 }, (_, i) => address('large.example.com', `192.0.2.${i}`))
  plain.play = (_, over) => (over === 'udp' ? { flags: 0x200 } : { answers: many })
  const cut = decode(await overUdp(port, query('large.example.com')))
  assert.deepEqual([cut.flag_tc, cut.answers], [true, []])
  const tcp = new Tcp(port)
  t.after(() => tcp.socket.destroy())
  tcp.socket.write(Tcp.framed(query('large.example.com')))
  assert.equal((await tcp.read()).answers?.length, 100)
  // It is kept now, and still too long for UDP.
  assert.equal(decode(await overUdp(port, query('large.example.com'))).flag_tc, true)
})

test('an ExternalName is followed to the address that another resolver has', async t => {
  const { admin, ask, plain } = await forwarding(t)
  const metadata = { name: 'far' }
  await admin.create(Service, { metadata, spec: { type: 'ExternalName', externalName: 'www.example.com' } })
  const reply = await ask('far.default.svc.cluster.local')
  assert.deepEqual(
    reply.answers?.map(a => `${a.name} ${a.type}`),
    ['far.default.svc.cluster.local CNAME', 'www.example.com A'],
  )
  plain.play = () => ({ flags: 3 })
  await admin.patch(Service, 'default/far', 'merge', { spec: { externalName: 'none.example.com' } })
  let missing = await ask('far.default.svc.cluster.local')
  while (rcodeOf(missing) !== 3) missing = await ask('far.default.svc.cluster.local')
  assert.deepEqual(
    missing.answers?.map(a => a.type),
    ['CNAME'],
  )
})

test('SERVICE.NAMESPACE is found in the cluster when no other resolver has it', async t => {
  const { ask, plain } = await forwarding(t)
  plain.play = () => ({ flags: 3 })
  assert.deepEqual(
    (await ask('web.default')).answers?.map(a => `${a.type} ${'data' in a ? String(a.data) : ''}`),
    ['CNAME web.default.svc.cluster.local', 'A 10.96.0.20'],
  )
  assert.equal(rcodeOf(await ask('none.default')), 3)
})

test('settings with a mistake leave the former ones, with an event that names the field; none are the default', async t => {
  const { admin, ask, metadata, dataWith, stubs, plain } = await forwarding(t)
  const data = { ...dataWith(stubs), stubDomains: '{"acme.local": ["here"]}' }
  await admin.patch(ConfigMap, 'kube-system/kube-dns', 'merge', { data })
  const events = async () => (await admin.list(Event, { namespace: 'kube-system' })).items.map(i => i.object as Event)
  while (!(await events()).length);
  const [event] = await events()
  assert.equal(event?.reason, 'InvalidConfiguration')
  assert.match(event?.message ?? '', /^data\.stubDomains\[acme\.local\]\[0\]: "here" is no address/)
  assert.deepEqual(addressesOf(await ask('y.acme.local')), ['192.0.2.1'])
  await admin.patch(ConfigMap, 'kube-system/kube-dns', 'merge', { data: dataWith({}) })
  const before = plain.asked.length
  while (plain.asked.length === before) await ask('z.acme.local')
  await admin.remove(ConfigMap, 'kube-system/kube-dns')
  while (rcodeOf(await ask('y.acme.local')) !== 2);
  assert.equal(metadata.name, 'kube-dns')
})

test('metrics have the names and labels of CoreDNS', async t => {
  const { port, metricsPort } = await serving(t)
  await overUdp(port, query('web.default.svc.cluster.local'))
  await overUdp(port, query('none.default.svc.cluster.local', 'AAAA'))
  const tcp = new Tcp(port)
  t.after(() => tcp.socket.destroy())
  tcp.socket.write(Tcp.framed(query('web.default.svc.cluster.local', 'SRV')))
  await tcp.read()
  const scrape = await fetch(`http://127.0.0.1:${metricsPort}/metrics`)
  const text = await scrape.text()
  const of = 'server="dns://:53",zone=".",view=""'
  for (const line of [
    `coredns_dns_requests_total{${of},proto="udp",family="1",type="A"} 1`,
    `coredns_dns_requests_total{${of},proto="udp",family="1",type="AAAA"} 1`,
    `coredns_dns_requests_total{${of},proto="tcp",family="1",type="SRV"} 1`,
    `coredns_dns_responses_total{${of},rcode="NOERROR",plugin="kubernetes"} 2`,
    `coredns_dns_responses_total{${of},rcode="NXDOMAIN",plugin="kubernetes"} 1`,
    `coredns_dns_request_duration_seconds_count{${of}} 3`,
    `coredns_dns_request_size_bytes_bucket{${of},proto="udp",le="100"} 2`,
    `coredns_dns_response_size_bytes_count{${of},proto="tcp"} 1`,
    'coredns_panics_total 0',
    `coredns_plugin_enabled{${of},name="kubernetes"} 1`,
  ])
    assert.ok(text.includes(`${line}\n`), `${line} is not in\n${text}`)
  assert.match(text, /^process_resident_memory_bytes \d+$/m)
  // Each family has one head.
  const heads = text.match(/^# TYPE \S+/gm) ?? []
  assert.equal(new Set(heads).size, heads.length)
  assert.equal((await fetch(`http://127.0.0.1:${metricsPort}/`)).status, 404)
})
