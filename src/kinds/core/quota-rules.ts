// What a ResourceQuota may say. Source: pkg/apis/core/validation (ValidateResourceQuotaSpec).
import { sameJson } from '../../api/equal.ts'
import { asGiven } from '../../api/schema/empties.ts'
import { type Problems } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import type { Path } from '../../api/path.ts'
import { isQuotaResource, validateAmount, validateQuotaResourceName } from './resource-rules.ts'
import { type ResourceQuotaSpec, ScopeSelector } from './resourcequotaspec.ts'

type Spec = ResourceQuotaSpec

/** Resources whose number has a name of its own in addition to `count/…`. */
export const plainCounts: ReadonlySet<string> = new Set([
  'configmaps',
  'persistentvolumeclaims',
  'pods',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
])
const compute = new Set([
  'cpu',
  'memory',
  'limits.cpu',
  'limits.memory',
  'requests.cpu',
  'requests.memory',
  'ephemeral-storage',
  'limits.ephemeral-storage',
  'requests.ephemeral-storage',
])
const forPods = new Set(['NotBestEffort', 'NotTerminating', 'PriorityClass', 'Terminating'])
const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
]
/** Scopes that hold or do not, without values. */
const withoutValues = new Set([
  'BestEffort',
  'NotBestEffort',
  'Terminating',
  'NotTerminating',
  'CrossNamespacePodAffinity',
])
/** Scopes of which only one can hold. */
const contrary = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const

export function* validateQuota(spec: Spec, at: Path): Problems {
  for (const [name, amount] of Object.entries(spec.hard ?? {})) {
    yield* validateQuotaResourceName(name, at.field('hard').key(name))
    yield* validateAmount(name, amount, at.field('hard').key(name))
  }
  const path = at.field('scopes')
  for (const scope of spec.scopes ?? []) {
    if (!scopes.includes(scope)) yield path.invalid(spec.scopes, 'unsupported scope')
    for (const _name of unfit(spec, scope)) yield path.invalid(spec.scopes, 'unsupported scope applied to resource')
  }
  yield* validateContrary(spec.scopes ?? [], spec, path)
  if (spec.scopeSelector) yield* validateScopeSelector(spec, at.field('scopeSelector', 'matchExpressions'))
}

/** Resources of the quota that a scope says nothing about. */
const unfit = ({ hard = {} }: Spec, scope: string) =>
  Object.keys(hard)
    .sort()
    .filter(name => isQuotaResource(name) && !isAbout(scope, name))

function isAbout(scope: string, name: string): boolean {
  // Pods without any request or limit can only be counted.
  if (scope === 'BestEffort') return name === 'pods'
  if (scope === 'VolumeAttributesClass') return name === 'persistentvolumeclaims' || name === 'requests.storage'
  return !forPods.has(scope) || name === 'pods' || compute.has(name)
}

function* validateContrary(given: readonly string[], { scopes: shown }: Spec, at: Path): Problems {
  for (const pair of contrary)
    if (pair.every(scope => given.includes(scope))) yield at.invalid(shown, 'conflicting scopes')
}

function* validateScopeSelector(spec: Spec, at: Path): Problems {
  const expressions = spec.scopeSelector?.matchExpressions ?? []
  for (const { scopeName, operator, values = [] } of expressions) {
    if (!scopes.includes(scopeName)) yield at.field('scopeName').invalid(scopeName, 'unsupported scope')
    for (const _name of unfit(spec, scopeName))
      yield at.invalid(goStruct(ScopeSelector, spec.scopeSelector), 'unsupported scope applied to resource')
    if (withoutValues.has(scopeName) && operator !== 'Exists')
      yield at
        .field('operator')
        .invalid(
          operator,
          "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
        )
    yield* validateValues(operator, values, at)
  }
  yield* validateContrary(
    expressions.map(e => e.scopeName),
    spec,
    at,
  )
}

function* validateValues(operator: string, values: readonly string[], at: Path): Problems {
  if (operator === 'In' || operator === 'NotIn') {
    if (!values.length)
      yield at
        .field('values')
        .required("must be at least one value when `operator` is 'In' or 'NotIn' for scope selector")
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length)
      yield at
        .field('values')
        .invalid(values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector")
  } else yield at.field('operator').invalid(operator, 'not a valid selector operator')
}

/** The scopes of a quota stay, in whatever order. */
export function* validateQuotaUpdate(next: Spec, old: Spec, at: Path): Problems {
  const sorted = ({ scopes: list }: Spec) => [...new Set(list ?? [])].sort()
  if (!sameJson(sorted(next), sorted(old)))
    yield at.field('scopes').invalid(asGiven(next, 'scopes'), 'field is immutable')
}
