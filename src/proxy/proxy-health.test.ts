// Whether a proxy says that it is healthy, as its changes wait and its Node is removed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { Node } from '../kinds/core/node.ts'
import { objectOf } from '../kinds/testing.ts'
import { ProxyHealth } from './proxy-health.ts'

const minuteMs = 60_000

test('a proxy is healthy while no change waits for a minute', async () => {
  const clock = new VirtualClock(Date.parse('2026-01-02T03:04:05.006Z'))
  const health = new ProxyHealth(clock)
  const codes = () => [health.answer('/healthz')?.code, health.answer('/livez')?.code]
  assert.deepEqual(codes(), [200, 200])
  health.queued()
  await clock.forward(minuteMs - 1)
  // A later change does not make the first one younger.
  health.queued()
  assert.deepEqual(codes(), [200, 200])
  await clock.forward(1)
  assert.deepEqual(codes(), [503, 503])
  assert.equal(
    health.answer('/livez')?.body,
    '{"lastUpdated": "2026-01-02 03:04:05.006 +0000 UTC","currentTime": "2026-01-02 03:05:05.006 +0000 UTC"}',
  )
  health.updated()
  assert.deepEqual(codes(), [200, 200])
  await clock.forward(2 * minuteMs)
  assert.equal(
    health.answer('/healthz')?.body,
    '{"lastUpdated": "2026-01-02 03:07:05.006 +0000 UTC","currentTime": "2026-01-02 03:07:05.006 +0000 UTC", "nodeEligible": true}',
  )
  assert.equal(health.answer('/'), undefined)
})

test('a node that is being removed takes no connections, though its proxy lives', () => {
  const health = new ProxyHealth(new VirtualClock())
  const node = (metadata: object, taints: { key: string; effect: 'NoSchedule' }[] = []) =>
    health.node(objectOf(Node, { metadata: { name: 'n', ...metadata }, spec: { taints } }))
  const codes = () => [health.answer('/healthz')?.code, health.answer('/livez')?.code]
  health.node(undefined)
  node({}, [{ key: 'other', effect: 'NoSchedule' }])
  assert.deepEqual(codes(), [200, 200])
  node({}, [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }])
  assert.deepEqual(codes(), [503, 200])
  assert.match(health.answer('/healthz')?.body ?? '', /"nodeEligible": false/)
  node({})
  assert.deepEqual(codes(), [200, 200])
  node({ deletionTimestamp: '2026-01-02T03:04:05Z', finalizers: ['x/y'] })
  assert.deepEqual(codes(), [503, 200])
})

test('it answers over HTTP until the signal aborts', async () => {
  const end = new AbortController()
  const port = 30_000 + (process.pid % 10_000)
  new ProxyHealth(new VirtualClock()).serve(port, silentLog, end.signal)
  const ask = async (path: string) =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })).status
  assert.deepEqual([await ask('/healthz'), await ask('/livez?verbose'), await ask('/other')], [200, 200, 404])
  end.abort()
  await assert.rejects(ask('/healthz'))
})
