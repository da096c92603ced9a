// Reads the fixtures of test/fixtures/definitions: definitions in the shapes of those that people install, each with
// objects that are sent, and what becomes of them.
import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { isObject } from '../../src/api/patch/merge.ts'
import type { Json, JsonObject } from '../../src/api/schema/node.ts'
import { parseJson } from '../../src/wire/json.ts'

const dir = new URL('../fixtures/definitions/', import.meta.url)

export interface Shape {
  name: string
  definition: Definition
  /** An object that is sent, without its name. */
  send: JsonObject & { apiVersion: string; kind: string }
  /** Its spec as it comes back. */
  spec: JsonObject
  /** Merge patches of that object that are refused, and the message after `KIND "NAME" is invalid: `. */
  refused: { change: JsonObject; message: string }[]
  /** What two managers apply to an object, one after the other, and the message where they conflict. */
  apply: { manager: string; fields: JsonObject; conflict?: string }[]
  /** The spec of the object that was applied. */
  applied: JsonObject
  /** The first cells after the name, of the object that was sent. */
  columns?: Json[]
  /** Descriptions by the path for kubectl explain. */
  explain: Record<string, string>
}
interface Definition extends JsonObject {
  metadata: { name: string }
  spec: {
    group: string
    scope: string
    names: { plural: string; kind: string }
    versions: { name: string; schema: { openAPIV3Schema: JsonObject } }[]
  }
}

/** @param openapi the OpenAPI document of the core group, from which the template of a pod is made */
export const readShapes = (openapi: JsonObject): Shape[] =>
  readdirSync(dir)
    .filter(file => !file.endsWith('.cases.yaml'))
    .sort()
    .map(file => {
      const name = file.replace('.yaml', '')
      const read = (path: string) =>
        parse(readFileSync(new URL(path, dir), 'utf8'), { merge: true, intAsBigInt: true }) as object
      const plain = (value: object) => JSON.parse(JSON.stringify(value)) as object
      const definition = plain(read(file)) as Definition
      if (name === 'services') withPodTemplate(definition, openapi)
      const cases = read(`${name}.cases.yaml`)
      // What is sent keeps all digits of large numbers. What comes back is compared as JavaScript reads it.
      const { send } = parseJson(JSON.stringify(cases)) as Pick<Shape, 'send'>
      return { name, definition, ...(plain(cases) as Omit<Shape, 'name' | 'definition'>), send }
    })

function withPodTemplate({ spec }: Definition, openapi: JsonObject): void {
  const { schemas } = openapi.components as { schemas: Record<string, JsonObject> }
  for (const { schema } of spec.versions) {
    const { template } = (schema.openAPIV3Schema as never as Nested).properties.spec.properties
    template.properties.spec = structural(schemas, schemas['io.k8s.api.core.v1.PodSpec']!)
  }
}
interface Nested {
  properties: { spec: { properties: { template: { properties: { spec: JsonObject } } } } }
}

/** A schema of OpenAPI v3 as definitions have them: without references, and with one default only. */
function structural(schemas: Readonly<Record<string, JsonObject>>, schema: JsonObject): JsonObject {
  const inner = (value: Json | undefined) => structural(schemas, value as JsonObject)
  const { description } = schema
  const described: JsonObject = description === undefined ? {} : { description }
  const reference = (schema.allOf as JsonObject[] | undefined)?.[0]?.$ref ?? schema.$ref
  if (typeof reference === 'string')
    return { ...inner(schemas[reference.replace('#/components/schemas/', '')]), ...described }
  if (schema.oneOf) return { 'x-kubernetes-int-or-string': true, ...described }
  const { type, format, required, items, properties, additionalProperties } = schema
  const keys = (schema['x-kubernetes-list-map-keys'] ?? []) as string[]
  const kept = ['x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-map-type', 'enum']
  return {
    type: type!,
    ...described,
    ...(format !== undefined && { format }),
    ...(required !== undefined && { required }),
    ...Object.fromEntries(kept.filter(name => name in schema).map(name => [name, schema[name]!])),
    // Of the defaults of Kubernetes, generators of definitions have that of a protocol, which is the key of a list.
    ...(schema.default === 'TCP' && { default: 'TCP' }),
    ...(isObject(properties) && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, inner(value)])),
    }),
    ...(items !== undefined && { items: withRequired(inner(items), keys) }),
    ...(isObject(additionalProperties) && { additionalProperties: inner(additionalProperties) }),
  }
}

/** A schema whose objects must have these fields, as far as they have no defaults. */
function withRequired(schema: JsonObject, names: readonly string[]): JsonObject {
  const properties = (schema.properties ?? {}) as Record<string, JsonObject>
  const missing = names.filter(name => properties[name]?.default === undefined)
  if (!missing.length) return schema
  return { ...schema, required: [...new Set([...((schema.required ?? []) as string[]), ...missing])] }
}
