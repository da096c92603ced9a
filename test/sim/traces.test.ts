// Traces of requests: a collector in this process gets the spans of those that are sampled, with the steps in them.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { realRandom } from '../../src/base/random.ts'
import { Tracer, useTracer } from '../../src/base/trace.ts'
import { readTracing } from '../../src/cluster/tracing.ts'
import { otlpSink } from '../../src/wire/otlp.ts'
import { simulate } from './cluster.ts'
import { openHttps } from './https.ts'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: { key: string; value: { stringValue?: string; intValue?: string } }[]
}

/** A collector, and a tracer that sends to it. */
async function collect(t: TestContext, perMillion: number, code = 200) {
  const spans: Span[] = []
  const failures: unknown[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as {
        resourceSpans: { scopeSpans: { spans: Span[] }[] }[]
      }
      assert.equal(request.url, '/v1/traces')
      spans.push(...body.resourceSpans.flatMap(one => one.scopeSpans.flatMap(scope => scope.spans)))
      response.writeHead(code).end('{}')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const sink = otlpSink(`127.0.0.1:${(server.address() as AddressInfo).port}`, 'test')
  const failed = (error: unknown) => void failures.push(error)
  const tracer = new Tracer({ sink, clock: realClock, random: realRandom, perMillion, failed })
  useTracer(tracer)
  t.after(() => (useTracer(undefined), server.close(), server.closeAllConnections()))
  return { spans, failures, tracer }
}

const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm' } }
const maps = '/api/v1/namespaces/default/configmaps'
const trace = '0af7651916cd43dd8448eb211c80319c'

test('a request that its client traces has a span, with those of its steps below', async t => {
  const { spans, tracer } = await collect(t, 0)
  await simulate({ controllers: false, scheduler: false }, async sim => {
    const https = await openHttps(sim)
    const traceparent = (flags: string) => ({ traceparent: `00-${trace}-b7ad6b7169203331-${flags}` })
    await https.send('POST', maps, map, traceparent('01'))
    await https.send('GET', maps, undefined, traceparent('00'))
    await https.send('GET', maps)
    await https.send('GET', maps, undefined, { traceparent: 'nonsense' })
    await https.close()
  })
  await tracer.close()
  const [root] = spans.filter(({ name }) => name === 'KubernetesAPI')
  assert.deepEqual([root!.traceId, root!.parentSpanId, root!.kind], [trace, 'b7ad6b7169203331', 2])
  const attributes = Object.fromEntries(root!.attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
  assert.deepEqual(
    [attributes['http.method'], attributes['http.target'], attributes['http.status_code']],
    ['POST', maps, '201'],
  )
  const steps = spans.filter(({ parentSpanId }) => parentSpanId === root!.spanId)
  assert.ok(steps.some(({ name }) => name === 'Store create'))
  assert.ok(
    spans.every(({ traceId }) => traceId === trace),
    'no other request is sampled',
  )
  assert.ok(BigInt(root!.endTimeUnixNano) >= BigInt(root!.startTimeUnixNano))
})

test('all requests are sampled if the rate says so, and a collector that fails delays none', async t => {
  const { spans, failures, tracer } = await collect(t, 1_000_000, 500)
  await simulate({ controllers: false, scheduler: false }, async sim => {
    const https = await openHttps(sim)
    for (let i = 0; i < 3; i++) assert.equal((await https.send('GET', maps)).code, 200)
    await https.close()
  })
  await tracer.close()
  const roots = spans.filter(({ name }) => name === 'KubernetesAPI')
  assert.equal(new Set(roots.map(({ traceId }) => traceId)).size, 3)
  assert.match(String(failures[0]), /answered 500/)
})

test('spans beyond the queue are dropped', async () => {
  let taken = 0
  let release = () => {}
  const first = new Promise<void>(resolve => (release = resolve))
  const sink = async (batch: readonly unknown[]) => (await first, void (taken += batch.length))
  const tracer = new Tracer({ sink, clock: realClock, random: realRandom, perMillion: 0, failed: () => {} })
  for (let i = 0; i < 10_000; i++) tracer.begin('a', 'internal', undefined).end({}, false)
  release()
  await tracer.close()
  assert.equal(taken, 512 + 2048)
})

test('a file that asks for traces is read, with all its mistakes', () => {
  const file = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'TracingConfiguration' }
  assert.deepEqual(readTracing(file, 'f'), { endpoint: 'localhost:4318', perMillion: 0 })
  assert.deepEqual(readTracing({ ...file, endpoint: 'c:1', samplingRatePerMillion: 5 }, 'f'), {
    endpoint: 'c:1',
    perMillion: 5,
  })
  assert.throws(
    () => readTracing({ ...file, endpoint: 'a b', samplingRatePerMillion: -1, other: 1 }, 'f'),
    /f: .*samplingRatePerMillion.*endpoint.*other/,
  )
})
