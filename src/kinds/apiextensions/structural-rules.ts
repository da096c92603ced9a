// Whether a schema is structural: every field is described once, with its type, outside of what only restricts values
// (allOf, anyOf, oneOf, not), so that unknown fields can be recognized and defaults filled in.
// Source: apiextensions-apiserver pkg/apiserver/schema/validation.go, complete.go, convert.go.
import { sameJson } from '../../api/equal.ts'
import type { Problems } from '../../api/checks.ts'
import { goPatternError } from '../../api/go-pattern.ts'
import type { Path, Problem } from '../../api/path.ts'
import { oneSchema, type SchemaProps } from './jsonschema.ts'

type Schema = SchemaProps
type Level = 'root' | 'item' | 'field'

/** Whether a schema has, anywhere, what structural schemas have no place for. Then nothing more is said of it. */
export function isUnsupported(schema: Schema): boolean {
  const { id, $ref, type, items, additionalItems, patternProperties, definitions, dependencies } = schema
  if (id || $ref !== undefined || type === 'null' || Array.isArray(items) || additionalItems !== undefined) return true
  if (dependencies || [patternProperties, definitions].some(map => Object.keys(map ?? {}).length)) return true
  return parts(schema).some(isUnsupported)
}

const parts = (schema: Schema): Schema[] =>
  [
    oneSchema(schema.items),
    oneSchema(schema.additionalProperties),
    schema.not,
    ...Object.values(schema.properties ?? {}),
    ...['allOf' as const, 'anyOf' as const, 'oneOf' as const].flatMap(junction => schema[junction] ?? []),
  ].filter(part => part !== undefined)

export function validateStructural(schema: Schema, at: Path): Problem[] {
  const sentence = (problem: Problem) => `${problem.field}: ${problem.body}`
  return [...validateLevel(schema, 'root', at), ...validateComplete(schema, schema, at, at)].sort((a, b) =>
    sentence(a) < sentence(b) ? -1 : 1,
  )
}

const embedded = 'x-kubernetes-embedded-resource'
const preserving = 'x-kubernetes-preserve-unknown-fields'
const eitherType = 'x-kubernetes-int-or-string'

const missingType: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
}

function* validateLevel(schema: Schema, level: Level, at: Path): Problems {
  const { type, properties = {}, additionalProperties } = schema
  const items = oneSchema(schema.items)
  if (type === 'array' && !items) yield at.field('items').required('must be specified')
  if (items) yield* validateLevel(items, 'item', at.field('items'))
  for (const [name, property] of Object.entries(properties))
    yield* validateLevel(property, 'field', at.field('properties').key(name))
  if (additionalProperties !== undefined) {
    const path = at.field('additionalProperties')
    if (level === 'root') yield path.forbidden('must not be used at the root')
    const inner = oneSchema(additionalProperties)
    if (inner) yield* validateLevel(inner, 'field', path)
    if (schema[embedded]) yield path.forbidden(`must not be used if ${embedded} is set`)
  }
  for (const field of [preserving, embedded] as const)
    if (schema[eitherType] && schema[field])
      yield at.field(field).invalid(true, `must be false if ${eitherType} is true`)
  yield* validateValues(schema, isEither(schema.anyOf), isEither(schema.allOf?.[0]?.anyOf), at)
  yield* validateType(schema, level, at)
  yield* validateObjectFields(schema, level, at)
}

function* validateType(schema: Schema, level: Level, at: Path): Problems {
  const { type } = schema
  const path = at.field('type')
  const asObject = `must be object if ${embedded} is true`
  if (schema[embedded] && type !== 'object') yield type ? path.invalid(type, asObject) : path.required(asObject)
  else if (!type && !schema[eitherType] && !schema[preserving]) yield path.required(missingType[level])
  if (level === 'root' && type && type !== 'object') yield path.invalid(type, 'must be object at the root')
}

/** What every object has is described by Kubernetes: a schema may only restrict names. */
function* validateObjectFields(schema: Schema, level: Level, at: Path): Problems {
  const { properties = {} } = schema
  const isObject = level === 'root' || schema[embedded]
  const path = at.field('properties')
  if (isObject)
    for (const name of ['kind', 'apiVersion'])
      if (properties[name] && properties[name].type !== 'string')
        yield path
          .key(name)
          .field('type')
          .invalid(properties[name].type ?? '', 'must be string')
  const { metadata } = properties
  if (metadata && isObject && metadata.type !== 'object')
    yield path
      .key('metadata')
      .field('type')
      .invalid(metadata.type ?? '', 'must be object')
  if (metadata && level === 'root' && !restrictsNames(metadata))
    yield path
      .key('metadata')
      .forbidden('must not specify anything other than name and generateName, but metadata is implicitly specified')
  if (schema[embedded] && !schema[preserving] && !Object.keys(properties).length)
    yield path.required(`must not be empty if ${embedded} is true without ${preserving}`)
}

function restrictsNames({ type: _type, default: _default, properties = {}, ...rest }: Schema): boolean {
  const others = Object.keys(properties).filter(name => name !== 'name' && name !== 'generateName')
  return !others.length && !Object.keys(rest).length
}

const either: readonly Schema[] = [{ type: 'integer' }, { type: 'string' }]

/** An integer or a text: the one choice of types that there may be. */
const isEither = (choice: readonly Schema[] | undefined) => sameJson(choice, either)

function* validateValues(schema: Schema, skipsAny: boolean, skipsFirst: boolean, at: Path): Problems {
  if (!skipsAny)
    for (const [i, part] of (schema.anyOf ?? []).entries())
      yield* validateNested(part, false, at.field('anyOf').index(i))
  for (const [i, part] of (schema.allOf ?? []).entries())
    yield* validateNested(part, skipsFirst && i === 0, at.field('allOf').index(i))
  for (const [i, part] of (schema.oneOf ?? []).entries()) yield* validateNested(part, false, at.field('oneOf').index(i))
  if (schema.not) yield* validateNested(schema.not, false, at.field('not'))
  const error = schema.pattern && goPatternError(schema.pattern)
  if (error)
    yield at.field('pattern').invalid(schema.pattern, `must be a valid regular expression, but isn't: ${error}`)
}

const unsaid: Readonly<Record<string, string>> = {
  type: 'must be empty to be structural',
  additionalProperties: 'must be undefined to be structural',
  default: 'must be undefined to be structural',
  title: 'must be empty to be structural',
  description: 'must be empty to be structural',
  nullable: 'must be false to be structural',
  externalDocs: 'must be undefined to be structural',
  [preserving]: 'must be false to be structural',
  [embedded]: 'must be false to be structural',
  [eitherType]: 'must be false to be structural',
  'x-kubernetes-list-map-keys': 'must be empty to be structural',
  'x-kubernetes-list-type': 'must be undefined to be structural',
  'x-kubernetes-map-type': 'must be undefined to be structural',
  'x-kubernetes-validations': 'must be empty to be structural',
}

/** Within a choice values are restricted, and nothing is described. */
function* validateNested(schema: Schema, skipsAny: boolean, at: Path): Problems {
  yield* validateValues(schema, skipsAny, false, at)
  const items = oneSchema(schema.items)
  if (items) yield* validateNested(items, false, at.field('items'))
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    yield* validateNested(property, false, at.field('properties').key(name))
  for (const [field, error] of Object.entries(unsaid)) {
    const value = schema[field as keyof Schema]
    const isSaid = error.includes('undefined') ? value !== undefined : Array.isArray(value) ? value.length > 0 : value
    if (isSaid) yield at.field(field).forbidden(error)
  }
  if (schema.properties?.['metadata'])
    yield at.field('properties').key('metadata').forbidden('must not be specified in a nested context')
}

/** What a choice restricts is described outside of it. `at` is where it should be, `from` where it is restricted. */
function* validateComplete(choice: Schema, schema: Schema | undefined, at: Path, from: Path): Problems {
  if (!schema) return yield at.required(`because it is defined in ${from}`)
  if (choice.not) yield* validateNestedComplete(choice.not, schema, at, from.field('not'))
  for (const junction of ['allOf', 'anyOf', 'oneOf'] as const)
    for (const [i, part] of (choice[junction] ?? []).entries())
      yield* validateNestedComplete(part, schema, at, from.field(junction).index(i))
}

function* validateNestedComplete(choice: Schema, schema: Schema | undefined, at: Path, from: Path): Problems {
  yield* validateComplete(choice, schema, at, from)
  if (!schema) return
  const items = oneSchema(choice.items)
  if (items) yield* validateNestedComplete(items, oneSchema(schema.items), at.field('items'), from.field('items'))
  for (const [name, property] of Object.entries(choice.properties ?? {}))
    yield* validateNestedComplete(
      property,
      schema.properties?.[name],
      at.field('properties').key(name),
      from.field('properties').key(name),
    )
}
