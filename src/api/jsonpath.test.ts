// Paths to values, in the forms that columns of definitions have.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPath, readAll, readPath, writePath } from './jsonpath.ts'

const object = {
  metadata: { annotations: { 'a.example.com/b': 'x' }, labels: { one: 'two' } },
  spec: {
    replicas: 3,
    zones: [
      { name: 'a', main: true, size: 1 },
      { name: 'b', main: false, size: 2 },
      { name: 'c', size: 3, nested: { name: 'd' } },
    ],
  },
  status: {
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Other', status: 'False' },
    ],
  },
}

test('paths are read in all their forms', () => {
  const table: [path: string, ...values: unknown[]][] = [
    ['.spec.replicas', 3],
    ['.spec.missing.field'],
    ['.metadata.annotations.a\\.example\\.com/b', 'x'],
    [".metadata.annotations['a.example.com/b']", 'x'],
    ['.metadata["labels"].one', 'two'],
    [".spec['replicas','zones'][0].name", 'a'],
    ['.spec.zones[1].name', 'b'],
    ['.spec.zones[-1].name', 'c'],
    ['.spec.zones[7].name'],
    ['.spec.zones[0:2].name', 'a', 'b'],
    ['.spec.zones[1:].name', 'b', 'c'],
    ['.spec.zones[:-1].name', 'a', 'b'],
    ['.spec.zones[::2].name', 'a', 'c'],
    ['.spec.zones[0,2].name', 'a', 'c'],
    ['.spec.zones[*].name', 'a', 'b', 'c'],
    ['.metadata.labels.*', 'two'],
    ['.spec..name', 'a', 'b', 'c', 'd'],
    ['.status.conditions[?(@.type=="Ready")].status', 'True'],
    ['[?(@.replicas)].replicas', 3],
    [".status.conditions[?( @.type != 'Ready' )].status", 'False'],
    ['.spec.zones[?(@.main==true)].name', 'a'],
    ['.spec.zones[?(@.main)].name', 'a', 'b'],
    ['.spec.zones[?(@.size>=2)].name', 'b', 'c'],
    ['.spec.zones[?(@.size<1.5)].name', 'a'],
    ['.spec.zones[?(@.nested.name=="d")].name', 'c'],
    ['.spec.zones[?(@.name>"a")].size', 2, 3],
    ['.spec.zones[?(@.size=="1")].name'],
    ['.constructor'],
    ['.spec.replicas.name'],
  ]
  for (const [path, ...values] of table) assert.deepEqual(readAll(object, path), values, path)
  assert.equal(readPath(object, '.spec.zones[*].name'), 'a')
})

test('what is no path is found out', () => {
  for (const path of [
    '.spec[',
    '.spec[]',
    '.spec[a]',
    '.spec[?(@.a]',
    '.a[?(@.b==)]',
    ".a['b',1]",
    '.',
    'spec',
    '.a..',
  ])
    assert.equal(isPath(path), false, path)
  assert.throws(() => readAll(object, '.spec[a]'), { message: 'JSONPath ".spec[a]": cannot read "a]"' })
})

test('a value is written at a path of fields', () => {
  const target = { spec: { a: 1 } }
  writePath(target, '.spec.replicas', 2)
  writePath(target, '.status.replicas', 3)
  writePath(target, '.spec.__proto__.polluted', 1)
  assert.equal('polluted' in {}, false)
  assert.deepEqual(Object.keys(target.spec), ['a', 'replicas', '__proto__'])
  delete (target.spec as Record<string, unknown>)['__proto__']
  assert.deepEqual(target, { spec: { a: 1, replicas: 2 }, status: { replicas: 3 } })
})
