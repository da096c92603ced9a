// What definitions of kinds are made of.
// Source: apiextensions-apiserver pkg/apis/apiextensions/v1/types.go.
import { bool, bytes, int32, int64, list, listByKey, string, struct, time } from '../../api/schema/build.ts'
import type { Of } from '../../api/schema/node.ts'
import { JSONSchemaProps } from './jsonschema.ts'

export const CustomResourceDefinitionNames = struct(
  'apiextensions.v1.CustomResourceDefinitionNames',
  'What a new kind is called.',
  {
    plural: string({ proto: 1, always: true, doc: 'Plural name, as in paths; small letters.' }),
    singular: string({ proto: 2, doc: 'Singular name; small letters.' }),
    shortNames: list(string({}), { proto: 3, doc: 'Short names for the command line.' }),
    kind: string({ proto: 4, always: true, doc: 'The kind, in CamelCase.' }),
    listKind: string({ proto: 5, doc: 'Kind of its lists; the kind and List unless set.' }),
    categories: list(string({}), { proto: 6, doc: 'Groups of kinds it belongs to, such as all.' }),
  },
)
export type CustomResourceDefinitionNames = Of<typeof CustomResourceDefinitionNames>

export const CustomResourceValidation = struct(
  'apiextensions.v1.CustomResourceValidation',
  'The schema that objects must fit.',
  {
    openAPIV3Schema: JSONSchemaProps.field({ proto: 1, doc: 'The schema, in OpenAPI 3.' }),
  },
)
export type CustomResourceValidation = Of<typeof CustomResourceValidation>

export const CustomResourceSubresourceStatus = struct(
  'apiextensions.v1.CustomResourceSubresourceStatus',
  'The kind has a status of its own.',
  {},
)
export type CustomResourceSubresourceStatus = Of<typeof CustomResourceSubresourceStatus>

export const CustomResourceSubresourceScale = struct(
  'apiextensions.v1.CustomResourceSubresourceScale',
  'Where scaling finds its numbers.',
  {
    specReplicasPath: string({ proto: 1, always: true, doc: 'Path of the wanted number, such as .spec.replicas.' }),
    statusReplicasPath: string({ proto: 2, always: true, doc: 'Path of the actual number, such as .status.replicas.' }),
    labelSelectorPath: string({
      proto: 3,
      optional: true,
      doc: 'Path of the selector as text, such as .status.selector.',
    }),
  },
)
export type CustomResourceSubresourceScale = Of<typeof CustomResourceSubresourceScale>

export const CustomResourceSubresources = struct(
  'apiextensions.v1.CustomResourceSubresources',
  'Subresources of a kind.',
  {
    status: CustomResourceSubresourceStatus.field({ proto: 1, doc: 'Set for a status that is written on its own.' }),
    scale: CustomResourceSubresourceScale.field({ proto: 2, doc: 'Set for a kind that can be scaled.' }),
  },
)
export type CustomResourceSubresources = Of<typeof CustomResourceSubresources>

export const CustomResourceColumnDefinition = struct(
  'apiextensions.v1.CustomResourceColumnDefinition',
  'A column that kubectl get shows.',
  {
    name: string({ proto: 1, always: true, doc: 'Heading of the column.' }),
    type: string({ proto: 2, always: true, doc: 'integer, number, string, boolean or date.' }),
    format: string({ proto: 3, doc: 'Format of the type, such as int32 or date-time.' }),
    description: string({ proto: 4, doc: 'What the column says.' }),
    priority: int32({ proto: 5, doc: '0 to show it always; more for wide output only.' }),
    jsonPath: string({ proto: 6, always: true, doc: 'Path of the value.' }),
  },
)
export type CustomResourceColumnDefinition = Of<typeof CustomResourceColumnDefinition>

export const SelectableField = struct(
  'apiextensions.v1.SelectableField',
  'A field that lists can be narrowed down by.',
  {
    jsonPath: string({ proto: 1, always: true, doc: 'Path of the field.' }),
  },
)
export type SelectableField = Of<typeof SelectableField>

export const CustomResourceDefinitionVersion = struct(
  'apiextensions.v1.CustomResourceDefinitionVersion',
  'A version of a kind.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of the version, such as v1.' }),
    served: bool({ proto: 2, always: true, doc: 'Whether it is served.' }),
    storage: bool({ proto: 3, always: true, doc: 'True for the one version that objects are stored in.' }),
    schema: CustomResourceValidation.field({ proto: 4, doc: 'The schema that objects must fit.' }),
    subresources: CustomResourceSubresources.field({ proto: 5, doc: 'Subresources of the kind.' }),
    additionalPrinterColumns: list(CustomResourceColumnDefinition, {
      proto: 6,
      doc: 'Columns that kubectl get shows.',
    }),
    deprecated: bool({ proto: 7, doc: 'True to warn clients that use it.' }),
    deprecationWarning: string({ proto: 8, optional: true, doc: 'The warning.' }),
    selectableFields: list(SelectableField, { proto: 9, doc: 'Fields that lists can be narrowed down by.' }),
  },
)
export type CustomResourceDefinitionVersion = Of<typeof CustomResourceDefinitionVersion>

export const ServiceReference = struct('apiextensions.v1.ServiceReference', 'Points to a service.', {
  namespace: string({ proto: 1, always: true, doc: 'Namespace of the service.' }),
  name: string({ proto: 2, always: true, doc: 'Name of the service.' }),
  path: string({ proto: 3, optional: true, doc: 'Path to ask for.' }),
  port: int32({ proto: 4, optional: true, doc: 'Port of the service; 443 unless set.' }),
})
export type ServiceReference = Of<typeof ServiceReference>

export const WebhookClientConfig = struct(
  'apiextensions.v1.WebhookClientConfig',
  'How to reach a webhook; by URL or by service.',
  {
    service: ServiceReference.field({ proto: 1, doc: 'The service.' }),
    caBundle: bytes({ proto: 2, doc: 'Certificates in PEM, as base64, that its certificate is checked against.' }),
    url: string({ proto: 3, optional: true, doc: 'The URL; must be HTTPS.' }),
  },
)
export type WebhookClientConfig = Of<typeof WebhookClientConfig>

export const WebhookConversion = struct(
  'apiextensions.v1.WebhookConversion',
  'A webhook that turns one version into another.',
  {
    clientConfig: WebhookClientConfig.field({ proto: 2, doc: 'How to reach it.' }),
    conversionReviewVersions: list(string({}), {
      proto: 3,
      always: true,
      doc: 'Versions of ConversionReview that it understands.',
    }),
  },
)
export type WebhookConversion = Of<typeof WebhookConversion>

export const CustomResourceConversion = struct(
  'apiextensions.v1.CustomResourceConversion',
  'How one version is turned into another.',
  {
    strategy: string({ proto: 1, always: true, doc: 'None to change the version only, or Webhook.' }),
    webhook: WebhookConversion.field({ proto: 2, doc: 'The webhook.' }),
  },
)
export type CustomResourceConversion = Of<typeof CustomResourceConversion>

export const CustomResourceDefinitionSpec = struct('apiextensions.v1.CustomResourceDefinitionSpec', 'A new kind.', {
  group: string({ proto: 1, always: true, doc: 'Its group, as a domain.' }),
  names: CustomResourceDefinitionNames.value({ proto: 3, doc: 'What it is called.' }),
  scope: string({ proto: 4, always: true, doc: 'Cluster or Namespaced.' }),
  versions: list(CustomResourceDefinitionVersion, { proto: 7, always: true, doc: 'Its versions.' }),
  conversion: CustomResourceConversion.field({ proto: 9, doc: 'How one version is turned into another.' }),
  preserveUnknownFields: bool({ proto: 10, doc: 'Obsolete; must be false.' }),
})
export type CustomResourceDefinitionSpec = Of<typeof CustomResourceDefinitionSpec>

export const CustomResourceDefinitionCondition = struct(
  'apiextensions.v1.CustomResourceDefinitionCondition',
  'One aspect of a definition’s state.',
  {
    type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
    status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'When the status last changed.' }),
    reason: string({ proto: 4, doc: 'One CamelCase word why.' }),
    message: string({ proto: 5, doc: 'The same for people.' }),
    observedGeneration: int64({ proto: 6, doc: 'The generation this was computed for.' }),
  },
)
export type CustomResourceDefinitionCondition = Of<typeof CustomResourceDefinitionCondition>

export const CustomResourceDefinitionStatus = struct(
  'apiextensions.v1.CustomResourceDefinitionStatus',
  'The state of a definition.',
  {
    conditions: listByKey('type', CustomResourceDefinitionCondition, {
      proto: 1,
      always: true,
      doc: 'What can be said about the state, one entry per aspect.',
    }),
    acceptedNames: CustomResourceDefinitionNames.value({ proto: 2, doc: 'Names that are in use for it.' }),
    storedVersions: list(string({}), { proto: 3, always: true, doc: 'Versions that objects may still be stored in.' }),
    observedGeneration: int64({ proto: 4, doc: 'The generation this was computed for.' }),
  },
)
export type CustomResourceDefinitionStatus = Of<typeof CustomResourceDefinitionStatus>
