import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  isQuantity,
  quantityMilli,
  quantityValue,
  subtractQuantities,
} from './quantity.ts'

test('quantities get the canonical form of Kubernetes', () => {
  const table: [string | number, string][] = [
    ['1024Mi', '1Gi'],
    ['0.5', '500m'],
    ['1000m', '1'],
    ['1.5Gi', '1536Mi'],
    ['128974848', '128974848'],
    ['129e6', '129e6'],
    ['129M', '129M'],
    ['1500M', '1500M'],
    ['2000k', '2M'],
    ['0', '0'],
    ['0.000000001', '1n'],
    ['1Ki', '1Ki'],
    ['-1.5', '-1500m'],
    [1, '1'],
    [0.25, '250m'],
    ['100', '100'],
    ['9223372036854775807', '9223372036854775807'],
  ]
  for (const [input, expected] of table) assert.equal(canonicalQuantity(input), expected, String(input))
})

test('text that is not a quantity is refused', () => {
  for (const text of ['', '1.2.3', 'abc', '1 Gi', '1GiB', '--1', 'Mi', '.']) {
    assert.equal(isQuantity(text), false, text)
    if (text) assert.throws(() => canonicalQuantity(text), /quantities must match the regular expression/)
  }
})

test('quantities are converted, added and compared', () => {
  assert.equal(quantityMilli('1.5'), 1500)
  assert.equal(quantityMilli('100m'), 100)
  assert.equal(quantityValue('1Gi'), 2 ** 30)
  assert.equal(quantityValue('1500m'), 2)
  assert.equal(quantityValue(undefined), 0)
  assert.equal(addQuantities('1Gi', '512Mi'), '1536Mi')
  assert.equal(subtractQuantities('1', '250m'), '750m')
  assert.ok(compareQuantities('1Gi', '1G') > 0)
  assert.equal(compareQuantities('1000m', '1'), 0)
})
