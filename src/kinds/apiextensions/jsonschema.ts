// The schemas that definitions carry: OpenAPI's dialect of JSON Schema, with what Kubernetes adds to it.
// Source: apiextensions-apiserver pkg/apis/apiextensions/v1/types_jsonschema.go.
import { bool, double, int64, json, list, listByKey, map, string, struct } from '../../api/schema/build.ts'
import type { Json, Node, Of, Struct } from '../../api/schema/node.ts'

export const ExternalDocumentation = struct(
  'apiextensions.v1.ExternalDocumentation',
  'Reference to external documentation.',
  {
    description: string({ proto: 1, doc: 'Description of the external documentation.' }),
    url: string({ proto: 2, doc: 'URL of the external documentation.' }),
  },
)
export type ExternalDocumentation = Of<typeof ExternalDocumentation>

export const ValidationRule = struct('apiextensions.v1.ValidationRule', 'CEL expression that validates a value.', {
  rule: string({
    proto: 1,
    always: true,
    doc: 'CEL expression that must evaluate to true. self is the value with the rule, oldSelf its previous value.',
  }),
  message: string({
    proto: 2,
    doc: 'Message for the user if the rule is not met. Must not contain line breaks. Required if the rule contains some.',
  }),
  messageExpression: string({
    proto: 3,
    doc: 'CEL expression that evaluates to the message. Takes precedence over message, which is used if it fails.',
  }),
  reason: string({
    proto: 4,
    optional: true,
    doc: 'Machine-readable reason for the error: FieldValueInvalid, FieldValueForbidden, FieldValueRequired or FieldValueDuplicate. Defaults to FieldValueInvalid.',
  }),
  fieldPath: string({
    proto: 5,
    doc: 'JSON path of the field that the error is reported for, relative to the value, such as .replicas. Defaults to the value itself.',
  }),
  optionalOldSelf: bool({
    proto: 6,
    optional: true,
    doc: 'If true, a rule that uses oldSelf is also evaluated when there is no previous value. oldSelf is then a CEL optional. Defaults to false.',
  }),
})
export type ValidationRule = Of<typeof ValidationRule>

/** A schema. What may be a schema or something else is kept as JSON. */
export interface SchemaProps {
  readonly id?: string
  readonly $schema?: string
  readonly $ref?: string
  readonly description?: string
  readonly type?: string
  readonly format?: string
  readonly title?: string
  readonly default?: Json
  readonly maximum?: number
  readonly exclusiveMaximum?: boolean
  readonly minimum?: number
  readonly exclusiveMinimum?: boolean
  readonly maxLength?: number
  readonly minLength?: number
  readonly pattern?: string
  readonly maxItems?: number
  readonly minItems?: number
  readonly uniqueItems?: boolean
  readonly multipleOf?: number
  readonly enum?: readonly Json[]
  readonly maxProperties?: number
  readonly minProperties?: number
  readonly required?: readonly string[]
  readonly items?: Json
  readonly allOf?: readonly SchemaProps[]
  readonly oneOf?: readonly SchemaProps[]
  readonly anyOf?: readonly SchemaProps[]
  readonly not?: SchemaProps
  readonly properties?: Readonly<Record<string, SchemaProps>>
  readonly additionalProperties?: Json
  readonly patternProperties?: Readonly<Record<string, SchemaProps>>
  readonly dependencies?: Readonly<Record<string, Json>>
  readonly additionalItems?: Json
  readonly definitions?: Readonly<Record<string, SchemaProps>>
  readonly externalDocs?: ExternalDocumentation
  readonly example?: Json
  readonly nullable?: boolean
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly 'x-kubernetes-embedded-resource'?: boolean
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-list-type'?: string
  readonly 'x-kubernetes-map-type'?: string
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[]
}

const inner: Node<SchemaProps, false> = { type: 'struct', struct: () => JSONSchemaProps as Struct, optional: true }
const element: Node<SchemaProps, false> = { type: 'struct', struct: () => JSONSchemaProps as Struct }

export const JSONSchemaProps: Struct<SchemaProps> = struct(
  'apiextensions.v1.JSONSchemaProps',
  'JSON schema that describes and validates a value.',
  {
    id: string({ proto: 1, doc: 'Not supported in structural schemas.' }),
    $schema: string({ proto: 2, doc: 'URL of the schema dialect.' }),
    $ref: string({ proto: 3, optional: true, doc: 'Not supported in structural schemas.' }),
    description: string({ proto: 4, doc: 'Human-readable description of the value, as shown by kubectl explain.' }),
    type: string({ proto: 5, doc: 'Type of the value: array, boolean, integer, number, object or string.' }),
    format: string({
      proto: 6,
      doc: 'Format of the value, such as int32, byte or date-time. Unknown formats are ignored.',
    }),
    title: string({ proto: 7, doc: 'Title of the schema.' }),
    default: json({
      ofAnyType: true,
      proto: 8,
      optional: true,
      doc: 'Default value that is set if the field is missing.',
    }),
    maximum: double({ proto: 9, optional: true, doc: 'Maximum of a number.' }),
    exclusiveMaximum: bool({ proto: 10, doc: 'If true, the number must be less than the maximum, not equal to it.' }),
    minimum: double({ proto: 11, optional: true, doc: 'Minimum of a number.' }),
    exclusiveMinimum: bool({
      proto: 12,
      doc: 'If true, the number must be greater than the minimum, not equal to it.',
    }),
    maxLength: int64({ proto: 13, optional: true, doc: 'Maximum length of a string in characters.' }),
    minLength: int64({ proto: 14, optional: true, doc: 'Minimum length of a string in characters.' }),
    pattern: string({ proto: 15, doc: 'Regular expression that a string must match.' }),
    maxItems: int64({ proto: 16, optional: true, doc: 'Maximum number of items of an array.' }),
    minItems: int64({ proto: 17, optional: true, doc: 'Minimum number of items of an array.' }),
    uniqueItems: bool({
      proto: 18,
      doc: 'Must not be true, since the check takes quadratic time. Use x-kubernetes-list-type set or map instead.',
    }),
    multipleOf: double({ proto: 19, optional: true, doc: 'Number that the value must be a multiple of.' }),
    enum: list(json({ ofAnyType: true }), { proto: 20, doc: 'Values that are allowed.' }),
    maxProperties: int64({ proto: 21, optional: true, doc: 'Maximum number of properties of an object.' }),
    minProperties: int64({ proto: 22, optional: true, doc: 'Minimum number of properties of an object.' }),
    required: list(string({}), { proto: 23, doc: 'Names of the properties that an object must have.' }),
    items: json({ ofAnyType: true, proto: 24, optional: true, doc: 'Schema of the items of an array.' }),
    allOf: list(element, { proto: 25, doc: 'Schemas that the value must all match.' }),
    oneOf: list(element, { proto: 26, doc: 'Schemas of which the value must match exactly one.' }),
    anyOf: list(element, { proto: 27, doc: 'Schemas of which the value must match at least one.' }),
    not: { ...inner, proto: 28, doc: 'Schema that the value must not match.' } as Node<SchemaProps, false>,
    properties: map(element, { proto: 29, doc: 'Schemas of the properties of an object, by name.' }),
    additionalProperties: json({
      ofAnyType: true,
      proto: 30,
      optional: true,
      doc: 'Schema of the values of a map. Cannot be combined with properties.',
    }),
    patternProperties: map(element, { proto: 31, doc: 'Not supported in structural schemas.' }),
    dependencies: map(json({ ofAnyType: true }), { proto: 32, doc: 'Not supported in structural schemas.' }),
    additionalItems: json({ ofAnyType: true, proto: 33, optional: true, doc: 'Not supported in structural schemas.' }),
    definitions: map(element, { proto: 34, doc: 'Not supported in structural schemas.' }),
    externalDocs: ExternalDocumentation.field({ proto: 35, doc: 'External documentation of the value.' }),
    example: json({ ofAnyType: true, proto: 36, optional: true, doc: 'Example of a value.' }),
    nullable: bool({ proto: 37, doc: 'If true, the value may be null. Defaults to false.' }),
    'x-kubernetes-preserve-unknown-fields': bool({
      proto: 38,
      optional: true,
      doc: 'If true, fields that the schema does not specify are kept instead of pruned. Must be true or unset.',
    }),
    'x-kubernetes-embedded-resource': bool({
      proto: 39,
      doc: 'If true, the value is a complete object with apiVersion, kind and metadata. Its type must be object.',
    }),
    'x-kubernetes-int-or-string': bool({
      proto: 40,
      doc: 'If true, the value is an integer or a string. Its type must then not be set.',
    }),
    'x-kubernetes-list-map-keys': list(string({}), {
      proto: 41,
      doc: 'Names of the properties whose values identify an item of a list of type map.',
    }),
    'x-kubernetes-list-type': string({
      proto: 42,
      optional: true,
      doc: 'How lists are merged: atomic replaces the whole list, set merges unique scalar items, map merges items by their keys. Defaults to atomic.',
    }),
    'x-kubernetes-map-type': string({
      proto: 43,
      optional: true,
      doc: 'How objects are merged: granular merges each property, atomic replaces the whole object. Defaults to granular.',
    }),
    'x-kubernetes-validations': listByKey('rule', ValidationRule, {
      proto: 44,
      mergeKey: 'rule',
      doc: 'CEL expressions that the value must all meet.',
    }),
  },
)

type Schema = SchemaProps

/** What stands where one schema may stand, several, or a mere yes or no: the one, if it is that. */
export const oneSchema = (value: Json | undefined): Schema | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : undefined
