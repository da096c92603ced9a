import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { bytesOf, Layout, sparesOf, textOf } from './layout.ts'

const none = { first: 0, end: 0 }

const key = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.string({ unit: fc.constantFrom('a', '퟿', '', '￿', '😀', '\u{10ffff}', 'ü'), minLength: 1 }),
)

test('keys are the same after etcd, and in the order of UTF-16 code units', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      assert.equal(textOf(bytesOf(a)), a)
      assert.equal(Math.sign(Buffer.compare(bytesOf(a), bytesOf(b))), a < b ? -1 : a > b ? 1 : 0)
    }),
  )
})

test('a row is what it was, and a transaction names its deletions', () => {
  const layout = new Layout('/kutter')
  const rows = [
    { key: '/a', revision: 7, created: 3, deleted: false, value: Buffer.from('{"a":\n1}') },
    { key: '/😀', revision: 8, created: 8, deleted: true, value: new Uint8Array(0) },
  ]
  const [put, remove, head] = layout.operations(rows, 'id-1', none, none)
  assert.equal(Buffer.from(put!.request_put!.key!).toString(), '/kutter/keys/a')
  assert.deepEqual(layout.row(put!.request_put!.key!, put!.request_put!.value!), rows[0])
  assert.equal(remove!.request_put, undefined)
  assert.ok(layout.isHead(head!.request_put!.key!))
  assert.deepEqual(layout.readHead(head!.request_put!.value), { revision: 8, id: 'id-1', deleted: [[8, '/😀']] })
  assert.deepEqual(layout.readHead(undefined), { revision: 0, id: '', deleted: [] })
})

test('a transaction makes spare keys, and one of deletions takes the lowest', () => {
  const layout = new Layout('/kutter')
  const row = { key: '/a', revision: 7, created: 7, deleted: true, value: new Uint8Array(0) }
  const operations = layout.operations([row], 'id-1', { first: 3, end: 5 }, { first: 3, end: 7 })
  assert.deepEqual(
    operations.slice(1, 3).map(one => layout.spareOf(one.request_put!.key!)),
    [5, 6],
  )
  const head = layout.readHead(operations[3]!.request_put!.value)
  assert.deepEqual(head, { revision: 7, id: 'id-1', deleted: [[7, '/a']], spares: [3, 7] })
  assert.deepEqual(sparesOf(head), { first: 3, end: 7 })
  const [removed, spent] = layout.deletions([row], { first: 3, end: 7 }).map(one => one.request_delete_range!)
  assert.equal(layout.nameOf(removed!.key!), '/a')
  assert.deepEqual([layout.spareOf(spent!.key!), layout.spareOf(spent!.range_end!)], [3, 4])
  assert.equal(layout.spareOf(layout.head), undefined)
})

test('what the store has not written is refused, with the key', () => {
  const layout = new Layout('/kutter')
  for (const value of ['', 'x', '0 1\n', '1 0\nx', '12\n', `${'1'.repeat(40)} 1\n`])
    assert.throws(() => layout.row(Buffer.from('/kutter/keys/a'), Buffer.from(value)), /\/kutter\/keys\/a/)
  assert.throws(() => layout.row(Buffer.from('/other/a'), Buffer.from('1 1\n')), /\/other\/a/)
  for (const value of [
    '',
    '{}',
    '{"revision":1}',
    '[1]',
    '{"revision":1,"id":"a","deleted":[],"spares":["x"]}',
    'null',
  ])
    assert.throws(() => layout.readHead(Buffer.from(value)), /\/kutter\/head/)
})
