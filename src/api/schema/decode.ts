// Decodes JSON from a client into its canonical form. Objects that are stored, compared or sent are always canonical:
//
// - Fields have the order of the schema, which is Go's, and keys of maps are sorted. Unknown fields are dropped.
// - null is the same as absent. As an element of a list or a map it is a zero value.
// - A zero value (0, false, '', an empty list or map) is dropped, unless the node has `optional`, which keeps it as it
//   was sent, or `always`, which writes it even if it was absent. With both, an absent value is null.
// - An empty list with `always` is one whose JSON is null (nil.ts), as Go writes it.
// - Quantities, times and durations have their one spelling. Integers beyond 2^53 are bigints.
// - With `defaults`, absent fields have the defaults of the schema, also in structs that were absent and are always
//   written. An empty string counts as absent, unless the field is optional.
//
// decode(decode(x)) equals decode(x), so an edited object is put in order by decoding it again. With `defaults` it is
// the same.
//
// The input is not changed. The result is a new value that its caller may change, except opaque JSON (`json`), which it
// shares with the input. Nothing is validated here but types: a decoded object may lack required fields.
//
// An example, with a Deployment: { spec: { replicas: 0, paused: false, selector: {}, template: {}, x: 1 } } becomes
// { metadata: {}, spec: { replicas: 0, selector: {}, template: { metadata: {}, spec: { containers: null } },
// strategy: {} }, status: {} }: replicas is optional and kept, paused is zero and dropped, x is unknown.
import { goTypeOf } from '../../base/go-text.ts'
import { maxInt64, minInt64 } from '../int64.ts'
import { canonicalQuantity, quantityError } from '../quantity.ts'
import { canonicalMicroTime, canonicalTime, durationText, parseDuration } from '../time.ts'
import { copyNotes, noteEmpty } from './empties.ts'
import { embeddedIn, textType } from './go-types.ts'
import { isNilList, nilList } from './nil.ts'
import { timeProblem } from '../time-parse.ts'
import { Decimal } from '../../wire/json.ts'
import type { CodecOptions, Json, JsonObject, Node, Struct, Mutable } from './node.ts'

/** A value of the wrong type. The message is that of Go's decoder, which clients match on. */
export class DecodeError extends Error {
  override name = 'DecodeError'
  /** Go's message for a value that was decoded before, such as the result of a strategic merge patch. */
  readonly converting: string

  constructor(message: string, options: ErrorOptions & { converting?: string } = {}) {
    super(message, options)
    this.converting = options.converting ?? message
  }
}

interface DecodeOptions extends CodecOptions {
  /** Whether the input has been decoded before. Then the notes about its empty lists and maps are kept (empties.ts). */
  copies?: boolean
}

/** Decodes a struct. Throws DecodeError for the first value of a wrong type. */
export function decode<T>(schema: Struct<T>, input: unknown, options: DecodeOptions = {}): Mutable<T> {
  if (schema.codec) return schema.codec(input, options) as Mutable<T>
  const context: Context = { ...options, path: [], root: schema as Struct, owner: schema as Struct }
  return decodeStruct(schema as Struct, input, context) as Mutable<T>
}

/** A copy of a decoded struct with some fields replaced, in the order of the schema. Other fields are shared. */
export function withFields<T extends object>(schema: Struct, value: T, changes: Partial<T>): T {
  const out: Record<string, unknown> = {}
  for (const { name } of compile(schema).rows) {
    const field = name in changes ? changes[name as keyof T] : value[name as keyof T]
    if (field !== undefined) out[name] = field
  }
  return out as T
}

interface Context extends DecodeOptions {
  /** Names of fields, keys of maps (with `keyMark`) and indexes from the root. */
  path: (string | number)[]
  /** The struct that `decode` was called with. */
  root: Struct
  /** The struct whose field is being decoded, for messages. */
  owner: Struct
}

/** The prefix that distinguishes keys of maps from names of fields in a path. */
const keyMark = '\0'

interface Row {
  name: string
  node: Node
}

interface Compiled {
  /** All fields, in the order of the schema. */
  rows: readonly Row[]
  /** The position of each field in `rows`. */
  positions: ReadonlyMap<string, number>
  /** Positions of fields that may be written without being given: those with a default, and those always written. */
  implied: readonly number[]
}

const compiledOf = new WeakMap<Struct, Compiled>()

function compile(schema: Struct): Compiled {
  let compiled = compiledOf.get(schema)
  if (!compiled) {
    const rows = Object.entries(schema.fields).map(([name, node]) => ({ name, node }))
    compiled = {
      rows,
      positions: new Map(rows.map(({ name }, position) => [name, position])),
      implied: rows.flatMap(({ node }, position) => (node.default !== undefined || node.always ? [position] : [])),
    }
    compiledOf.set(schema, compiled)
  }
  return compiled
}

function decodeStruct(schema: Struct, input: unknown, context: Context): JsonObject {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw mismatch(input, goStructName(schema), context)
  const source = input as JsonObject
  const { rows, positions, implied } = compile(schema)
  const given = givenPositions(positions, source)
  const out: JsonObject = {}
  if (context.copies) copyNotes(source, out)
  const outer = context.owner
  context.owner = schema
  // Both lists are in rising order: the given fields, and between them the implied ones.
  let next = 0
  for (let i = 0; i <= given.length; i++) {
    const position = i < given.length ? given[i]! : rows.length
    for (; next < implied.length && implied[next]! < position; next++) putImplied(out, rows[implied[next]!]!, context)
    if (position === rows.length) break
    if (implied[next] === position) next++
    putGiven(out, rows[position]!, source, context)
  }
  if (context.onUnknown)
    for (const key of Object.keys(source)) if (!positions.has(key)) context.onUnknown(pathText([...context.path, key]))
  context.owner = outer
  return out
}

/**
 * The positions of a value's fields, in rising order. It is fast because most structs have many fields, and values few.
 */
function givenPositions(positions: Compiled['positions'], source: JsonObject): number[] {
  const given: number[] = []
  let last = -1
  let inOrder = true
  for (const key of Object.keys(source)) {
    const position = positions.get(key)
    if (position === undefined) continue
    inOrder &&= position > last
    last = position
    given.push(position)
  }
  return inOrder ? given : given.sort((a, b) => a - b)
}

function putGiven(out: JsonObject, row: Row, source: JsonObject, context: Context): void {
  const { name, node } = row
  const raw = source[name]
  if (raw === undefined || raw === null) return putImplied(out, row, context)
  context.path.push(name)
  const result = decodeNode(node, raw, context)
  context.path.pop()
  if (result === undefined) putImplied(out, row, context)
  else out[name] = result
  if (result === undefined || isNilList(result)) {
    const mayBeNothing = node.type === 'list' || node.type === 'map' || node.type === 'bytes'
    if (mayBeNothing && !isNilList(raw)) noteEmpty(out, name, raw)
  }
}

/** Writes the value of a field that was not given: its default, or zero if it is always written. */
function putImplied(out: JsonObject, { name, node }: Row, context: Context): void {
  if (context.defaults && node.default !== undefined && (node.default !== '' || node.optional))
    out[name] = (typeof node.default === 'object' ? structuredClone(node.default) : node.default) as Json
  else if (node.always) out[name] = node.optional ? null : zero(node, context)
}

/** Decodes a value. Returns undefined for a zero value that is not to be written. */
function decodeNode(node: Node, raw: Json, context: Context): Json | undefined {
  switch (node.type) {
    case 'string':
    case 'bytes':
      if (typeof raw !== 'string') throw mismatch(raw, node.type === 'bytes' ? '[]uint8' : 'string', context)
      if (node.type === 'bytes' && !isBase64(raw))
        throw new DecodeError(`illegal base64 data at input byte ${firstBad(raw)}`)
      return raw === '' && !node.optional ? undefined : raw
    case 'bool':
      if (typeof raw !== 'boolean') throw mismatch(raw, 'bool', context)
      return raw || node.optional ? raw : undefined
    case 'int32':
    case 'int64':
      if (!isInteger(raw, node.type)) throw mismatch(raw, node.type, context)
      return raw !== 0 || node.optional ? raw : undefined
    case 'double':
      return decodeDouble(node, raw, context)
    case 'quantity':
      return decodeQuantity(raw)
    case 'intOrString':
      if (typeof raw === 'string' || isInteger(raw, 'int32')) return raw
      throw mismatch(raw, 'int32', context)
    case 'time':
    case 'microTime':
    case 'duration':
      return decodeMoment(node, raw, context)
    case 'json':
    case 'untyped':
      return withoutDecimals(raw)
    case 'struct':
      return decodeStructNode(node, raw, context)
    case 'list':
      return decodeList(node, raw, context)
    case 'map':
      return decodeMap(node, raw, context)
  }
}

function decodeStructNode(node: Node, raw: Json, context: Context): Json | undefined {
  const result = decodeStruct(node.struct!(), raw, context)
  return node.omitZero && Object.keys(result).length === 0 ? undefined : result
}

/** Whether a value is an integer of the type. Beyond 2^53 it is a bigint (wire/json.ts). */
function isInteger(raw: unknown, type: 'int32' | 'int64'): raw is number {
  if (typeof raw === 'bigint') return type === 'int64' && raw >= minInt64 && raw <= maxInt64
  return typeof raw === 'number' && (type === 'int32' ? (raw | 0) === raw : Number.isSafeInteger(raw))
}

function decodeDouble(node: Node, raw: Json, context: Context): Json | undefined {
  const value: unknown = (raw as unknown) instanceof Decimal || typeof raw === 'bigint' ? Number(raw) : raw
  if (typeof value !== 'number') throw mismatch(raw, 'float64', context)
  return value !== 0 || node.optional ? value : undefined
}

/**
 * Replaces Decimals in opaque JSON by numbers. Returns the same value when it has none. Each value is looked at once,
 * however deep it is.
 */
export function withoutDecimals(raw: Json): Json {
  if (typeof raw !== 'object' || raw === null) return raw
  if ((raw as unknown) instanceof Decimal) return Number(raw)
  if (Array.isArray(raw)) {
    const plain = raw.map(withoutDecimals)
    return plain.some((element, i) => element !== raw[i]) ? plain : raw
  }
  let isSame = true
  const entries = Object.entries(raw).map(([key, value]) => {
    const plain = withoutDecimals(value)
    isSame &&= plain === value
    return [key, plain] as const
  })
  return isSame ? raw : Object.fromEntries(entries)
}

function decodeQuantity(given: Json): Json {
  const raw: unknown = given instanceof Decimal ? given.source : given
  if (typeof raw !== 'string' && typeof raw !== 'number' && typeof raw !== 'bigint')
    throw new DecodeError(quantityError)
  try {
    return canonicalQuantity(typeof raw === 'bigint' ? raw.toString() : raw)
  } catch (cause) {
    throw new DecodeError(quantityError, { cause })
  }
}

function decodeMoment(node: Node, raw: Json, context: Context): Json | undefined {
  if (typeof raw !== 'string') throw mismatch(raw, node.type === 'duration' ? 'string' : 'time.Time', context)
  if (node.type === 'duration') {
    const nanos = parseDuration(raw)
    if (nanos === undefined) throw new DecodeError(`time: invalid duration ${JSON.stringify(raw)}`)
    return durationText(nanos)
  }
  const type = node.type === 'time' ? 'time' : 'microTime'
  const problem = timeProblem(raw, type)
  if (problem) throw new DecodeError(problem)
  return type === 'time' ? canonicalTime(raw) : canonicalMicroTime(raw)
}

function decodeList(node: Node, raw: Json, context: Context): Json | undefined {
  if (!Array.isArray(raw)) throw mismatch(raw, goType(node), context)
  if (raw.length === 0) return node.always ? nilList() : node.optional ? [] : undefined
  const item = node.item!
  const out: Json[] = []
  for (let i = 0; i < raw.length; i++) {
    const element = raw[i] as Json
    // For Go, a null among structs is a zero struct.
    context.path.push(i)
    out.push(element === null ? zero(item, context) : (decodeNode(item, element, context) ?? zero(item, context)))
    context.path.pop()
  }
  return out
}

function decodeMap(node: Node, raw: Json, context: Context): Json | undefined {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw mismatch(raw, goType(node), context)
  const keys = Object.keys(raw)
  if (keys.length === 0 && !node.always && !node.optional) return undefined
  const item = node.item!
  const out: JsonObject = {}
  // Go writes maps in the order of their keys.
  for (const key of keys.sort()) {
    const element = raw[key]!
    context.path.push(keyMark + key)
    define(
      out,
      key,
      element === null
        ? zero(item, context)
        : (decodeNode(item, element, context) ?? (item.type === 'bytes' ? '' : zero(item, context))),
    )
    context.path.pop()
  }
  return out
}

// An assignment to __proto__ would change the prototype instead of adding a key.
function define(target: JsonObject, key: string, value: Json): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true })
  else target[key] = value
}

function zero(node: Node, context: Context): Json {
  switch (node.type) {
    case 'duration':
      return '0s'
    case 'struct':
      return decodeStruct(node.struct!(), {}, context)
    case 'list':
      return nilList()
    default:
      return plainZero(node)
  }
}

/** The zero value of a type in Go; null for nil. */
export function plainZero({ type }: Pick<Node, 'type'>): Json {
  switch (type) {
    case 'string':
      return ''
    case 'bool':
      return false
    case 'int32':
    case 'int64':
    case 'double':
    case 'intOrString':
      return 0
    case 'quantity':
      return '0'
    default:
      return null
  }
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const isBase64 = (text: string) =>
  base64.test(text.includes('\n') || text.includes('\r') ? text.replace(/[\r\n]/g, '') : text)

/** The position that Go reports for wrong base64: the first bad character, or the group that ends early. */
function firstBad(text: string): number {
  const plain = text.replace(/=+$/, '')
  const strange = plain.search(/[^A-Za-z0-9+/\r\n]/)
  return strange >= 0 ? strange : text.length - (text.length % 4)
}

/** The path that Go names: fields from the root, each after the embedded struct that it comes from, if any. */
function goPath(root: Struct, fields: readonly string[]): string[] {
  const path: string[] = []
  let struct: Struct | undefined = root
  for (const field of fields) {
    const part = struct && embeddedIn(struct.name, field)
    path.push(...(part ? [part] : []), field)
    let node: Node | undefined = struct?.fields[field]
    while (node?.item) node = node.item
    struct = node?.struct?.()
  }
  return path
}

function mismatch(raw: unknown, type: string, context: Context): DecodeError {
  const number =
    raw instanceof Decimal ? raw.source : typeof raw === 'number' || typeof raw === 'bigint' ? raw : undefined
  const what =
    number === undefined ? jsonTypeName(raw) : type === 'int32' || type === 'int64' ? `number ${number}` : 'number'
  // Go's message has only names of fields, neither keys of maps nor indexes.
  const fields = context.path.filter(p => typeof p === 'string' && !p.startsWith(keyMark)) as string[]
  const path = goPath(context.root, fields)
  const where = fields.length ? `Go struct field ${typeName(context.owner.name)}.${path.join('.')}` : 'Go value'
  const text = textType(context.owner.name, fields.at(-1) ?? '')
  const goName = type.replace(/(?<!map\[)\bstring$/, text)
  return new DecodeError(`json: cannot unmarshal ${what} into ${where} of type ${goName}`, {
    converting: conversionError(raw, type),
  })
}

/** The message for a value that was decoded before. Source: apimachinery pkg/runtime/converter.go. */
function conversionError(raw: unknown, type: string): string {
  const full = goTypeOf(raw)
  const from = Array.isArray(raw) ? 'slice' : typeof raw === 'object' ? 'map' : full
  if (type.startsWith('map[')) return `cannot restore map from ${from}`
  if (type.startsWith('[]')) return `cannot restore slice from ${from}`
  if (type.includes('.')) return `cannot restore struct from: ${from}`
  return `cannot convert ${full} to ${type}`
}

function jsonTypeName(raw: unknown): string {
  if (Array.isArray(raw)) return 'array'
  return raw === null ? 'null' : typeof raw === 'boolean' ? 'bool' : typeof raw
}

const typeName = (name: string) => name.slice(name.lastIndexOf('.') + 1)
const goStructName = (schema: Struct) => schema.name.split('.').slice(-2).join('.')

/** The name of a field's Go type in messages. */
function goType(node: Node): string {
  switch (node.type) {
    case 'list':
      return `[]${goType(node.item!)}`
    case 'map':
      return `map[string]${goType(node.item!)}`
    case 'struct':
      return goStructName(node.struct!())
    case 'double':
      return 'float64'
    case 'bytes':
      return '[]uint8'
    case 'quantity':
      return 'resource.Quantity'
    default:
      return node.type
  }
}

/** The text of a path, such as `spec.containers[0].image`. */
function pathText(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${part.replace(keyMark, '')}` : part,
    '',
  )
}
