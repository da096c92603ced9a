// Which devices claims get, as tables of slices and claims.
import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { AllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
import { DeviceTaintRule } from '../../kinds/resource/devicetaintrule.ts'
import { objectOf } from '../../kinds/testing.ts'
import {
  claimOf,
  classOf,
  type DeviceDraft,
  driver,
  nodeNamed,
  request,
  type Setting,
  short,
  sliceOf,
  solve,
} from './fixtures.ts'

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

suite('counters', () => {
  const counters = sliceOf('counters', {
    sharedCounters: [{ name: 'gpu', counters: { memory: { value: '8Gi' } } }],
    pool: { resourceSliceCount: 2 },
  })
  const part = (name: string, value: string): DeviceDraft => ({
    name,
    consumesCounters: [{ counterSet: 'gpu', counters: { memory: { value } } }],
  })
  const parts = (...devices: DeviceDraft[]) => [
    counters,
    sliceOf('parts', { devices, pool: { resourceSliceCount: 2 } }),
  ]
  const two = claimOf('c', { requests: [request('r', { count: 2 })] })
  table([
    ['are shared', { slices: parts(part('a', '4Gi'), part('b', '4Gi')), claims: [two] }, 'r=a r=b'],
    ['are used up', { slices: parts(part('a', '6Gi'), part('b', '4Gi')), claims: [two] }, none],
    [
      'decide which devices go together',
      { slices: parts(part('a', '6Gi'), part('b', '4Gi'), part('c', '4Gi')), claims: [two] },
      'r=b r=c',
    ],
    [
      'are used by devices of other claims',
      { slices: parts(part('a', '6Gi'), part('b', '4Gi'), part('c', '2Gi')), claims: [one], used: [taken('a')] },
      'r=c',
    ],
    [
      'that there are not make a pool invalid',
      {
        slices: parts({ name: 'a', consumesCounters: [{ counterSet: 'other', counters: { x: { value: '1' } } }] }),
        claims: [one],
      },
      'invalid resource pools were encountered',
    ],
  ])
})

suite('capacity', () => {
  const shared = (requestPolicy?: object): DeviceDraft => ({
    name: 'a',
    allowMultipleAllocations: true,
    capacity: { memory: { value: '10Gi', ...(requestPolicy && { requestPolicy }) } },
  })
  const asks = (memory: string, name = 'c') =>
    claimOf(name, { requests: [request('r', { capacity: { requests: { memory } } })] })
  const consumed = (setting: Setting) => {
    const found = solve(setting)
    if (typeof found === 'string') return found
    return found.map(({ devices }) => devices.results![0]!.consumedCapacity?.memory).join(' ')
  }
  const share = (memory: string): AllocationResult => ({
    devices: {
      results: [{ request: 'r', driver, pool: 'p', device: 'a', shareID: 'x', consumedCapacity: { memory } }],
    },
  })
  const range = { default: '1Gi', validRange: { min: '1Gi', max: '6Gi', step: '2Gi' } }
  const rows: [what: string, setting: Setting, expected: string][] = [
    ['is shared', { slices: [slice(shared())], claims: [asks('4Gi'), asks('6Gi', 'd')] }, '4Gi 6Gi'],
    ['is used up', { slices: [slice(shared())], claims: [asks('4Gi'), asks('7Gi', 'd')] }, none],
    ['is used by others', { slices: [slice(shared())], claims: [asks('4Gi')], used: [share('7Gi')] }, none],
    ['is left by others', { slices: [slice(shared())], claims: [asks('3Gi')], used: [share('7Gi')] }, '3Gi'],
    ['all of it by default', { slices: [slice(shared())], claims: [one] }, '10Gi'],
    ['the default of a policy', { slices: [slice(shared(range))], claims: [one] }, '1Gi'],
    ['the least of a range', { slices: [slice(shared(range))], claims: [asks('1Mi')] }, '1Gi'],
    ['the next step of a range', { slices: [slice(shared(range))], claims: [asks('3500Mi')] }, '5Gi'],
    ['beyond a range', { slices: [slice(shared(range))], claims: [asks('6Gi')] }, none],
    [
      'the next valid value',
      { slices: [slice(shared({ default: '1Gi', validValues: ['1Gi', '4Gi'] }))], claims: [asks('2Gi')] },
      '4Gi',
    ],
    [
      'beyond all valid values',
      { slices: [slice(shared({ default: '1Gi', validValues: ['1Gi', '4Gi'] }))], claims: [asks('5Gi')] },
      none,
    ],
    [
      'that a device does not have',
      { slices: [slice({ name: 'a', allowMultipleAllocations: true })], claims: [asks('1Gi')] },
      none,
    ],
  ]
  for (const [what, setting, expected] of rows) test(what, () => strictEqual(consumed(setting), expected))

  test('a device that is not shared must be large enough, and gives all of it', () => {
    const plain = (name: string, value: string): DeviceDraft => ({ name, capacity: { memory: { value } } })
    strictEqual(short({ slices: [slice(plain('a', '1Gi'), plain('b', '4Gi'))], claims: [asks('2Gi')] }), 'r=b')
  })

  test('shares have names of their own', () => {
    const found = solve({ slices: [slice(shared())], claims: [asks('1Gi'), asks('1Gi', 'd')] })
    deepStrictEqual(
      (found as AllocationResult[]).map(({ devices }) => devices.results![0]!.shareID),
      ['share-1', 'share-2'],
    )
  })
})

suite('the allocation', () => {
  const settings = (value: string) => ({ opaque: { driver, parameters: { value } } })
  test('has the settings of classes and claim for the requests that were chosen', () => {
    const claim = claimOf('c', {
      requests: [
        request('a', { deviceClassName: 'set' }),
        {
          name: 'b',
          firstAvailable: [
            { name: 'x', deviceClassName: 'any', count: 9 },
            { name: 'y', deviceClassName: 'set' },
          ],
        },
      ],
      config: [
        settings('all'),
        { requests: ['b'], ...settings('b') },
        { requests: ['b/x'], ...settings('not chosen') },
        { requests: ['b/y'], ...settings('y') },
      ],
    })
    const found = solve({
      slices: [slice(...names(3))],
      classes: [classOf('set', { config: [settings('class')] })],
      claims: [claim],
    }) as AllocationResult[]
    deepStrictEqual(found[0]!.devices.config, [
      { source: 'FromClass', requests: ['a', 'b/y'], ...settings('class') },
      { source: 'FromClaim', ...settings('all') },
      { source: 'FromClaim', requests: ['b'], ...settings('b') },
      { source: 'FromClaim', requests: ['b/y'], ...settings('y') },
    ])
  })

  test('names the nodes that can reach all of its devices', () => {
    const selector = (key: string) => ({
      nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'Exists' as const }] }],
    })
    const two = claimOf('c', { requests: [request('r', { count: 2 })] })
    const far = (name: string, key: string) =>
      sliceOf(name, { nodeSelector: selector(key), devices: [{ name }], pool: { name } })
    const node = nodeNamed('n', { x: '', y: '' })
    const nodesOf = (setting: Setting) => (solve(setting) as AllocationResult[])[0]!.nodeSelector?.nodeSelectorTerms
    deepStrictEqual(nodesOf({ slices: [far('a', 'x'), far('b', 'y')], claims: [two], node }), [
      {
        matchExpressions: [
          { key: 'x', operator: 'Exists' },
          { key: 'y', operator: 'Exists' },
        ],
      },
    ])
    deepStrictEqual(nodesOf({ slices: [far('a', 'x'), slice({ name: 'b' })], claims: [two], node }), [
      { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] },
    ])
    const everywhere = sliceOf('s', { allNodes: true, devices: names(2) })
    strictEqual(nodesOf({ slices: [everywhere], claims: [two], node }), undefined)
    const pinned = sliceOf('s', { allNodes: true, devices: [{ name: 'a', bindsToNode: true }] })
    deepStrictEqual(nodesOf({ slices: [pinned], claims: [one], node }), [
      { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] },
    ])
  })
})

suite('the search ends', () => {
  const impossible = (name: string) =>
    request(name, { selectors: [{ cel: { expression: `device.driver == "nobody"` } }] })
  test('at once where devices are alike', () => {
    const budget = { left: 50_000 }
    const claim = claimOf('c', { requests: [request('many', { count: 31 }), impossible('r')] })
    strictEqual(short({ slices: [slice(...names(100))], claims: [claim], budget }), none)
    strictEqual(budget.left > 40_000, true, `${50_000 - budget.left} looks`)
  })

  test('without an answer where all are different', () => {
    const different = names(60).map((device, i) => ({ ...device, attributes: { i: { int: i } } }))
    const claim = claimOf('c', { requests: [request('many', { count: 20 }), impossible('r')] })
    const begin = performance.now()
    strictEqual(short({ slices: [slice(...different)], claims: [claim] }), 'timed out trying to allocate devices')
    strictEqual(performance.now() - begin < 5_000, true)
  })

  test('however many claims there are', () => {
    const claims = Array.from({ length: 2000 }, (_, i) => claimOf(`c${i}`, { requests: [request('r')] }))
    const shared: DeviceDraft = { name: 'a', allowMultipleAllocations: true }
    strictEqual(short({ slices: [slice(shared)], claims }), 'timed out trying to allocate devices')
  })
})
