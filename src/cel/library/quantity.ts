// Quantities: `quantity('1Gi').isGreaterThan(quantity('500Mi'))`.
// Source: apiserver pkg/cel/library/quantity.go, pkg/cel/quantity.go.
import {
  addQuantities,
  compareQuantities,
  isQuantity,
  quantityError,
  quantityNanos,
  subtractQuantities,
} from '../../api/quantity.ts'
import { fn, member, plain, type Implementation, type Library } from '../functions.ts'
import * as t from '../types.ts'
import { Opaque, failure, noSuchOverload, type Value } from '../values.ts'

const nano = 1_000_000_000n
/** Quantities are cut off here. What was may have been more, and is no integer that can be relied on. */
const largest = ((1n << 63n) - 1n) * nano

class Quantity extends Opaque {
  readonly text: string
  constructor(text: string) {
    super('kubernetes.Quantity')
    this.text = text
  }

  get nanos(): bigint {
    return quantityNanos(this.text) ?? 0n
  }

  equals(other: Opaque): boolean {
    return other instanceof Quantity && compareQuantities(this.text, other.text) === 0
  }
}

export const quantityType = new Quantity('0').type
const quantity = quantityType

/** The messages are those of Go's parser, which looks for the number first and then for the suffix. */
export function makeQuantity(text: Value): Value {
  if (isQuantity(text as string)) return new Quantity(text as string)
  const isWellFormed = /^[+-]?[0-9.]+[eEinumkKMGTP]*[-+]?[0-9]*$/.test(text as string)
  return failure(isWellFormed ? "unable to parse quantity's suffix" : quantityError)
}

/** The whole number; undefined when there is a fraction, or it is too large. */
function integer({ nanos }: Quantity): bigint | undefined {
  const size = nanos < 0n ? -nanos : nanos
  return nanos % nano === 0n && size < largest ? nanos / nano : undefined
}

/** A method of a quantity. */
const on =
  (run: (quantity: Quantity) => Value): Implementation =>
  value =>
    value instanceof Quantity ? run(value) : noSuchOverload()

/** The second one may be a number. */
const onTwo =
  (run: (a: Quantity, b: Quantity) => Value): Implementation =>
  (a, b) => {
    const second = typeof b === 'bigint' ? new Quantity(String(b)) : b
    return a instanceof Quantity && second instanceof Quantity ? run(a, second) : noSuchOverload()
  }

const order = (a: Quantity, b: Quantity) => compareQuantities(a.text, b.text)
const sign = on(({ nanos }) => (nanos > 0n ? 1n : nanos < 0n ? -1n : 0n))
const add = onTwo((a, b) => new Quantity(addQuantities(a.text, b.text)))
const sub = onTwo((a, b) => new Quantity(subtractQuantities(a.text, b.text)))

export const quantities: Library = {
  name: 'kubernetes.quantity',
  types: [quantity],
  functions: [
    fn('quantity', plain('string_to_quantity', [t.string], quantity, makeQuantity)),
    fn(
      'isQuantity',
      plain('is_quantity_string', [t.string], t.bool, text => isQuantity(text as string)),
    ),
    fn('sign', member('quantity_sign', [quantity], t.int, sign)),
    fn(
      'isGreaterThan',
      member(
        'quantity_is_greater_than',
        [quantity, quantity],
        t.bool,
        onTwo((a, b) => order(a, b) > 0),
      ),
    ),
    fn(
      'isLessThan',
      member(
        'quantity_is_less_than',
        [quantity, quantity],
        t.bool,
        onTwo((a, b) => order(a, b) < 0),
      ),
    ),
    fn(
      'compareTo',
      member(
        'quantity_compare_to',
        [quantity, quantity],
        t.int,
        onTwo((a, b) => BigInt(order(a, b))),
      ),
    ),
    fn(
      'asApproximateFloat',
      member(
        'quantity_get_float',
        [quantity],
        t.double,
        on(({ nanos }) => Number(nanos) / 1e9),
      ),
    ),
    fn(
      'asInteger',
      member(
        'quantity_get_int',
        [quantity],
        t.int,
        on(value => integer(value) ?? failure('cannot convert value to integer')),
      ),
    ),
    fn(
      'isInteger',
      member(
        'quantity_is_integer',
        [quantity],
        t.bool,
        on(value => integer(value) !== undefined),
      ),
    ),
    fn(
      'add',
      member('quantity_add', [quantity, quantity], quantity, add),
      member('quantity_add_int', [quantity, t.int], quantity, add),
    ),
    fn(
      'sub',
      member('quantity_sub', [quantity, quantity], quantity, sub),
      member('quantity_sub_int', [quantity, t.int], quantity, sub),
    ),
  ],
}
