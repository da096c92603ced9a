// A structural schema in the form that decoding uses: which fields are kept, which are pruned, which have defaults.
// Source: apiextensions-apiserver pkg/apiserver/schema (structural.go).
import type { Json } from '../../api/schema/node.ts'
import { oneSchema, type SchemaProps } from '../apiextensions/jsonschema.ts'

/** What decoding does with a value. A part of a schema that changes nothing has no shape. */
export interface Shape {
  readonly properties: ReadonlyMap<string, Shape>
  /** The values of a map; undefined when there is no schema for them. */
  readonly additional: Shape | undefined
  readonly items: Shape | undefined
  /** Whether fields without a schema are kept. */
  readonly keepsUnknown: boolean
  /** Whether the value is a whole object, with apiVersion, kind and metadata. */
  readonly embedded: boolean
  readonly nullable: boolean
  readonly default: Json | undefined
  /** Whether there is a default in it at any depth. */
  readonly hasDefaults: boolean
}

const shapes = new WeakMap<SchemaProps, Shape>()

/** The shape of a schema. Schemas of definitions contain no references, so this ends. */
export function shapeOf(schema: SchemaProps): Shape {
  const known = shapes.get(schema)
  if (known) return known
  const inner = (value: Json | undefined) => {
    const one = oneSchema(value)
    return one && shapeOf(one)
  }
  const properties = new Map(
    Object.entries(schema.properties ?? {}).map(([name, property]) => [name, shapeOf(property)]),
  )
  const [additional, items] = [inner(schema.additionalProperties), inner(schema.items)]
  const below = [...properties.values(), additional, items]
  const shape: Shape = {
    properties,
    additional,
    items,
    keepsUnknown: Boolean(schema['x-kubernetes-preserve-unknown-fields']) || schema.additionalProperties === true,
    embedded: Boolean(schema['x-kubernetes-embedded-resource']),
    nullable: Boolean(schema.nullable),
    // As upstream, null is the same as no default.
    default: schema.default ?? undefined,
    hasDefaults: below.some(one => one && (one.default !== undefined || one.hasDefaults)),
  }
  shapes.set(schema, shape)
  return shape
}
