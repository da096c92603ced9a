// Quantities, such as `500m` of a core and `1Gi` of memory: parsed exactly, and written in the canonical form that
// Kubernetes stores. Source: apimachinery pkg/api/resource (quantity.go, suffix.go).
import { maxInt64 } from './int64.ts'

export const quantityError =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?$/
const decimalExponents: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const binaryShifts: Record<string, bigint> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n }
const nano = 1_000_000_000n

type Format = 'decimal' | 'binary' | 'exponent'
interface Parsed {
  /** The number in billionths, the finest unit of a quantity. */
  nanos: bigint
  format: Format
  /** The canonical form, once it has been computed. */
  text?: string
}

const parsed = new Map<string, Parsed | null>()
const maxParsedCached = 10_000

function parse(text: string): Parsed | null {
  let result = parsed.get(text)
  if (result === undefined) {
    result = parseUncached(text)
    if (parsed.size >= maxParsedCached) parsed.clear()
    parsed.set(text, result)
  }
  return result
}

function parseUncached(text: string): Parsed | null {
  const match = pattern.exec(text)
  if (!match || text.length > 256) return null
  const [, sign, whole = '', fraction = '', suffix = ''] = match
  if (whole === '' && fraction === '') return null
  const digits = BigInt(whole + fraction)
  let format: Format = 'decimal'
  let numerator = digits
  let exponent = -fraction.length
  if (suffix in binaryShifts) {
    format = 'binary'
    numerator <<= binaryShifts[suffix]!
  } else if (/^[eE][+-]?\d/.test(suffix)) {
    format = 'exponent'
    exponent += Number(suffix.slice(1))
  } else exponent += decimalExponents[suffix]!
  const size = nanosOf(numerator, exponent + 9)
  return { nanos: sign === '-' ? -size : size, format }
}

/** The absolute value in billionths: at most an int64 of units, and at least a billionth unless it is zero. */
function nanosOf(numerator: bigint, exponent: number): bigint {
  if (numerator === 0n) return 0n
  // The text has at most 256 digits, so beyond these exponents they make no difference.
  if (exponent > 60) return maxInt64 * nano
  if (exponent < -300) return 1n
  const nanos = exponent >= 0 ? numerator * 10n ** BigInt(exponent) : ceilDivide(numerator, 10n ** BigInt(-exponent))
  return nanos > maxInt64 * nano ? maxInt64 * nano : nanos
}

// Anything finer than a billionth is rounded away from zero.
const ceilDivide = (a: bigint, b: bigint) => (a + b - 1n) / b
const roundedDivide = (a: bigint, b: bigint) => (a < 0n ? -ceilDivide(-a, b) : ceilDivide(a, b))

export const isQuantity = (text: string): boolean => parse(text) !== null

/** The canonical form: `1024Mi` becomes `1Gi`, `0.5` becomes `500m`. Throws for malformed text. */
export function canonicalQuantity(value: string | number): string {
  const text = typeof value === 'number' ? numberText(value) : value.trim()
  const quantity = parse(text)
  if (!quantity) throw new Error(quantityError)
  return (quantity.text ??= write(quantity.nanos, quantity.format))
}

const numberText = (value: number) =>
  Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value).toString() : String(value)

function write(nanos: bigint, format: Format): string {
  if (nanos === 0n) return '0'
  const negative = nanos < 0n
  const amount = negative ? -nanos : nanos
  const text =
    format === 'binary' && amount % nano === 0n && amount / nano >= 1024n
      ? writeBinary(amount / nano)
      : writeDecimal(amount, format)
  return negative ? `-${text}` : text
}

function writeBinary(units: bigint): string {
  let suffix = ''
  for (const [name, shift] of Object.entries(binaryShifts)) if (units % (1n << shift) === 0n) suffix = name
  return suffix ? `${units >> binaryShifts[suffix]!}${suffix}` : `${units}`
}

function writeDecimal(nanos: bigint, format: Format): string {
  let exponent = -9
  let mantissa = nanos
  while (mantissa % 1000n === 0n && exponent < 18) {
    mantissa /= 1000n
    exponent += 3
  }
  if (format === 'exponent') return exponent === 0 ? `${mantissa}` : `${mantissa}e${exponent}`
  const suffix = Object.entries(decimalExponents).find(([, e]) => e === exponent)![0]
  return `${mantissa}${suffix}`
}

/** The exact number in billionths; undefined for malformed text. */
export const quantityNanos = (text: string): bigint | undefined => parse(text)?.nanos

/** The number of whole units, such as bytes, rounded away from zero. Malformed text counts as 0. */
export function quantityValue(text: string | undefined): number {
  const nanos = text === undefined ? 0n : (parse(text)?.nanos ?? 0n)
  return Number(roundedDivide(nanos, nano))
}

/** The number of thousandths, such as of a CPU, rounded away from zero. Malformed text counts as 0. */
export function quantityMilli(text: string | undefined): number {
  const nanos = text === undefined ? 0n : (parse(text)?.nanos ?? 0n)
  return Number(roundedDivide(nanos, 1_000_000n))
}

/** Negative, zero or positive when `a` is less than, equal to or greater than `b`. */
export function compareQuantities(a: string, b: string): number {
  const difference = (parse(a)?.nanos ?? 0n) - (parse(b)?.nanos ?? 0n)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** The sum, in the format of `a`, or of `b` when `a` is zero. */
export function addQuantities(a: string, b: string): string {
  const [x, y] = [parse(a), parse(b)]
  if (!x || !y) throw new Error(quantityError)
  return write(x.nanos + y.nanos, x.nanos === 0n ? y.format : x.format)
}

/** The difference `a - b`, in the format of `a`. */
export function subtractQuantities(a: string, b: string): string {
  const [x, y] = [parse(a), parse(b)]
  if (!x || !y) throw new Error(quantityError)
  return write(x.nanos - y.nanos, x.nanos === 0n ? y.format : x.format)
}
