// Other resolvers, played by sockets of the loopback: which are asked, what is kept, what happens when they fail, cut
// off, lie or lead back.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { type Answer, decode, encode } from 'dns-packet'
import { type Clock, realClock, VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import type { Question, Resolver } from './exchange.ts'
import { wireOf } from './foreign.ts'
import { DnsMetrics } from './metrics.ts'
import { address, FakeResolver, works } from './testing.ts'
import { Upstream } from './upstream.ts'

const question = (name: string, more: Partial<Question> = {}): Question => ({
  name: wireOf(name),
  type: 1,
  edns: true,
  dnssec: false,
  unchecked: false,
  ...more,
})

function upstreamOf(resolvers: readonly Resolver[], clock: Clock = realClock, stubDomains = {}) {
  const metrics = new DnsMetrics()
  const upstream = new Upstream({ file: '/dev/null', clock, random: seededRandom(1), log: silentLog, metrics })
  upstream.use({ stubDomains, upstreamNameservers: resolvers })
  return { upstream, metrics }
}

const rcodeOf = (outcome: Awaited<ReturnType<Upstream['ask']>>) =>
  typeof outcome === 'object' ? outcome.foreign.rcode : outcome

test('an answer is kept for as long as it says, and then asked for again', async t => {
  const fake = await FakeResolver.start(t, works)
  const now = new VirtualClock()
  const { upstream, metrics } = upstreamOf([fake], now)
  strictEqual(rcodeOf(await upstream.ask(question('a.b'), 'udp')), 0)
  await now.forward(10_000)
  strictEqual(upstream.cached(question('a.b'))?.ttl, 20)
  strictEqual(upstream.cached(question('a.b', { dnssec: true })), undefined)
  await now.forward(21_000)
  strictEqual(upstream.cached(question('a.b')), undefined)
  await upstream.ask(question('a.b'), 'udp')
  deepStrictEqual(fake.asked, ['udp a.b', 'udp a.b'])
  ok(metrics.text().includes('coredns_cache_hits_total{server="dns://:53",zones=".",view="",type="success"} 1\n'))
  ok(metrics.text().includes('coredns_cache_requests_total{server="dns://:53",zones=".",view=""} 3\n'))
})

test('clients that ask the same at the same time share a question', async t => {
  const fake = await FakeResolver.start(t, works)
  const { upstream } = upstreamOf([fake])
  await Promise.all([1, 2, 3].map(() => upstream.ask(question('a.b'), 'udp')))
  deepStrictEqual(fake.asked, ['udp a.b'])
})

test('an answer that is cut off is asked for over TCP for a client that uses it, and passed on as such to others', async t => {
  const many = Array.from({ length: 200 }, (_, i) => address('a.b', `192.0.2.${i}`))
  const fake = await FakeResolver.start(t, (_, over) => (over === 'udp' ? { flags: 0x200 } : { answers: many }))
  const { upstream } = upstreamOf([fake])
  const cut = await upstream.ask(question('a.b'), 'udp')
  ok(typeof cut === 'object' && cut.foreign.truncated)
  const whole = await upstream.ask(question('a.b'), 'tcp')
  strictEqual(typeof whole === 'object' && whole.foreign.answers, 200)
  deepStrictEqual(fake.asked, ['udp a.b', 'udp a.b', 'tcp a.b'])
})

test('another resolver is asked when one refuses, fails, or is not there; one that failed twice rests', async t => {
  const good = await FakeResolver.start(t, works)
  const bad = await FakeResolver.start(t, () => ({ flags: 2 }))
  const gone = await FakeResolver.start(t, works)
  const where = { address: gone.address, port: gone.port }
  gone.stop()
  const now = new VirtualClock()
  const { upstream, metrics } = upstreamOf([bad, where, good], now)
  for (let i = 0; i < 20; i++) strictEqual(rcodeOf(await upstream.ask(question(`a${i}.b`), 'udp')), 0)
  const failures = `coredns_forward_healthcheck_failures_total{to="127.0.0.1:${where.port}"} 1\n`
  ok(metrics.text().includes(failures))
  ok(metrics.text().includes(`coredns_forward_requests_total{to="127.0.0.1:${where.port}"} 2\n`))
})

test('when every resolver fails, the first failure is the answer, and without any there is none', async t => {
  const bad = await FakeResolver.start(t, () => ({ flags: 5 }))
  strictEqual(rcodeOf(await upstreamOf([bad]).upstream.ask(question('a.b'), 'udp')), 5)
  strictEqual(await upstreamOf([]).upstream.ask(question('a.b'), 'udp'), undefined)
})

test('an error without the question is an answer', async t => {
  const bare = await FakeResolver.start(t, () => ({ flags: 1, questions: [] }))
  strictEqual(rcodeOf(await upstreamOf([bare]).upstream.ask(question('a.b'), 'udp')), 1)
})

test('what does not answer the question is passed over, until the answer comes', async t => {
  const liar = createSocket('udp4')
  liar.bind(0, '127.0.0.1')
  await once(liar, 'listening')
  t.after(() => liar.close())
  const lie = [address('a.b', '203.0.113.9')]
  liar.on('message', (message, peer) => {
    const { id = 0, questions = [] } = decode(message)
    const replies = [
      encode({ type: 'response', id: (id + 1) & 0xffff, questions, answers: lie }),
      encode({ type: 'response', id, questions: [{ type: 'A', name: 'x.y' }], answers: lie }),
      Buffer.from('nonsense'),
      encode({ type: 'response', id, questions, answers: [address('a.b', '192.0.2.7')] }),
    ]
    for (const reply of replies) liar.send(reply, peer.port, peer.address)
  })
  const { upstream } = upstreamOf([{ address: '127.0.0.1', port: liar.address().port }])
  const outcome = await upstream.ask(question('a.b'), 'udp')
  ok(typeof outcome === 'object')
  deepStrictEqual(
    decode(outcome.foreign.message).answers?.map(a => 'data' in a && a.data),
    ['192.0.2.7'],
  )
})

test('names in stub domains go to their resolvers, the longest domain first, and the rest to the others', async t => {
  const [plain, acme, deep] = [
    await FakeResolver.start(t, works),
    await FakeResolver.start(t, works),
    await FakeResolver.start(t, works),
  ]
  const stubs = { 'acme.local': [acme], 'deep.acme.local': [deep], 'none.local': [] }
  const { upstream } = upstreamOf([plain], realClock, stubs)
  for (const name of ['acme.local', 'x.acme.local', 'x.deep.acme.local', 'xacme.local', 'example.com'])
    await upstream.ask(question(name), 'udp')
  strictEqual(await upstream.ask(question('x.none.local'), 'udp'), undefined)
  deepStrictEqual(acme.asked, ['udp acme.local', 'udp x.acme.local'])
  deepStrictEqual(deep.asked, ['udp x.deep.acme.local'])
  deepStrictEqual(plain.asked, ['udp xacme.local', 'udp example.com'])
  strictEqual(upstream.stubOf(['x', 'deep', 'acme', 'local']), 'deep.acme.local')
})

test('other settings are in effect with the next question', async t => {
  const [before, after] = [await FakeResolver.start(t, works), await FakeResolver.start(t, works)]
  const { upstream } = upstreamOf([before])
  await upstream.ask(question('a.b'), 'udp')
  upstream.use({ stubDomains: {}, upstreamNameservers: [after] })
  strictEqual(upstream.cached(question('a.b')), undefined)
  await upstream.ask(question('a.b'), 'udp')
  deepStrictEqual([before.asked.length, after.asked.length], [1, 1])
})

test('a resolver that leads back here is left out for a minute', async t => {
  const now = new VirtualClock()
  const loop = createSocket('udp4')
  loop.bind(0, '127.0.0.1')
  await once(loop, 'listening')
  t.after(() => loop.close())
  const { upstream } = upstreamOf([{ address: '127.0.0.1', port: loop.address().port }], now)
  const probed = new Promise<string>(resolve =>
    loop.on('message', message => {
      const [asked] = decode(message).questions ?? []
      if (asked?.type === 'HINFO') resolve(asked.name)
    }),
  )
  const asking = upstream.ask(question('a.b'), 'udp')
  const probe = await probed
  strictEqual(upstream.findsLoop(wireOf('other.name'), 13), false)
  strictEqual(upstream.findsLoop(wireOf(probe), 13), true)
  await now.forward(3_000)
  strictEqual(await asking, undefined)
  // It is not asked now.
  strictEqual(await upstream.ask(question('c.d'), 'udp'), undefined)
})

test('the records of a name come with the time that they still hold', async t => {
  const alias: Answer = { type: 'CNAME', name: 'a.b', ttl: 60, data: 'c.d' }
  const fake = await FakeResolver.start(t, () => ({ answers: [alias, address('c.d')] }))
  const found = await upstreamOf([fake]).upstream.resolve('A.b', 1)
  deepStrictEqual([found?.rcode, found?.records.map(r => r.ttl)], [0, [30, 30]])
})
