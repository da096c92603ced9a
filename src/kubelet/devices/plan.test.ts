// Which devices a container gets, as tables.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podOf } from '../../kinds/testing.ts'
import { complete, needsOf, planChoice } from './plan.ts'

const gpu = 'example.com/gpu'
const limits = (count: number, resource = gpu) => ({ resources: { limits: { [resource]: String(count) } } })
const container = (name: string, count: number, more: object = {}) => ({ name, image: 'i', ...limits(count), ...more })
const needs = (spec: object) => needsOf(podOf({ spec: { containers: [], ...spec } }), name => name === gpu)

test('a pod needs what its limits say of resources that plugins have', () => {
  const table: [what: string, spec: object, needed: string[]][] = [
    ['nothing', { containers: [{ name: 'a', image: 'i' }] }, []],
    ['one container', { containers: [container('a', 2)] }, ['a 2']],
    ['none of it', { containers: [container('a', 0)] }, []],
    ['a resource without a plugin', { containers: [{ name: 'a', image: 'i', ...limits(1, 'example.com/other') }] }, []],
    [
      'all containers, init containers first',
      {
        containers: [container('a', 2), container('b', 1)],
        initContainers: [container('c', 3), container('d', 1, { restartPolicy: 'Always' })],
      },
      ['c 3 passing', 'd 1', 'a 2', 'b 1'],
    ],
  ]
  for (const [what, spec, needed] of table)
    assert.deepEqual(
      needs(spec).map(need => `${need.container} ${need.count}${need.isPassing ? ' passing' : ''}`),
      needed,
      what,
    )
})

interface Case {
  healthy?: string[] | undefined
  inUse?: string[]
  /** Ids by container. */
  held?: Record<string, string[]>
}

/** The choice for a container of a pod with two init containers, a sidecar and a container. */
function choose(name: string, { healthy, inUse = [], held = {} }: Case) {
  const all = needs({
    containers: [container('main', 2), container('more', 1)],
    initContainers: [container('one', 2), container('side', 1, { restartPolicy: 'Always' }), container('two', 1)],
  })
  const holdings = Object.entries(held).map(([of, ids]) => ({ container: of, resource: gpu, ids }))
  const used = new Set([...inUse, ...Object.values(held).flat()])
  return planChoice('u', all.find(need => need.container === name)!, all, {
    healthy: healthy && new Set(healthy),
    inUse: used,
    holdings,
  })
}

test('a device is healthy, free, and left by an earlier container if possible', () => {
  const abcd = ['a', 'b', 'c', 'd']
  const refused = (why: string) => ({ is: 'refused', why })
  const open = (reused: string[], available: string[]) => ({ is: 'open', reused, available })
  const table: [what: string, name: string, state: Case, choice: object][] = [
    ['all are free', 'main', { healthy: abcd }, open([], abcd)],
    ['some are used', 'main', { healthy: abcd, inUse: ['a'] }, open([], ['b', 'c', 'd'])],
    [
      'too many are used',
      'main',
      { healthy: abcd, inUse: ['a', 'b', 'c'] },
      refused(`requested number of devices unavailable for ${gpu}. Requested: 2, Available: 1`),
    ],
    ['no plugin', 'main', {}, refused(`cannot allocate unregistered device ${gpu}`)],
    [
      'none is healthy',
      'main',
      { healthy: [] },
      refused(`no healthy devices present; cannot allocate unhealthy devices ${gpu}`),
    ],
    ['it has them', 'main', { healthy: abcd, held: { main: ['a', 'b'] } }, { is: 'held' }],
    [
      'it has them, and one is not healthy any more',
      'main',
      { healthy: ['a'], held: { main: ['a', 'b'] } },
      refused(`previously allocated devices are no longer healthy; cannot allocate unhealthy devices ${gpu}`),
    ],
    [
      'it has others than it asks for',
      'main',
      { healthy: abcd, held: { main: ['a'] } },
      refused(`pod "u" container "main" changed request for resource "${gpu}" from 1 to 2`),
    ],
    [
      'an init container left enough',
      'main',
      { healthy: abcd, held: { one: ['c', 'd'] } },
      { is: 'chosen', ids: ['c', 'd'] },
    ],
    [
      'a sidecar goes on with one',
      'main',
      { healthy: abcd, held: { one: ['c', 'd'], side: ['c'] } },
      open(['d'], ['a', 'b']),
    ],
    [
      'a container before has all of them',
      'more',
      { healthy: abcd, held: { one: ['c', 'd'], main: ['c', 'd'] } },
      open([], ['a', 'b']),
    ],
    [
      'one that was left is not healthy',
      'main',
      { healthy: ['a', 'c'], held: { one: ['c', 'd'] } },
      open(['c'], ['a']),
    ],
    [
      'an init container uses it again',
      'two',
      { healthy: abcd, held: { one: ['c', 'd'], side: ['c'] } },
      { is: 'chosen', ids: ['d'] },
    ],
    // What a later container has is not left to an earlier one.
    ['a later container has some', 'side', { healthy: ['a', 'b'], held: { two: ['b'] } }, open([], ['a'])],
  ]
  for (const [what, name, state, choice] of table) assert.deepEqual(choose(name, state), choice, what)
})

test('a plugin may prefer devices that are available, and nothing else', () => {
  const open = { is: 'open', reused: ['r'], available: ['a', 'b', 'c'] } as const
  const table: [preferred: string[], ids: string[]][] = [
    [[], ['r', 'a', 'b']],
    [['c'], ['r', 'c', 'a']],
    [
      ['c', 'b', 'a'],
      ['r', 'c', 'b'],
    ],
    [
      ['of another pod', 'c', 'c'],
      ['r', 'c', 'a'],
    ],
  ]
  for (const [preferred, ids] of table) assert.deepEqual(complete(open, 3, preferred), ids)
})
