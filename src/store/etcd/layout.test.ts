import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { bytesOf, Layout, textOf } from './layout.ts'

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
  const [put, remove, head] = layout.operations(rows, 'id-1')
  assert.equal(Buffer.from(put!.request_put!.key!).toString(), '/kutter/keys/a')
  assert.deepEqual(layout.row(put!.request_put!.key!, put!.request_put!.value!), rows[0])
  assert.equal(remove!.request_put, undefined)
  assert.ok(layout.isHead(head!.request_put!.key!))
  assert.deepEqual(layout.readHead(head!.request_put!.value), { revision: 8, id: 'id-1', deleted: [[8, '/😀']] })
  assert.deepEqual(layout.readHead(undefined), { revision: 0, id: '', deleted: [] })
})

test('what the store has not written is refused, with the key', () => {
  const layout = new Layout('/kutter')
  for (const value of ['', 'x', '0 1\n', '1 0\nx', '12\n', `${'1'.repeat(40)} 1\n`])
    assert.throws(() => layout.row(Buffer.from('/kutter/keys/a'), Buffer.from(value)), /\/kutter\/keys\/a/)
  assert.throws(() => layout.row(Buffer.from('/other/a'), Buffer.from('1 1\n')), /\/other\/a/)
  for (const value of ['', '{}', '{"revision":1}', '[1]', 'null'])
    assert.throws(() => layout.readHead(Buffer.from(value)), /\/kutter\/head/)
})
