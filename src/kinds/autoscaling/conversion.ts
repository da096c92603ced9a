// The older autoscaler has only the use of CPU as a metric. Everything else of the newer one is kept in annotations.
// Source: pkg/apis/autoscaling/v1/conversion.go, k8s.io/api/autoscaling/v1 (annotations).
import type { KindView, KubeObject } from '../../api/kind.ts'
import { HorizontalPodAutoscaler } from './horizontalpodautoscaler-v2.ts'

/** Part of an object: only the fields that differ are looked at here, and the schemas check the rest. */
type Part = { readonly [field: string]: unknown }

const prefix = 'autoscaling.alpha.kubernetes.io/'
const annotations = {
  metrics: `${prefix}metrics`,
  behavior: `${prefix}behavior`,
  conditions: `${prefix}conditions`,
  current: `${prefix}current-metrics`,
}

export const autoscalerView: KindView = {
  of: HorizontalPodAutoscaler,
  toStored: object => toNewer(object as KubeObject & Part),
  fromStored: object => toOlder(object as KubeObject & Part),
  fields: {},
}

function toNewer(older: Part): object {
  const { targetCPUUtilizationPercentage: cpu, ...spec } = partOf(older, 'spec')
  const { currentCPUUtilizationPercentage: current, ...status } = partOf(older, 'status')
  const { annotations: given, ...metadata } = partOf(older, 'metadata')
  const notes = { ...(given as Record<string, string> | undefined) }
  const take = (name: keyof typeof annotations): unknown => {
    const text = notes[annotations[name]]
    delete notes[annotations[name]]
    try {
      return text === undefined ? undefined : JSON.parse(text)
    } catch {
      // What is not JSON says nothing about the object.
      return undefined
    }
  }
  const metrics = [
    ...listOf(take('metrics')).map(flat => nested(flat, 'target')),
    ...(cpu === undefined ? [] : [cpuMetric({ target: { type: 'Utilization', averageUtilization: cpu } })]),
  ]
  const currentMetrics = [
    ...listOf(take('current')).map(flat => nested(flat, 'current')),
    ...(current === undefined ? [] : [cpuMetric({ current: { averageUtilization: current } })]),
  ]
  const [behavior, conditions] = [take('behavior'), take('conditions')]
  return {
    ...older,
    metadata: { ...metadata, ...(Object.keys(notes).length && { annotations: notes }) },
    spec: { ...spec, ...(metrics.length && { metrics }), ...(behavior ? { behavior } : {}) },
    status: {
      ...status,
      ...(currentMetrics.length && { currentMetrics }),
      ...(Array.isArray(conditions) && { conditions }),
    },
  }
}

const cpuMetric = (more: Part) => ({ type: 'Resource', resource: { name: 'cpu', ...more } })

function toOlder(newer: Part): object {
  const { metrics, behavior, ...spec } = partOf(newer, 'spec')
  const { currentMetrics, conditions, ...status } = partOf(newer, 'status')
  const isCpu = (metric: Part, side: 'target' | 'current') =>
    partOf(metric, 'resource').name === 'cpu' && utilizationOf(metric, side) !== undefined
  // Only one fits into the older form.
  const cpu = listOf(metrics).find(metric => isCpu(metric, 'target'))
  const current = listOf(currentMetrics).find(metric => isCpu(metric, 'current'))
  const others = listOf(metrics).filter(metric => metric !== cpu)
  const metadata = partOf(newer, 'metadata')
  const notes = {
    ...partOf(metadata, 'annotations'),
    ...(others.length && { [annotations.metrics]: JSON.stringify(others.map(m => flattened(m, 'target'))) }),
    ...(behavior !== undefined && { [annotations.behavior]: JSON.stringify(behavior) }),
    ...(listOf(currentMetrics).length && {
      [annotations.current]: JSON.stringify(listOf(currentMetrics).map(m => flattened(m, 'current'))),
    }),
    ...(listOf(conditions).length && { [annotations.conditions]: JSON.stringify(conditions) }),
  }
  return {
    ...newer,
    metadata: { ...metadata, ...(Object.keys(notes).length && { annotations: notes }) },
    spec: { ...spec, ...(cpu && { targetCPUUtilizationPercentage: utilizationOf(cpu, 'target') }) },
    status: { ...status, ...(current && { currentCPUUtilizationPercentage: utilizationOf(current, 'current') }) },
  }
}

const utilizationOf = (metric: Part, side: 'target' | 'current') =>
  partOf(partOf(metric, 'resource'), side).averageUtilization

const partOf = (object: Part, field: string): Part => (object[field] ?? {}) as Part
const listOf = (value: unknown): Part[] => (Array.isArray(value) ? (value as Part[]) : [])

/** The fields of the sources of metrics other than the value: path in the newer form, name in the older one. */
const parts: Readonly<Record<string, readonly (readonly [readonly string[], string])[]>> = {
  resource: [[['name'], 'name']],
  containerResource: [
    [['name'], 'name'],
    [['container'], 'container'],
  ],
  pods: [
    [['metric', 'name'], 'metricName'],
    [['metric', 'selector'], 'selector'],
  ],
  object: [
    [['describedObject'], 'target'],
    [['metric', 'name'], 'metricName'],
    [['metric', 'selector'], 'selector'],
  ],
  external: [
    [['metric', 'name'], 'metricName'],
    [['metric', 'selector'], 'metricSelector'],
  ],
}

/** `target.averageValue` is `targetAverageValue` in the older form; of objects it is plain `averageValue`. */
function valueNames(source: string, side: 'target' | 'current'): readonly (readonly [string, string])[] {
  return [
    ['averageUtilization', `${side}AverageUtilization`],
    ['averageValue', source === 'object' ? 'averageValue' : `${side}AverageValue`],
    ['value', `${side}Value`],
  ]
}

function flattened(metric: Part, side: 'target' | 'current'): Part {
  const flat: Record<string, unknown> = { type: metric.type }
  for (const [source, fields] of Object.entries(parts)) {
    if (metric[source] === undefined) continue
    const from = partOf(metric, source)
    const to: Record<string, unknown> = {}
    for (const [path, name] of fields) {
      const value = path.reduce<unknown>((at, step) => (at as Part | undefined)?.[step], from)
      if (value !== undefined) to[name] = value
    }
    for (const [name, old] of valueNames(source, side)) {
      const value = partOf(from, side)[name]
      if (value !== undefined) to[old] = value
    }
    flat[source] = to
  }
  return flat
}

function nested(flat: Part, side: 'target' | 'current'): Part {
  const metric: Record<string, unknown> = { type: flat.type }
  for (const [source, fields] of Object.entries(parts)) {
    if (flat[source] === undefined) continue
    const from = partOf(flat, source)
    const to: Record<string, unknown> = {}
    for (const [[first = '', second], name] of fields) {
      if (from[name] === undefined) continue
      to[first] = second ? { ...partOf(to, first), [second]: from[name] } : from[name]
    }
    const values = valueNames(source, side).flatMap(([name, old]) =>
      from[old] === undefined ? [] : [[name, from[old]]],
    )
    // Where an average is given, the plain value is only there because the older form demands one.
    const value = Object.fromEntries(values.filter(([name]) => name !== 'value' || values.length === 1)) as Part
    to[side] = side === 'target' ? { type: targetType(value), ...value } : value
    metric[source] = to
  }
  return metric
}

const targetType = (value: Part) =>
  value.averageUtilization !== undefined ? 'Utilization' : value.averageValue !== undefined ? 'AverageValue' : 'Value'
