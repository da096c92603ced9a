// What an autoscaler leaves open, and what it may say.
// Source: pkg/apis/autoscaling/v2/defaults.go, pkg/apis/autoscaling/validation.
import type { Path, Problem } from '../../api/path.ts'
import { compareQuantities } from '../../api/quantity.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { pathSegmentErrors } from '../../api/names.ts'
import type {
  HorizontalPodAutoscalerSpec,
  HPAScalingPolicy,
  HPAScalingRules,
  MetricSpec,
  MetricTarget,
} from './horizontalpodautoscaler-v2.ts'

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
  rules: DeepReadonly<HPAScalingRules> | undefined,
): HPAScalingRules {
  return {
    ...(direction === 'scaleUp' && { stabilizationWindowSeconds: 0 }),
    selectPolicy: 'Max',
    ...rules,
    policies: (rules?.policies?.length ? rules.policies : defaultPolicies[direction]) as HPAScalingPolicy[],
  }
}

export function completeAutoscaler(spec: Spec): void {
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

export function* validateAutoscaler(spec: DeepReadonly<Spec>, at: Path): Iterable<Problem> {
  const min = spec.minReplicas ?? 1
  if (min < 1) yield at.field('minReplicas').invalid(min, 'must be greater than or equal to 1')
  if (spec.maxReplicas < 1) yield at.field('maxReplicas').invalid(spec.maxReplicas, 'must be greater than 0')
  if (spec.maxReplicas < min)
    yield at.field('maxReplicas').invalid(spec.maxReplicas, 'must be greater than or equal to `minReplicas`')
  yield* validateReference(spec.scaleTargetRef, at.field('scaleTargetRef'))
  for (const [i, metric] of (spec.metrics ?? []).entries()) yield* validateMetric(metric, at.field('metrics').index(i))
  const behavior = at.field('behavior')
  if (spec.behavior?.scaleUp) yield* validateRules(spec.behavior.scaleUp, behavior.field('scaleUp'))
  if (spec.behavior?.scaleDown) yield* validateRules(spec.behavior.scaleDown, behavior.field('scaleDown'))
}

function* validateReference(ref: DeepReadonly<Spec['scaleTargetRef']>, at: Path): Iterable<Problem> {
  for (const field of ['kind', 'name'] as const) {
    const value = ref[field] ?? ''
    if (!value) yield at.field(field).required()
    else for (const error of pathSegmentErrors(value)) yield at.field(field).invalid(value, error)
  }
}

const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']
const sources = ['containerResource', 'external', 'object', 'pods', 'resource'] as const

function* validateMetric(metric: DeepReadonly<MetricSpec>, at: Path): Iterable<Problem> {
  const { type = '' } = metric
  if (!type) return yield at.field('type').required('must specify a metric source type')
  if (!metricTypes.includes(type)) return yield at.field('type').notSupported(type, metricTypes)
  const own = (type[0]!.toLowerCase() + type.slice(1)) as (typeof sources)[number]
  if (!metric[own]) yield at.field(own).required(`must populate information for the given metric source`)
  for (const other of sources)
    if (other !== own && metric[other]) yield at.field(other).forbidden('must populate the given metric source only')
  const source = metric[own]
  if (!source) return
  const path = at.field(own)
  if ('name' in source && !source.name) yield path.field('name').required('must specify a resource name')
  if ('container' in source && !source.container) yield path.field('container').required('must specify a container')
  if ('metric' in source) {
    if (!source.metric.name) yield path.field('metric', 'name').required('must specify a metric name')
    else
      for (const error of pathSegmentErrors(source.metric.name))
        yield path.field('metric', 'name').invalid(source.metric.name, error)
  }
  if ('describedObject' in source) yield* validateReference(source.describedObject, path.field('describedObject'))
  yield* validateTarget(source.target, own, path.field('target'))
}

/** Which targets each source may have. */
const targets = {
  resource: ['averageUtilization', 'averageValue'],
  containerResource: ['averageUtilization', 'averageValue'],
  pods: ['averageValue'],
  object: ['value', 'averageValue'],
  external: ['value', 'averageValue'],
} as const

function* validateTarget(
  target: DeepReadonly<MetricTarget>,
  source: keyof typeof targets,
  at: Path,
): Iterable<Problem> {
  if (!target.type) yield at.field('type').required('must specify a metric target type')
  else if (!['Utilization', 'Value', 'AverageValue'].includes(target.type))
    yield at.field('type').invalid(target.type, 'must be either Utilization, Value, or AverageValue')
  for (const field of ['value', 'averageValue'] as const) {
    const value = target[field]
    if (value !== undefined && compareQuantities(value, '0') <= 0)
      yield at.field(field).invalid(value, 'must be positive')
  }
  if (target.averageUtilization !== undefined && target.averageUtilization < 1)
    yield at.field('averageUtilization').invalid(target.averageUtilization, 'must be greater than 0')
  const given = targets[source].filter(field => target[field] !== undefined)
  if (given.length === 0) yield at.field(targets[source][0]).required(`must set either ${targets[source].join(' or ')}`)
  if (given.length > 1 && !given.includes('value' as never))
    yield at.field(given[0]!).forbidden(`may not set both ${given.join(' and ')}`)
}

const maxPeriodSeconds = 1800
const maxStabilizationSeconds = 3600

function* validateRules(rules: DeepReadonly<HPAScalingRules>, at: Path): Iterable<Problem> {
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
    yield at.field('tolerance').invalid(tolerance, 'must be greater than or equal to zero')
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
