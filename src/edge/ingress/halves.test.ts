// Whatever is broken among many is found, and with few tries.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { findBroken } from './halves.ts'

test('just the broken ones are found', async () => {
  const some = fc.uniqueArray(fc.nat(199), { maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(some, async broken => {
      let tries = 0
      const items = Array.from({ length: 200 }, (_, i) => i)
      const found = await findBroken(items, async part => {
        tries++
        return !part.some(item => broken.includes(item))
      })
      assert.deepEqual(
        found,
        broken.toSorted((a, b) => a - b),
      )
      assert.ok(tries <= 1 + broken.length * 17, `${tries} tries`)
    }),
  )
})
