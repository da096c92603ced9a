import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/kind.ts'
import { type Claim, planClaim } from './owners.ts'

const object = (uid: string, more: Partial<KubeObject['metadata']> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'X',
  metadata: { uid, ...more },
})
const owned = (by: string) =>
  object('o', { ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: by, uid: by, controller: true }] })
const deleting = { deletionTimestamp: '2026-01-01T00:00:00Z' }
const me = object('me')

const table: [string, KubeObject, KubeObject, boolean, Claim][] = [
  ['mine and fits', owned('me'), me, true, 'keep'],
  ['mine and fits no longer', owned('me'), me, false, 'release'],
  ['mine, fits no longer, and I am going', owned('me'), object('me', deleting), false, 'ignore'],
  ['another’s', owned('other'), me, true, 'ignore'],
  ['nobody’s and fits', object('o'), me, true, 'adopt'],
  ['nobody’s and does not fit', object('o'), me, false, 'ignore'],
  ['nobody’s, fits, and I am going', object('o'), object('me', deleting), true, 'ignore'],
  ['nobody’s, fits, and it is going', object('o', deleting), me, true, 'ignore'],
]
for (const [what, target, owner, fits, expected] of table)
  test(what, () => assert.equal(planClaim(target, owner, fits), expected))
