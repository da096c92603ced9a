// What the controllers of claims decide, as tables.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import { timeText } from '../../api/time.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { claimFinalizer } from '../../kinds/resource/claim-use.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import { objectOf, podOf } from '../../kinds/testing.ts'
import { type ClaimPlan, isGone, planClaim } from './plan.ts'
import { generateName } from './resourceclaim.ts'
import { evictionTime } from './taint-eviction.ts'

const now = '2026-01-01T00:00:00Z'
const consumer = (name: string) => ({ resource: 'pods', name, uid: `uid-${name}` })
const allocation = { devices: { results: [{ request: 'r', driver: 'd.example.com', pool: 'p', device: 'a' }] } }
const owner = { apiVersion: 'v1', kind: 'Pod', name: 'owner', uid: 'uid-owner', controller: true }
const claimOf = (status: Draft<ResourceClaim>['status'], metadata: object = {}) =>
  objectOf(ResourceClaim, { metadata: { name: 'c', ...metadata }, status: status! })
const held = (metadata: object = {}, ...users: string[]) =>
  claimOf({ allocation, reservedFor: users.map(consumer) }, { finalizers: [claimFinalizer], ...metadata })
const pod = (metadata: object, spec: object = { nodeName: 'n' }, status: object = {}): Pod =>
  podOf({ metadata: { name: 'owner', ...metadata }, spec, status })
const nothing: ClaimPlan = { status: undefined, unprotect: false, remove: false }
const free = { ...nothing, status: {}, unprotect: true }

const rows: [what: string, claim: ResourceClaim, valid: string[], owner: Pod | undefined, expected: ClaimPlan][] = [
  ['nothing to do', held({}, 'a'), ['a'], undefined, nothing],
  ['new', claimOf({}), [], undefined, nothing],
  [
    'one of two has gone',
    held({}, 'a', 'b'),
    ['b'],
    undefined,
    { ...nothing, status: { allocation, reservedFor: [consumer('b')] } },
  ],
  ['the last has gone', held({}, 'a'), [], undefined, free],
  ['allocated, and never used', held(), [], undefined, nothing],
  ['allocated, never used, and deleted', held({ deletionTimestamp: now }), [], undefined, free],
  ['deleted while it is used', held({ deletionTimestamp: now }, 'a'), ['a'], undefined, nothing],
  [
    'deleted without devices',
    claimOf({}, { finalizers: [claimFinalizer], deletionTimestamp: now }),
    [],
    undefined,
    { ...nothing, unprotect: true },
  ],
  ['its pod has a node', claimOf({}, { ownerReferences: [owner] }), [], pod({}), nothing],
  [
    'its pod has ended',
    claimOf({}, { ownerReferences: [owner] }),
    [],
    pod({}, {}, { phase: 'Failed' }),
    { ...nothing, remove: true },
  ],
  [
    'its pod was deleted before it had a node',
    claimOf({}, { ownerReferences: [owner] }),
    [],
    pod({ deletionTimestamp: now }, {}),
    { ...nothing, remove: true },
  ],
  [
    'its pod was deleted and still runs',
    held({ ownerReferences: [owner] }, 'owner'),
    ['owner'],
    pod({ deletionTimestamp: now }),
    nothing,
  ],
  [
    'its pod was replaced',
    claimOf({}, { ownerReferences: [owner] }),
    [],
    pod({ uid: 'x' }),
    { ...nothing, remove: true },
  ],
  ['its pod is not there', claimOf({}, { ownerReferences: [owner] }), [], undefined, nothing],
]
for (const [what, claim, valid, of, expected] of rows)
  test(`a claim: ${what}`, () => deepStrictEqual(planClaim(claim, valid.map(consumer), of), expected))

test('a consumer is gone with its pod, or when that has ended', () => {
  strictEqual(isGone(consumer('owner'), pod({})), false)
  strictEqual(isGone(consumer('owner'), undefined), true)
  strictEqual(isGone(consumer('owner'), pod({ uid: 'another' })), true)
  strictEqual(isGone(consumer('owner'), pod({}, {}, { phase: 'Succeeded' })), true)
  strictEqual(isGone(consumer('owner'), pod({ deletionTimestamp: now })), false)
  strictEqual(isGone(consumer('owner'), pod({ deletionTimestamp: now }, {})), true)
})

test('a long name is shortened in both of its parts', () => {
  strictEqual(generateName('web', 'gpu'), 'web-gpu-')
  const long = generateName('p'.repeat(60), 'c'.repeat(40))
  strictEqual(long, `${'p'.repeat(33)}-${'c'.repeat(22)}-`)
})

test('a pod is evicted when the first of its taints is not tolerated any more', () => {
  const at = Date.parse(now)
  const taint = (key: string, effect: 'NoExecute' | 'NoSchedule' = 'NoExecute') => ({
    key,
    effect,
    timeAdded: timeText(at),
  })
  const tolerates = (key: string, tolerationSeconds?: number) => ({
    key,
    operator: 'Exists' as const,
    ...(tolerationSeconds !== undefined && { tolerationSeconds }),
  })
  const time = (tolerations: ReturnType<typeof tolerates>[], ...taints: ReturnType<typeof taint>[]) => {
    const found = evictionTime({ tolerations }, taints)
    return found === undefined ? undefined : found - at
  }
  strictEqual(time([]), undefined)
  strictEqual(time([], taint('a', 'NoSchedule')), undefined)
  strictEqual(time([], taint('a')), 0)
  strictEqual(time([tolerates('a')], taint('a')), undefined)
  strictEqual(time([tolerates('a', 60)], taint('a')), 60_000)
  strictEqual(time([tolerates('a', 60), tolerates('a', 30)], taint('a')), 30_000)
  strictEqual(time([tolerates('a', -1)], taint('a')), 0)
  strictEqual(time([tolerates('a', 60), tolerates('b', 20)], taint('a'), taint('b')), 20_000)
})
