// The definition of a kind that users add.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, bytes, int32, int64, json, list, listByKey, string, struct, time } from '../../api/schema/build.ts'
import { createdColumn } from '../columns.ts'

export const CustomResourceDefinitionNames = struct('apiextensions.v1.CustomResourceDefinitionNames', '', {
  plural: string({ proto: 1, always: true }),
  singular: string({ proto: 2 }),
  shortNames: list(string({}), { proto: 3 }),
  kind: string({ proto: 4, always: true }),
  listKind: string({ proto: 5 }),
  categories: list(string({}), { proto: 6 }),
})
export type CustomResourceDefinitionNames = Of<typeof CustomResourceDefinitionNames>

export const CustomResourceValidation = struct('apiextensions.v1.CustomResourceValidation', '', {
  openAPIV3Schema: json({ proto: 1, optional: true }),
})
export type CustomResourceValidation = Of<typeof CustomResourceValidation>

export const CustomResourceSubresourceStatus = struct('apiextensions.v1.CustomResourceSubresourceStatus', '', {})
export type CustomResourceSubresourceStatus = Of<typeof CustomResourceSubresourceStatus>

export const CustomResourceSubresourceScale = struct('apiextensions.v1.CustomResourceSubresourceScale', '', {
  specReplicasPath: string({ proto: 1, always: true }),
  statusReplicasPath: string({ proto: 2, always: true }),
  labelSelectorPath: string({ proto: 3, optional: true }),
})
export type CustomResourceSubresourceScale = Of<typeof CustomResourceSubresourceScale>

export const CustomResourceSubresources = struct('apiextensions.v1.CustomResourceSubresources', '', {
  status: CustomResourceSubresourceStatus.field({ proto: 1 }),
  scale: CustomResourceSubresourceScale.field({ proto: 2 }),
})
export type CustomResourceSubresources = Of<typeof CustomResourceSubresources>

export const CustomResourceColumnDefinition = struct('apiextensions.v1.CustomResourceColumnDefinition', '', {
  name: string({ proto: 1, always: true }),
  type: string({ proto: 2, always: true }),
  format: string({ proto: 3 }),
  description: string({ proto: 4 }),
  priority: int32({ proto: 5 }),
  jsonPath: string({ proto: 6, always: true }),
})
export type CustomResourceColumnDefinition = Of<typeof CustomResourceColumnDefinition>

export const SelectableField = struct('apiextensions.v1.SelectableField', '', {
  jsonPath: string({ proto: 1, always: true }),
})
export type SelectableField = Of<typeof SelectableField>

export const CustomResourceDefinitionVersion = struct('apiextensions.v1.CustomResourceDefinitionVersion', '', {
  name: string({ proto: 1, always: true }),
  served: bool({ proto: 2, always: true }),
  storage: bool({ proto: 3, always: true }),
  schema: CustomResourceValidation.field({ proto: 4 }),
  subresources: CustomResourceSubresources.field({ proto: 5 }),
  additionalPrinterColumns: list(CustomResourceColumnDefinition, { proto: 6 }),
  deprecated: bool({ proto: 7 }),
  deprecationWarning: string({ proto: 8, optional: true }),
  selectableFields: list(SelectableField, { proto: 9 }),
})
export type CustomResourceDefinitionVersion = Of<typeof CustomResourceDefinitionVersion>

export const ServiceReference = struct('apiextensions.v1.ServiceReference', '', {
  namespace: string({ proto: 1, always: true }),
  name: string({ proto: 2, always: true }),
  path: string({ proto: 3, optional: true }),
  port: int32({ proto: 4, optional: true }),
})
export type ServiceReference = Of<typeof ServiceReference>

export const WebhookClientConfig = struct('apiextensions.v1.WebhookClientConfig', '', {
  service: ServiceReference.field({ proto: 1 }),
  caBundle: bytes({ proto: 2 }),
  url: string({ proto: 3, optional: true }),
})
export type WebhookClientConfig = Of<typeof WebhookClientConfig>

export const WebhookConversion = struct('apiextensions.v1.WebhookConversion', '', {
  clientConfig: WebhookClientConfig.field({ proto: 2 }),
  conversionReviewVersions: list(string({}), { proto: 3, always: true }),
})
export type WebhookConversion = Of<typeof WebhookConversion>

export const CustomResourceConversion = struct('apiextensions.v1.CustomResourceConversion', '', {
  strategy: string({ proto: 1, always: true }),
  webhook: WebhookConversion.field({ proto: 2 }),
})
export type CustomResourceConversion = Of<typeof CustomResourceConversion>

export const CustomResourceDefinitionSpec = struct('apiextensions.v1.CustomResourceDefinitionSpec', '', {
  group: string({ proto: 1, always: true }),
  names: CustomResourceDefinitionNames.value({ proto: 3 }),
  scope: string({ proto: 4, always: true }),
  versions: list(CustomResourceDefinitionVersion, { proto: 7, always: true }),
  conversion: CustomResourceConversion.field({ proto: 9 }),
  preserveUnknownFields: bool({ proto: 10 }),
})
export type CustomResourceDefinitionSpec = Of<typeof CustomResourceDefinitionSpec>

export const CustomResourceDefinitionCondition = struct('apiextensions.v1.CustomResourceDefinitionCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastTransitionTime: time({ proto: 3, always: true }),
  reason: string({ proto: 4 }),
  message: string({ proto: 5 }),
  observedGeneration: int64({ proto: 6 }),
})
export type CustomResourceDefinitionCondition = Of<typeof CustomResourceDefinitionCondition>

export const CustomResourceDefinitionStatus = struct('apiextensions.v1.CustomResourceDefinitionStatus', '', {
  conditions: listByKey('type', CustomResourceDefinitionCondition, { proto: 1, always: true }),
  acceptedNames: CustomResourceDefinitionNames.value({ proto: 2 }),
  storedVersions: list(string({}), { proto: 3, always: true }),
  observedGeneration: int64({ proto: 4 }),
})
export type CustomResourceDefinitionStatus = Of<typeof CustomResourceDefinitionStatus>

export const CustomResourceDefinition = defineKind({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  scope: 'Cluster',
  shortNames: ['crd', 'crds'],
  status: true,
  doc: 'The definition of a kind that users add.',
  generation: true,
  conditionalUpdate: true,
  columns: [createdColumn as never],
  fields: {
    spec: CustomResourceDefinitionSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: CustomResourceDefinitionStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type CustomResourceDefinition = Of<typeof CustomResourceDefinition>
