import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { objectOf } from '../kinds/testing.ts'
import { addressesWithin, HealthServers, healthOf } from './health.ts'

const service = (spec: object) =>
  objectOf(Service, {
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 31999,
      clusterIP: '10.96.0.20',
      ports: [{ port: 80, targetPort: 8080 }],
      ...spec,
    },
  })
const slice = objectOf(EndpointSlice, {
  metadata: { name: 'web-1' },
  addressType: 'IPv4',
  endpoints: [
    { addresses: ['10.244.0.5'], nodeName: 'here', conditions: { ready: true } },
    { addresses: ['10.244.0.6'], nodeName: 'here', conditions: { ready: false } },
    { addresses: ['10.244.1.6'], nodeName: 'there', conditions: { ready: true } },
  ],
})

test('load balancers ask about Services with the policy Local, and ready endpoints of this node count', () => {
  assert.deepEqual(
    healthOf(service({}), () => [slice], 'here'),
    { namespace: 'shop', name: 'web', port: 31999, local: 1 },
  )
  assert.equal(healthOf(service({}), () => [slice], 'elsewhere')?.local, 0)
  for (const other of [{ type: 'NodePort' }, { externalTrafficPolicy: 'Cluster' }, { healthCheckNodePort: 0 }])
    assert.equal(
      healthOf(service(other), () => assert.fail('nobody asks about its endpoints'), 'here'),
      undefined,
    )
})

test('the answer follows the endpoints, and a port that is taken is reported', async () => {
  const end = new AbortController()
  const failures: string[] = []
  let isHealthy = true
  let addresses: string[] | undefined
  const servers = new HealthServers({
    signal: end.signal,
    failed: (key, why) => failures.push(`${key}: ${why}`),
    isHealthy: () => isHealthy,
    addresses: () => addresses,
  })
  const port = 20_000 + (process.pid % 10_000)
  const health = { namespace: 'shop', name: 'web', port, local: 2 }
  const ask = async (host = '127.0.0.1') => {
    const response = await fetch(`http://${host}:${port}/`, { headers: { connection: 'close' } })
    return [response.status, response.headers.get('x-load-balancing-endpoint-weight'), await response.json()]
  }
  const body = (localEndpoints: number) => ({
    service: { namespace: 'shop', name: 'web' },
    localEndpoints,
    serviceProxyHealthy: isHealthy,
  })
  servers.set('shop/web', health)
  assert.deepEqual(await ask(), [200, '2', body(2)])
  isHealthy = false
  assert.deepEqual(await ask(), [503, '2', body(2)])
  isHealthy = true
  servers.set('shop/web', { ...health, local: 0 })
  assert.deepEqual(await ask(), [503, '0', body(0)])
  servers.set('shop/other', { ...health, name: 'other' })
  while (!failures.length) await new Promise(resolve => setImmediate(resolve))
  assert.match(failures[0]!, /^shop\/other: cannot answer health checks on port \d+: .*EADDRINUSE/)
  servers.set('shop/web', undefined)
  await assert.rejects(ask())
  addresses = ['127.0.0.2', '127.0.0.3']
  servers.set('shop/web', health)
  for (const host of addresses) assert.deepEqual(await ask(host), [200, '2', body(2)])
  await assert.rejects(ask())
  end.abort()
})

test('health checks are answered on the addresses in the ranges of node ports, or on all', () => {
  const own = ['127.0.0.1', '192.0.2.7', '::1', '2001:db8::7']
  assert.equal(addressesWithin([], own), undefined)
  assert.equal(addressesWithin(['198.51.100.0/24'], own), undefined)
  assert.deepEqual(addressesWithin(['192.0.2.0/24', '2001:db8::/64'], own), ['192.0.2.7', '2001:db8::7'])
})
