// The metrics of API server, controllers and scheduler, compared with the table of docs/metrics.md.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { metricsText } from '../../src/base/metrics.ts'
import { DnsMetrics } from '../../src/dns/metrics.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { differences, readExposition, readTable } from '../exposition.ts'
import { type Sim, simulate } from './cluster.ts'
import { openHttps } from './https.ts'

const rows = readTable(readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8'))
/** Lets time pass until an answer is there. */
async function whileTimePasses(sim: Sim, answer: Promise<unknown>): Promise<void> {
  let isOver = false
  void answer.then(() => (isOver = true))
  while (!isOver) {
    await sim.clock.forward(100)
    await new Promise(resolve => setImmediate(resolve))
  }
}

const containers = [{ name: 'a', image: 'a' }]
const labels = { app: 'web' }

test('what the server has is what the table says, and nothing is missing', () =>
  simulate({ nodes: 2 }, async sim => {
    const https = await openHttps(sim)
    try {
      const spec = {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      }
      await sim.client.create(Deployment, { metadata: { name: 'web', namespace: 'default' }, spec })
      await sim.until('all run', () => sim.pods('default').filter(pod => pod.spec.nodeName).length === 2)
      await whileTimePasses(
        sim,
        https.send('GET', '/api/v1/nodes?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dnode-1'),
      )
      await https.send('GET', '/api/v1/namespaces/default/pods')
      await https.send('GET', '/api/v1/nodes/no-such')
      const { code, text } = await https.send('GET', '/metrics')
      assert.equal(code, 200)
      const families = readExposition(text)
      const own = rows.filter(({ where }) => where.startsWith('API server'))
      assert.ok(own.length > 70)
      assert.deepEqual(differences(own, families), [])
      const known = new Set(rows.map(({ name }) => name))
      const others = [...families.keys()].filter(name => /^(apiserver_request|workqueue|etcd|rest_client)/.test(name))
      assert.deepEqual(
        others.filter(name => !known.has(name)),
        [],
      )
    } finally {
      await https.close()
    }
  }))

test('requests are counted by what they are for, and never by what a client made up', () =>
  simulate({ controllers: false, scheduler: false }, async sim => {
    const https = await openHttps(sim)
    try {
      const counted = () => {
        const found = new Map<string, number>()
        for (const { labels, value } of readExposition(metricsText()).get('apiserver_request_total')?.samples ?? []) {
          const { verb, group, version, resource, subresource, scope, dry_run, code } = labels
          found.set([verb, group, version, resource, subresource, scope, dry_run, code].join(' '), value)
        }
        return found
      }
      const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm' } }
      const maps = '/api/v1/namespaces/default/configmaps'
      const apply = { 'content-type': 'application/apply-patch+yaml' }
      const table: [
        method: string,
        path: string,
        body: object | undefined,
        key: string | undefined,
        headers?: object,
      ][] = [
        ['POST', maps, map, 'POST  v1 configmaps  resource  201'],
        ['POST', `${maps}?dryRun=All`, { ...map, metadata: { name: 'n' } }, 'POST  v1 configmaps  resource All 201'],
        ['GET', `${maps}/m`, undefined, 'GET  v1 configmaps  resource  200'],
        ['GET', `${maps}/none`, undefined, 'GET  v1 configmaps  resource  404'],
        ['GET', maps, undefined, 'LIST  v1 configmaps  namespace  200'],
        ['GET', '/api/v1/configmaps', undefined, 'LIST  v1 configmaps  cluster  200'],
        ['GET', `${maps}?watch=1&timeoutSeconds=1`, undefined, 'WATCH  v1 configmaps  namespace  200'],
        ['PATCH', `${maps}/m?fieldManager=a`, map, 'APPLY  v1 configmaps  resource  200', apply],
        ['DELETE', `${maps}/m`, undefined, 'DELETE  v1 configmaps  resource  200'],
        ['DELETE', maps, undefined, 'DELETECOLLECTION  v1 configmaps  namespace  200'],
        [
          'GET',
          '/apis/apps/v1/namespaces/default/deployments/x/scale',
          undefined,
          'GET apps v1 deployments scale resource  404',
        ],
        ['GET', '/healthz', undefined, 'GET    /healthz   200'],
        ['GET', '/api/v1/made-up', undefined, undefined],
        ['GET', '/apis/made.up/v1/things', undefined, undefined],
        ['GET', `${maps}/m/made-up`, undefined, undefined],
        ['GET', '/made/up', undefined, undefined],
      ]
      for (const [method, path, body, key, headers] of table) {
        const before = counted()
        const answer = https.send(method, path, body, headers as Record<string, string> | undefined)
        await (path.includes('watch') ? whileTimePasses(sim, answer) : answer)
        await new Promise(resolve => setImmediate(resolve))
        const after = counted()
        const changed = [...after].filter(([name, value]) => value !== before.get(name)).map(([name]) => name)
        assert.deepEqual(changed, key === undefined ? [] : [key], `${method} ${path}`)
      }
    } finally {
      await https.close()
    }
  }))

test('DNS has what the table says', () => {
  const own = rows.filter(({ where }) => where === 'DNS')
  assert.ok(own.length > 10)
  assert.deepEqual(differences(own, readExposition(new DnsMetrics().text())), [])
})

test('the reader of the tests refuses what is no exposition', () => {
  const head = '# HELP a A.\n# TYPE a counter\n'
  assert.equal(readExposition(`${head}a{b="c\\"\\n"} 1\n`).get('a')!.samples[0]!.value, 1)
  const wrong = [
    `${head}a 1`,
    `${head}b 1\n`,
    `${head}a{b=c} 1\n`,
    `${head}a 1\na 2\n`,
    `${head}a x\n`,
    'a 1\n',
    head + head,
  ]
  for (const text of wrong) assert.throws(() => readExposition(text), text)
  const buckets = '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'
  assert.throws(() => readExposition(buckets))
})
