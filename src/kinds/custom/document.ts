// The schema of a custom kind in OpenAPI documents. Version 3 has all of it. Version 2 lacks what its readers cannot
// take: alternatives, null, defaults, and the inside of values that preserve unknown fields.
// Source: apiextensions-apiserver pkg/controller/openapi/{builder,v2}.
import { isObject, setKey } from '../../api/patch/merge.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import type { SchemaProps } from '../apiextensions/jsonschema.ts'

const apiVersionDoc =
  'API group and version of the object, such as apps/v1. The core group is written as the version alone, such as v1.'
const kindDoc = 'Kind of the object, in CamelCase. Cannot be changed.'
const metadataDoc =
  'Standard metadata of the object: its name, namespace, labels and annotations, and what the server keeps about it.'

/** The schema of whole objects. `metadata` is a reference to the schema of metadata. */
export function documentOf(schema: SchemaProps, dialect: 2 | 3, metadata: JsonObject): JsonObject {
  const source = schema as JsonObject
  const document = dialect === 3 ? source : (forVersion2(source) as JsonObject)
  const properties = isObject(document.properties) ? document.properties : {}
  // A reference must not have siblings, so version 3 wraps it.
  const meta = dialect === 3 ? { allOf: [metadata], default: {} } : metadata
  return {
    ...document,
    type: 'object',
    properties: {
      ...properties,
      apiVersion: { type: 'string', description: apiVersionDoc },
      kind: { type: 'string', description: kindDoc },
      metadata: { ...meta, description: metadataDoc },
    },
  }
}

/** What version 2 does not have, or its readers misread. */
const dropped = [
  'anyOf',
  'oneOf',
  'allOf',
  'not',
  'nullable',
  'default',
  'x-kubernetes-validations',
  'externalDocs',
  'example',
]

function forVersion2(schema: Json): Json {
  if (!isObject(schema)) return schema
  const out: JsonObject = {}
  const isOpaque = schema.nullable === true || schema['x-kubernetes-int-or-string'] === true
  const preserves = schema['x-kubernetes-preserve-unknown-fields'] === true
  for (const [key, value] of Object.entries(schema)) {
    if (dropped.includes(key)) continue
    if (isOpaque && (key === 'type' || key === 'items' || key === 'properties' || key === 'additionalProperties'))
      continue
    if (preserves && (key === 'items' || key === 'properties')) continue
    if (key === 'properties' && isObject(value)) {
      const properties: JsonObject = {}
      for (const [name, property] of Object.entries(value)) setKey(properties, name, forVersion2(property))
      out.properties = properties
    } else if (key === 'items' || key === 'additionalProperties') out[key] = forVersion2(value)
    else out[key] = value
  }
  return out
}
