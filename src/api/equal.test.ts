import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalJson, sameJson, sameOnWire } from './equal.ts'
import { int32, list, quantity, string, struct } from './schema/build.ts'

test('values are equal as they are stored', () => {
  const pairs: [unknown, unknown, boolean][] = [
    [{ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }, true],
    [{ a: [1, 2] }, { a: [2, 1] }, false],
    [{ a: [1, 2] }, { a: [1, 2, 3] }, false],
    [{ a: 1, b: undefined }, { a: 1 }, true],
    [{ a: 1 }, { a: 1, b: undefined }, true],
    [{ a: null }, {}, false],
    [{ a: 0 }, {}, false],
    [{}, [], false],
    [null, {}, false],
    [10n ** 18n, 10n ** 18n, true],
    [{ constructor: 'a' }, {}, false],
    [JSON.parse('{"__proto__":{}}'), {}, false],
    [{}, JSON.parse('{"__proto__":{}}'), false],
    [Object.assign(Object.create(null), { a: 1 }), { a: 1 }, true],
  ]
  for (const [a, b, same] of pairs) {
    assert.equal(sameJson(a, b), same)
    assert.equal(sameJson(b, a), same)
  }
})

test('canonical text is the same for equal values, and only for them', () => {
  assert.equal(canonicalJson({ b: { d: 1, c: [2, 1] }, a: undefined }), canonicalJson({ b: { c: [2, 1], d: 1 } }))
  assert.notEqual(canonicalJson({ c: [2, 1] }), canonicalJson({ c: [1, 2] }))
})

test('what the API server stores alike is the same on the wire', () => {
  const Status = struct('test.Status', 'Status of a test.', {
    ready: int32({ proto: 1 }),
    total: int32({ proto: 2, always: true }),
    terminating: int32({ proto: 3, optional: true }),
    size: quantity({ proto: 4 }),
    mode: string({ proto: 5, default: 'Plain' }),
    names: list(string({}), { proto: 6 }),
  })
  const same = (a: object, b: object) => sameOnWire(Status, a, b)
  assert.ok(same({ ready: 0, names: [] }, { total: 0 }))
  assert.ok(same({ size: '1000m', mode: 'Plain' }, { size: '1' }))
  assert.ok(!same({ terminating: 0 }, {}), 'a pointer to zero is more than no pointer')
  assert.ok(!same({ ready: 1 }, {}))
  assert.ok(!same({ names: ['a', 'b'] }, { names: ['b', 'a'] }))
})
