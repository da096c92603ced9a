import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '../../kinds/apps/deployment.ts'
import type { JsonObject } from '../schema/node.ts'
import { apply } from './apply.ts'
import { typeProblems } from './typed.ts'
import { managedAfterUpdate, type Manager } from './managed.ts'

const manager = (name: string): Manager => ({
  manager: name,
  operation: 'Apply',
  apiVersion: 'apps/v1',
  subresource: '',
})
const now = '2026-01-01T00:00:00Z'

function applied(live: JsonObject, wanted: JsonObject, by: string, force = false): JsonObject {
  const { object, managedFields } = apply(Deployment.schema, live, wanted, {
    manager: manager(by),
    force,
    now,
    ownable: set => set,
  })
  return { ...object, metadata: { ...(object.metadata as JsonObject), managedFields: managedFields as never } }
}

const containers = (...list: object[]): JsonObject =>
  ({ spec: { template: { spec: { containers: list } } } }) as unknown as JsonObject
const listOf = (object: JsonObject) =>
  (object as unknown as { spec: { template: { spec: { containers: { name: string }[] } } } }).spec.template.spec
    .containers

test('fields that a manager no longer applies are removed, unless others own them', () => {
  let live: JsonObject = applied({ metadata: {} }, { metadata: { labels: { a: '1', b: '1' } } }, 'one')
  live = applied(live, { metadata: { labels: { c: '1' } } }, 'two')
  live = applied(live, { metadata: { labels: { a: '1' } } }, 'one')
  assert.deepEqual((live.metadata as JsonObject).labels, { a: '1', c: '1' })
})

test('a field without an owner is removed together with the defaults in it', () => {
  const wanted = (probe: object) => containers({ name: 'a', image: '1', ...probe })
  const live = applied({ metadata: { name: 'x' } }, wanted({ livenessProbe: { tcpSocket: { port: 80 } } }), 'one')
  const [container] = listOf(live) as { livenessProbe?: object; name: string }[]
  Object.assign(container!.livenessProbe!, { timeoutSeconds: 1 })
  const left = applied(live, wanted({}), 'one')
  assert.deepEqual(listOf(left), [{ name: 'a', image: '1' }])
  assert.equal((left.metadata as JsonObject).name, 'x')
})

test('another value for a field of another manager is a conflict, unless it is forced', () => {
  const live = applied({ metadata: {} }, { spec: { replicas: 1 } }, 'one')
  assert.throws(() => applied(live, { spec: { replicas: 2 } }, 'two'), {
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "one": .spec.replicas',
  })
  // The same value may have two owners.
  assert.doesNotThrow(() => applied(live, { spec: { replicas: 1 } }, 'two'))
  const forced = applied(live, { spec: { replicas: 2 } }, 'two', true)
  assert.deepEqual(
    (forced.metadata as { managedFields: { manager: string }[] }).managedFields.map(m => m.manager),
    ['two'],
  )
})

test('elements of lists are owned by key', () => {
  let live = applied({ metadata: {} }, containers({ name: 'a', image: '1' }), 'one')
  live = applied(live, containers({ name: 'b', image: '1' }), 'two')
  assert.deepEqual(
    listOf(live).map(c => c.name),
    ['a', 'b'],
  )
  live = applied(live, containers(), 'one')
  assert.deepEqual(
    listOf(live).map(c => c.name),
    ['b'],
  )
})

test('an update takes over the fields that it changes', () => {
  const before = applied(
    { metadata: { name: 'x' } },
    { metadata: { labels: { a: '1' } }, spec: { replicas: 1 } },
    'one',
  )
  const entries = (before.metadata as unknown as { managedFields: never[] }).managedFields
  const after = { ...before, spec: { replicas: 5 } }
  const managed = managedAfterUpdate(Deployment.schema, before, after, {
    sent: undefined,
    live: entries,
    manager: { ...manager('kubectl-scale'), operation: 'Update' },
    now,
    ownable: set => set,
    isNew: false,
  })
  assert.deepEqual(
    managed.map(m => [m.manager, m.operation, m.fieldsV1]),
    [
      ['one', 'Apply', { 'f:metadata': { 'f:labels': { 'f:a': {} } } }],
      ['kubectl-scale', 'Update', { 'f:spec': { 'f:replicas': {} } }],
    ],
  )
})

test('an applied object must fit its schema', () => {
  const table: [wanted: object, problem: string][] = [
    [
      { spec: { replicas: '1' } },
      '.spec.replicas: expected numeric (int or float), got &value.valueUnstructured{Value:"1"}',
    ],
    [{ nope: 1, spec: { paused: 'x' } }, '.nope: field not declared in schema'],
    [{ metadata: { labels: 'x' } }, '.metadata.labels: expected map, got &value.valueUnstructured{Value:"x"}'],
    [containers({ name: 'x' }, { name: 'x' }), '.spec.template.spec.containers: duplicate entries for key [name="x"]'],
    [
      containers({ name: 'x', imag: 'y' }),
      '.spec.template.spec.containers[name="x"].imag: field not declared in schema',
    ],
  ]
  for (const [wanted, problem] of table) assert.equal(typeProblems(Deployment.schema, wanted as JsonObject)[0], problem)
})

test('applied elements of a list have the applied order, and other elements keep their places', () => {
  const names = (live: string[], wanted: string[]) => {
    const of = (list: string[]) => containers(...list.map(name => ({ name })))
    const { object } = apply(Deployment.schema, of(live), of(wanted), {
      manager: manager('one'),
      force: true,
      now,
      ownable: set => set,
    })
    return listOf(object).map(c => c.name)
  }
  assert.deepEqual(names(['a', 'b', 'c'], ['c', 'a']), ['b', 'c', 'a'])
  assert.deepEqual(names(['a', 'b'], ['x', 'b']), ['a', 'x', 'b'])
  assert.deepEqual(names(['a', 'b'], ['x']), ['a', 'b', 'x'])
})

test('an apply that changes nothing records no time, even if it adds an owner', () => {
  const live = applied({ metadata: {} }, { metadata: { labels: { a: '1' } } }, 'one')
  const entries = (applied(live, { metadata: { labels: { a: '1' } } }, 'two').metadata as JsonObject).managedFields
  assert.deepEqual(
    (entries as unknown as { manager: string; time?: string }[]).map(e => [e.manager, e.time]),
    [
      ['two', undefined],
      ['one', now],
    ],
  )
})
