// Whether the defaults in a schema are values that fit it.
// Source: apiextensions-apiserver pkg/apiserver/schema/defaulting/validation.go, pkg/apiserver/validation; the words
// are those of go-openapi/validate.
import { sameJson } from '../../api/equal.ts'
import type { Problems } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import type { Json } from '../../api/schema/node.ts'
import { oneSchema, type SchemaProps } from './jsonschema.ts'

type Schema = SchemaProps
type Value = Json

export function* validateDefaults(schema: Schema, at: Path): Problems {
  if (schema.default !== undefined) {
    const path = at.field('default')
    if (sameJson(pruned(schema.default, schema), schema.default)) yield* validateValue(schema.default, schema, path)
    else yield path.invalid(schema.default, 'must not have unknown fields')
  }
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    yield* validateDefaults(property, at.field('properties').key(name))
  for (const field of ['items', 'additionalProperties'] as const) {
    const inner = oneSchema(schema[field])
    if (inner) yield* validateDefaults(inner, at.field(field))
  }
}

/** A value without the fields that its schema does not know. */
function pruned(value: Value, schema: Schema): Value {
  const items = oneSchema(schema.items)
  if (Array.isArray(value)) return items ? value.map((element: Value) => pruned(element, items)) : value
  if (typeof value !== 'object' || value === null) return value
  const { properties = {}, additionalProperties } = schema
  const additional = oneSchema(additionalProperties)
  const keepsAll = schema['x-kubernetes-preserve-unknown-fields'] || additionalProperties === true
  const kept: [string, Value][] = Object.entries(value).flatMap(([name, inner]): [string, Value][] => {
    const known = properties[name] ?? additional
    if (known) return [[name, pruned(inner, known)]]
    return keepsAll ? [[name, inner]] : []
  })
  return Object.fromEntries(kept)
}

function* validateValue(value: Value, schema: Schema, at: Path): Problems {
  if (value === null && schema.nullable) return
  const type = typeOf(value)
  const types = schema['x-kubernetes-int-or-string'] ? ['integer', 'string'] : schema.type ? [schema.type] : [type]
  if (!types.includes(type) && !(schema.type === 'number' && type === 'integer'))
    return yield at.typeInvalid(type, ` in body must be of type ${types.join(',')}: "${type}"`)
  if (schema.enum?.length && !schema.enum.some(one => sameJson(one, value)))
    yield at.notSupported(
      value,
      schema.enum.map(one => (typeof one === 'string' ? one : JSON.stringify(one))),
    )
  if (typeof value === 'number') yield* validateNumber(value, schema, at)
  else if (typeof value === 'string') yield* validateText(value, schema, at)
  else if (Array.isArray(value)) yield* validateList(value, schema, at)
  else if (typeof value === 'object' && value)
    yield* validateFields(value as Readonly<Record<string, Value>>, schema, at)
}

function typeOf(value: Value): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}

const body = (text: string) => ` in body should ${text}`

function* validateNumber(value: number, schema: Schema, at: Path): Problems {
  const { minimum, maximum, multipleOf, exclusiveMinimum, exclusiveMaximum } = schema
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf))
    yield at.invalid(value, body(`be a multiple of ${multipleOf}`))
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
    yield at.invalid(value, body(`be less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`))
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
    yield at.invalid(value, body(`be greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`))
}

function* validateText(value: string, { minLength, maxLength, pattern }: Schema, at: Path): Problems {
  const length = [...value].length
  if (maxLength !== undefined && length > maxLength) yield at.tooLong(maxLength)
  if (minLength !== undefined && length < minLength)
    yield at.invalid(value, body(`be at least ${minLength} chars long`))
  // The pattern is sound by now, though perhaps not in every engine's eyes.
  if (pattern && !matches(pattern, value)) yield at.invalid(value, body(`match '${pattern}'`))
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value)
  } catch (error) {
    if (error instanceof SyntaxError) return true
    throw error
  }
}

function* validateList(value: readonly Value[], schema: Schema, at: Path): Problems {
  const { minItems, maxItems } = schema
  const items = oneSchema(schema.items)
  if (maxItems !== undefined && value.length > maxItems) yield at.tooMany(value.length, maxItems)
  if (minItems !== undefined && value.length < minItems)
    yield at.invalid(value, body(`have at least ${minItems} items`))
  if (items) for (const [i, element] of value.entries()) yield* validateValue(element, items, at.index(i))
}

function* validateFields(value: Readonly<Record<string, Value>>, schema: Schema, at: Path): Problems {
  const { minProperties, maxProperties, required = [], properties = {} } = schema
  const count = Object.keys(value).length
  const additional = oneSchema(schema.additionalProperties)
  if (maxProperties !== undefined && count > maxProperties) yield at.tooMany(count, maxProperties)
  if (minProperties !== undefined && count < minProperties)
    yield at.invalid(value, body(`have at least ${minProperties} properties`))
  // Fields with defaults of their own are filled in before anything is checked.
  for (const name of required)
    if (value[name] === undefined && properties[name]?.default === undefined) yield at.field(name).required()
  for (const [name, inner] of Object.entries(value)) {
    const known = properties[name] ?? additional
    if (known) yield* validateValue(inner, known, at.field(name))
  }
}
