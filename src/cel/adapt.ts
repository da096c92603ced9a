// JSON as values of expressions, adapted when it is looked at: with a schema, by the types that `declare` finds in it;
// without one, as it is.
//
// Names of fields may be anything, `constructor` and `__proto__` too: only what is an object's own is a field.
// Source: apiserver pkg/cel/common/values.go.
import { goTypeOf } from '../base/go-text.ts'
import { daysOf, parseDuration, parseTimestamp } from './time.ts'
import { escapeField, unescapeField } from './escaping.ts'
import { equal } from './equality.ts'
import { withMetadata, type Schema } from './schema.ts'
import {
  ArrayList,
  EntryMap,
  Failure,
  List,
  Mapping,
  Timestamp,
  failure,
  noSuchOverload,
  type Value,
} from './values.ts'
import { spend } from './work.ts'

type Json = unknown
type JsonObject = Readonly<Record<string, Json>>

const isObject = (json: Json): json is JsonObject => typeof json === 'object' && json !== null && !Array.isArray(json)

/** The value of JSON that has no schema: whole numbers are int, others double. */
export function adaptUntyped(json: Json): Value {
  switch (typeof json) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return json
    case 'number':
      return Number.isInteger(json) ? BigInt(json) : json
    case 'object':
      if (json === null) return null
      return Array.isArray(json)
        ? new JsonList(json, adaptUntyped)
        : new JsonMap(json as JsonObject, () => adaptUntyped)
    default:
      return null
  }
}

/** The value of JSON of a schema; a failure when it is not of it. `isResourceRoot` as for `declare`. */
export function adapt(json: Json, schema: Schema, isResourceRoot = false): Value {
  if (json === null || json === undefined)
    return schema.nullable ? null : failure('invalid data, got null for schema with nullable=false')
  if (schema['x-kubernetes-int-or-string']) {
    if (typeof json === 'string') return json
    return integer(json) ?? failure('invalid data, expected XIntOrString value to be either a string or integer')
  }
  switch (schema.type) {
    case 'object':
      return adaptObject(json, schema, isResourceRoot)
    case 'array':
      return adaptArray(json, schema)
    case 'string':
      return typeof json === 'string' ? adaptString(json, schema) : unexpected('string', json)
    case 'number':
      return typeof json === 'number' || typeof json === 'bigint' ? Number(json) : unexpected('float', json)
    case 'integer':
      return integer(json) ?? unexpected('int', json)
    case 'boolean':
      return typeof json === 'boolean' ? json : unexpected('bool', json)
    default:
      // Data of unknown type can be compared and nothing else.
      if (schema['x-kubernetes-preserve-unknown-fields']) return adaptUntyped(json)
      return failure(
        `invalid type, expected object, array, number, integer, boolean or string, or no type with x-kubernetes-int-or-string or x-kubernetes-preserve-unknown-fields is true, got ${schema.type ?? ''}`,
      )
  }
}

function integer(json: Json): bigint | undefined {
  if (typeof json === 'bigint') return json
  return typeof json === 'number' && Number.isInteger(json) ? BigInt(json) : undefined
}

const unexpected = (expected: string, json: Json) =>
  failure(`invalid data, expected ${expected}, got ${goTypeOf(json)}`)

/** An object has fields, a map has keys; in JSON they look the same, and the schema decides. */
function adaptObject(json: Json, schema: Schema, isResourceRoot: boolean): Value {
  if (!isObject(json)) return failure('invalid data, expected a map for the provided schema with type=object')
  const isResource = isResourceRoot || schema['x-kubernetes-embedded-resource'] === true
  if (isResource || schema.properties) {
    const properties = (isResource ? withMetadata(schema) : schema).properties ?? {}
    return new JsonMap(
      json,
      key => {
        if (!Object.hasOwn(properties, key)) return undefined
        const property = properties[key]!
        return value => adapt(value, property)
      },
      true,
    )
  }
  const values = schema.additionalProperties
  if (typeof values === 'object') return new JsonMap(json, () => value => adapt(value, values))
  if (schema['x-kubernetes-preserve-unknown-fields']) return new JsonMap(json, () => undefined)
  return failure(
    'invalid object type, expected either Properties or AdditionalProperties with Allows=true and non-empty Schema',
  )
}

function adaptArray(json: Json, schema: Schema): Value {
  if (!Array.isArray(json)) return failure('invalid data, expected an array for the provided schema with type=array')
  const { items } = schema
  if (!items) return failure('invalid array type, expected Items with a non-empty Schema')
  const list = new JsonList(json, element => adapt(element, items))
  switch (schema['x-kubernetes-list-type']) {
    case 'set':
      return new UniqueList(list, element => element)
    case 'map':
      return new UniqueList(list, keyByFields(schema['x-kubernetes-list-map-keys'] ?? []))
    default:
      return list
  }
}

/** Some formats are types of their own. Validation has checked them before rules see them. */
function adaptString(text: string, schema: Schema): Value {
  switch (schema.format) {
    case 'duration':
      return parseDuration(text) ?? failure(`Invalid duration ${text}: unable to parse`)
    case 'date':
      return dateOf(text) ?? failure(`Invalid date formatted string ${text}: unable to parse`)
    case 'date-time':
      return parseTimestamp(text) ?? failure(`Invalid date-time formatted string ${text}: unable to parse`)
    case 'byte':
      return /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0
        ? Buffer.from(text, 'base64')
        : failure(`Invalid byte formatted string ${text}: illegal base64 data`)
    default:
      return text
  }
}

function dateOf(text: string): Timestamp | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  const days = parts ? daysOf(Number(parts[1]), Number(parts[2]), Number(parts[3])) : undefined
  return days === undefined ? undefined : new Timestamp(BigInt(days) * 86_400_000_000_000n)
}

type Adapter = (json: Json) => Value

/** An array of JSON. */
class JsonList extends List {
  readonly json: readonly Json[]
  readonly #adapt: Adapter

  constructor(json: readonly Json[], adapter: Adapter) {
    super()
    this.json = json
    this.#adapt = adapter
  }

  get size(): number {
    return this.json.length
  }

  at(index: number): Value {
    return this.#adapt(this.json[index])
  }
}

/** An object of JSON, as an object with fields or as a map. */
class JsonMap extends Mapping {
  readonly json: JsonObject
  /** How the value of a key is adapted; undefined for keys that expressions cannot see. */
  readonly #adapter: (key: string) => Adapter | undefined
  readonly #hasFields: boolean

  constructor(json: JsonObject, adapter: (key: string) => Adapter | undefined, hasFields = false) {
    super()
    this.json = json
    this.#adapter = adapter
    this.#hasFields = hasFields
  }

  /** With what expressions cannot see. */
  get size(): number {
    return Object.keys(this.json).length
  }

  get(key: Value): Value | undefined {
    if (typeof key !== 'string') return noSuchOverload()
    const name = this.#hasFields ? unescapeField(key) : key
    if (name === undefined || !Object.hasOwn(this.json, name)) return undefined
    const json = this.json[name]
    // A field that is null is as good as absent.
    if (json === undefined || (this.#hasFields && json === null)) return undefined
    return this.#adapter(name)?.(json)
  }

  *keys(): Generator<Value> {
    for (const key of Object.keys(this.json))
      if (this.#adapter(key)) yield (this.#hasFields ? escapeField(key) : undefined) ?? key
  }

  override equals(other: Mapping): boolean {
    if (this.size !== other.size) return false
    for (const key of Object.keys(this.json)) {
      if (this.#adapter(key)) {
        const name = (this.#hasFields ? escapeField(key) : undefined) ?? key
        const [mine, others] = [this.get(name), other.get(name)]
        if (mine === undefined ? others !== undefined : others === undefined || !equal(mine, others)) return false
      } else if (other instanceof JsonMap && Object.hasOwn(other.json, key))
        if (!equal(adaptUntyped(this.json[key]), adaptUntyped(other.json[key]))) return false
    }
    return true
  }
}

/** A list of type set or map: order makes no difference, and adding replaces what has the same key. */
class UniqueList extends List {
  readonly #elements: List
  readonly #keyOf: (element: Value) => Value

  constructor(elements: List, keyOf: (element: Value) => Value) {
    super()
    this.#elements = elements
    this.#keyOf = keyOf
  }

  get size(): number {
    return this.#elements.size
  }

  at(index: number): Value {
    return this.#elements.at(index)
  }

  override equals(other: List): boolean {
    if (other.size !== this.size) return false
    const index = this.#index()
    for (const element of other) {
      const at = index.get(this.#keyOf(element))
      if (typeof at !== 'bigint' || !equal(this.at(Number(at)), element)) return false
    }
    return true
  }

  override merge(other: List): List {
    const elements = [...this]
    const index = this.#index()
    for (const element of other) {
      spend(1)
      const key = this.#keyOf(element)
      const at = index.get(key)
      if (typeof at === 'bigint') elements[Number(at)] = element
      else {
        index.add(key, BigInt(elements.length))
        elements.push(element)
      }
    }
    return new UniqueList(new ArrayList(elements), this.#keyOf)
  }

  /** The position of each key. */
  #index(): EntryMap {
    const index = new EntryMap()
    for (let i = 0; i < this.size; i++) {
      spend(1)
      index.add(this.#keyOf(this.at(i)), BigInt(i))
    }
    return index
  }
}

/** The fields by which the elements of a list differ, as one text. */
function keyByFields(fields: readonly string[]): (element: Value) => Value {
  const names = fields.map(field => escapeField(field) ?? field)
  return element => {
    if (!(element instanceof Mapping)) return null
    return JSON.stringify(names.map(name => scalarText(element.get(name))))
  }
}

const scalarText = (value: Value | undefined): string =>
  value === undefined || value instanceof Failure || typeof value === 'object' ? '' : `${typeof value} ${value}`

export const jsonOf = (value: Value): Json | undefined =>
  value instanceof JsonMap || value instanceof JsonList ? value.json : undefined
