// The schemas that definitions carry: OpenAPI's dialect of JSON Schema, with what Kubernetes adds to it.
// Source: apiextensions-apiserver pkg/apis/apiextensions/v1/types_jsonschema.go.
import { bool, double, int64, json, list, listByKey, map, string, struct } from '../../api/schema/build.ts'
import type { DeepReadonly, Json, Node, Of, Struct } from '../../api/schema/node.ts'

export const ExternalDocumentation = struct('apiextensions.v1.ExternalDocumentation', 'Where more is written.', {
  description: string({ proto: 1, doc: 'What is found there.' }),
  url: string({ proto: 2, doc: 'The address.' }),
})
export type ExternalDocumentation = Of<typeof ExternalDocumentation>

export const ValidationRule = struct('apiextensions.v1.ValidationRule', 'A CEL expression that must hold.', {
  rule: string({ proto: 1, always: true, doc: 'The expression; `self` is the value it stands at.' }),
  message: string({ proto: 2, doc: 'What is said of a value that it does not hold for.' }),
  messageExpression: string({ proto: 3, doc: 'An expression that computes the message.' }),
  reason: string({ proto: 4, optional: true, doc: 'The reason that is reported with the message.' }),
  fieldPath: string({ proto: 5, doc: 'The field that the problem is reported at.' }),
  optionalOldSelf: bool({ proto: 6, optional: true, doc: 'True to evaluate it when there is no old value, too.' }),
})
export type ValidationRule = Of<typeof ValidationRule>

/** A schema. What may be a schema or something else is kept as JSON. */
export interface SchemaProps {
  id?: string
  $schema?: string
  $ref?: string
  description?: string
  type?: string
  format?: string
  title?: string
  default?: Json
  maximum?: number
  exclusiveMaximum?: boolean
  minimum?: number
  exclusiveMinimum?: boolean
  maxLength?: number
  minLength?: number
  pattern?: string
  maxItems?: number
  minItems?: number
  uniqueItems?: boolean
  multipleOf?: number
  enum?: Json[]
  maxProperties?: number
  minProperties?: number
  required?: string[]
  items?: Json
  allOf?: SchemaProps[]
  oneOf?: SchemaProps[]
  anyOf?: SchemaProps[]
  not?: SchemaProps
  properties?: Record<string, SchemaProps>
  additionalProperties?: Json
  patternProperties?: Record<string, SchemaProps>
  dependencies?: Record<string, Json>
  additionalItems?: Json
  definitions?: Record<string, SchemaProps>
  externalDocs?: ExternalDocumentation
  example?: Json
  nullable?: boolean
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-embedded-resource'?: boolean
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-list-type'?: string
  'x-kubernetes-map-type'?: string
  'x-kubernetes-validations'?: ValidationRule[]
}

const inner: Node<SchemaProps, false> = { type: 'struct', struct: () => JSONSchemaProps as Struct, optional: true }
const element: Node<SchemaProps, false> = { type: 'struct', struct: () => JSONSchemaProps as Struct }

export const JSONSchemaProps: Struct<SchemaProps> = struct(
  'apiextensions.v1.JSONSchemaProps',
  'A schema: what a value may be.',
  {
    id: string({ proto: 1, doc: 'Not supported.' }),
    $schema: string({ proto: 2, doc: 'The dialect of the schema.' }),
    $ref: string({ proto: 3, optional: true, doc: 'Not supported.' }),
    description: string({ proto: 4, doc: 'What the value is for.' }),
    type: string({ proto: 5, doc: 'array, boolean, integer, number, object or string.' }),
    format: string({ proto: 6, doc: 'The format of the type, such as int32 or date-time.' }),
    title: string({ proto: 7, doc: 'A heading.' }),
    default: json({ proto: 8, optional: true, doc: 'What an absent value counts as.' }),
    maximum: double({ proto: 9, optional: true, doc: 'The greatest number.' }),
    exclusiveMaximum: bool({ proto: 10, doc: 'True when the greatest number is itself too great.' }),
    minimum: double({ proto: 11, optional: true, doc: 'The least number.' }),
    exclusiveMinimum: bool({ proto: 12, doc: 'True when the least number is itself too small.' }),
    maxLength: int64({ proto: 13, optional: true, doc: 'The most characters.' }),
    minLength: int64({ proto: 14, optional: true, doc: 'The fewest characters.' }),
    pattern: string({ proto: 15, doc: 'A regular expression that texts match.' }),
    maxItems: int64({ proto: 16, optional: true, doc: 'The most elements.' }),
    minItems: int64({ proto: 17, optional: true, doc: 'The fewest elements.' }),
    uniqueItems: bool({ proto: 18, doc: 'Must be false.' }),
    multipleOf: double({ proto: 19, optional: true, doc: 'What numbers are multiples of.' }),
    enum: list(json({}), { proto: 20, doc: 'The values that there are.' }),
    maxProperties: int64({ proto: 21, optional: true, doc: 'The most properties.' }),
    minProperties: int64({ proto: 22, optional: true, doc: 'The fewest properties.' }),
    required: list(string({}), { proto: 23, doc: 'Properties that must be there.' }),
    items: json({ proto: 24, optional: true, doc: 'The schema of the elements.' }),
    allOf: list(element, { proto: 25, doc: 'Schemas that must all fit.' }),
    oneOf: list(element, { proto: 26, doc: 'Schemas of which exactly one must fit.' }),
    anyOf: list(element, { proto: 27, doc: 'Schemas of which at least one must fit.' }),
    not: { ...inner, proto: 28, doc: 'A schema that must not fit.' } as Node<SchemaProps, false>,
    properties: map(element, { proto: 29, doc: 'The schemas of the properties.' }),
    additionalProperties: json({ proto: 30, optional: true, doc: 'The schema of properties of any name.' }),
    patternProperties: map(element, { proto: 31, doc: 'Not supported.' }),
    dependencies: map(json({}), { proto: 32, doc: 'Not supported.' }),
    additionalItems: json({ proto: 33, optional: true, doc: 'Not supported.' }),
    definitions: map(element, { proto: 34, doc: 'Not supported.' }),
    externalDocs: ExternalDocumentation.field({ proto: 35, doc: 'Where more is written.' }),
    example: json({ proto: 36, optional: true, doc: 'A value that fits.' }),
    nullable: bool({ proto: 37, doc: 'True when null will do.' }),
    'x-kubernetes-preserve-unknown-fields': bool({
      proto: 38,
      optional: true,
      doc: 'True to keep fields that the schema does not name.',
    }),
    'x-kubernetes-embedded-resource': bool({ proto: 39, doc: 'True when the value is an object of some kind.' }),
    'x-kubernetes-int-or-string': bool({ proto: 40, doc: 'True when the value is an integer or a text.' }),
    'x-kubernetes-list-map-keys': list(string({}), { proto: 41, doc: 'The keys that elements are told apart by.' }),
    'x-kubernetes-list-type': string({ proto: 42, optional: true, doc: 'atomic, set or map.' }),
    'x-kubernetes-map-type': string({ proto: 43, optional: true, doc: 'atomic or granular.' }),
    'x-kubernetes-validations': listByKey('rule', ValidationRule, {
      proto: 44,
      mergeKey: 'rule',
      doc: 'CEL expressions that must hold.',
    }),
  },
)

type Schema = DeepReadonly<SchemaProps>

/** What stands where one schema may stand, several, or a mere yes or no: the one, if it is that. */
export const oneSchema = (value: DeepReadonly<Json> | undefined): Schema | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : undefined
