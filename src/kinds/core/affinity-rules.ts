// Where a pod may run: selectors of nodes, of other pods, tolerations, and how pods are spread.
// Source: pkg/apis/core/validation (validateAffinity, ValidateTolerations, validateTopologySpreadConstraints).
import { named, type Problems, oneOf, supported, validateSelector } from '../../api/checks.ts'
import type { LabelSelector } from '../../api/meta.ts'
import { dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type {
  Affinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  Toleration,
  TopologySelectorTerm,
  TopologySpreadConstraint,
} from './affinity.ts'

type Requirement = NodeSelectorRequirement

export function* validateAffinity(affinity: Affinity, at: Path): Problems {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity
  if (nodeAffinity) {
    const { requiredDuringSchedulingIgnoredDuringExecution: required } = nodeAffinity
    const path = at.field('nodeAffinity')
    if (required) yield* validateNodeSelector(required, path.field('requiredDuringSchedulingIgnoredDuringExecution'))
    const preferred = path.field('preferredDuringSchedulingIgnoredDuringExecution')
    for (const [i, term] of (nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      yield* validateWeight(term.weight, preferred.index(i))
      yield* validateNodeTerm(term.preference, false, preferred.index(i).field('preference'))
    }
  }
  if (podAffinity) yield* validatePodTerms(podAffinity, at.field('podAffinity'))
  if (podAntiAffinity) yield* validatePodTerms(podAntiAffinity, at.field('podAntiAffinity'))
}

function* validateWeight(weight: number, at: Path): Problems {
  if (weight <= 0 || weight > 100) yield at.field('weight').invalid(weight, 'must be in the range 1-100')
}

/** At least one term, each with rules of its own. */
export function* validateNodeSelector(selector: NodeSelector, at: Path): Problems {
  const path = at.field('nodeSelectorTerms')
  if (!selector.nodeSelectorTerms?.length) yield path.required('must have at least one node selector term')
  for (const [i, term] of (selector.nodeSelectorTerms ?? []).entries())
    yield* validateNodeTerm(term, true, path.index(i))
}

/** Values that no label can have are let through where the term is only a wish. */
function* validateNodeTerm(term: NodeSelectorTerm, isRequired: boolean, at: Path): Problems {
  for (const [i, requirement] of (term.matchExpressions ?? []).entries())
    yield* validateRequirement(requirement, isRequired, at.field('matchExpressions').index(i))
  for (const [i, requirement] of (term.matchFields ?? []).entries())
    yield* validateFieldRequirement(requirement, at.field('matchFields').index(i))
}

function* validateRequirement({ key, operator, values = [] }: Requirement, isRequired: boolean, at: Path): Problems {
  const path = at.field('values')
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (!values.length) yield path.required("must be specified when `operator` is 'In' or 'NotIn'")
      break
    case 'Exists':
    case 'DoesNotExist':
      if (values.length) yield path.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
      break
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) yield path.required("must be specified single value when `operator` is 'Lt' or 'Gt'")
      break
    default:
      yield at.field('operator').invalid(operator, 'not a valid selector operator')
  }
  yield* named(qualifiedNameErrors, key, at.field('key'))
  if (isRequired) for (const [i, value] of values.entries()) yield* named(labelValueErrors, value, path.index(i))
}

function* validateFieldRequirement({ key, operator, values = [] }: Requirement, at: Path): Problems {
  if (operator !== 'In' && operator !== 'NotIn')
    yield at.field('operator').invalid(operator, 'not a valid selector operator')
  else if (values.length !== 1)
    yield at
      .field('values')
      .required("must be only one value when `operator` is 'In' or 'NotIn' for node field selector")
  if (key !== 'metadata.name') yield at.field('key').invalid(key, 'not a valid field selector key')
  else for (const [i, value] of values.entries()) yield* named(dnsSubdomainErrors, value, at.field('values').index(i))
}

function* validatePodTerms(affinity: PodAffinity, at: Path): Problems {
  const required = at.field('requiredDuringSchedulingIgnoredDuringExecution')
  for (const [i, term] of (affinity.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries())
    yield* validatePodTerm(term, required.index(i))
  const preferred = at.field('preferredDuringSchedulingIgnoredDuringExecution')
  for (const [i, term] of (affinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    yield* validateWeight(term.weight, preferred.index(i))
    yield* validatePodTerm(term.podAffinityTerm, preferred.index(i).field('podAffinityTerm'))
  }
}

function* validatePodTerm(term: PodAffinityTerm, at: Path): Problems {
  yield* validateSelector(term.labelSelector, at.field('labelSelector'))
  yield* validateSelector(term.namespaceSelector, at.field('namespaceSelector'))
  for (const name of term.namespaces ?? []) yield* named(dnsLabelErrors, name, at.field('namespace'))
  yield* validateLabelKeys(term, at)
  if (!term.topologyKey) yield at.field('topologyKey').required('can not be empty')
  yield* named(qualifiedNameErrors, term.topologyKey, at.field('topologyKey'))
}

/** Labels of the pod itself that the others must, or must not, have the same of. */
function* validateLabelKeys(term: PodAffinityTerm, at: Path): Problems {
  const { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] } = term
  for (const field of ['matchLabelKeys', 'mismatchLabelKeys'] as const) {
    const keys = term[field] ?? []
    if (keys.length && !labelSelector)
      yield at.field(field).forbidden('must not be specified when labelSelector is not set')
    else for (const [i, key] of keys.entries()) yield* named(qualifiedNameErrors, key, at.field(field).index(i))
  }
  // The server has added an expression for each key: a second one is the client's.
  const seen = new Set(Object.keys(labelSelector?.matchLabels ?? {}))
  for (const { key } of labelSelector?.matchExpressions ?? []) {
    const i = matchLabelKeys.lastIndexOf(key)
    if (i >= 0 && seen.has(key)) yield at.index(i).invalid(key, 'exists in both matchLabelKeys and labelSelector')
    seen.add(key)
  }
  for (const [i, key] of matchLabelKeys.entries())
    if (mismatchLabelKeys.includes(key))
      yield at.field('matchLabelKeys').index(i).invalid(key, 'exists in both matchLabelKeys and mismatchLabelKeys')
}

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

/** The effect of a taint; `mayBeEmpty` for tolerations of all. */
export function* validateEffect(effect: string | undefined, mayBeEmpty: boolean, at: Path): Problems {
  if (!mayBeEmpty || effect) yield* oneOf(effect, effects, at)
}

export function* validateTolerations(tolerations: readonly Toleration[] | undefined, at: Path): Problems {
  for (const [i, toleration] of (tolerations ?? []).entries()) yield* validateToleration(toleration, at.index(i))
}

function* validateToleration(toleration: Toleration, at: Path): Problems {
  const { key, operator = '', value = '', effect = '', tolerationSeconds } = toleration
  if (key) yield* named(qualifiedNameErrors, key, at.field('key'))
  else if (operator !== 'Exists')
    yield at
      .field('operator')
      .invalid(operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"')
  if (tolerationSeconds !== undefined && effect !== 'NoExecute')
    yield at.field('effect').invalid(effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
  yield* validateTolerated(operator, value, at.field('operator'))
  yield* validateEffect(effect, true, at.field('effect'))
}

function* validateTolerated(operator: string, value: string, at: Path): Problems {
  if (operator === 'Exists') {
    if (value) yield at.invalid(value, "value must be empty when `operator` is 'Exists'")
  } else if (operator === '' || operator === 'Equal') {
    const errors = labelValueErrors(value)
    if (errors.length) yield at.invalid(value, errors.join(';'))
  } else if (operator === 'Lt' || operator === 'Gt') {
    // These operators are behind a feature gate that is off in Kubernetes.
    yield at.notSupported(operator, ['Equal', 'Exists', 'Lt', 'Gt'])
  } else yield at.notSupported(operator, ['Equal', 'Exists'])
}

export function* validateSpread(constraints: readonly TopologySpreadConstraint[] | undefined, at: Path): Problems {
  for (const [i, constraint] of (constraints ?? []).entries()) {
    yield* validateConstraint(constraint, at.index(i))
    const { topologyKey, whenUnsatisfiable } = constraint
    const rest = constraints!.slice(i + 1)
    if (rest.some(c => c.topologyKey === topologyKey && c.whenUnsatisfiable === whenUnsatisfiable))
      yield at.index(i).field('{topologyKey, whenUnsatisfiable}').duplicate(`{${topologyKey}, ${whenUnsatisfiable}}`)
  }
}

function* validateConstraint(constraint: TopologySpreadConstraint, at: Path): Problems {
  const { maxSkew, topologyKey, whenUnsatisfiable, minDomains, labelSelector } = constraint
  if (maxSkew <= 0) yield at.field('maxSkew').invalid(maxSkew, 'must be greater than zero')
  if (!topologyKey) yield at.field('topologyKey').required('can not be empty')
  yield* supported(whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway'], at.field('whenUnsatisfiable'))
  if (minDomains !== undefined) {
    if (minDomains <= 0) yield at.field('minDomains').invalid(minDomains, 'must be greater than zero')
    if (whenUnsatisfiable !== 'DoNotSchedule')
      yield at
        .field('minDomains')
        .invalid(minDomains, `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`)
  }
  for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const)
    if (constraint[field] !== undefined) yield* supported(constraint[field], ['Honor', 'Ignore'], at.field(field))
  yield* validateSpreadKeys(constraint.matchLabelKeys ?? [], labelSelector, at.field('matchLabelKeys'))
  yield* validateSelector(labelSelector, at.field('labelSelector'))
}

function* validateSpreadKeys(keys: readonly string[], selector: LabelSelector | undefined, at: Path): Problems {
  if (keys.length && !selector) yield at.forbidden('must not be specified when labelSelector is not set')
  const selected = new Set([
    ...Object.keys(selector?.matchLabels ?? {}),
    ...(selector?.matchExpressions ?? []).map(e => e.key),
  ])
  for (const [i, key] of keys.entries()) {
    yield* named(qualifiedNameErrors, key, at.index(i))
    if (selected.has(key)) yield at.index(i).invalid(key, 'exists in both matchLabelKeys and labelSelector')
  }
}

/** Places for new volumes: every key once, and every value of it once. */
export function* validateTopologyTerm(term: TopologySelectorTerm, at: Path): Problems {
  const keys = new Set<string>()
  for (const [i, { key, values }] of (term.matchLabelExpressions ?? []).entries()) {
    const path = at.field('matchLabelExpressions').index(i)
    if (!values?.length) yield path.field('values').required()
    for (const [j, value] of (values ?? []).entries())
      if (values.indexOf(value) < j) yield path.field('values').index(j).duplicate(value)
    yield* named(qualifiedNameErrors, key, path.field('key'))
    if (keys.has(key)) yield path.field('key').duplicate(key)
    keys.add(key)
  }
}
