import { strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { ttlStep } from './ttl.ts'

test('the step follows the size, and swings less than it', () => {
  strictEqual(ttlStep(1, 0), 0)
  strictEqual(ttlStep(101, 0), 1)
  strictEqual(ttlStep(95, 1), 1)
  strictEqual(ttlStep(89, 1), 0)
  strictEqual(ttlStep(5000, 0), 4)
  strictEqual(ttlStep(10, 4), 0)
})
