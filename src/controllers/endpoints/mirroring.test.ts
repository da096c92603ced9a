// From Endpoints that a user wrote to slices, as a table.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import { Endpoints } from '../../kinds/core/endpoints.ts'
import { objectOf } from '../../kinds/testing.ts'
import { mirroredMetadata, planMirror } from './mirroring.ts'

type Subsets = NonNullable<Draft<Endpoints>['subsets']>
const plan = (subsets: Subsets) => planMirror(objectOf(Endpoints, { metadata: { name: 'db' }, subsets }))
const addresses = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({
    ip: `10.1.${Math.floor((from + i) / 250)}.${((from + i) % 250) + 1}`,
  }))

/** A group as text: family, ports and addresses, of which those that are not ready have a minus. */
const texts = (subsets: Subsets) =>
  plan(subsets).groups.map(({ addressType, ports, endpoints }) =>
    [
      addressType,
      ports.map(({ name, port, protocol, appProtocol }) => [name, port, protocol, appProtocol].join('/')).join(),
      ...endpoints.map(({ addresses: [ip] = [], conditions }) => (conditions?.ready ? ip : `-${ip}`)),
    ].join(' '),
  )

const port = 5432
const cases: [string, Subsets, string[]][] = [
  ['nothing has no slices', [], []],
  ['a subset without addresses has no slices', [{ ports: [{ port }] }], []],
  ['a subset without ports is mirrored', [{ addresses: [{ ip: '10.0.0.1' }] }], ['IPv4  10.0.0.1']],
  [
    'what is not ready is mirrored as not ready',
    [{ addresses: [{ ip: '10.0.0.1' }], notReadyAddresses: [{ ip: '10.0.0.2' }], ports: [{ port }] }],
    ['IPv4 /5432/TCP/ 10.0.0.1 -10.0.0.2'],
  ],
  [
    'both families have slices',
    [{ addresses: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }, { ip: '10.0.0.2' }], ports: [{ port }] }],
    ['IPv4 /5432/TCP/ 10.0.0.1 10.0.0.2', 'IPv6 /5432/TCP/ fd00::1'],
  ],
  [
    'subsets with the same ports share a slice, others do not',
    [
      { addresses: [{ ip: '10.0.0.1' }], ports: [{ port, name: 'a' }] },
      { addresses: [{ ip: '10.0.0.2' }], ports: [{ port, name: 'b' }] },
      { addresses: [{ ip: '10.0.0.3' }], ports: [{ port, name: 'a', protocol: 'TCP' }] },
      { addresses: [{ ip: '10.0.0.4' }], ports: [{ port, name: 'a', appProtocol: 'http' }] },
      { addresses: [{ ip: '10.0.0.5' }], ports: [{ port, name: 'a', protocol: 'UDP' }] },
    ],
    [
      'IPv4 a/5432/TCP/ 10.0.0.1 10.0.0.3',
      'IPv4 b/5432/TCP/ 10.0.0.2',
      'IPv4 a/5432/TCP/http 10.0.0.4',
      'IPv4 a/5432/UDP/ 10.0.0.5',
    ],
  ],
  [
    'an address that is in two subsets is in the slice once',
    [
      { addresses: [{ ip: '10.0.0.1' }], ports: [{ port }] },
      { addresses: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }], ports: [{ port }] },
    ],
    ['IPv4 /5432/TCP/ 10.0.0.1 10.0.0.2'],
  ],
  [
    'one address of two hosts is in the slice twice',
    [
      {
        addresses: [
          { ip: '10.0.0.1', hostname: 'a' },
          { ip: '10.0.0.1', hostname: 'b' },
        ],
        ports: [{ port }],
      },
    ],
    ['IPv4 /5432/TCP/ 10.0.0.1 10.0.0.1'],
  ],
]
for (const [what, subsets, expected] of cases) test(what, () => assert.deepEqual(texts(subsets), expected))

test('an endpoint keeps its host name, node and target', () => {
  const targetRef = { kind: 'Pod', namespace: 'default', name: 'db-0', uid: 'u' }
  const given = { ip: '10.0.0.1', hostname: 'db-0', nodeName: 'n1', targetRef }
  assert.deepEqual(plan([{ addresses: [given] }]).groups[0]!.endpoints, [
    { addresses: ['10.0.0.1'], conditions: { ready: true }, hostname: 'db-0', nodeName: 'n1', targetRef },
  ])
})

for (const [what, subsets, expected] of [
  ['a thousand addresses are mirrored', [{ addresses: addresses(0, 1000) }], [1000, 0]],
  ['the next one is skipped', [{ addresses: addresses(0, 1001) }], [1000, 1]],
  [
    'addresses that are not ready are skipped first',
    [{ addresses: addresses(0, 1000), notReadyAddresses: addresses(1000, 1002) }],
    [1000, 2],
  ],
  [
    'each subset with other ports has its own thousand',
    [{ addresses: addresses(0, 1000) }, { addresses: addresses(0, 1000), ports: [{ port }] }],
    [2000, 0],
  ],
  [
    'a slice of two subsets has a thousand, which is all that it may have',
    [{ addresses: addresses(0, 600) }, { addresses: addresses(600, 1200) }],
    [1000, 0],
  ],
] as const)
  test(`limits: ${what}`, () => {
    const { groups, skipped } = plan(subsets as Subsets)
    assert.deepEqual([groups.reduce((sum, group) => sum + group.endpoints.length, 0), skipped], expected)
  })

test('addresses that are none are counted and left out', () => {
  const subsets = [{ addresses: [{ ip: 'db.example.com' }, { ip: '10.0.0.1' }, { ip: '10.0.0.256' }] }]
  const { groups, invalid } = plan(subsets)
  assert.deepEqual([groups[0]!.endpoints.map(e => e.addresses), invalid], [[['10.0.0.1']], 2])
})

test('slices have the labels and annotations of the Endpoints, without those that are for the Endpoints alone', () => {
  const metadata = {
    name: 'db',
    labels: { team: 'a', 'kubernetes.io/service-name': 'other' },
    annotations: {
      note: 'x',
      'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
    },
  }
  assert.deepEqual(mirroredMetadata({ metadata }), {
    labels: {
      team: 'a',
      'kubernetes.io/service-name': 'db',
      'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
    },
    annotations: { note: 'x' },
  })
})
