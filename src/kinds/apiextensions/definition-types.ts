// What definitions of kinds are made of.
// Source: apiextensions-apiserver pkg/apis/apiextensions/v1/types.go.
import { bool, bytes, int32, int64, list, listByKey, string, struct, time } from '../../api/schema/build.ts'
import type { Of } from '../../api/schema/node.ts'
import { JSONSchemaProps } from './jsonschema.ts'

export const CustomResourceDefinitionNames = struct(
  'apiextensions.v1.CustomResourceDefinitionNames',
  'Names of a custom resource and its kind.',
  {
    plural: string({ proto: 1, always: true, doc: 'Plural name of the resource in lowercase, as used in URLs.' }),
    singular: string({
      proto: 2,
      doc: 'Singular name of the resource in lowercase. Defaults to the kind in lowercase.',
    }),
    shortNames: list(string({}), { proto: 3, doc: 'Short names of the resource in lowercase, for the command line.' }),
    kind: string({ proto: 4, always: true, doc: 'Kind of the objects, in CamelCase and singular.' }),
    listKind: string({ proto: 5, doc: 'Kind of lists of the objects. Defaults to the kind followed by List.' }),
    categories: list(string({}), {
      proto: 6,
      doc: 'Categories that the resource belongs to, such as all for kubectl get all.',
    }),
  },
)
export type CustomResourceDefinitionNames = Of<typeof CustomResourceDefinitionNames>

export const CustomResourceValidation = struct(
  'apiextensions.v1.CustomResourceValidation',
  'Schema that the objects of a version are validated and pruned with.',
  {
    openAPIV3Schema: JSONSchemaProps.field({ proto: 1, doc: 'Structural schema in OpenAPI v3 format.' }),
  },
)
export type CustomResourceValidation = Of<typeof CustomResourceValidation>

export const CustomResourceSubresourceStatus = struct(
  'apiextensions.v1.CustomResourceSubresourceStatus',
  'Enables the status subresource. Only requests to it can change the status, and they change nothing else.',
  {},
)
export type CustomResourceSubresourceStatus = Of<typeof CustomResourceSubresourceStatus>

export const CustomResourceSubresourceScale = struct(
  'apiextensions.v1.CustomResourceSubresourceScale',
  'Fields that the scale subresource reads and writes.',
  {
    specReplicasPath: string({
      proto: 1,
      always: true,
      doc: 'JSON path of the desired number of replicas. Must be under .spec, such as .spec.replicas.',
    }),
    statusReplicasPath: string({
      proto: 2,
      always: true,
      doc: 'JSON path of the current number of replicas. Must be under .status, such as .status.replicas.',
    }),
    labelSelectorPath: string({
      proto: 3,
      optional: true,
      doc: 'JSON path of the serialized label selector. Must be under .spec or .status. Required for a HorizontalPodAutoscaler to work.',
    }),
  },
)
export type CustomResourceSubresourceScale = Of<typeof CustomResourceSubresourceScale>

export const CustomResourceSubresources = struct(
  'apiextensions.v1.CustomResourceSubresources',
  'Subresources of a custom resource.',
  {
    status: CustomResourceSubresourceStatus.field({ proto: 1, doc: 'Enables the status subresource.' }),
    scale: CustomResourceSubresourceScale.field({ proto: 2, doc: 'Enables the scale subresource.' }),
  },
)
export type CustomResourceSubresources = Of<typeof CustomResourceSubresources>

export const CustomResourceColumnDefinition = struct(
  'apiextensions.v1.CustomResourceColumnDefinition',
  'Column that kubectl get prints.',
  {
    name: string({ proto: 1, always: true, doc: 'Heading of the column.' }),
    type: string({ proto: 2, always: true, doc: 'Type of the value: integer, number, string, boolean or date.' }),
    format: string({
      proto: 3,
      doc: 'Format of the value, such as int32, int64, float, double, byte, date or date-time.',
    }),
    description: string({ proto: 4, doc: 'Human-readable description of the column.' }),
    priority: int32({
      proto: 5,
      doc: 'Importance of the column. Columns with a value greater than 0 are only printed in wide output. Defaults to 0.',
    }),
    jsonPath: string({ proto: 6, always: true, doc: 'JSON path of the value, such as .spec.replicas.' }),
  },
)
export type CustomResourceColumnDefinition = Of<typeof CustomResourceColumnDefinition>

export const SelectableField = struct('apiextensions.v1.SelectableField', 'Field that field selectors can use.', {
  jsonPath: string({
    proto: 1,
    always: true,
    doc: 'JSON path of the field, such as .spec.color. Its type must be string, integer or boolean.',
  }),
})
export type SelectableField = Of<typeof SelectableField>

export const CustomResourceDefinitionVersion = struct(
  'apiextensions.v1.CustomResourceDefinitionVersion',
  'Version of a custom resource.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the version, such as v1 or v1beta1.' }),
    served: bool({ proto: 2, always: true, doc: 'Whether the version is served by the API.' }),
    storage: bool({
      proto: 3,
      always: true,
      doc: 'Whether objects are stored in this version. Exactly one version must have it.',
    }),
    schema: CustomResourceValidation.field({
      proto: 4,
      doc: 'Schema that the objects of this version are validated and pruned with. Required.',
    }),
    subresources: CustomResourceSubresources.field({ proto: 5, doc: 'Subresources of this version.' }),
    additionalPrinterColumns: list(CustomResourceColumnDefinition, {
      proto: 6,
      doc: 'Columns that kubectl get prints. By default, only the age is printed.',
    }),
    deprecated: bool({
      proto: 7,
      doc: 'If true, requests to this version return a warning to the client. Defaults to false.',
    }),
    deprecationWarning: string({
      proto: 8,
      optional: true,
      doc: 'Warning that is returned for a deprecated version, instead of the default one. Only allowed if deprecated is true.',
    }),
    selectableFields: list(SelectableField, {
      proto: 9,
      doc: 'Fields that field selectors can use, besides metadata.name and metadata.namespace. At most 8.',
    }),
  },
)
export type CustomResourceDefinitionVersion = Of<typeof CustomResourceDefinitionVersion>

export const ServiceReference = struct(
  'apiextensions.v1.ServiceReference',
  'Reference to a service and a path on it.',
  {
    namespace: string({ proto: 1, always: true, doc: 'Namespace of the service.' }),
    name: string({ proto: 2, always: true, doc: 'Name of the service.' }),
    path: string({ proto: 3, optional: true, doc: 'URL path of requests to the service.' }),
    port: int32({ proto: 4, optional: true, doc: 'Port of the service, from 1 to 65535. Defaults to 443.' }),
  },
)
export type ServiceReference = Of<typeof ServiceReference>

export const WebhookClientConfig = struct(
  'apiextensions.v1.WebhookClientConfig',
  'How to connect to a webhook. Exactly one of url and service must be set.',
  {
    service: ServiceReference.field({ proto: 1, doc: 'Service that implements the webhook.' }),
    caBundle: bytes({
      proto: 2,
      doc: 'CA certificates in PEM format, encoded as base64, that the certificate of the webhook is verified with. Defaults to the system’s trust roots.',
    }),
    url: string({
      proto: 3,
      optional: true,
      doc: 'URL of the webhook. The scheme must be https, and there must be no user, query or fragment.',
    }),
  },
)
export type WebhookClientConfig = Of<typeof WebhookClientConfig>

export const WebhookConversion = struct(
  'apiextensions.v1.WebhookConversion',
  'Webhook that converts objects between versions.',
  {
    clientConfig: WebhookClientConfig.field({ proto: 2, doc: 'How to connect to the webhook.' }),
    conversionReviewVersions: list(string({}), {
      proto: 3,
      always: true,
      doc: 'Versions of ConversionReview that the webhook supports, in order of preference. Must contain v1 or v1beta1.',
    }),
  },
)
export type WebhookConversion = Of<typeof WebhookConversion>

export const CustomResourceConversion = struct(
  'apiextensions.v1.CustomResourceConversion',
  'How objects are converted between versions.',
  {
    strategy: string({
      proto: 1,
      always: true,
      doc: 'None only changes apiVersion. Webhook calls a webhook to convert the objects. Defaults to None.',
    }),
    webhook: WebhookConversion.field({
      proto: 2,
      doc: 'Webhook that converts the objects. Required for strategy Webhook, and not allowed otherwise.',
    }),
  },
)
export type CustomResourceConversion = Of<typeof CustomResourceConversion>

export const CustomResourceDefinitionSpec = struct(
  'apiextensions.v1.CustomResourceDefinitionSpec',
  'Names, versions and schemas of a custom resource.',
  {
    group: string({ proto: 1, always: true, doc: 'API group of the resource, as a domain. Cannot be changed.' }),
    names: CustomResourceDefinitionNames.value({
      proto: 3,
      doc: 'Names of the resource and its kind. plural and kind cannot be changed once they are accepted.',
    }),
    scope: string({
      proto: 4,
      always: true,
      doc: 'Whether the objects are cluster-scoped or namespaced: Cluster or Namespaced. Cannot be changed once the definition is established.',
    }),
    versions: list(CustomResourceDefinitionVersion, {
      proto: 7,
      always: true,
      doc: 'Versions of the resource. Clients see them ordered by stability, then by number.',
    }),
    conversion: CustomResourceConversion.field({
      proto: 9,
      doc: 'How objects are converted between versions. By default, only apiVersion is changed.',
    }),
    preserveUnknownFields: bool({
      proto: 10,
      doc: 'Deprecated: must be false. Set x-kubernetes-preserve-unknown-fields in the schema instead.',
    }),
  },
)
export type CustomResourceDefinitionSpec = Of<typeof CustomResourceDefinitionSpec>

export const CustomResourceDefinitionCondition = struct(
  'apiextensions.v1.CustomResourceDefinitionCondition',
  'One aspect of the current state of a CustomResourceDefinition.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition: Established, NamesAccepted or Terminating.' }),
    status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 4, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 5, doc: 'Human-readable message with details about the last transition.' }),
    observedGeneration: int64({ proto: 6, doc: 'Generation of the definition that the condition was set for.' }),
  },
)
export type CustomResourceDefinitionCondition = Of<typeof CustomResourceDefinitionCondition>

export const CustomResourceDefinitionStatus = struct(
  'apiextensions.v1.CustomResourceDefinitionStatus',
  'Most recently observed state of a CustomResourceDefinition.',
  {
    conditions: listByKey('type', CustomResourceDefinitionCondition, {
      proto: 1,
      always: true,
      doc: 'Current conditions of the definition, such as Established.',
    }),
    acceptedNames: CustomResourceDefinitionNames.value({
      proto: 2,
      doc: 'Names that are used in discovery. They can differ from those in the spec while there is a conflict.',
    }),
    storedVersions: list(string({}), {
      proto: 3,
      always: true,
      doc: 'Versions in which objects may be stored. A version can be removed from the spec only after it is removed here, once all objects are migrated.',
    }),
    observedGeneration: int64({ proto: 4, doc: 'Generation that the controller has most recently processed.' }),
  },
)
export type CustomResourceDefinitionStatus = Of<typeof CustomResourceDefinitionStatus>
