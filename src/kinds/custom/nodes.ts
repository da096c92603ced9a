// Structural schemas as nodes of the schema engine, by which server-side apply tracks and merges custom resources.
// Source: apimachinery managedfields (typeconverter), k8s.io/kube-openapi pkg/schemaconv; KEP-555.
import { ObjectMeta } from '../../api/meta.ts'
import { string } from '../../api/schema/build.ts'
import type { Fields, Node, Struct } from '../../api/schema/node.ts'
import { oneSchema, type SchemaProps } from '../apiextensions/jsonschema.ts'

const untyped: Node = { type: 'untyped' }
const whole: Node = { type: 'json' }

const scalars: Readonly<Record<string, Node>> = {
  string: { type: 'string' },
  boolean: { type: 'bool' },
  integer: { type: 'int64' },
  number: { type: 'double' },
}

/** The fields of every object. */
const typeFields: Fields = { kind: string({}), apiVersion: string({}), metadata: ObjectMeta.value({}) }

/** The node of a value. */
function nodeOf(schema: SchemaProps): Node {
  const { type = '', default: value } = schema
  const node = plainNode(schema, type)
  return value === undefined ? node : { ...node, default: value }
}

function plainNode(schema: SchemaProps, type: string): Node {
  if (schema['x-kubernetes-int-or-string']) return whole
  if (type === 'array') return listNode(schema)
  if (type === 'object' || schema.properties) return objectNode(schema)
  if (schema['x-kubernetes-preserve-unknown-fields']) return untyped
  return scalars[type] ?? whole
}

function listNode(schema: SchemaProps): Node {
  const items = oneSchema(schema.items)
  const listType = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys']
  return {
    type: 'list',
    item: items ? nodeOf(items) : untyped,
    ...((listType === 'set' || listType === 'map' || listType === 'atomic') && { listType }),
    ...(keys && { keys }),
  }
}

function objectNode(schema: SchemaProps): Node {
  const atomic = schema['x-kubernetes-map-type'] === 'atomic'
  const values = oneSchema(schema.additionalProperties)
  if (values) return { type: 'map', item: nodeOf(values), atomic }
  const struct = lazyStruct('', schema, Boolean(schema['x-kubernetes-embedded-resource']))
  return { type: 'struct', struct: () => struct, atomic, optional: true }
}

/** A struct whose fields are made at the first use, since most custom kinds are never applied. */
export function lazyStruct(name: string, schema: SchemaProps, isObject: boolean, more: Partial<Struct> = {}): Struct {
  let fields: Fields | undefined
  const keeps = schema['x-kubernetes-preserve-unknown-fields'] || schema.additionalProperties === true
  const self: Struct = {
    name,
    doc: schema.description ?? '',
    get fields() {
      return (fields ??= fieldsOf(schema, isObject))
    },
    atomic: schema['x-kubernetes-map-type'] === 'atomic',
    ...(keeps && { others: untyped }),
    ...more,
    field: options => ({ ...options, type: 'struct', struct: () => self, optional: true }),
    value: options => ({ ...options, type: 'struct', struct: () => self, always: true }),
  }
  return self
}

function fieldsOf(schema: SchemaProps, isObject: boolean): Fields {
  const own = Object.entries(schema.properties ?? {}).map(([name, property]) => [name, nodeOf(property)] as const)
  return { ...Object.fromEntries(own), ...(isObject && typeFields) }
}
