// What clients may cost the API server: readers that stop, watches beyond the limit, headers and bodies that are too
// large.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { request as requestHttps } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { metricsText } from '../../src/base/metrics.ts'
import { realClock } from '../../src/base/clock.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { type Https, openHttps } from './https.ts'
import { type Sim, simulate } from './cluster.ts'

const overHttps = (extra: Parameters<typeof openHttps>[1], run: (https: Https, sim: Sim) => Promise<void>) =>
  simulate({ controllers: false, scheduler: false }, async sim => {
    const https = await openHttps(sim, extra)
    try {
      await run(https, sim)
    } finally {
      await https.close()
    }
  })

const maps = '/api/v1/namespaces/default/configmaps'

/** Sends a request whose answer is not read, and resolves with the head of the answer. */
const begin = ({ tls }: Https, path: string, headers: Record<string, string> = {}) =>
  new Promise<IncomingMessage>((resolve, reject) => {
    const sent = requestHttps({ ...tls, path, agent: false, headers }, response => {
      response.on('error', () => {})
      resolve(response)
    })
    sent.on('error', reject)
    sent.end()
  })

const metric = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metricsText())?.[1] ?? 0)
const pendingBytes = () => metric('kutter_apiserver_pending_response_bytes')

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i++) {
    if (i === 500) throw new Error(`never so: ${what}`)
    await realClock.sleep(20)
  }
}

async function makeMaps(sim: Sim, count: number): Promise<void> {
  const text = 'x'.repeat(900_000)
  const client = sim.plane.client('admin', ['system:masters'])
  for (let i = 0; i < count; i++)
    await client.create(ConfigMap, { metadata: { name: `m-${i}`, namespace: 'default' }, data: { text } })
}

for (const [what, path] of [
  ['lists', maps],
  ['watches', `${maps}?watch=1`],
] as const)
  test(`${what} whose readers have stopped hold one object of each reader, and nothing when they have gone`, () =>
    overHttps({}, async (https, sim) => {
      const readers = 10
      await makeMaps(sim, 40)
      const stopped = await Promise.all(Array.from({ length: readers }, () => begin(https, path)))
      await until('bytes are pending', () => pendingBytes() > 0)
      ok(pendingBytes() <= readers * 1_100_000, `${pendingBytes()} bytes are pending`)
      for (const response of stopped) response.destroy()
      await until('no bytes are pending', () => pendingBytes() === 0)
    }))

test('watches beyond the limit are refused, until one has ended', () =>
  overHttps({ maxWatches: 2 }, async https => {
    const open = [await begin(https, `${maps}?watch=1`), await begin(https, `${maps}?watch=1`)]
    deepStrictEqual(
      open.map(({ statusCode }) => statusCode),
      [200, 200],
    )
    const refused = await https.send('GET', `${maps}?watch=1`)
    deepStrictEqual([refused.code, refused.body.reason, refused.headers['retry-after']], [429, 'TooManyRequests', '5'])
    strictEqual((await https.send('GET', maps)).code, 200)
    open[0]!.destroy()
    await until('a place is free', () => metric('kutter_apiserver_watches') === 1)
    const third = await begin(https, `${maps}?watch=1`)
    strictEqual(third.statusCode, 200)
    for (const response of [open[1]!, third]) response.destroy()
  }))

const large: readonly [string, number, { headers?: Record<string, string>; body?: string }][] = [
  ['headers of more than 1 MiB', 431, { headers: { 'x-large': 'x'.repeat(2 ** 20) } }],
  ['a body of 3.1 MiB', 413, { body: `{"data":{"text":"${'x'.repeat(3.1 * 2 ** 20)}"}}` }],
  ['a body that is no JSON', 400, { body: '{"data":' }],
]
for (const [what, code, { headers, body }] of large)
  test(`${what} gets ${code}`, () =>
    overHttps({}, async https => {
      const method = body === undefined ? 'GET' : 'POST'
      strictEqual((await https.send(method, maps, body, headers)).code, code)
      strictEqual((await https.send('GET', maps)).code, 200)
    }))
