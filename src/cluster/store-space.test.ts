// When a store is reported to have little space, or none.
import { equal, match } from 'node:assert/strict'
import { test } from 'node:test'
import { defaultQuotaBytes, quotaBytes } from './store-location.ts'
import { planSpaceProblem } from './store-space.ts'

const stats = (sizeBytes: number, full?: string) => ({
  revision: 1,
  compacted: 0,
  keys: 1,
  sizeBytes,
  ...(full && { full }),
})

test('a store is nearly full from nine tenths of its quota on, and full when a write was refused', () => {
  const quota = 1000
  equal(planSpaceProblem(stats(899), quota), undefined)
  equal(planSpaceProblem(stats(900), quota)?.reason, 'StoreNearlyFull')
  match(planSpaceProblem(stats(950), quota)!.message, /^the store has 95 % /)
  equal(planSpaceProblem(stats(5, 'no space'), quota)?.reason, 'StoreFull')
  match(planSpaceProblem(stats(5, 'no space'), undefined)!.message, /^only deletions go through: no space$/)
  equal(planSpaceProblem(stats(1e12), undefined), undefined)
})

test('the quota is a quantity, and 8 GiB without one', () => {
  equal(quotaBytes({}), defaultQuotaBytes)
  equal(quotaBytes({ storeQuota: '64Mi' }), 64 << 20)
})
