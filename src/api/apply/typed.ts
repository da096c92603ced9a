// Checks that an applied object fits its schema. Server-side apply refuses fields that nobody could own. The messages
// are those of structured-merge-diff.
// Source: structured-merge-diff typed/validate.go, typed/helpers.go.
import { own } from '../../base/own.ts'
import { goQuote } from '../../base/go-text.ts'
import { isObject } from '../patch/merge.ts'
import type { Json, JsonObject, Node, Struct } from '../schema/node.ts'
import { elementKey, elementText } from './fieldset.ts'

/** The problems in the order of the object, such as `.spec.replicas: expected numeric (int or float), got …`. */
export function typeProblems(schema: Struct, value: JsonObject): string[] {
  return [...inStruct(schema, value, '')]
}

function* inStruct(schema: Struct, value: JsonObject, at: string): Iterable<string> {
  for (const [name, child] of Object.entries(value)) {
    const node = own(schema.fields, name) ?? schema.others
    if (node) yield* inNode(node, child, `${at}.${name}`)
    else yield `${at}.${name}: field not declared in schema`
  }
}

function* inNode(node: Node, value: Json, at: string): Iterable<string> {
  if (value === null) return
  const expected = (what: string) => `${at}: expected ${what}, got ${goForm(value)}`
  switch (node.type) {
    case 'struct':
      if (isObject(value)) yield* inStruct(node.struct!(), value, at)
      else yield expected('map')
      return
    case 'map':
      if (!isObject(value)) return yield expected('map')
      for (const [key, child] of Object.entries(value)) yield* inNode(node.item!, child, `${at}.${key}`)
      return
    case 'list':
      if (Array.isArray(value)) yield* inList(node, value, at)
      else yield expected('list')
      return
    case 'string':
    case 'bytes':
    case 'time':
    case 'microTime':
    case 'duration':
      if (typeof value !== 'string') yield expected('string')
      return
    case 'bool':
      if (typeof value !== 'boolean') yield expected('boolean')
      return
    case 'int32':
    case 'int64':
    case 'double':
      if (typeof value !== 'number' && typeof value !== 'bigint') yield expected('numeric (int or float)')
      return
    // These nodes accept any scalar, or any value at all.
    case 'quantity':
    case 'intOrString':
    case 'json':
    case 'untyped':
  }
}

function* inList(node: Node, value: Json[], at: string): Iterable<string> {
  const seen = new Set<string>()
  for (const [i, element] of value.entries()) {
    const key = elementKey(node, element)
    if (key !== undefined && seen.has(key)) yield `${at}: duplicate entries for key ${elementText(key)}`
    if (key !== undefined) seen.add(key)
    yield* inNode(node.item!, element, at + elementText(key ?? `i:${i}`))
  }
}

/** A decoded value like Go's %#v. */
function goForm(value: Json): string {
  return `&value.valueUnstructured{Value:${literal(value)}}`
}

function literal(value: Json): string {
  if (value === null) return 'interface {}(nil)'
  if (typeof value === 'string') return goQuote(value)
  if (Array.isArray(value)) return `[]interface {}{${value.map(literal).join(', ')}}`
  if (!isObject(value)) return String(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `map[string]interface {}{${entries.map(([key, inner]) => `${goQuote(key)}:${literal(inner)}`).join(', ')}}`
}
