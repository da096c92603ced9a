// Definitions as Kubernetes sees them inside: what all versions have in common stands at the definition, not at each
// version, and problems are reported there.
// Source: apiextensions-apiserver pkg/apis/apiextensions/v1/conversion.go, pkg/apis/apiextensions/types.go.
import { sameJson } from '../../api/equal.ts'
import { Printed } from '../../api/path.ts'
import { asJson, type Json, type JsonObject, type Node, type Struct } from '../../api/schema/node.ts'
import {
  CustomResourceColumnDefinition,
  CustomResourceSubresources,
  type CustomResourceDefinitionVersion,
} from './definition-types.ts'
import { JSONSchemaProps, oneSchema, ValidationRule } from './jsonschema.ts'

type Version = CustomResourceDefinitionVersion

const shareable = ['schema', 'subresources', 'additionalPrinterColumns', 'selectableFields'] as const
type Shareable = (typeof shareable)[number]

/** What a version has of its own, or all have in common. */
export type Part = Pick<Version, Shareable>

export interface Inside {
  shared: Part
  versions: readonly Version[]
}

/** Separates the fields that are equal in all versions from the others. */
export function inside(versions: readonly Version[]): Inside {
  const common = shareable.filter(
    field => versions[0]?.[field] && versions.every(v => sameJson(v[field], versions[0]![field])),
  )
  return {
    shared: Object.fromEntries(common.map(field => [field, versions[0]![field]])),
    versions: versions.map(version => omit(version, common)),
  }
}

const omit = (version: Version, fields: readonly Shareable[]): Version =>
  Object.fromEntries(Object.entries(version).filter(([name]) => !fields.some(f => f === name))) as Version

/** Versions for a problem to show. */
export const printedVersions = (versions: readonly Version[] | undefined): Printed =>
  new Printed(versions ? escaped(JSON.stringify(versions.map(printedVersion))) : 'null')

/** A schema for a problem to show. */
export const printedSchema = (schema: object): Printed => new Printed(escaped(JSON.stringify(printedProps(schema))))

/** A rule for a problem to show. */
export const printedRule = (rule: ValidationRule): Printed =>
  new Printed(escaped(JSON.stringify(printedStruct(ValidationRule as Struct, rule as JsonObject))))

const escaped = (text: string) => text.replace(/[<>&]/g, c => `\\u00${c.charCodeAt(0).toString(16)}`)

function printedVersion(version: Version): Json {
  const { name, served, storage, deprecated = false, deprecationWarning = null, schema } = version
  const { subresources, additionalPrinterColumns: columns, selectableFields: fields } = version
  return {
    Name: name,
    Served: served,
    Storage: storage,
    Deprecated: deprecated,
    DeprecationWarning: deprecationWarning,
    Schema: schema ? { OpenAPIV3Schema: schema.openAPIV3Schema ? printedProps(schema.openAPIV3Schema) : null } : null,
    Subresources: subresources ? printedStruct(CustomResourceSubresources, subresources as JsonObject) : null,
    AdditionalPrinterColumns:
      columns?.map(column => printedStruct(CustomResourceColumnDefinition, asJson(column))) ?? null,
    SelectableFields: fields?.map(({ jsonPath }) => ({ JSONPath: jsonPath })) ?? null,
  }
}

const goNames: Readonly<Record<string, string>> = { id: 'ID', url: 'URL', jsonPath: 'JSONPath' }

/** `x-kubernetes-list-type` is XListType inside, `$ref` is Ref. */
const goName = (name: string): string =>
  goNames[name] ??
  name
    .replace(/^x-kubernetes-/, 'x-')
    .replace('$', '')
    .split('-')
    .map(word => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')

function printedProps(props: object): Json {
  const { Nullable, ...rest } = printedStruct(JSONSchemaProps, props as JsonObject)
  const entries = Object.entries(rest)
  // Whether null will do stands behind the type.
  const place = entries.findIndex(([name]) => name === 'Type') + 1
  return Object.fromEntries(entries.toSpliced(place, 0, ['Nullable', Nullable!]))
}

function printedStruct(schema: Struct, value: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(schema.fields).map(([name, node]) => [goName(name), printedField(name, node, value[name])]),
  )
}

function printedField(name: string, node: Node, value: Json | undefined): Json {
  if (value === undefined || value === null) return node.type === 'bool' && !node.optional ? false : zero(node)
  if (name === 'items') return printedItems(value)
  if (name.startsWith('additional') && node.type === 'json') return printedAdditional(value)
  return printedValue(node, value)
}

function printedValue(node: Node, value: Json): Json {
  switch (node.type) {
    case 'struct':
      return node.struct!() === JSONSchemaProps
        ? printedProps(value as JsonObject)
        : printedStruct(node.struct!(), value as JsonObject)
    case 'list':
      return (value as Json[]).map(element => printedValue(node.item!, element))
    case 'map':
      return Object.fromEntries(
        Object.keys(value as JsonObject)
          .sort()
          .map(key => [key, printedValue(node.item!, (value as JsonObject)[key]!)]),
      )
    default:
      return value
  }
}

const zero = (node: Node): Json => {
  if (node.optional) return null
  if (node.type === 'string') return ''
  return node.type === 'int32' ? 0 : null
}

const printedItems = (value: Json): Json => ({
  Schema: oneSchema(value) ? printedProps(value as JsonObject) : null,
  JSONSchemas: Array.isArray(value) ? value.map(schema => printedProps(schema as JsonObject)) : null,
})

const printedAdditional = (value: Json): Json => ({
  Allows: value !== false,
  Schema: oneSchema(value) ? printedProps(value as JsonObject) : null,
})
