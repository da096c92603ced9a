// The conditions of a namespace that is being deleted, as a table.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planNamespaceConditions } from './namespace.ts'

const now = Date.UTC(2026, 0, 1)
const before = '2025-12-31T00:00:00Z'
type Remaining = Parameters<typeof planNamespaceConditions>[1]
const nothing: Remaining = { counts: new Map(), finalizers: new Map(), errors: [], unanswered: [] }
const good = [
  'NamespaceDeletionDiscoveryFailure False ResourcesDiscovered: All resources successfully discovered',
  'NamespaceDeletionGroupVersionParsingFailure False ParsedGroupVersions: All legacy kube types successfully parsed',
  'NamespaceDeletionContentFailure False ContentDeleted: All content successfully deleted, may be waiting on finalization',
  'NamespaceContentRemaining False ContentRemoved: All content successfully removed',
  'NamespaceFinalizersRemaining False ContentHasNoFinalizers: All content-preserving finalizers finished',
]

const cases: [string, Partial<Remaining>, [number, string][]][] = [
  ['nothing is in the way', {}, []],
  [
    'objects are left',
    {
      counts: new Map([
        ['pods.', 2],
        ['deployments.apps', 1],
      ]),
    },
    [
      [
        3,
        'NamespaceContentRemaining True SomeResourcesRemain: Some resources are remaining: deployments.apps has 1 resource instances, pods. has 2 resource instances',
      ],
    ],
  ],
  [
    'finalizers keep objects',
    {
      finalizers: new Map([
        ['b/x', 1],
        ['a/x', 3],
      ]),
    },
    [
      [
        4,
        'NamespaceFinalizersRemaining True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: a/x in 3 resource instances, b/x in 1 resource instances',
      ],
    ],
  ],
  [
    'deletions fail',
    { errors: ['configmaps a: no', 'secrets b: no'] },
    [
      [
        2,
        'NamespaceDeletionContentFailure True ContentDeletionFailed: Failed to delete all resource types, 2 remaining: configmaps a: no, secrets b: no',
      ],
    ],
  ],
  [
    'a server does not answer',
    { unanswered: ['a.example/v1'] },
    [
      [
        0,
        'NamespaceDeletionDiscoveryFailure True DiscoveryFailed: Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: a.example/v1: stale GroupVersion discovery: a.example/v1',
      ],
    ],
  ],
]

for (const [what, remaining, changes] of cases)
  test(`conditions while ${what}`, () => {
    const expected = [...good]
    for (const [i, text] of changes) expected[i] = text
    assert.deepEqual(
      planNamespaceConditions(undefined, { ...nothing, ...remaining }, now).map(
        ({ type, status, reason, message }) => `${type} ${status} ${reason}: ${message}`,
      ),
      expected,
    )
  })

test('the time of a condition is that of its last change, and the conditions of others stay', () => {
  const old = [
    { type: 'Mine', status: 'True', lastTransitionTime: before },
    { type: 'NamespaceContentRemaining', status: 'True', lastTransitionTime: before, reason: 'SomeResourcesRemain' },
    { type: 'NamespaceFinalizersRemaining', status: 'True', lastTransitionTime: before },
  ]
  const plan = planNamespaceConditions(old, { ...nothing, counts: new Map([['pods.', 1]]) }, now)
  const timeOf = (type: string) => plan.filter(c => c.type === type).map(c => c.lastTransitionTime)
  assert.deepEqual(plan[0], old[0])
  assert.equal(plan.length, 6)
  assert.deepEqual(timeOf('NamespaceContentRemaining'), [before])
  assert.deepEqual(timeOf('NamespaceFinalizersRemaining'), ['2026-01-01T00:00:00Z'])
})
