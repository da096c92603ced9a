// Conversions between types: `int('3')`, `string(1.5)`, `timestamp('2024-01-01T00:00:00Z')`.
// Source: cel-go common/types (the ConvertToType methods), Go's strconv.
import {
  formatDuration,
  formatTimestamp,
  makeTimestamp,
  maxInt,
  minInt,
  parseDuration,
  parseTimestamp,
} from './time.ts'
import { Duration, Failure, Timestamp, Uint, failure, typeName, type Value } from './values.ts'

const maxUint = (1n << 64n) - 1n

/** Arithmetic is done without a bound; here is the bound. */
export const makeInt = (value: bigint): bigint | Failure =>
  value < minInt || value > maxInt ? failure('integer overflow') : value

export const makeUint = (value: bigint): Uint | Failure =>
  value < 0n || value > maxUint ? failure('unsigned integer overflow') : new Uint(value)

const conversionError = (value: Value, to: string): Failure =>
  failure(`type conversion error from '${typeName(value)}' to '${to}'`)

/** Doubles lose their fraction; a time is in seconds since 1970, a duration in nanoseconds. */
export function toInt(value: Value): Value {
  if (typeof value === 'bigint') return value
  if (value instanceof Uint) return makeInt(value.value)
  // The largest int is no double: the next double is one too many.
  if (typeof value === 'number')
    return value > -(2 ** 63) && value < 2 ** 63 ? BigInt(Math.trunc(value)) : failure('integer overflow')
  if (value instanceof Timestamp) return floorSeconds(value.nanos)
  if (value instanceof Duration) return value.nanos
  if (typeof value === 'string' && /^[+-]?\d{1,40}$/.test(value)) {
    const number = BigInt(value.replace('+', ''))
    if (number >= minInt && number <= maxInt) return number
  }
  return conversionError(value, 'int')
}

const floorSeconds = (nanos: bigint) =>
  (nanos - (((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)) / 1_000_000_000n

/** As for int; nothing negative has a uint. */
export function toUint(value: Value): Value {
  if (value instanceof Uint) return value
  if (typeof value === 'bigint') return makeUint(value)
  if (typeof value === 'number')
    return value >= 0 && value < 2 ** 64 ? new Uint(BigInt(Math.trunc(value))) : failure('unsigned integer overflow')
  if (typeof value === 'string' && /^\d{1,40}$/.test(value)) {
    const number = BigInt(value)
    if (number <= maxUint) return new Uint(number)
  }
  return conversionError(value, 'uint')
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const named = /^([+-]?)(?:(inf|infinity)|nan)$/i

/** Large integers lose digits, which is no failure. */
export function toDouble(value: Value): Value {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Uint) return Number(value.value)
  if (typeof value === 'string') {
    const name = named.exec(value)
    if (name) return name[2] === undefined ? NaN : name[1] === '-' ? -Infinity : Infinity
    const number = decimal.test(value) ? Number(value) : NaN
    // Go refuses what is too large for a double.
    if (Number.isFinite(number)) return number
  }
  return conversionError(value, 'double')
}

/** What Go's strconv.ParseBool takes. */
const truths: Readonly<Record<string, boolean>> = {
  1: true,
  t: true,
  T: true,
  TRUE: true,
  true: true,
  True: true,
  0: false,
  f: false,
  F: false,
  FALSE: false,
  false: false,
  False: false,
}

export function toBool(value: Value): Value {
  if (typeof value === 'boolean') return value
  if (typeof value === 'string' && Object.hasOwn(truths, value)) return truths[value]!
  return conversionError(value, 'bool')
}

export function toBytes(value: Value): Value {
  if (value instanceof Uint8Array) return value
  return typeof value === 'string' ? Buffer.from(value) : conversionError(value, 'bytes')
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Every scalar has a text that converts back to it. */
export function toText(value: Value): Value {
  switch (typeof value) {
    case 'string':
      return value
    case 'boolean':
    case 'bigint':
      return String(value)
    case 'number':
      return doubleText(value)
  }
  if (value instanceof Uint) return String(value.value)
  if (value instanceof Timestamp) return formatTimestamp(value)
  if (value instanceof Duration) return formatDuration(value)
  if (value instanceof Uint8Array)
    try {
      return strictDecoder.decode(value)
    } catch {
      return failure('invalid UTF-8 in bytes, cannot convert to string')
    }
  return conversionError(value, 'string')
}

/** The shortest text that reads as the number, with an exponent below 1e-4 and from 1e21, as Go's `%g` has it. */
function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (Object.is(value, -0)) return '-0'
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-4 || size >= 1e21)) {
    const [digits, exponent] = value.toExponential().split('e') as [string, string]
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`
  }
  return String(value)
}

export function toTimestamp(value: Value): Value {
  if (value instanceof Timestamp) return value
  if (typeof value === 'bigint') return makeTimestamp(value * 1_000_000_000n)
  return (
    (typeof value === 'string' ? parseTimestamp(value) : undefined) ??
    conversionError(value, 'google.protobuf.Timestamp')
  )
}

export function toDuration(value: Value): Value {
  if (value instanceof Duration) return value
  if (typeof value === 'bigint') return new Duration(value)
  return (
    (typeof value === 'string' ? parseDuration(value) : undefined) ?? conversionError(value, 'google.protobuf.Duration')
  )
}
