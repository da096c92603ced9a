import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../../kinds/core/secret.ts'
import { planToken } from './legacy-tokens.ts'
import { objectOf } from '../../kinds/testing.ts'

const day = 24 * 3600_000
const now = Date.UTC(2026, 5, 1)
const secret = (labels: Record<string, string>) =>
  objectOf(Secret, { metadata: { name: 't', creationTimestamp: '2020-01-01T00:00:00Z', labels } })
const since = Date.UTC(2024, 0, 1)

const cases: [
  string,
  Record<string, string>,
  Partial<Parameters<typeof planToken>[1]>,
  ReturnType<typeof planToken>,
][] = [
  ['stays while a pod mounts it', {}, { used: true }, { do: 'wait', ms: day }],
  ['stays while uses are not tracked', {}, { trackedSince: undefined }, { do: 'wait', ms: day }],
  [
    'stays for a year after its last use',
    { 'kubernetes.io/legacy-token-last-used': '2026-01-01' },
    {},
    { do: 'wait', ms: day },
  ],
  ['is marked as invalid if it was not used since tracking began', {}, {}, { do: 'invalidate' }],
  ['stays while tracking has lasted less than a year', {}, { trackedSince: now - 10 * day }, { do: 'wait', ms: day }],
  [
    'stays for a year after it was marked',
    { 'kubernetes.io/legacy-token-invalid-since': '2026-05-01' },
    {},
    { do: 'wait', ms: day },
  ],
  [
    'is deleted a year after it was marked',
    { 'kubernetes.io/legacy-token-invalid-since': '2025-05-01' },
    {},
    { do: 'delete' },
  ],
]
for (const [name, labels, more, plan] of cases)
  test(`a legacy token ${name}`, () =>
    deepStrictEqual(planToken(secret(labels), { used: false, trackedSince: since, now, ...more }), plan))
