// The order of versions in discovery.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { compareVersions } from './version-order.ts'

// Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning
const ordered = ['v10', 'v2', 'v1', 'v11beta2', 'v10beta3', 'v3beta1', 'v12alpha1', 'v11alpha2', 'foo1', 'foo10']

test('stable versions come before beta and alpha ones, and all others after them', () => {
  const shuffled = fc.shuffledSubarray(ordered, { minLength: ordered.length })
  fc.assert(
    fc.property(shuffled, versions =>
      assert.deepEqual(
        [...versions].sort((a, b) => compareVersions(b, a)),
        ordered,
      ),
    ),
  )
})

test('names that look like versions but are none are ordered as names', () => {
  for (const name of ['v0', 'v01', 'v1beta0', 'v1gamma1', 'V1', 'v1.2'])
    assert.ok(compareVersions(name, 'v1alpha1') < 0, name)
})
