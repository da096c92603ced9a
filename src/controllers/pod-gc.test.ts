import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planSurplus } from './pod-gc.ts'
import { podOf } from '../kinds/testing.ts'

const ended = (name: string, hour: number, reason?: string) =>
  podOf({
    metadata: { name, creationTimestamp: new Date(Date.UTC(2026, 0, 1, hour)).toISOString() },
    status: { phase: 'Failed', ...(reason && { reason }) },
  })
const pods = [ended('young', 3), ended('old', 1), ended('evicted', 4, 'Evicted'), ended('middle', 2)]

for (const [limit, expected] of [
  [4, []],
  [3, ['evicted']],
  [2, ['evicted', 'old']],
  [0, ['evicted', 'old', 'middle', 'young']],
] as const)
  test(`of four ended pods ${limit} are kept`, () =>
    assert.deepEqual(
      planSurplus(pods, limit).map(pod => pod.metadata.name),
      expected,
    ))
