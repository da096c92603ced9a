import { strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { ttlStep } from './ttl.ts'

test('the seconds follow the size of the cluster, and do not swing with it at a bound', () => {
  strictEqual(ttlStep(1, 0), 0)
  strictEqual(ttlStep(101, 0), 1)
  strictEqual(ttlStep(95, 1), 1)
  strictEqual(ttlStep(89, 1), 0)
  strictEqual(ttlStep(5000, 0), 4)
  strictEqual(ttlStep(10, 4), 0)
})
