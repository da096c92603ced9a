// Which devices claims get, as tables of slices and claims.
import { strictEqual, throws } from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { AllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
import { DeviceTaintRule } from '../../kinds/resource/devicetaintrule.ts'
import { objectOf } from '../../kinds/testing.ts'
import { claimOf, classOf, type DeviceDraft, driver, request, type Setting, short, sliceOf } from './fixtures.ts'

const names = (count: number): DeviceDraft[] => Array.from({ length: count }, (_, i) => ({ name: `d${i}` }))
const slice = (...devices: DeviceDraft[]) => sliceOf('s', { devices })
const one = claimOf('c', { requests: [request('r')] })
const taken = (...devices: string[]): AllocationResult => ({
  devices: { results: devices.map(device => ({ request: 'r', driver, pool: 'p', device })) },
})
const table = (rows: readonly (readonly [what: string, setting: Setting, expected: string])[]) => {
  for (const [what, setting, expected] of rows) test(what, () => strictEqual(short(setting), expected))
}
const none = 'cannot allocate all claims'

suite('pools', () => {
  const part = (name: string, device: string, pool: object) => sliceOf(name, { devices: [{ name: device }], pool })
  table([
    ['the first device', { slices: [slice(...names(2))], claims: [one] }, 'r=d0'],
    ['none', { slices: [], claims: [one] }, none],
    ['one that is not in use', { slices: [slice(...names(2))], claims: [one], used: [taken('d0')] }, 'r=d1'],
    ['all in use', { slices: [slice(...names(2))], claims: [one], used: [taken('d0', 'd1')] }, none],
    ['of another node', { slices: [sliceOf('s', { nodeName: 'other', devices: names(1) })], claims: [one] }, none],
    ['of all nodes', { slices: [sliceOf('s', { allNodes: true, devices: names(1) })], claims: [one] }, 'r=d0'],
    ['a pool with a slice missing', { slices: [part('s', 'a', { resourceSliceCount: 2 })], claims: [one] }, none],
    [
      'slices of an old generation do not count',
      {
        slices: [part('old', 'a', { generation: 1 }), part('new', 'b', { generation: 2 })],
        claims: [one],
      },
      'r=b',
    ],
    [
      'two slices',
      {
        slices: [part('s2', 'b', { resourceSliceCount: 2 }), part('s1', 'a', { resourceSliceCount: 2 })],
        claims: [claimOf('c', { requests: [request('r', { count: 2 })] })],
      },
      'r=a r=b',
    ],
    [
      'two devices of one name',
      {
        slices: [part('s2', 'a', { resourceSliceCount: 2 }), part('s1', 'a', { resourceSliceCount: 2 })],
        claims: [one],
      },
      'invalid resource pools were encountered',
    ],
    [
      'devices for which a pod waits come last',
      {
        slices: [
          sliceOf('a', {
            devices: [{ name: 'slow', bindingConditions: ['x'], bindingFailureConditions: ['y'] }],
            pool: { name: 'a' },
          }),
          sliceOf('b', { devices: [{ name: 'plain' }], pool: { name: 'b' } }),
        ],
        claims: [one],
      },
      'r=plain',
    ],
    [
      'each device has its nodes',
      {
        slices: [
          sliceOf('s', {
            perDeviceNodeSelection: true,
            devices: [
              { name: 'far', nodeName: 'other' },
              { name: 'near', nodeName: 'n' },
            ],
          }),
        ],
        claims: [one],
      },
      'r=near',
    ],
  ])
})

suite('requests', () => {
  const fast = (name: string, isFast: boolean): DeviceDraft => ({ name, attributes: { fast: { bool: isFast } } })
  const selector = (expression: string) => ({ selectors: [{ cel: { expression } }] })
  const isFast = `device.attributes["${driver}"].fast`
  table([
    [
      'by a selector of the request',
      {
        slices: [slice(fast('a', false), fast('b', true))],
        claims: [claimOf('c', { requests: [request('r', selector(isFast))] })],
      },
      'r=b',
    ],
    [
      'by a selector of the class',
      {
        slices: [slice(fast('a', false), fast('b', true))],
        classes: [classOf('fast', selector(isFast))],
        claims: [claimOf('c', { requests: [request('r', { deviceClassName: 'fast' })] })],
      },
      'r=b',
    ],
    [
      'by capacity and version',
      {
        slices: [
          slice(
            { name: 'a', capacity: { memory: { value: '1Gi' } }, attributes: { v: { version: '2.0.0' } } },
            { name: 'b', capacity: { memory: { value: '8Gi' } }, attributes: { v: { version: '1.9.0' } } },
            { name: 'c', capacity: { memory: { value: '8Gi' } }, attributes: { v: { version: '2.1.0' } } },
          ),
        ],
        claims: [
          claimOf('c', {
            requests: [
              request(
                'r',
                selector(
                  `device.capacity["${driver}"].memory.compareTo(quantity("4Gi")) >= 0 && device.attributes["${driver}"].v.isGreaterThan(semver("2.0.0"))`,
                ),
              ),
            ],
          }),
        ],
      },
      'r=c',
    ],
    [
      'a domain that a device does not have is empty',
      {
        slices: [slice({ name: 'a' })],
        claims: [
          claimOf('c', {
            requests: [request('r', selector('!("x.com" in device.attributes) && !has(device.attributes["x.com"].y)'))],
          }),
        ],
      },
      'r=a',
    ],
    [
      'a choice is taken back for a later request',
      {
        slices: [slice(fast('a', true), fast('b', false))],
        claims: [claimOf('c', { requests: [request('any'), request('fast', selector(isFast))] })],
      },
      'any=b fast=a',
    ],
    [
      'and for a later claim',
      {
        slices: [slice(fast('a', true), fast('b', false))],
        claims: [one, claimOf('d', { requests: [request('fast', selector(isFast))] })],
      },
      'r=b | fast=a',
    ],
    [
      'all that match',
      {
        slices: [slice(fast('a', true), fast('b', false), fast('c', true))],
        claims: [claimOf('c', { requests: [request('r', { allocationMode: 'All', ...selector(isFast) })] })],
      },
      'r=a r=c',
    ],
    [
      'all, of which one is in use',
      {
        slices: [slice(...names(2))],
        used: [taken('d1')],
        claims: [claimOf('c', { requests: [request('r', { allocationMode: 'All' })] })],
      },
      none,
    ],
    [
      'all of nothing',
      { slices: [], claims: [claimOf('c', { requests: [request('r', { allocationMode: 'All' })] })] },
      none,
    ],
    [
      'all of a pool that is being replaced',
      {
        slices: [sliceOf('s', { devices: names(1), pool: { resourceSliceCount: 2 } })],
        claims: [claimOf('c', { requests: [request('r', { allocationMode: 'All' })] })],
      },
      'claim default/c, request r: asks for all devices, but resource pool d.example.com/p is currently being updated',
    ],
    [
      'the first alternative that is there',
      {
        slices: [slice(...names(2))],
        claims: [
          claimOf('c', {
            requests: [
              {
                name: 'r',
                firstAvailable: [
                  { name: 'many', deviceClassName: 'any', count: 3 },
                  { name: 'two', deviceClassName: 'any', count: 2 },
                ],
              },
            ],
          }),
        ],
      },
      'r/two=d0 r/two=d1',
    ],
    [
      'an alternative that leaves room for the next request',
      {
        slices: [slice(...names(2))],
        claims: [
          claimOf('c', {
            requests: [
              {
                name: 'r',
                firstAvailable: [
                  { name: 'two', deviceClassName: 'any', count: 2 },
                  { name: 'one', deviceClassName: 'any' },
                ],
              },
              request('s'),
            ],
          }),
        ],
      },
      'r/one=d0 s=d1',
    ],
    [
      'an alternative that stays within 32 devices',
      {
        slices: [slice(...names(40))],
        claims: [
          claimOf('c', {
            requests: [
              {
                name: 'r',
                firstAvailable: [
                  { name: 'most', deviceClassName: 'any', count: 32 },
                  { name: 'one', deviceClassName: 'any' },
                ],
              },
              request('s'),
            ],
          }),
        ],
      },
      'r/one=d0 s=d1',
    ],
    [
      'access for administration, although it is in use',
      {
        slices: [slice(...names(1))],
        used: [taken('d0')],
        claims: [claimOf('c', { requests: [request('r', { adminAccess: true })] })],
      },
      'r=d0',
    ],
    [
      'access for administration takes no device from others',
      {
        slices: [slice(...names(1))],
        claims: [claimOf('c', { requests: [request('r', { adminAccess: true })] }), one],
      },
      'r=d0 | r=d0',
    ],
  ])

  test('what fails on every node is an error', () => {
    const selected = (expression: string) => ({
      slices: [slice({ name: 'a' })],
      claims: [claimOf('c', { requests: [request('r', selector(expression))] })],
    })
    throws(
      () => short(selected(isFast)),
      /^Error: claim default\/c: selector #0: CEL runtime error: no such key: fast$/,
    )
    throws(
      () => short(selected('device.nothing')),
      /^Error: claim default\/c: selector #0: CEL compile error: compilation failed: /,
    )
    throws(() => short(selected('"text"')), /the result is not a boolean/)
    throws(
      () => short({ slices: [], claims: [claimOf('c', { requests: [request('r', { deviceClassName: 'x' })] })] }),
      /claim default\/c, request r: could not retrieve device class x/,
    )
    throws(
      () => short({ slices: [], claims: [claimOf('c', { requests: [request('r', { count: 33 })] })] }),
      /claim default\/c: number of requested devices 33 exceeds the claim limit of 32/,
    )
  })
})

suite('constraints', () => {
  const at = (name: string, numa: number): DeviceDraft => ({ name, attributes: { numa: { int: numa } } })
  const constrained = (constraint: object, count = 2) =>
    claimOf('c', { requests: [request('r', { count }), request('s')], constraints: [constraint] })
  const attribute = `${driver}/numa`
  table([
    [
      'the same value',
      {
        slices: [slice(at('a', 0), at('b', 1), at('c', 0), at('d', 1), at('e', 1))],
        claims: [constrained({ matchAttribute: attribute })],
      },
      'r=b r=d s=e',
    ],
    [
      'for some requests only',
      {
        slices: [slice(at('a', 0), at('b', 1), at('c', 1))],
        claims: [constrained({ matchAttribute: attribute, requests: ['r'] })],
      },
      'r=b r=c s=a',
    ],
    [
      'different values',
      {
        slices: [slice(at('a', 0), at('b', 0), at('c', 1), at('d', 2))],
        claims: [constrained({ distinctAttribute: attribute })],
      },
      'r=a r=c s=d',
    ],
    [
      'a device without the attribute',
      { slices: [slice(...names(3))], claims: [constrained({ matchAttribute: attribute })] },
      none,
    ],
    [
      'values of different types',
      {
        slices: [
          slice({ name: 'a', attributes: { numa: { int: 1 } } }, { name: 'b', attributes: { numa: { string: '1' } } }),
        ],
        claims: [
          claimOf('c', { requests: [request('r', { count: 2 })], constraints: [{ matchAttribute: attribute }] }),
        ],
      },
      none,
    ],
  ])
})

suite('taints', () => {
  const bad: DeviceDraft = { name: 'bad', taints: [{ key: 'broken', effect: 'NoSchedule' }] }
  const tolerating = (toleration: object) => claimOf('c', { requests: [request('r', { tolerations: [toleration] })] })
  const rule = (deviceSelector: object | undefined) =>
    objectOf(DeviceTaintRule, {
      metadata: { name: 'rule' },
      spec: { ...(deviceSelector && { deviceSelector }), taint: { key: 'x', effect: 'NoExecute' } },
    })
  table([
    ['keep a device', { slices: [slice(bad, { name: 'good' })], claims: [one] }, 'r=good'],
    ['are tolerated', { slices: [slice(bad)], claims: [tolerating({ key: 'broken', operator: 'Exists' })] }, 'r=bad'],
    ['all are tolerated', { slices: [slice(bad)], claims: [tolerating({ operator: 'Exists' })] }, 'r=bad'],
    [
      'of another effect',
      { slices: [slice(bad)], claims: [tolerating({ operator: 'Exists', effect: 'NoExecute' })] },
      none,
    ],
    [
      'of another value',
      { slices: [slice(bad)], claims: [tolerating({ key: 'broken', operator: 'Equal', value: 'x' })] },
      none,
    ],
    [
      'without an effect',
      { slices: [slice({ name: 'a', taints: [{ key: 'k', effect: 'None' }] })], claims: [one] },
      'r=a',
    ],
    ['of a rule', { slices: [slice(...names(2))], claims: [one], rules: [rule({ device: 'd0' })] }, 'r=d1'],
    ['of a rule for all', { slices: [slice(...names(2))], claims: [one], rules: [rule({})] }, none],
    ['of a rule for none', { slices: [slice(...names(2))], claims: [one], rules: [rule(undefined)] }, 'r=d0'],
  ])
})
