// What an autoscaler leaves open, and what it may say.
// Source: pkg/apis/autoscaling/v2/defaults.go, pkg/apis/autoscaling/validation.
import { named, type Problems, requiredName, supported } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import { compareQuantities } from '../../api/quantity.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { dnsLabelErrors, pathSegmentErrors } from '../../api/names.ts'
import { asGiven } from '../../api/schema/empties.ts'
import { validateContainerResourceName } from '../core/resource-rules.ts'
import type {
  HorizontalPodAutoscalerSpec,
  HPAScalingPolicy,
  HPAScalingRules,
  MetricSpec,
  MetricTarget,
} from './autoscalerspec.ts'

type Spec = HorizontalPodAutoscalerSpec

const defaultPolicies = {
  scaleUp: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
  scaleDown: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
}

/** The rules of one direction with everything that was left open. */
export function completeRules(
  direction: 'scaleUp' | 'scaleDown',
  rules: HPAScalingRules | undefined,
): Mutable<HPAScalingRules> {
  return {
    ...(direction === 'scaleUp' && { stabilizationWindowSeconds: 0 }),
    selectPolicy: 'Max',
    ...rules,
    // None at all that somebody has asked for are none, and wrong.
    policies: ((rules && asGiven(rules, 'policies')) ?? defaultPolicies[direction]) as Mutable<HPAScalingPolicy[]>,
  }
}

export function completeAutoscaler(spec: Mutable<Spec>): void {
  if (!spec.metrics?.length)
    spec.metrics = [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
    ]
  if (!spec.behavior) return
  spec.behavior = {
    scaleUp: completeRules('scaleUp', spec.behavior.scaleUp),
    scaleDown: completeRules('scaleDown', spec.behavior.scaleDown),
  }
}

export function* validateAutoscaler(spec: Spec, at: Path): Problems {
  const { minReplicas: min, maxReplicas: max } = spec
  if (min !== undefined && min < 1) yield at.field('minReplicas').invalid(min, 'must be greater than or equal to 1')
  if (!max) yield at.field('maxReplicas').required('must be set and greater than 0')
  else if (max < 1) yield at.field('maxReplicas').invalid(max, 'must be greater than or equal to 1')
  if (min !== undefined && max < min)
    yield at.field('maxReplicas').invalid(max, 'must be greater than or equal to `minReplicas`')
  yield* validateReference(spec.scaleTargetRef, at.field('scaleTargetRef'))
  yield* validateVersion(spec.scaleTargetRef, at.field('scaleTargetRef', 'apiVersion'))
  for (const [i, metric] of (spec.metrics ?? []).entries()) yield* validateMetric(metric, at.field('metrics').index(i))
  if (min === 0 && !spec.metrics?.some(metric => metric.object || metric.external))
    yield at
      .field('metrics')
      .forbidden('must specify at least one Object or External metric to support scaling to zero replicas')
  const behavior = at.field('behavior')
  if (spec.behavior?.scaleUp) yield* validateRules(spec.behavior.scaleUp, behavior.field('scaleUp'))
  if (spec.behavior?.scaleDown) yield* validateRules(spec.behavior.scaleDown, behavior.field('scaleDown'))
}

type Reference = Spec['scaleTargetRef']

function* validateReference(ref: Reference, at: Path): Problems {
  for (const field of ['kind', 'name'] as const) yield* requiredName(pathSegmentErrors, ref[field], at.field(field))
}

/** What is scaled belongs to a group, or to the core group with its one version. */
function* validateVersion({ apiVersion = '' }: Reference, at: Path): Problems {
  if (!apiVersion.includes('/') && apiVersion !== 'v1')
    yield at.invalid(apiVersion, 'apiVersion must specify API group')
}

const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']
const sources = ['object', 'external', 'pods', 'resource', 'containerResource'] as const

function* validateMetric(metric: MetricSpec, at: Path): Problems {
  const { type = '' } = metric
  if (!type) yield at.field('type').required('must specify a metric source type')
  yield* supported(type, metricTypes, at.field('type'))
  const given = sources.filter(source => metric[source])
  if (given[0]) yield* validateSource(metric[given[0]]!, given[0], at.field(given[0]))
  // Kubernetes says so once more where it looks for what the type names.
  yield* supported(type, metricTypes, at.field('type'))
  const own = metricTypes.includes(type) ? type[0]!.toLowerCase() + type.slice(1) : ''
  if (own && !given.some(source => source === own))
    yield at.field(own).required('must populate information for the given metric source')
  if (given.length > 1)
    for (const other of given)
      if (other !== own) yield at.field(other).forbidden('must populate the given metric source only')
}

type Source = NonNullable<MetricSpec[(typeof sources)[number]]>

function* validateSource(source: Source, type: (typeof sources)[number], at: Path): Problems {
  if ('describedObject' in source) yield* validateReference(source.describedObject, at.field('describedObject'))
  if ('name' in source || type === 'resource' || type === 'containerResource')
    yield* validateResource('name' in source ? source.name : '', type, at.field('name'))
  if ('container' in source)
    if (source.container) yield* named(dnsLabelErrors, source.container, at.field('container'))
    else yield at.field('container').required('must specify a container')
  if ('metric' in source) {
    const path = at.field('metric', 'name')
    if (source.metric.name) yield* named(pathSegmentErrors, source.metric.name, path)
    else yield path.required('must specify a metric name')
  }
  yield* validateTarget(source.target, at.field('target'))
  yield* validateTargetOf(type, source.target, at.field('target'))
}

function* validateResource(name: string, type: string, at: Path): Problems {
  if (!name) yield at.required('must specify a resource name')
  else if (type === 'containerResource') yield* validateContainerResourceName(name, at)
}

function* validateTarget(target: MetricTarget, at: Path): Problems {
  if (!target.type) yield at.field('type').required('must specify a metric target type')
  if (!['Utilization', 'Value', 'AverageValue'].includes(target.type))
    yield at.field('type').invalid(target.type, 'must be either Utilization, Value, or AverageValue')
  for (const field of ['value', 'averageValue'] as const) {
    const value = target[field]
    if (value !== undefined && compareQuantities(value, '0') <= 0)
      yield at.field(field).invalid(value, 'must be positive')
  }
  if (target.averageUtilization !== undefined && target.averageUtilization < 1)
    yield at.field('averageUtilization').invalid(target.averageUtilization, 'must be greater than 0')
}

/** Which targets a source may have. */
function* validateTargetOf(type: (typeof sources)[number], target: MetricTarget, at: Path): Problems {
  const { value, averageValue, averageUtilization } = target
  switch (type) {
    case 'object':
      if (value === undefined && averageValue === undefined)
        yield at.field('averageValue').required('must set either a target value or averageValue')
      return
    case 'external':
      if (value === undefined && averageValue === undefined)
        yield at.field('averageValue').required('must set either a target value for metric or a per-pod target')
      if (value !== undefined && averageValue !== undefined)
        yield at.field('value').forbidden('may not set both a target value for metric and a per-pod target')
      return
    case 'pods':
      if (averageValue === undefined || compareQuantities(averageValue, '0') <= 0)
        yield at.field('averageValue').required('must specify a positive target averageValue')
      return
    default:
      if (averageUtilization === undefined && averageValue === undefined)
        yield at.field('averageUtilization').required('must set either a target raw value or a target utilization')
      if (averageUtilization !== undefined && averageValue !== undefined)
        yield at.field('averageValue').forbidden('may not set both a target raw value and a target utilization')
  }
}

const maxPeriodSeconds = 1800
const maxStabilizationSeconds = 3600

function* validateRules(rules: HPAScalingRules, at: Path): Problems {
  const { stabilizationWindowSeconds: window, selectPolicy, tolerance } = rules
  if (window !== undefined && window < 0)
    yield at.field('stabilizationWindowSeconds').invalid(window, 'must be greater than or equal to zero')
  if (window !== undefined && window > maxStabilizationSeconds)
    yield at
      .field('stabilizationWindowSeconds')
      .invalid(window, `must be less than or equal to ${maxStabilizationSeconds}`)
  if (selectPolicy !== undefined && !['Max', 'Min', 'Disabled'].includes(selectPolicy))
    yield at.field('selectPolicy').notSupported(selectPolicy, ['Disabled', 'Max', 'Min'])
  if (tolerance !== undefined && compareQuantities(tolerance, '0') < 0)
    yield at.field('tolerance').invalid(tolerance, 'must be greater than or equal to 0')
  if (!rules.policies?.length) yield at.field('policies').required('must specify at least one Policy')
  for (const [i, policy] of (rules.policies ?? []).entries()) {
    const path = at.field('policies').index(i)
    if (policy.type !== 'Pods' && policy.type !== 'Percent')
      yield path.field('type').notSupported(policy.type, ['Percent', 'Pods'])
    if (policy.value <= 0) yield path.field('value').invalid(policy.value, 'must be greater than zero')
    if (policy.periodSeconds <= 0)
      yield path.field('periodSeconds').invalid(policy.periodSeconds, 'must be greater than zero')
    if (policy.periodSeconds > maxPeriodSeconds)
      yield path
        .field('periodSeconds')
        .invalid(policy.periodSeconds, `must be less than or equal to ${maxPeriodSeconds}`)
  }
}
