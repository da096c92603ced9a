// A resource quota: how much all objects of a namespace may use together.
import { defineKind, type Of } from '../../api/kind.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'

export const ScopedResourceSelectorRequirement = struct('core.v1.ScopedResourceSelectorRequirement', '', {
  scopeName: string({
    proto: 1,
    always: true,
    enum: [
      'Terminating',
      'NotTerminating',
      'BestEffort',
      'NotBestEffort',
      'PriorityClass',
      'CrossNamespacePodAffinity',
      'VolumeAttributesClass',
    ],
  }),
  operator: string({ proto: 2, always: true, enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'] }),
  values: list(string({}), { proto: 3 }),
})
export type ScopedResourceSelectorRequirement = Of<typeof ScopedResourceSelectorRequirement>

export const ScopeSelector = struct('core.v1.ScopeSelector', '', {
  matchExpressions: list(ScopedResourceSelectorRequirement, { proto: 1 }),
})
export type ScopeSelector = Of<typeof ScopeSelector>

export const ResourceQuotaSpec = struct('core.v1.ResourceQuotaSpec', '', {
  hard: map(quantity({}), { proto: 1 }),
  scopes: list(string({}), { proto: 2 }),
  scopeSelector: ScopeSelector.field({ proto: 3 }),
})
export type ResourceQuotaSpec = Of<typeof ResourceQuotaSpec>

export const ResourceQuotaStatus = struct('core.v1.ResourceQuotaStatus', '', {
  hard: map(quantity({}), { proto: 1 }),
  used: map(quantity({}), { proto: 2 }),
})
export type ResourceQuotaStatus = Of<typeof ResourceQuotaStatus>

export const ResourceQuota = defineKind({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  scope: 'Namespaced',
  shortNames: ['quota'],
  status: true,
  doc: 'A resource quota: how much all objects of a namespace may use together.',
  returnsDeleted: true,
  fields: {
    spec: ResourceQuotaSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ResourceQuotaStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ResourceQuota = Of<typeof ResourceQuota>
