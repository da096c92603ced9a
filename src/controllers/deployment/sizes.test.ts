import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fenceposts, nextNewSize, nextOldSizes, scaledSizes } from './sizes.ts'
import { Deployment } from '../../kinds/apps/deployment.ts'
import { ReplicaSet } from '../../kinds/apps/replicaset.ts'
import { objectOf } from '../../kinds/testing.ts'

const deployment = (
  replicas: number,
  maxSurge: number | string = '25%',
  maxUnavailable: number | string = '25%',
): Deployment =>
  objectOf(Deployment, {
    metadata: { name: 'd' },
    spec: { replicas, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } } },
  })

const rs = (
  name: string,
  replicas: number,
  available = replicas,
  annotations: Record<string, string> = {},
): ReplicaSet =>
  objectOf(ReplicaSet, {
    metadata: { name, creationTimestamp: `2026-01-01T00:00:0${name.at(-1)}Z`, annotations },
    spec: { replicas },
    status: { availableReplicas: available, replicas },
  })

const named = (sizes: ReadonlyMap<ReplicaSet, number>) =>
  Object.fromEntries([...sizes].map(([set, size]) => [set.metadata.name, size]))

test('maxSurge is rounded up and maxUnavailable down, and not both become 0', () => {
  const table: [number, number | string, number | string, number, number][] = [
    [10, '25%', '25%', 3, 2],
    [1, '25%', '25%', 1, 0],
    [4, 0, 1, 0, 1],
    [3, 0, '10%', 0, 1],
    [2, 1, 5, 1, 2],
    [0, 3, 3, 0, 0],
  ]
  for (const [replicas, maxSurge, maxUnavailable, surge, unavailable] of table)
    assert.deepEqual(fenceposts(deployment(replicas, maxSurge, maxUnavailable)), { surge, unavailable })
})

test('the new replica set grows until the rollout has its most pods', () => {
  const table: [number, number, number, number][] = [
    // wanted, size now, total, next
    [10, 0, 10, 3],
    [10, 0, 13, 0],
    [10, 3, 8, 8],
    [10, 8, 10, 10],
    [10, 12, 12, 10],
  ]
  for (const [wanted, now, total, next] of table) assert.equal(nextNewSize(deployment(wanted), now, total), next)
})

test('old replica sets shrink by their unavailable pods first, and then as far as enough pods stay available', () => {
  const d = deployment(10)
  assert.deepEqual(named(nextOldSizes(d, rs('new-2', 3, 0), [rs('old-1', 10)])), { 'old-1': 8 })
  assert.deepEqual(named(nextOldSizes(d, rs('new-2', 3, 3), [rs('old-1', 10)])), { 'old-1': 5 })
  // Two of the old pods are unavailable. They are removed although no other pod may be.
  assert.deepEqual(named(nextOldSizes(d, rs('new-2', 3, 0), [rs('old-1', 10, 8)])), { 'old-1': 8 })
  assert.deepEqual(named(nextOldSizes(d, rs('new-3', 5, 0), [rs('old-1', 3), rs('old-2', 5)])), {})
  assert.deepEqual(named(nextOldSizes(d, rs('new-3', 10, 10), [rs('old-1', 1), rs('old-2', 1)])), {
    'old-1': 0,
    'old-2': 0,
  })
})

test('a deployment that is scaled during a rollout scales its replica sets in proportion', () => {
  const at = (max: number) => ({
    'deployment.kubernetes.io/desired-replicas': '10',
    'deployment.kubernetes.io/max-replicas': String(max),
  })
  // At most 10 + 3 pods before, and 30 + 3 after. This is the example of the upstream documentation.
  const d = deployment(30, 3, 2)
  const sizes = named(scaledSizes(d, rs('new-2', 5, 0, at(13)), [rs('old-1', 8, 8, at(13))]))
  assert.deepEqual(sizes, { 'old-1': 20, 'new-2': 13 })
  assert.deepEqual(named(scaledSizes(deployment(7), rs('new-1', 5), [])), { 'new-1': 7 })
  assert.deepEqual(named(scaledSizes(deployment(0), rs('new-2', 5, 5, at(13)), [rs('old-1', 8, 8, at(13))])), {
    'old-1': 0,
    'new-2': 0,
  })
})
