// `'%d of %s'.format([1, 'x'])`: formats values by the clauses of a string.
//
// There are two styles. Kubernetes has the older one, which prints the elements of lists as literals and numbers as
// they are written in English: `1,234.500`, `1.052033 × 10⁰³`. The newer one prints both plainly.
// Source: cel-go ext/formatting.go (up to version 3 of the strings extension), ext/formatting_v2.go.
import { goQuote } from '../../base/go-text.ts'
import { compareStrings } from '../equality.ts'
import { toText } from '../convert.ts'
import { Failure, List, Mapping, Opaque, Optional, TypeValue, Uint, failure, typeName, type Value } from '../values.ts'
import { grow, spend } from '../work.ts'
import { complaints, partsOf, type FormatPart } from './format-clauses.ts'

export type FormatStyle = 'kubernetes' | 'plain'

const defaultPrecision = 6

export function format(text: string, args: List, style: FormatStyle): Value {
  const texts: string[] = []
  let index = 0
  let size = 0
  for (const part of partsOf(text)) {
    const made = typeof part === 'string' ? part : formatClause(part, args, index++, style)
    if (made instanceof Failure) return made
    const tooLarge = grow((size += made.length))
    if (tooLarge) return tooLarge
    texts.push(made)
  }
  return texts.join('')
}

function formatClause(
  part: Exclude<FormatPart, string>,
  args: List,
  index: number,
  style: FormatStyle,
): string | Failure {
  if (index >= args.size) return failure(`index ${index} out of range`)
  if (part instanceof Failure) return part
  const { verb, precision = defaultPrecision } = part
  const value = args.at(index)
  const made = verbs[verb]!(value, precision, style)
  if (typeof made === 'string') return made
  const { message } = made ?? failure(complaints[verb.toLowerCase()]! + typeName(value))
  return failure(`error during formatting: ${message}`)
}

/** Undefined for a value that the clause does not take. */
type Verb = (value: Value, precision: number, style: FormatStyle) => string | Failure | undefined

const verbs: Readonly<Record<string, Verb>> = {
  s: (value, _, style) => string(value, style),
  d: (value, _, style) =>
    style === 'plain' && typeof value === 'number'
      ? (special(value) ?? plainNumber(value))
      : integer(value)?.toString(),
  f: (value, precision, style) => onDouble(value, style, number => fixed(number, precision, style === 'kubernetes')),
  e: (value, precision, style) =>
    onDouble(value, style, number => (style === 'plain' ? plainExponent(number, precision) : englishExponent(number))),
  b: value => (typeof value === 'boolean' ? String(Number(value)) : integer(value)?.toString(2)),
  o: value => integer(value)?.toString(8),
  x: value => hex(value),
  X: value => {
    const text = hex(value)
    return typeof text === 'string' ? text.toUpperCase() : text
  },
}

const integer = (value: Value): bigint | undefined =>
  typeof value === 'bigint' ? value : value instanceof Uint ? value.value : undefined

/** Texts and bytes byte by byte, numbers with their sign. */
function hex(value: Value): string | Failure | undefined {
  if (typeof value === 'string' || value instanceof Uint8Array)
    return grow(2 * value.length) ?? Buffer.from(value as string).toString('hex')
  return integer(value)?.toString(16)
}

/** The names that a double may have as a string. */
const doubleNames = new Set(['NaN', 'Infinity', '-Infinity'])

function onDouble(value: Value, style: FormatStyle, print: (number: number) => string): string | undefined {
  const isNumber = style === 'plain' && integer(value) !== undefined
  const named = typeof value === 'string' && doubleNames.has(value)
  if (typeof value !== 'number' && !named && !isNumber) return undefined
  const number = value instanceof Uint ? Number(value.value) : Number(value)
  return (style === 'plain' ? special(number) : englishSpecial(number)) ?? print(number)
}

function special(number: number): string | undefined {
  if (Number.isFinite(number)) return undefined
  return Number.isNaN(number) ? 'NaN' : number > 0 ? 'Infinity' : '-Infinity'
}

const englishSpecial = (number: number) => special(number)?.replace('Infinity', '∞')

/** Exactly rounded, half to even, as Go does; with commas between thousands where asked for. */
function fixed(number: number, precision: number, withCommas: boolean): string {
  const isNegative = number < 0 || Object.is(number, -0)
  const digits = scaled(Math.abs(number), precision)
    .toString()
    .padStart(precision + 1, '0')
  const whole = digits.slice(0, digits.length - precision)
  const grouped = withCommas ? whole.replace(/\B(?=(\d{3})+$)/g, ',') : whole
  const fraction = precision ? `.${digits.slice(digits.length - precision)}` : ''
  return `${isNegative ? '-' : ''}${grouped}${fraction}`
}

/** The number times a power of ten, rounded half to even. A double is a whole number times a power of two. */
function scaled(number: number, precision: number): bigint {
  const bits = Buffer.alloc(8)
  bits.writeDoubleBE(number)
  const raw = bits.readBigUInt64BE()
  const exponentBits = Number((raw >> 52n) & 0x7ffn)
  const mantissa = (raw & ((1n << 52n) - 1n)) | (exponentBits ? 1n << 52n : 0n)
  const exponent = (exponentBits || 1) - 1075
  const product = mantissa * 10n ** BigInt(precision)
  if (exponent >= 0) return product << BigInt(exponent)
  const shift = BigInt(-exponent)
  const quotient = product >> shift
  const twice = (product - (quotient << shift)) << 1n
  const one = 1n << shift
  return twice > one || (twice === one && quotient % 2n === 1n) ? quotient + 1n : quotient
}

function plainExponent(number: number, precision: number): string {
  const [digits, exponent] = number.toExponential(precision).split('e') as [string, string]
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹'

function englishExponent(number: number): string {
  const [digits, exponent] = plainExponent(number, defaultPrecision).split('e') as [string, string]
  const raised = exponent.slice(1).replace(/\d/g, digit => superscripts[Number(digit)]!)
  return `${digits}\u202f×\u202f10${exponent.startsWith('-') ? '⁻' : ''}${raised}`
}

const plainNumber = (number: number): string => {
  const text = toText(number)
  return typeof text === 'string' ? text : ''
}

function string(value: Value, style: FormatStyle): string | Failure {
  spend(1)
  if (value === null) return 'null'
  if (value instanceof TypeValue) return value.name
  if (value instanceof List) return list(value, style)
  if (value instanceof Mapping) return map(value, style)
  if (style === 'plain' && typeof value === 'number') return special(value) ?? plainNumber(value)
  if (style === 'plain' && value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  const text = toText(value)
  if (typeof text === 'string') return text
  return text instanceof Failure && value instanceof Uint8Array ? text : failure(complaints['s']! + typeName(value))
}

/** An element of a list or map. */
function element(value: Value, style: FormatStyle): string | Failure {
  if (style === 'plain') return string(value, style)
  if (typeof value === 'number') {
    const text = special(value)?.replace('Infinity', 'Inf').replace(/^Inf/, '+Inf')
    return text === undefined ? fixed(value, defaultPrecision, false) : goQuote(text)
  }
  if (value instanceof Opaque || value instanceof Optional)
    return failure(`no formatting function for ${typeName(value)}`)
  const text = string(value, style)
  if (text instanceof Failure) return text
  switch (typeName(value)) {
    case 'string':
      return goQuote(text)
    case 'bytes':
      return `b${goQuote(text)}`
    case 'google.protobuf.Timestamp':
      return `timestamp("${text}")`
    case 'google.protobuf.Duration':
      return `duration("${text}")`
    default:
      return text
  }
}

function list(value: List, style: FormatStyle): string | Failure {
  const parts: string[] = []
  let size = 0
  for (const item of value) {
    const text = element(item, style)
    if (text instanceof Failure) return text
    const tooLarge = grow((size += text.length))
    if (tooLarge) return tooLarge
    parts.push(text)
  }
  return `[${parts.join(', ')}]`
}

function map(value: Mapping, style: FormatStyle): string | Failure {
  const entries: [string, string][] = []
  let size = 0
  for (const key of value.keys()) {
    const [keyText, text] = [element(key, style), element(value.get(key)!, style)]
    if (keyText instanceof Failure) return keyText
    if (text instanceof Failure) return text
    const tooLarge = grow((size += keyText.length + text.length))
    if (tooLarge) return tooLarge
    entries.push([keyText, text])
  }
  entries.sort(([a], [b]) => compareStrings(a, b))
  return `{${entries.map(([key, text]) => `${key}:${style === 'plain' ? ' ' : ''}${text}`).join(', ')}}`
}
