// Encodes objects as protobuf and decodes them, by their schema. The bytes are the same as those of Go's generated
// code: fields in the order of their numbers, fields by value even if they are zero, maps sorted. Source: gogo
// protobuf; apimachinery pkg/runtime/serializer/protobuf for the envelope, which begins with `k8s\0`.
import { parseJson } from '../../wire/json.ts'
import { ProtoWriter, readProto } from '../../wire/protobuf.ts'
import { int64Of } from '../int64.ts'
import { durationText, parseDuration, timeText } from '../time.ts'
import { decode } from './decode.ts'
import type { Json, JsonObject, Node, Struct, Mutable } from './node.ts'

const magic = Buffer.from('k8s\0')

/** Puts an encoded message into the envelope of protobuf bodies, which names its kind. */
export function encodeEnvelope(apiVersion: string, kind: string, raw: Uint8Array): Buffer {
  const { head, tail } = envelopeAround(apiVersion, kind, raw.length)
  return Buffer.concat([head, raw, tail])
}

/** What stands before and after a message of `rawBytes` bytes in its envelope. */
export function envelopeAround(apiVersion: string, kind: string, rawBytes: number): { head: Buffer; tail: Buffer } {
  const length = new ProtoWriter(16)
  length.lengthOf(2, rawBytes)
  return { head: Buffer.concat([typeHead(apiVersion, kind), length.finish()]), tail: envelopeTail }
}

/** The empty encoding and content type. */
const envelopeTail = Buffer.from([(3 << 3) | 2, 0, (4 << 3) | 2, 0])

/** The beginnings of envelopes, which are the same for all objects of a kind. */
const typeHeads = new Map<string, Buffer>()
const maxTypeHeads = 1_000

function typeHead(apiVersion: string, kind: string): Buffer {
  const key = `${apiVersion} ${kind}`
  let head = typeHeads.get(key)
  if (!head) {
    const type = new ProtoWriter()
    type.string(1, apiVersion)
    type.string(2, kind)
    const field = new ProtoWriter()
    field.bytes(1, type.finish())
    if (typeHeads.size >= maxTypeHeads) typeHeads.clear()
    typeHeads.set(key, (head = Buffer.concat([magic, field.finish()])))
  }
  return head
}

/** Reads the envelope. Throws RangeError for other bytes. */
export function decodeEnvelope(body: Buffer): { apiVersion: string; kind: string; raw: Buffer } {
  if (!body.subarray(0, 4).equals(magic))
    throw new RangeError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  const out = { apiVersion: '', kind: '', raw: Buffer.alloc(0) as Buffer }
  for (const part of readProto(body.subarray(4))) {
    if (part.wire !== 2) continue
    if (part.field === 2) out.raw = part.value
    if (part.field !== 1) continue
    for (const type of readProto(part.value)) {
      if (type.wire === 2 && type.field === 1) out.apiVersion = type.value.toString()
      if (type.wire === 2 && type.field === 2) out.kind = type.value.toString()
    }
  }
  return out
}

/** A field of a message, or a message that contains inlined fields. */
type Row = { proto: number; name: string; node: Node } | { proto: number; inlined: Struct }

const rowsOf = new WeakMap<Struct, Row[]>()

function compile(schema: Struct): Row[] {
  let rows = rowsOf.get(schema)
  if (rows) return rows
  rows = []
  const inlined = new Map<number, Record<string, Node>>()
  for (const [name, node] of Object.entries(schema.fields)) {
    if (node.via !== undefined) {
      const { via, ...bare } = node
      const [outer, ...rest] = via as [number, ...number[]]
      inlined.set(outer, { ...inlined.get(outer), [name]: rest.length ? { ...bare, via: rest } : bare })
    } else if (node.proto) rows.push({ proto: node.proto, name, node })
  }
  for (const [proto, fields] of inlined) rows.push({ proto, inlined: { ...schema, fields } })
  rows.sort((a, b) => a.proto - b.proto)
  rowsOf.set(schema, rows)
  return rows
}

/** Encodes a value in canonical form. */
export function encodeProto(schema: Struct, value: unknown): Buffer {
  const writer = new ProtoWriter()
  const object = (value ?? {}) as JsonObject
  for (const row of compile(schema)) {
    if ('inlined' in row) writer.bytes(row.proto, encodeProto(row.inlined, object))
    else writeField(writer, row.proto, row.node, object[row.name])
  }
  return writer.finish()
}

function writeField(writer: ProtoWriter, field: number, node: Node, value: Json | undefined): void {
  if (node.type === 'list') return writeList(writer, field, node, value)
  if (node.type === 'map') {
    for (const key of Object.keys((value as JsonObject) ?? {}).sort()) {
      const entry = new ProtoWriter()
      entry.string(1, key)
      writeField(entry, 2, node.item!, (value as JsonObject)[key])
      writer.bytes(field, entry.finish())
    }
    return
  }
  // Pointers and byte slices are written only when they are set, all others always.
  if ((value === undefined || value === null) && (node.optional || node.type === 'bytes')) return
  writeValue(writer, field, node, value)
}

function writeList(writer: ProtoWriter, field: number, node: Node, value: Json | undefined): void {
  const elements = (value as Json[] | null | undefined) ?? []
  if (!node.wrapped) {
    for (const element of elements) writeValue(writer, field, node.item!, element)
    return
  }
  if (!elements.length) return
  const message = new ProtoWriter()
  for (const element of elements) writeValue(message, 1, node.item!, element)
  writer.bytes(field, message.finish())
}

function writeValue(writer: ProtoWriter, field: number, node: Node, value: Json | undefined): void {
  switch (node.type) {
    case 'string':
      return writer.string(field, (value as string) ?? '')
    case 'bytes':
      return writer.bytes(field, Buffer.from((value as string) ?? '', 'base64'))
    case 'bool':
      return writer.varint(field, value ? 1 : 0)
    case 'int32':
    case 'int64':
      return writer.varint(field, (value as number) ?? 0)
    case 'double':
      return writer.double(field, (value as number) ?? 0)
    case 'struct':
      return writer.bytes(field, encodeProto(node.struct!(), value))
    case 'list':
      return writeList(writer, field, { ...node, wrapped: true }, value)
    case 'map':
      return writeField(writer, field, node, value)
    default:
      return writer.bytes(field, encodeSpecial(node, value))
  }
}

function encodeSpecial(node: Node, value: Json | undefined): Buffer {
  const message = new ProtoWriter(32)
  switch (node.type) {
    case 'quantity':
      message.string(1, (value as string) ?? '0')
      break
    case 'intOrString': {
      const isText = typeof value === 'string'
      message.varint(1, isText ? 1 : 0)
      message.varint(2, isText ? 0 : ((value as number) ?? 0))
      message.string(3, isText ? value : '')
      break
    }
    case 'time':
    case 'microTime': {
      if (!value) break
      const fraction = /\.(\d+)/.exec(value as string)?.[1] ?? ''
      message.varint(1, Math.floor(Date.parse(value as string) / 1000))
      message.varint(2, Number(fraction.padEnd(9, '0')))
      break
    }
    case 'duration':
      message.varint(1, parseDuration((value as string) ?? '0s') ?? 0)
      break
    default:
      if (value !== undefined && value !== null) message.string(1, JSON.stringify(value))
  }
  return message.finish()
}

/** Decodes a message into its canonical form. Throws RangeError for damaged bytes, DecodeError for wrong values. */
export function decodeProto<T>(schema: Struct<T>, message: Buffer): Mutable<T> {
  return decode(schema, readStruct(schema as Struct, message))
}

function readStruct(schema: Struct, message: Buffer): JsonObject {
  const byNumber = new Map(compile(schema).map(row => [row.proto, row]))
  const out: JsonObject = {}
  for (const part of readProto(message)) {
    const row = byNumber.get(part.field)
    if (!row) continue
    if ('inlined' in row) Object.assign(out, readStruct(row.inlined, part.value as Buffer))
    else readField(out, row.name, row.node, part.value)
  }
  return out
}

function readField(out: JsonObject, name: string, node: Node, value: bigint | Buffer): void {
  if (node.type === 'list' && !node.wrapped) {
    const element = readValue(node.item!, value)
    const list = out[name] as Json[] | undefined
    if (list) list.push(element)
    else out[name] = [element]
  } else if (node.type === 'map') {
    let key = ''
    const entry: JsonObject = {}
    for (const part of readProto(value as Buffer)) {
      if (part.field === 1) key = part.value.toString()
      else if (node.item!.type === 'list') entry.value = readValue(node.item!, part.value)
      else readField(entry, 'value', node.item!, part.value)
    }
    const map = (out[name] ??= {}) as JsonObject
    Object.defineProperty(map, key, {
      value: entry.value ?? null,
      enumerable: true,
      writable: true,
      configurable: true,
    })
  } else out[name] = readValue(node, value)
}

function readValue(node: Node, value: bigint | Buffer): Json {
  switch (node.type) {
    case 'string':
      return value.toString()
    case 'bytes':
      return (value as Buffer).toString('base64')
    case 'bool':
      return value !== 0n
    case 'int32':
    case 'int64':
      return int64Of(BigInt.asIntN(64, value as bigint))
    case 'double':
      return (value as Buffer).readDoubleLE()
    case 'struct':
      return readStruct(node.struct!(), value as Buffer)
    case 'list':
      return [...readProto(value as Buffer)].map(part => readValue(node.item!, part.value))
    default:
      return readSpecial(node, value as Buffer)
  }
}

function readSpecial(node: Node, message: Buffer): Json {
  const parts = new Map([...readProto(message)].map(part => [part.field, part.value]))
  const number = (field: number) => Number(BigInt.asIntN(64, (parts.get(field) as bigint | undefined) ?? 0n))
  const text = (field: number) => (parts.get(field) as Buffer | undefined)?.toString() ?? ''
  switch (node.type) {
    case 'quantity':
      return text(1)
    case 'intOrString':
      return number(1) === 1 ? text(3) : number(2)
    case 'time':
    case 'microTime': {
      if (!parts.size) return null
      const whole = timeText(number(1) * 1000)
      return node.type === 'time'
        ? whole
        : `${whole.slice(0, 19)}.${String(Math.floor(number(2) / 1000)).padStart(6, '0')}Z`
    }
    case 'duration':
      return durationText(number(1))
    default:
      return parts.has(1) ? (parseJson(text(1)) as Json) : null
  }
}
