// What a resource quota says: how much there may be, and of what.
import type { Of } from '../../api/kind.ts'
import { list, map, quantity, string, struct } from '../../api/schema/build.ts'

export const ScopedResourceSelectorRequirement = struct(
  'core.v1.ScopedResourceSelectorRequirement',
  'A condition on what a quota counts.',
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
      doc: 'The scope, such as BestEffort or PriorityClass.',
    }),
    operator: string({
      proto: 2,
      always: true,
      enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'],
      doc: 'In, NotIn, Exists or DoesNotExist.',
    }),
    values: list(string({}), { proto: 3, doc: 'Values for In and NotIn.' }),
  },
)
export type ScopedResourceSelectorRequirement = Of<typeof ScopedResourceSelectorRequirement>

export const ScopeSelector = struct(
  'core.v1.ScopeSelector',
  'Conditions on what a quota counts, all of which must hold.',
  {
    matchExpressions: list(ScopedResourceSelectorRequirement, { proto: 1, doc: 'The conditions.' }),
  },
  { atomic: true },
)
export type ScopeSelector = Of<typeof ScopeSelector>

export const ResourceQuotaSpec = struct('core.v1.ResourceQuotaSpec', 'How much a namespace may have.', {
  hard: map(quantity({}), { proto: 1, doc: 'The most, by resource, such as requests.cpu or count/configmaps.' }),
  scopes: list(string({}), { proto: 2, doc: 'Scopes that things must be in to be counted.' }),
  scopeSelector: ScopeSelector.field({ proto: 3, doc: 'As scopes, with values.' }),
})
export type ResourceQuotaSpec = Of<typeof ResourceQuotaSpec>
