// From JSON as a client sent it to the canonical value: fields in Go's order, zero values dropped or written
// as Go would, quantities and times in their one spelling, defaults filled in. Decoding what was decoded
// changes nothing, so this also puts an edited object back in order before it is stored.
import { maxInt64, minInt64 } from '../int64.ts'
import { canonicalQuantity, quantityError } from '../quantity.ts'
import { canonicalMicroTime, canonicalTime, durationText, parseDuration } from '../time.ts'
import { copyNotes, noteEmpty } from './empties.ts'
import { embeddedIn, textType } from './go-types.ts'
import { isNilList, nilList } from './nil.ts'
import { timeProblem } from '../time-parse.ts'
import { Decimal } from '../../wire/json.ts'
import type { Json, JsonObject, Node, Struct, Mutable } from './node.ts'

/** A value of the wrong type. The text is the one Go's decoder gives, which clients know. */
export class DecodeError extends Error {
  override name = 'DecodeError'
  /** The same as Go words it when the value was decoded already, as that of a strategic merge patch is. */
  readonly converting: string

  constructor(message: string, options: ErrorOptions & { converting?: string } = {}) {
    super(message, options)
    this.converting = options.converting ?? message
  }
}

interface DecodeOptions {
  /** Fill in the defaults the schema names. */
  defaults?: boolean
  /** The input has itself been decoded: what is known of its empty lists and maps stays known. */
  copies?: boolean
  /** Called with the path of each field the schema does not know; such fields are dropped. */
  onUnknown?: (path: string) => void
}

/** Decodes one struct. Throws DecodeError on a value of the wrong type. */
export function decode<T>(schema: Struct<T>, input: unknown, options: DecodeOptions = {}): Mutable<T> {
  const context: Context = { ...options, path: [], root: schema as Struct, owner: schema as Struct }
  return decodeStruct(schema as Struct, input, context) as Mutable<T>
}

/** A copy of a decoded struct with some fields given anew, in the schema's order. The rest is shared, not copied. */
export function withFields<T extends object>(schema: Struct, value: T, changes: Partial<T>): T {
  const out: Record<string, unknown> = {}
  for (const { name } of compile(schema).rows) {
    const field = name in changes ? changes[name as keyof T] : value[name as keyof T]
    if (field !== undefined) out[name] = field
  }
  return out as T
}

interface Context extends DecodeOptions {
  /** Field names and indexes from the root. */
  path: (string | number)[]
  /** The struct that is decoded. */
  root: Struct
  /** The struct whose field is being read, for messages. */
  owner: Struct
}

/** Tells the key of a map from the name of a field in a path. */
const keyMark = '\0'

interface Row {
  name: string
  node: Node
}

interface Compiled {
  /** All fields in Go's order. */
  rows: readonly Row[]
  places: ReadonlyMap<string, number>
  /** Places of the fields that may be written although they were not given: those with a default, and those always written. */
  unasked: readonly number[]
}

const compiledOf = new WeakMap<Struct, Compiled>()

function compile(schema: Struct): Compiled {
  let compiled = compiledOf.get(schema)
  if (!compiled) {
    const rows = Object.entries(schema.fields).map(([name, node]) => ({ name, node }))
    compiled = {
      rows,
      places: new Map(rows.map(({ name }, place) => [name, place])),
      unasked: rows.flatMap(({ node }, place) => (node.default !== undefined || node.always ? [place] : [])),
    }
    compiledOf.set(schema, compiled)
  }
  return compiled
}

function decodeStruct(schema: Struct, input: unknown, context: Context): JsonObject {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw mismatch(input, goStructName(schema), context)
  const source = input as JsonObject
  const { rows, places, unasked } = compile(schema)
  const given = givenPlaces(places, source)
  const out: JsonObject = {}
  if (context.copies) copyNotes(source, out)
  const outer = context.owner
  context.owner = schema
  // Both lists go up: the fields that were given, and between them those that come unasked.
  let next = 0
  for (let i = 0; i <= given.length; i++) {
    const place = i < given.length ? given[i]! : rows.length
    for (; next < unasked.length && unasked[next]! < place; next++) putUnasked(out, rows[unasked[next]!]!, context)
    if (place === rows.length) break
    if (unasked[next] === place) next++
    putGiven(out, rows[place]!, source, context)
  }
  if (context.onUnknown)
    for (const key of Object.keys(source)) if (!places.has(key)) context.onUnknown(pathText([...context.path, key]))
  context.owner = outer
  return out
}

/** Where the fields of a value stand in its struct, going up. Most structs have many fields, and most values few. */
function givenPlaces(places: Compiled['places'], source: JsonObject): number[] {
  const given: number[] = []
  let last = -1
  let inOrder = true
  for (const key of Object.keys(source)) {
    const place = places.get(key)
    if (place === undefined) continue
    inOrder &&= place > last
    last = place
    given.push(place)
  }
  return inOrder ? given : given.sort((a, b) => a - b)
}

function putGiven(out: JsonObject, row: Row, source: JsonObject, context: Context): void {
  const { name, node } = row
  const raw = source[name]
  if (raw === undefined || raw === null) return putUnasked(out, row, context)
  context.path.push(name)
  const result = decodeNode(node, raw, context)
  context.path.pop()
  if (result === undefined) putUnasked(out, row, context)
  else out[name] = result
  if (result === undefined || isNilList(result)) {
    const mayBeNothing = node.type === 'list' || node.type === 'map' || node.type === 'bytes'
    if (mayBeNothing && !isNilList(raw)) noteEmpty(out, name, raw)
  }
}

function putUnasked(out: JsonObject, { name, node }: Row, context: Context): void {
  if (context.defaults && node.default !== undefined && (node.default !== '' || node.optional))
    out[name] = (typeof node.default === 'object' ? structuredClone(node.default) : node.default) as Json
  else if (node.always) out[name] = node.optional ? null : zero(node, context)
}

/** Undefined means: zero, and not to be written. */
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

/** Integers beyond 2^53 are bigints; see wire/json.ts. */
function isInteger(raw: unknown, type: 'int32' | 'int64'): raw is number {
  if (typeof raw === 'bigint') return type === 'int64' && raw >= minInt64 && raw <= maxInt64
  return typeof raw === 'number' && (type === 'int32' ? (raw | 0) === raw : Number.isSafeInteger(raw))
}

function decodeDouble(node: Node, raw: Json, context: Context): Json | undefined {
  const value: unknown = (raw as unknown) instanceof Decimal || typeof raw === 'bigint' ? Number(raw) : raw
  if (typeof value !== 'number') throw mismatch(raw, 'float64', context)
  return value !== 0 || node.optional ? value : undefined
}

/** Opaque JSON with plain numbers for Decimals; the same where there are none. */
function withoutDecimals(raw: Json): Json {
  if (!hasDecimals(raw)) return raw
  if ((raw as unknown) instanceof Decimal) return Number(raw)
  if (Array.isArray(raw)) return raw.map(withoutDecimals)
  return Object.fromEntries(Object.entries(raw as object).map(([key, value]) => [key, withoutDecimals(value as Json)]))
}

function hasDecimals(raw: Json): boolean {
  if (typeof raw !== 'object' || raw === null) return false
  if ((raw as unknown) instanceof Decimal) return true
  if (Array.isArray(raw)) return raw.some(hasDecimals)
  for (const key in raw) if (hasDecimals(raw[key]!)) return true
  return false
}

function decodeQuantity(given: Json): Json {
  const raw: unknown = (given as unknown) instanceof Decimal ? (given as unknown as Decimal).source : given
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
    // A null among structs is a zero struct in Go.
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
  // Go writes maps sorted by key.
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

// A plain assignment to __proto__ would change the prototype instead of making a key.
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

/** What an absent plain value is in Go; null for what is nil there. */
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

/** Where Go says that base64 goes wrong: at the first character that does not belong, or where a group ends early. */
function firstBad(text: string): number {
  const plain = text.replace(/=+$/, '')
  const strange = plain.search(/[^A-Za-z0-9+/\r\n]/)
  return strange >= 0 ? strange : text.length - (text.length % 4)
}

/** The fields from the root down, each behind the struct that is embedded for it, if any. */
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
  // Go names fields, not the keys of maps or the places in lists.
  const fields = context.path.filter(p => typeof p === 'string' && !p.startsWith(keyMark)) as string[]
  const path = goPath(context.root, fields)
  const where = fields.length ? `Go struct field ${typeName(context.owner.name)}.${path.join('.')}` : 'Go value'
  const text = textType(context.owner.name, fields.at(-1) ?? '')
  const goName = type.replace(/(?<!map\[)\bstring$/, text)
  return new DecodeError(`json: cannot unmarshal ${what} into ${where} of type ${goName}`, {
    converting: conversionError(raw, type),
  })
}

/** Source: apimachinery pkg/runtime/converter.go. */
function conversionError(raw: unknown, type: string): string {
  const from = Array.isArray(raw) ? 'slice' : typeof raw === 'object' ? 'map' : goScalar(raw)
  if (type.startsWith('map[')) return `cannot restore map from ${from}`
  if (type.startsWith('[]')) return `cannot restore slice from ${from}`
  if (type.includes('.')) return `cannot restore struct from: ${from}`
  const full = Array.isArray(raw) ? '[]interface {}' : typeof raw === 'object' ? 'map[string]interface {}' : from
  return `cannot convert ${full} to ${type}`
}

const goScalar = (raw: unknown) =>
  typeof raw === 'boolean'
    ? 'bool'
    : typeof raw === 'string'
      ? 'string'
      : Number.isInteger(Number(raw))
        ? 'int64'
        : 'float64'

function jsonTypeName(raw: unknown): string {
  if (Array.isArray(raw)) return 'array'
  return raw === null ? 'null' : typeof raw === 'boolean' ? 'bool' : typeof raw
}

const typeName = (name: string) => name.slice(name.lastIndexOf('.') + 1)
const goStructName = (schema: Struct) => schema.name.split('.').slice(-2).join('.')

/** The Go type of a field, as decoding errors name it. */
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

/** `spec.containers[0].image` */
function pathText(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${part.replace(keyMark, '')}` : part,
    '',
  )
}
