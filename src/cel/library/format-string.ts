// `'%d of %s'.format([1, 'x'])`: formats values by the clauses of a string.
//
// There are two styles. Kubernetes has the older one, which prints the elements of lists as literals and numbers as
// they are written in English: `1,234.500`, `1.052033 × 10⁰³`. The newer one prints both plainly.
// Source: cel-go ext/formatting.go (up to version 3 of the strings extension), ext/formatting_v2.go.
import { compareStrings } from '../equality.ts'
import { toText } from '../convert.ts'
import { Failure, List, Mapping, TypeValue, Uint, failure, typeName, type Value } from '../values.ts'
import { grow, spend } from '../work.ts'

export type FormatStyle = 'kubernetes' | 'plain'

/** Digits after the point that a clause may ask for. */
const maxPrecision = 100
const defaultPrecision = 6

/** A clause: `%`, a precision, a verb. */
const clause = /%(?:(%)|(?:\.(\d{0,4}))?([a-zA-Z])?)/g

export function format(text: string, args: List, style: FormatStyle): Value {
  const parts: string[] = []
  let end = 0
  let index = 0
  let size = text.length
  for (const match of text.matchAll(clause)) {
    parts.push(text.slice(end, match.index))
    end = match.index + match[0].length
    const part = match[1] ?? formatClause(match, args, index++, style)
    if (part instanceof Failure) return part
    size += part.length
    const tooLarge = grow(size)
    if (tooLarge) return tooLarge
    parts.push(part)
  }
  return parts.join('') + text.slice(end)
}

function formatClause(match: RegExpExecArray, args: List, index: number, style: FormatStyle): string | Failure {
  const [, , precisionText, verb] = match
  if (index >= args.size) return failure(`index ${index} out of range`)
  if (verb === undefined) return failure('unexpected end of string')
  const precision = precisionText ? Number(precisionText) : defaultPrecision
  if (precision > maxPrecision)
    return failure(`could not parse formatting clause: precision ${precision} is larger than ${maxPrecision}`)
  const found = Object.hasOwn(verbs, verb) ? verbs[verb]!(args.at(index), precision, style) : undefined
  if (found === undefined) return failure(`could not parse formatting clause: unrecognized formatting clause "${verb}"`)
  return found instanceof Failure ? failure(`error during formatting: ${found.message}`) : found
}

type Verb = (value: Value, precision: number, style: FormatStyle) => string | Failure

const verbs: Readonly<Record<string, Verb>> = {
  s: (value, _, style) => string(value, style),
  d: (value, _, style) => {
    if (style === 'plain' && typeof value === 'number') return special(value) ?? plainNumber(value)
    return (
      integer(value)?.toString() ?? failure(`decimal clause can only be used on integers, was given ${typeName(value)}`)
    )
  },
  f: (value, precision, style) =>
    onDouble(value, 'fixed-point', style, number => fixed(number, precision, style === 'kubernetes')),
  e: (value, precision, style) =>
    onDouble(value, 'scientific', style, number =>
      style === 'plain' ? plainExponent(number, precision) : englishExponent(number),
    ),
  b: value => {
    if (typeof value === 'boolean') return value ? '1' : '0'
    return (
      integer(value)?.toString(2) ??
      failure(`only integers and bools can be formatted as binary, was given ${typeName(value)}`)
    )
  },
  o: value =>
    integer(value)?.toString(8) ?? failure(`octal clause can only be used on integers, was given ${typeName(value)}`),
  x: value => hex(value),
  X: value => {
    const text = hex(value)
    return text instanceof Failure ? text : text.toUpperCase()
  },
}

const integer = (value: Value): bigint | undefined =>
  typeof value === 'bigint' ? value : value instanceof Uint ? value.value : undefined

/** Texts and bytes byte by byte, numbers with their sign. */
function hex(value: Value): string | Failure {
  if (typeof value === 'string' || value instanceof Uint8Array)
    return grow(2 * value.length) ?? Buffer.from(value as string).toString('hex')
  return (
    integer(value)?.toString(16) ??
    failure(`only integers, byte buffers, and strings can be formatted as hex, was given ${typeName(value)}`)
  )
}

/** The names that a double may have as a string. */
const doubleNames = new Set(['NaN', 'Infinity', '-Infinity'])

function onDouble(value: Value, name: string, style: FormatStyle, print: (number: number) => string): string | Failure {
  const isNumber = style === 'plain' && integer(value) !== undefined
  const named = typeof value === 'string' && doubleNames.has(value)
  if (typeof value !== 'number' && !named && !isNumber)
    return failure(`${name} clause can only be used on doubles, was given ${typeName(value)}`)
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

const notAString =
  'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and times, was given '

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
  return text instanceof Failure && value instanceof Uint8Array ? text : failure(notAString + typeName(value))
}

/** An element of a list or map. */
function element(value: Value, style: FormatStyle): string | Failure {
  if (style === 'plain') return string(value, style)
  if (typeof value === 'number') {
    const text = special(value)?.replace('Infinity', 'Inf').replace(/^Inf/, '+Inf')
    return text === undefined ? fixed(value, defaultPrecision, false) : JSON.stringify(text)
  }
  const text = string(value, style)
  if (text instanceof Failure) return text
  switch (typeName(value)) {
    case 'string':
      return JSON.stringify(text)
    case 'bytes':
      return `b${JSON.stringify(text)}`
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
