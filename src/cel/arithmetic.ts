// The arithmetic operators. Numbers of one type only; overflow is a failure, as is division by zero.
// Source: cel-spec doc/langdef.md, "Arithmetic"; cel-go common/types/overflow.go.
import { makeInt, makeUint } from './convert.ts'
import { makeDuration, makeTimestamp } from './time.ts'
import { ArrayList, Duration, List, Timestamp, Uint, failure, noSuchOverload, type Value } from './values.ts'
import { grow, spend } from './work.ts'

/** Adds, concatenates, or moves a time. */
export function add(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return makeInt(a + b)
  if (typeof a === 'string' && typeof b === 'string') return grow(a.length + b.length) ?? a + b
  if (typeof a === 'number' && typeof b === 'number') return a + b
  if (a instanceof Uint && b instanceof Uint) return makeUint(a.value + b.value)
  if (a instanceof List && b instanceof List) return addLists(a, b)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return grow(a.length + b.length) ?? Buffer.concat([a, b])
  if (a instanceof Duration && b instanceof Duration) return makeDuration(a.nanos + b.nanos)
  if (a instanceof Duration && b instanceof Timestamp) return makeTimestamp(a.nanos + b.nanos, b.offset)
  if (a instanceof Timestamp && b instanceof Duration) return makeTimestamp(a.nanos + b.nanos, a.offset)
  return noSuchOverload()
}

/** Appends, or merges where the left list is a set or a map of a schema. */
function addLists(a: List, b: List): Value {
  const tooLarge = grow(a.size + b.size)
  if (tooLarge) return tooLarge
  if (a.merge) return a.merge(b)
  if (b.size === 0) return a
  spend(b.size)
  return (a instanceof ArrayList ? a : new ArrayList([...a])).append(b)
}

export function subtract(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return makeInt(a - b)
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (a instanceof Uint && b instanceof Uint) return makeUint(a.value - b.value)
  if (a instanceof Duration && b instanceof Duration) return makeDuration(a.nanos - b.nanos)
  if (a instanceof Timestamp && b instanceof Timestamp) return makeDuration(a.nanos - b.nanos)
  if (a instanceof Timestamp && b instanceof Duration) return makeTimestamp(a.nanos - b.nanos, a.offset)
  return noSuchOverload()
}

export function multiply(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return makeInt(a * b)
  if (typeof a === 'number' && typeof b === 'number') return a * b
  if (a instanceof Uint && b instanceof Uint) return makeUint(a.value * b.value)
  return noSuchOverload()
}

/** Towards zero. Doubles divide by zero. */
export function divide(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return b === 0n ? failure('division by zero') : makeInt(a / b)
  if (typeof a === 'number' && typeof b === 'number') return a / b
  if (a instanceof Uint && b instanceof Uint)
    return b.value === 0n ? failure('division by zero') : new Uint(a.value / b.value)
  return noSuchOverload()
}

export function modulo(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') {
    if (b === 0n) return failure('modulus by zero')
    // The quotient overflows, and with it the remainder.
    return b === -1n && a === -(1n << 63n) ? failure('integer overflow') : a % b
  }
  if (a instanceof Uint && b instanceof Uint)
    return b.value === 0n ? failure('modulus by zero') : new Uint(a.value % b.value)
  return noSuchOverload()
}

export function negate(a: Value): Value {
  if (typeof a === 'bigint') return makeInt(-a)
  return typeof a === 'number' ? -a : noSuchOverload()
}
