import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '../../kinds/apps/deployment.ts'
import type { Json, JsonObject } from '../schema/node.ts'
import { jsonPatch } from './json.ts'
import { mergePatch } from './merge.ts'
import { strategicPatch } from './strategic.ts'

test('a merge patch gives the results of RFC 7396, appendix A', () => {
  const table: [Json, Json, Json][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  for (const [target, patch, expected] of table) assert.deepEqual(mergePatch(target, patch), expected)
})

test('a JSON patch is applied, or refused with a reason', () => {
  const target = { a: [1, 2], b: { 'x/y': 1 } }
  assert.deepEqual(
    jsonPatch(target, [
      { op: 'add', path: '/a/-', value: 3 },
      { op: 'remove', path: '/b/x~1y' },
    ]),
    { a: [1, 2, 3], b: {} },
  )
  assert.deepEqual(target, { a: [1, 2], b: { 'x/y': 1 } })
  assert.throws(() => jsonPatch(target, [{ op: 'test', path: '/a/0', value: 9 }]), { reason: 'Invalid' })
  assert.throws(() => jsonPatch(target, [{ op: 'remove', path: '/nothing' }]), { reason: 'Invalid' })
  assert.throws(() => jsonPatch(target, { op: 'add' }), { reason: 'BadRequest' })
})

const container = (name: string, image: string, more: object = {}) => ({ name, image, ...more })
const withContainers = (containers: object[], more: object = {}): JsonObject =>
  ({ spec: { template: { spec: { containers, ...more } } } }) as unknown as JsonObject
const containersAfter = (target: JsonObject, patch: JsonObject) =>
  (strategicPatch(Deployment.schema, target, patch) as { spec: { template: { spec: { containers: object[] } } } }).spec
    .template.spec.containers

test('a strategic merge patch merges lists by their key', () => {
  const target = withContainers([container('a', '1', { env: [{ name: 'X', value: '1' }] }), container('b', '1')])
  assert.deepEqual(containersAfter(target, withContainers([{ name: 'b', image: '2' }, container('c', '1')])), [
    container('a', '1', { env: [{ name: 'X', value: '1' }] }),
    container('b', '2'),
    container('c', '1'),
  ])
  assert.deepEqual(
    containersAfter(
      target,
      withContainers([
        {
          name: 'a',
          env: [
            { name: 'X', $patch: 'delete' },
            { name: 'Y', value: '2' },
          ],
        },
      ]),
    )[0],
    container('a', '1', { env: [{ name: 'Y', value: '2' }] }),
  )
  // A node has an address of each family, and both have the same type.
  assert.deepEqual(
    containersAfter(target, withContainers([container('z', '1'), container('z', '2'), { $patch: 'replace' }])),
    [container('z', '1'), container('z', '2')],
  )
  assert.deepEqual(containersAfter(target, withContainers([container('z', '1'), { $patch: 'replace' }])), [
    container('z', '1'),
  ])
})

test('a strategic merge patch has directives for order, retained keys and deletions', () => {
  const target = withContainers([container('a', '1'), container('b', '1')])
  const order = withContainers([], { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] })
  delete (order as { spec: { template: { spec: { containers?: unknown } } } }).spec.template.spec.containers
  assert.deepEqual(containersAfter(target, order), [container('b', '1'), container('a', '1')])
  const strategy = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } }
  assert.deepEqual(
    strategicPatch(Deployment.schema, strategy, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }),
    { spec: { strategy: { type: 'Recreate' } } },
  )
  const finalizers = { metadata: { finalizers: ['a', 'b'] } }
  assert.deepEqual(
    strategicPatch(Deployment.schema, finalizers, {
      metadata: { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['c'] },
    }),
    { metadata: { finalizers: ['c', 'b'] } },
  )
  assert.deepEqual(
    strategicPatch(Deployment.schema, { metadata: { labels: { a: '1' } } }, { metadata: { labels: null } }),
    { metadata: {} },
  )
})

test('a JSON patch differs from the RFC where the API server does', () => {
  const target = { a: { b: '1' }, l: ['x', 'y'] }
  const table: [operation: object, result: Json][] = [
    [
      { op: 'copy', from: '/a/none', path: '/a/c' },
      { a: { b: '1', c: null }, l: ['x', 'y'] },
    ],
    [
      { op: 'add', path: '/a/c' },
      { a: { b: '1', c: null }, l: ['x', 'y'] },
    ],
    [
      { op: 'add', path: '/l/-1', value: 'z' },
      { a: { b: '1' }, l: ['x', 'y', 'z'] },
    ],
    [{ op: 'test', path: '/a/none', value: null }, target],
    [
      { op: 'move', from: '/l/0', path: '/l/-' },
      { a: { b: '1' }, l: ['y', 'x'] },
    ],
  ]
  for (const [operation, result] of table) assert.deepEqual(jsonPatch(target, [operation]), result)
  for (const operation of [
    { op: 'add', path: '', value: {} },
    { op: 'add', path: 'a', value: 1 },
    { op: 'add', path: '/l/9', value: 1 },
    { op: 'move', from: '/none', path: '/a/c' },
    { op: 'remove', path: '/l/2' },
    { op: 'nope', path: '/a' },
    { op: 'add' },
  ])
    assert.throws(() => jsonPatch(target, [operation]), { reason: 'Invalid' }, JSON.stringify(operation))
})

test('copies of a JSON patch are limited in size', () => {
  const ladder = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/data', path: `/data/k${i}` }))
  assert.throws(() => jsonPatch({ data: { a: 'some text' } }, ladder), { reason: 'RequestEntityTooLarge', code: 413 })
})

test('elements that only a strategic merge patch has come before those that only the object has', () => {
  const names = (live: string[], patch: object[]) =>
    containersAfter(withContainers(live.map(name => container(name, '1'))), withContainers(patch)).map(
      c => (c as { name: string }).name,
    )
  assert.deepEqual(names(['a', 'b'], [{ name: 'c' }]), ['c', 'a', 'b'])
  assert.deepEqual(names(['a', 'b', 'c'], [{ name: 'd' }, { name: 'b' }]), ['d', 'a', 'b', 'c'])
  assert.deepEqual(names(['a', 'b'], [{ name: 'b' }, { name: 'c' }]), ['a', 'b', 'c'])
})

test('unknown directives of a strategic merge patch are refused', () => {
  const target = withContainers([container('a', '1')])
  const table: [patch: object[] | object, message: RegExp][] = [
    [[{ name: 'a', $patch: 'bad' }], /^unknown patch type: bad in map: map\[\$patch:bad name:a\]$/],
    [[{ image: 'x' }], /^map: map\[image:x\] does not contain declared merge key: name$/],
    [[{ name: 'a', $patch: 'merge' }], /^merging lists cannot yet be specified in the patch$/],
    [['x'], /^list element types are not identical: /],
  ]
  for (const [patch, message] of table)
    assert.throws(() => containersAfter(target, withContainers(patch as object[])), { message, code: 500 })
})
