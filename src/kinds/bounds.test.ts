// Lists that Kubernetes limits: the longest that is accepted, and the first that is not.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { validateObject } from '../api/validate.ts'
import { kindCalled, objectOf } from './testing.ts'
import type { Kind } from '../api/kind.ts'

const times = <T>(count: number, of: (i: number) => T) => Array.from({ length: count }, (_, i) => of(i))
const spec = (more: object) => ({ spec: { driver: 'd', pool: { name: 'p', resourceSliceCount: 1 }, ...more } })
const devices = (count: number, more: object = {}) =>
  spec({ allNodes: true, devices: times(count, i => ({ name: `d${i}`, ...more })) })
const attributes = (count: number, of: object) => Object.fromEntries(times(count, i => [`a${i}`, of]))
const policy = (more: object) => ({
  spec: {
    failurePolicy: 'Fail',
    matchConstraints: {
      resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['pods'] }],
    },
    validations: [{ expression: 'true' }],
    ...more,
  },
})
const request = (i: number) => ({ name: `r${i}`, exactly: { deviceClassName: 'c' } })
const selector = { cel: { expression: 'true' } }
const ints = (count: number) => ({ ints: times(count, i => i) })
const taint = (i: number) => ({ key: `k${i}`, effect: 'None' })

interface Bound {
  kind: string
  of: (count: number) => object
  what: string
  most: number
  problem: string
}
const bound = (kind: string, most: number, what: string, problem: string, of: Bound['of']): Bound => ({
  kind,
  most,
  what,
  problem,
  of,
})

const bounds: Bound[] = [
  bound('ResourceSlice', 128, 'plain devices', 'spec.devices: Too many: 129: must have at most 128 items', n =>
    devices(n),
  ),
  bound('ResourceSlice', 64, 'devices with taints', 'spec.devices: Too many: 65: must have at most 64 items', n =>
    devices(n, { taints: [taint(0)] }),
  ),
  bound('ResourceSlice', 64, 'devices with lists', 'spec.devices: Too many: 65: must have at most 64 items', n =>
    devices(n, { attributes: { a: ints(2) } }),
  ),
  bound('ResourceSlice', 16, 'taints', 'spec.devices[0].taints: Too many: 17: must have at most 16 items', n =>
    devices(1, { taints: times(n, taint) }),
  ),
  bound(
    'ResourceSlice',
    32,
    'attributes',
    'spec.devices[0]: Invalid value: 33: the total number of attributes and capacities must not exceed 32',
    n => devices(1, { attributes: attributes(n, { bool: true }) }),
  ),
  bound(
    'ResourceSlice',
    48,
    'values',
    'spec.devices[0]: Invalid value: 49: the total number of attribute values must not exceed 48',
    n => devices(1, { attributes: { a: ints(n) } }),
  ),
  bound('ResourceSlice', 8, 'counter sets', 'spec.sharedCounters: Too many: 9: must have at most 8 items', n =>
    spec({ allNodes: true, sharedCounters: times(n, i => ({ name: `s${i}`, counters: { c: { value: '1' } } })) }),
  ),
  bound(
    'ResourceSlice',
    32,
    'counters of a set',
    'spec.sharedCounters[0].counters: Too many: 33: must have at most 32 items',
    n => spec({ allNodes: true, sharedCounters: [{ name: 's', counters: attributes(n, { value: '1' }) }] }),
  ),
  bound('ResourceClaim', 32, 'requests', 'spec.devices.requests: Too many: 33: must have at most 32 items', n => ({
    spec: { devices: { requests: times(n, request) } },
  })),
  bound('DeviceClass', 32, 'selectors', 'spec.selectors: Too many: 33: must have at most 32 items', n => ({
    spec: { selectors: times(n, () => selector) },
  })),
  bound(
    'ValidatingAdmissionPolicy',
    64,
    'conditions',
    'spec.matchConditions: Too many: 65: must have at most 64 items',
    n => policy({ matchConditions: times(n, i => ({ name: `c${i}`, expression: 'true' })) }),
  ),
]

for (const { kind: name, most, what, problem, of } of bounds)
  test(`a ${name} has at most ${most} ${what}`, () => {
    const kind: Kind = kindCalled(
      name === 'ValidatingAdmissionPolicy' ? `${name} admissionregistration.k8s.io/v1` : name,
    )
    const problems = (count: number) =>
      [...validateObject(kind, objectOf(kind, of(count)))].map(({ field, body }) => `${field}: ${body}`)
    deepStrictEqual([problems(most), problems(most + 1)], [[], [problem]])
  })
