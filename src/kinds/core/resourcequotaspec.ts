// What a resource quota says: how much there may be, and of what.
import type { Of } from '../../api/kind.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'

export const ScopedResourceSelectorRequirement = struct(
  'core.v1.ScopedResourceSelectorRequirement',
  'Condition on the scope of objects that a quota tracks.',
  {
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
      doc: 'Name of the scope, such as BestEffort or PriorityClass.',
    }),
    operator: string({
      proto: 2,
      always: true,
      enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'],
      doc: 'How the scope is compared with values: In, NotIn, Exists or DoesNotExist. Scopes other than PriorityClass and VolumeAttributesClass only allow Exists.',
    }),
    values: list(string({}), {
      proto: 3,
      doc: 'Values to compare with. Required for In and NotIn, must be empty for Exists and DoesNotExist.',
    }),
  },
)
export type ScopedResourceSelectorRequirement = Of<typeof ScopedResourceSelectorRequirement>

export const ScopeSelector = struct(
  'core.v1.ScopeSelector',
  'Conditions on scopes. An object is tracked only if it meets all of them.',
  {
    matchExpressions: list(ScopedResourceSelectorRequirement, {
      proto: 1,
      doc: 'Conditions on the scopes of an object.',
    }),
  },
  { atomic: true },
)
export type ScopeSelector = Of<typeof ScopeSelector>

export const ResourceQuotaSpec = struct('core.v1.ResourceQuotaSpec', 'Desired limits of a quota.', {
  hard: map(quantity({}), {
    proto: 1,
    doc: 'Limit for each resource, such as requests.cpu, pods or count/configmaps.',
  }),
  scopes: list(string({}), {
    proto: 2,
    doc: 'Scopes that an object must all be in to be tracked: Terminating, NotTerminating, BestEffort, NotBestEffort, PriorityClass or CrossNamespacePodAffinity. If empty, all objects are tracked. Cannot be changed.',
  }),
  scopeSelector: ScopeSelector.field({ proto: 3, doc: 'Conditions on scopes with values, in addition to scopes.' }),
})
export type ResourceQuotaSpec = Of<typeof ResourceQuotaSpec>
