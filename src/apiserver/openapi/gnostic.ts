// Encodes the OpenAPI v2 document as protobuf, for older versions of kubectl. Only the parts that occur are supported.
// Source: github.com/google/gnostic openapiv2/OpenAPIv2.proto (field numbers).
import { ProtoWriter } from '../../wire/protobuf.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'

type Write = (writer: ProtoWriter, value: JsonObject) => void

function message(writer: ProtoWriter, field: number, value: JsonObject, write: Write): void {
  const inner = new ProtoWriter()
  write(inner, value)
  writer.bytes(field, inner.finish())
}

function text(writer: ProtoWriter, field: number, value: Json | undefined): void {
  if (typeof value === 'string' && value !== '') writer.string(field, value)
}

function texts(writer: ProtoWriter, field: number, value: Json | undefined): void {
  if (Array.isArray(value)) for (const element of value) writer.string(field, String(element))
}

const flag = (writer: ProtoWriter, field: number, value: Json | undefined) => value === true && writer.varint(field, 1)

/** Writes entries of a map as messages with name (1) and value (2). */
function named(writer: ProtoWriter, field: number, entries: JsonObject, write: Write): void {
  for (const [name, value] of Object.entries(entries)) {
    message(writer, field, value as JsonObject, (entry, inner) => {
      entry.string(1, name)
      message(entry, 2, inner, write)
    })
  }
}

function extensions(writer: ProtoWriter, field: number, value: JsonObject): void {
  for (const [name, extension] of Object.entries(value)) {
    if (!name.startsWith('x-')) continue
    message(writer, field, {}, entry => {
      entry.string(1, name)
      message(entry, 2, {}, any => any.string(2, JSON.stringify(extension)))
    })
  }
}

/** Encodes the whole document. */
export function encodeOpenAPIv2(document: JsonObject): Buffer {
  const writer = new ProtoWriter(1 << 20)
  text(writer, 1, document.swagger)
  message(writer, 2, document.info as JsonObject, (w, info) => {
    text(w, 1, info.title)
    text(w, 2, info.version)
  })
  message(writer, 8, document.paths as JsonObject, (w, paths) => named(w, 2, paths, pathItem))
  message(writer, 9, document.definitions as JsonObject, (w, definitions) => named(w, 1, definitions, schema))
  return writer.finish()
}

const methodFields: Record<string, number> = { get: 2, put: 3, post: 4, delete: 5, options: 6, head: 7, patch: 8 }

const pathItem: Write = (writer, item) => {
  for (const [method, field] of Object.entries(methodFields))
    if (item[method]) message(writer, field, item[method] as JsonObject, operation)
  for (const parameter of (item.parameters ?? []) as JsonObject[]) message(writer, 9, parameter, parameterItem)
}

const operation: Write = (writer, op) => {
  texts(writer, 1, op.tags)
  text(writer, 3, op.description)
  text(writer, 5, op.operationId)
  texts(writer, 6, op.produces)
  texts(writer, 7, op.consumes)
  for (const parameter of (op.parameters ?? []) as JsonObject[]) message(writer, 8, parameter, parameterItem)
  message(writer, 9, op.responses as JsonObject, (w, responses) =>
    named(w, 1, responses, (value, response) =>
      message(value, 1, response, (r, { description, schema: body }) => {
        text(r, 1, description)
        if (body) message(r, 2, body as JsonObject, (item, s) => message(item, 1, s, schema))
      }),
    ),
  )
  texts(writer, 10, op.schemes)
  extensions(writer, 13, op)
}

const parameterItem: Write = (writer, parameter) => {
  message(writer, 1, parameter, (w, p) => {
    if (p.in === 'body') {
      message(w, 1, p, (body, b) => {
        text(body, 1, b.description)
        text(body, 2, b.name)
        text(body, 3, b.in)
        flag(body, 4, b.required)
        message(body, 5, b.schema as JsonObject, schema)
      })
      return
    }
    message(w, 2, p, (other, o) =>
      message(other, o.in === 'path' ? 4 : 3, o, (q, value) => {
        flag(q, 1, value.required)
        text(q, 2, value.in)
        text(q, 3, value.description)
        text(q, 4, value.name)
        text(q, o.in === 'path' ? 5 : 6, value.type)
      }),
    )
  })
}

const schema: Write = (writer, s) => {
  text(writer, 1, s.$ref)
  text(writer, 2, s.format)
  text(writer, 4, s.description)
  if (s.default !== undefined) message(writer, 5, {}, any => any.string(2, JSON.stringify(s.default)))
  texts(writer, 19, s.required)
  if (Array.isArray(s.enum))
    for (const value of s.enum) message(writer, 20, {}, any => any.string(2, JSON.stringify(value)))
  if (s.additionalProperties)
    message(writer, 21, s.additionalProperties as JsonObject, (w, inner) => message(w, 1, inner, schema))
  if (typeof s.type === 'string') message(writer, 22, {}, w => w.string(1, s.type as string))
  if (s.items) message(writer, 23, s.items as JsonObject, (w, inner) => message(w, 1, inner, schema))
  if (s.properties) message(writer, 25, s.properties as JsonObject, (w, properties) => named(w, 1, properties, schema))
  extensions(writer, 31, s)
}
