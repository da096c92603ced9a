// From an OpenAPI schema to what the checker and the estimates need: the type of a value, the types of its fields, and
// how large it can be.
//
//     declare({ type: 'array', items: { type: 'string', maxLength: 10 }, maxItems: 5 }, 'self')
//         = list(string), at most 5 elements, each of at most 40 bytes
//
// Source: apiserver pkg/cel/common/schemas.go, pkg/cel/types.go, pkg/cel/limits.go; apiextensions-apiserver
// pkg/apiserver/schema/cel/compilation.go.
import type { Range } from './cost.ts'
import type { ObjectTypes } from './environment.ts'
import { escapeField, isReserved } from './escaping.ts'
import type { SizeOf } from './estimator.ts'
import * as t from './types.ts'
import type { Type } from './types.ts'

/** As in a CustomResourceDefinition or an OpenAPI document. */
export interface Schema {
  readonly type?: string
  readonly format?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly required?: readonly string[]
  readonly enum?: readonly unknown[]
  readonly default?: unknown
  readonly nullable?: boolean
  readonly maxLength?: number
  readonly maxItems?: number
  readonly maxProperties?: number
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-embedded-resource'?: boolean
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly 'x-kubernetes-list-type'?: string
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
}

/** A type with its sizes. */
export interface Declared {
  readonly type: Type
  /** By their names in expressions. */
  readonly fields?: ReadonlyMap<string, Declared>
  readonly key?: Declared
  readonly element?: Declared
  /** Characters of a string, elements of a list, entries of a map. */
  readonly maxElements: number
  /** The least number of bytes that it has in JSON. */
  readonly minBytes: number
}

const maxRequestBytes = 3 * 1024 * 1024
/** An RFC 3339 time, or a duration, in quotes. */
const maxTimeBytes = 32

const scalar = (type: Type, minBytes: number, maxElements = 0): Declared => ({ type, minBytes, maxElements })

/**
 * The type of values of the schema; undefined when expressions cannot see them. Objects are named after the path to
 * them from `name`. The root of a resource has metadata, whether or not the schema says so.
 */
export function declare(schema: Schema, name: string, isResourceRoot = false): Declared | undefined {
  if (schema['x-kubernetes-int-or-string']) {
    const most = schema.maxLength === undefined ? maxRequestBytes - 2 : atLeastZero(schema.maxLength) * 4
    return scalar(t.dyn, 1, most)
  }
  const known = isResourceRoot ? withMetadata(schema) : schema
  switch (known.type) {
    case 'array':
      return declareList(known, name)
    case 'object':
      return typeof known.additionalProperties === 'object'
        ? declareMap(known, known.additionalProperties, name)
        : declareObject(known, name)
    case 'string':
      return declareString(known)
    case 'boolean':
      return scalar(t.bool, 4)
    case 'number':
      return scalar(t.double, 1)
    case 'integer':
      return scalar(t.int, 1)
    default:
      return undefined
  }
}

const atLeastZero = (size: number) => Math.max(0, size)
const isEmbedded = (schema: Schema) => schema['x-kubernetes-embedded-resource'] === true

function declareList(schema: Schema, name: string): Declared | undefined {
  const element = schema.items && declare(schema.items, `${name}.@idx`, isEmbedded(schema.items))
  if (!element) return undefined
  const maxElements =
    schema.maxItems === undefined
      ? Math.floor((maxRequestBytes - 2) / (element.minBytes + 1))
      : atLeastZero(schema.maxItems)
  return { type: t.list(element.type), element, maxElements, minBytes: 2 }
}

function declareMap(schema: Schema, values: Schema, name: string): Declared | undefined {
  const element = declare(values, `${name}.@elem`, isEmbedded(values))
  if (!element) return undefined
  // A key is in quotes and has a colon and a comma.
  const maxElements =
    schema.maxProperties === undefined
      ? Math.floor((maxRequestBytes - 2) / (element.minBytes + 6))
      : atLeastZero(schema.maxProperties)
  return { type: t.map(t.string, element.type), key: scalar(t.string, 2), element, maxElements, minBytes: 2 }
}

function declareObject(schema: Schema, name: string): Declared {
  const fields = new Map<string, Declared>()
  const required = new Set(schema.required)
  let minBytes = 2
  for (const [field, property] of Object.entries(schema.properties ?? {})) {
    const escaped = escapeField(field)
    const declared = declare(property, `${name}.${escaped ?? field}`, isEmbedded(property))
    if (!declared) continue
    if (escaped !== undefined) fields.set(escaped, declared)
    // Defaults are filled in by the server: a request need not have them.
    if (required.has(field) && property.default === undefined)
      minBytes += Buffer.byteLength(field) + declared.minBytes + 4
  }
  return { type: t.object(name), fields, maxElements: 0, minBytes }
}

function declareString(schema: Schema): Declared {
  const { format, maxLength } = schema
  const unlimited = maxRequestBytes - 2
  switch (format) {
    case 'byte':
      return scalar(t.bytes, 2, maxLength === undefined ? unlimited : atLeastZero(maxLength))
    case 'duration':
      return scalar(t.duration, 3, maxTimeBytes)
    case 'date':
      return scalar(t.timestamp, 12, 12)
    case 'date-time':
      return scalar(t.timestamp, 21, maxTimeBytes)
  }
  // A character has up to four bytes.
  if (maxLength !== undefined) return scalar(t.string, 2, atLeastZero(maxLength) * 4)
  const values = (schema.enum ?? []).filter(value => typeof value === 'string')
  const longest = Math.max(0, ...values.map(value => Buffer.byteLength(value)))
  return scalar(t.string, 2, schema.enum?.length ? longest : unlimited)
}

const text: Schema = { type: 'string' }

/** The schema with what is always known of a resource. */
export function withMetadata(schema: Schema): Schema {
  const { metadata } = schema.properties ?? {}
  const has = (name: string, of = schema.properties) => of?.[name]?.type === 'string'
  const isComplete =
    has('kind') && has('apiVersion') && has('name', metadata?.properties) && has('generateName', metadata?.properties)
  if (isComplete) return schema
  const names: Schema = { type: 'object', properties: { name: text, generateName: text } }
  return { ...schema, properties: { ...schema.properties, kind: text, apiVersion: text, metadata: names } }
}

/** The types of objects in these declarations, for an environment. */
export function objectsOf(...roots: readonly Declared[]): ObjectTypes {
  const byName = new Map<string, Declared>()
  const add = (declared: Declared): void => {
    if (declared.fields) {
      byName.set(declared.type.name, declared)
      declared.fields.forEach(add)
    }
    if (declared.element) add(declared.element)
  }
  roots.forEach(add)
  return {
    fieldType: (typeName, field) => {
      const declared = byName.get(typeName)
      return declared ? fieldOf(declared, field)?.type : null
    },
  }
}

/** A field by its name in expressions. Words that are reserved may stand there as they are. */
const fieldOf = ({ fields }: Declared, name: string): Declared | undefined =>
  fields?.get(name) ?? (isReserved(name) ? fields?.get(`__${name}__`) : undefined)

/** The sizes of the parts of variables, for the estimates. */
export function sizesOf(variables: Readonly<Record<string, Declared>>): SizeOf {
  return ({ path }): Range | undefined => {
    const [variable, ...steps] = path ?? []
    let declared = variable === undefined || !Object.hasOwn(variables, variable) ? undefined : variables[variable]
    for (const step of steps) {
      if (step === '@items' || step === '@values') declared = declared?.element
      else if (step === '@keys') declared = declared?.key
      else declared = declared && fieldOf(declared, step)
    }
    return declared && { min: 0n, max: BigInt(declared.maxElements) }
  }
}
