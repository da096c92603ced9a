// What a ResourceQuota may say. Source: pkg/apis/core/validation (ValidateResourceQuotaSpec).
import type { Path, Problem } from '../../api/path.ts'
import { compareQuantities, quantityMilli } from '../../api/quantity.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { pathSegmentErrors } from '../../api/names.ts'
import type { ResourceQuotaSpec } from './resourcequota.ts'

/** Resources whose number has a name of its own, besides `count/…`. */
export const plainCounts: ReadonlySet<string> = new Set([
  'configmaps',
  'persistentvolumeclaims',
  'pods',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
])
const counts = new Set([...plainCounts, 'services.loadbalancers', 'services.nodeports'])
const compute = new Set([
  'cpu',
  'ephemeral-storage',
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
  'requests.storage',
])
const forPods = new Set(['BestEffort', 'NotBestEffort', 'NotTerminating', 'PriorityClass', 'Terminating'])
const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
]
/** Scopes of which only one can hold. */
const contrary = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const

const isStandard = (name: string) => counts.has(name) || compute.has(name) || /^(requests\.)?hugepages-/.test(name)

export function* validateQuota(spec: DeepReadonly<ResourceQuotaSpec>, at: Path): Iterable<Problem> {
  for (const [name, value] of Object.entries(spec.hard ?? {})) {
    const path = at.field('hard').key(name)
    if (!name.includes('/') && !isStandard(name)) yield path.invalid(name, 'must be a standard resource for quotas')
    else if (name.startsWith('count/') && pathSegmentErrors(name.slice(6)).length)
      yield path.invalid(name, 'must be count/<resource>.<group>')
    if (compareQuantities(value, '0') < 0) yield path.invalid(value, 'must be greater than or equal to 0')
    if ((counts.has(name) || name.startsWith('count/')) && quantityMilli(value) % 1000 !== 0)
      yield path.invalid(value, 'must be an integer')
  }
  yield* validateScopes(spec, at)
}

function* validateScopes(spec: DeepReadonly<ResourceQuotaSpec>, at: Path): Iterable<Problem> {
  const names = Object.keys(spec.hard ?? {})
  const check = function* (list: readonly string[], path: Path): Iterable<Problem> {
    for (const scope of new Set(list)) {
      if (!scopes.includes(scope)) yield path.invalid(scope, 'unsupported scope')
      for (const name of forPods.has(scope) ? names : [])
        if (!allowedIn(scope, name)) yield path.invalid(list, 'unsupported scope applied to resource')
    }
    for (const pair of contrary)
      if (pair.every(scope => list.includes(scope))) yield path.invalid(list, 'conflicting scopes')
  }
  yield* check(spec.scopes ?? [], at.field('scopes'))
  const expressions = spec.scopeSelector?.matchExpressions ?? []
  const path = at.field('scopeSelector', 'matchExpressions')
  yield* check(
    expressions.map(e => e.scopeName),
    path.field('scopeName'),
  )
  for (const { operator, values, scopeName } of expressions) {
    const some = (values?.length ?? 0) > 0
    if ((operator === 'In' || operator === 'NotIn') && !some)
      yield path
        .field('values')
        .required("must be at least one value when `operator` is 'In' or 'NotIn' for scope selector")
    if ((operator === 'Exists' || operator === 'DoesNotExist') && some)
      yield path
        .field('values')
        .invalid(values, "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector")
    if (forPods.has(scopeName) && scopeName !== 'PriorityClass' && operator !== 'Exists')
      yield path
        .field('operator')
        .invalid(
          operator,
          `must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity`,
        )
  }
}

/** Scopes are about pods; pods without any request or limit can only be counted. */
function allowedIn(scope: string, name: string): boolean {
  if (name === 'pods' || name === 'count/pods') return true
  return scope !== 'BestEffort' && compute.has(name) && name !== 'requests.storage'
}
