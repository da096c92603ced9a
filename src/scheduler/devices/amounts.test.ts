// What devices share: counters of a pool and the capacity of a device. What an allocation says, and that a search ends.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { AllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
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
