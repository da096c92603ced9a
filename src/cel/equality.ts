// Whether values are equal, and which of two is less. Numbers of all kinds compare by their value.
// Source: cel-spec doc/langdef.md, "Equality" and "Ordering"; cel-go common/types/compare.go.
import { Duration, List, Mapping, Opaque, Optional, Timestamp, TypeValue, Uint, type Value } from './values.ts'
import { spend } from './work.ts'

/** Equality of values. Values of different types are not equal, save for numbers. */
export function equal(a: Value, b: Value): boolean {
  spend(1)
  if (a === b) return typeof a !== 'number' || !Number.isNaN(a)
  if (isNumber(a)) return isNumber(b) && compareNumbers(a, b) === 0
  switch (typeof a) {
    case 'string':
    case 'boolean':
      return false
  }
  if (a === null || b === null || typeof b !== 'object') return false
  return equalObjects(a as object & Value, b)
}

function equalObjects(a: object & Value, b: object & Value): boolean {
  if (a instanceof Uint8Array) return b instanceof Uint8Array && compareBytes(a, b) === 0
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name
  if (a instanceof Optional)
    return (
      b instanceof Optional &&
      (a.value === undefined || b.value === undefined ? a.value === b.value : equal(a.value, b.value))
    )
  if (a instanceof List) return b instanceof List && equalLists(a, b)
  if (a instanceof Mapping) return b instanceof Mapping && equalMaps(a, b)
  if (a instanceof Opaque) return b instanceof Opaque && a.type.name === b.type.name && a.equals(b)
  return false
}

function equalLists(a: List, b: List): boolean {
  if (a.equals) return a.equals(b)
  if (b.equals) return b.equals(a)
  if (a.size !== b.size) return false
  for (let i = 0; i < a.size; i++) if (!equal(a.at(i), b.at(i))) return false
  return true
}

function equalMaps(a: Mapping, b: Mapping): boolean {
  if (a.equals) return a.equals(b)
  if (b.equals) return b.equals(a)
  if (a.size !== b.size) return false
  for (const key of a.keys()) {
    const other = b.get(key)
    if (other === undefined || !equal(a.get(key)!, other)) return false
  }
  return true
}

const isNumber = (value: Value): value is bigint | number | Uint =>
  typeof value === 'bigint' || typeof value === 'number' || value instanceof Uint

/**
 * Negative, zero, positive; NaN when one is no number. With a double, whole numbers compare as doubles: the largest
 * int is equal to 2^63.
 */
function compareNumbers(a: bigint | number | Uint, b: bigint | number | Uint): number {
  const left = a instanceof Uint ? a.value : a
  const right = b instanceof Uint ? b.value : b
  const asDoubles = typeof left !== typeof right
  const x = asDoubles ? Number(left) : left
  const y = asDoubles ? Number(right) : right
  return x < y ? -1 : x > y ? 1 : Number.isNaN(x) || Number.isNaN(y) ? NaN : 0
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  spend(Math.min(a.length, b.length) / 16)
  return Buffer.compare(a, b)
}

/** By code points, as bytes of UTF-8 compare; JavaScript compares by units of UTF-16. */
export function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  spend(length / 16)
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x === y) continue
    // A surrogate stands for a character beyond all others.
    const [isX, isY] = [(x & 0xf800) === 0xd800, (y & 0xf800) === 0xd800]
    return isX === isY ? x - y : isX ? 1 : -1
  }
  return a.length - b.length
}

/** Negative, zero or positive; NaN for numbers without an order; undefined for values that have none. */
export function compare(a: Value, b: Value): number | undefined {
  if (isNumber(a)) return isNumber(b) ? compareNumbers(a, b) : undefined
  if (typeof a === 'string') return typeof b === 'string' ? compareStrings(a, b) : undefined
  if (typeof a === 'boolean') return typeof b === 'boolean' ? Number(a) - Number(b) : undefined
  if (a instanceof Uint8Array) return b instanceof Uint8Array ? compareBytes(a, b) : undefined
  if (a instanceof Timestamp) return b instanceof Timestamp ? sign(a.nanos - b.nanos) : undefined
  if (a instanceof Duration) return b instanceof Duration ? sign(a.nanos - b.nanos) : undefined
  return undefined
}

const sign = (difference: bigint) => (difference < 0n ? -1 : difference > 0n ? 1 : 0)

/** Whether a list has an element equal to the value. */
export function contains(list: List, value: Value): boolean {
  for (let i = 0; i < list.size; i++) if (equal(list.at(i), value)) return true
  return false
}
