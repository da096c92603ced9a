// How many devices a node has, over the life of their plugin.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countStocks, healthyOf, readDevices, unhealthy } from './stock.ts'

const device = (id: string, health = 'Healthy', nodes: number[] = []) => ({
  id,
  health,
  topology: nodes.length ? { nodes: nodes.map(node => ({ id: node })) } : null,
})
const listed = readDevices([device('a'), device('b', 'Unhealthy', [0, 1]), device('c', ''), device('a')])

test('a device is healthy if its plugin says so', () => {
  assert.deepEqual([...listed.keys()], ['a', 'b', 'c'])
  assert.deepEqual(listed.get('b'), { isHealthy: false, numaNodes: [0, 1] })
  assert.deepEqual(healthyOf({ devices: listed }), new Set(['a']))
  assert.deepEqual(healthyOf({ devices: unhealthy(listed) }), new Set())
})

test('a plugin that lists too much is not read', () => {
  const many = Array.from({ length: 70_000 }, (_, i) => device(String(i)))
  assert.throws(() => readDevices(many), /the plugin lists 70000 devices, and may list 65536/)
  assert.throws(() => readDevices([device('x'.repeat(2000))]), /an id of more than 1024 characters/)
})

test('the devices of a plugin that has gone are expected back for five minutes', () => {
  const count = (devices: typeof listed, stoppedAt: number | undefined, now: number) =>
    countStocks(new Map([['r', { devices, stoppedAt }]]), now).get('r')
  assert.deepEqual(count(listed, undefined, 0), { capacity: 3, allocatable: 1 })
  assert.deepEqual(count(unhealthy(listed), 1000, 301_000), { capacity: 3, allocatable: 0 })
  assert.deepEqual(count(unhealthy(listed), 1000, 301_001), { capacity: 0, allocatable: 0 })
})
