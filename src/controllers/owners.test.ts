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
  ['an owned object that matches is kept', owned('me'), me, true, 'keep'],
  ['an owned object that does not match any more is released', owned('me'), me, false, 'release'],
  ['an owner in deletion releases nothing', owned('me'), object('me', deleting), false, 'ignore'],
  ['the object of another owner is left alone', owned('other'), me, true, 'ignore'],
  ['an orphan that matches is adopted', object('o'), me, true, 'adopt'],
  ['an orphan that does not match is left alone', object('o'), me, false, 'ignore'],
  ['an owner in deletion adopts nothing', object('o'), object('me', deleting), true, 'ignore'],
  ['an orphan in deletion is not adopted', object('o', deleting), me, true, 'ignore'],
]
for (const [what, target, owner, fits, expected] of table)
  test(what, () => assert.equal(planClaim(target, owner, fits), expected))
