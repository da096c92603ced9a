// Reads the metrics that autoscalers use: resources from metrics.k8s.io, others from the aggregated APIs
// custom.metrics.k8s.io and external.metrics.k8s.io.
// Source: pkg/controller/podautoscaler/metrics/client.go.
import { isReason, messageOf } from '../../base/errors.ts'
import { selectorOf, selectorText } from '../../api/labels.ts'
import type { LabelSelector } from '../../api/meta.ts'
import { quantityMilli } from '../../api/quantity.ts'
import { parseDuration, parseTime } from '../../api/time.ts'
import type { Client } from '../../client/index.ts'
import {
  customMetricKind,
  type CustomMetricsVersion,
  externalMetricKind,
  type MetricValueList,
} from '../../kinds/metrics/other-metrics.ts'
import { PodMetrics } from '../../kinds/metrics/resource-metrics.ts'
import { MetricError, type PodValue } from './replicas.ts'

/** The pods whose metric is read. */
export interface Where {
  namespace: string
  /** Label selector of the pods, as text. */
  selector: string
}

const nsPerMs = 1e6
/** The window of a metric that comes without one. */
const defaultWindowMs = 60_000

/** The use of a resource by each pod, or by one container of each. Throws MetricError. */
export async function resourceUse(
  client: Client,
  { namespace, selector }: Where,
  resource: string,
  container: string | undefined,
): Promise<Map<string, PodValue>> {
  const { items } = await asked(`unable to get metrics for resource ${resource}`, 'resource metrics API', () =>
    client.list(PodMetrics, { namespace, labelSelector: selector }),
  )
  if (!items.length)
    throw new MetricError(
      `unable to get metrics for resource ${resource}: no metrics returned from resource metrics API`,
    )
  const values = new Map<string, PodValue>()
  for (const { metadata, containers, timestamp, window } of items) {
    const counted = (containers ?? []).filter(c => container === undefined || c.name === container)
    // The sum is meaningless as long as one container has no value; the pod counts as missing then.
    if (!counted.length || counted.some(c => c.usage?.[resource] === undefined)) continue
    values.set(metadata.name ?? '', {
      milli: counted.reduce((sum, c) => sum + quantityMilli(c.usage?.[resource]), 0),
      atMs: parseTime(timestamp) ?? 0,
      windowMs: (parseDuration(window ?? '') ?? 0) / nsPerMs,
    })
  }
  return values
}

/** A custom metric of each pod. Throws MetricError. */
export async function podMetric(
  client: Client,
  where: Where,
  metric: string,
  metricSelector: LabelSelector | undefined,
): Promise<Map<string, PodValue>> {
  const list = await customMetric(client, { resource: 'pods', namespace: where.namespace, name: '*' }, metric, {
    labelSelector: where.selector,
    ...selectorOption('metricLabelSelector', metricSelector),
  })
  if (!list.items?.length)
    throw new MetricError(`unable to get metric ${metric}: no metrics returned from custom metrics API`)
  return new Map(
    list.items.map(({ describedObject, value, timestamp, windowSeconds }) => [
      describedObject.name ?? '',
      {
        milli: quantityMilli(value),
        atMs: parseTime(timestamp) ?? 0,
        windowMs: windowSeconds === undefined ? defaultWindowMs : windowSeconds * 1000,
      },
    ]),
  )
}

/** A custom metric of one object, in thousandths, and its time. */
export async function objectMetric(
  client: Client,
  at: Described,
  metric: string,
  metricSelector: LabelSelector | undefined,
): Promise<{ milli: number; atMs: number }> {
  const options = selectorOption('metricLabelSelector', metricSelector)
  const list = await customMetric(client, at, metric, options)
  const value = list.items?.[0]
  if (!value) throw new MetricError(`unable to get metric ${metric}: no metrics returned from custom metrics API`)
  return { milli: quantityMilli(value.value), atMs: parseTime(value.timestamp) ?? 0 }
}

/** The values of an external metric, in thousandths. */
export async function externalMetric(
  client: Client,
  namespace: string,
  metric: string,
  metricSelector: LabelSelector | undefined,
): Promise<{ milli: number[]; atMs: number }> {
  const labelSelector = metricSelector ? selectorText(selectorOf(metricSelector as LabelSelector)!) : ''
  const kind = externalMetricKind(metric)
  const list = await asked(`unable to get external metric ${namespace}/${metric}`, 'external metrics API', () =>
    client.list(kind, { namespace, ...(labelSelector && { labelSelector }) }),
  )
  const values = list.items
  if (!values.length)
    throw new MetricError(
      `unable to get external metric ${namespace}/${metric}: no metrics returned from external metrics API`,
    )
  return { milli: values.map(v => quantityMilli(v.value)), atMs: parseTime(values[0]!.timestamp) ?? 0 }
}

function selectorOption(name: 'metricLabelSelector', selector: LabelSelector | undefined) {
  const text = selector ? selectorText(selectorOf(selector as LabelSelector)!) : ''
  return text ? { [name]: text } : {}
}

interface Described {
  namespace: string
  /** Such as `ingresses.networking.k8s.io`. */
  resource: string
  /** `*` for all that a selector selects. */
  name: string
}

/** Asks for the newest version that there is. An adapter that has none of both answers for the newer one. */
const customMetric = (
  client: Client,
  { namespace, resource, name }: Described,
  metric: string,
  options: { labelSelector?: string; metricLabelSelector?: string },
): Promise<MetricValueList> =>
  asked(`unable to get metric ${metric}`, 'custom metrics API', async () => {
    const ask = (version: CustomMetricsVersion) =>
      client.get(customMetricKind(resource, version), { namespace, name }, { subresource: metric, options })
    try {
      return await ask('v1beta2')
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      return ask('v1beta1').catch((older: unknown) => {
        throw isReason(older, 'NotFound') ? error : older
      })
    }
  })

/** Translates every failure of a metrics API into a MetricError, so that it ends in a condition and not in back-off. */
async function asked<T>(what: string, api: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    throw new MetricError(`${what}: unable to fetch metrics from ${api}: ${messageOf(cause)}`, { cause })
  }
}
