// Turns one metric of an autoscaler into a proposal: reads the metric (metrics.ts), computes a number of pods from it
// (replicas.ts), and words the status and the failure. Source: pkg/controller/podautoscaler/horizontal.go
// (computeReplicasForMetric).
import { messageOf } from '../../base/errors.ts'
import { type AnyKind, parseApiVersion } from '../../api/kind.ts'
import { quantityMilli } from '../../api/quantity.ts'
import type { MetricStatus } from '../../kinds/autoscaling/autoscalerstatus.ts'
import type {
  ContainerResourceMetricSource,
  CrossVersionObjectReference,
  ExternalMetricSource,
  MetricSpec,
  ObjectMetricSource,
  PodsMetricSource,
  ResourceMetricSource,
} from '../../kinds/autoscaling/autoscalerspec.ts'
import { podRequests } from '../../kinds/core/pod-resources.ts'
import type { Client } from '../../client/index.ts'
import { externalMetric, objectMetric, podMetric, resourceUse, type Where } from './metrics.ts'
import {
  byAverage,
  byUtilization,
  byValue,
  byValuePerPod,
  MetricError,
  type Timing,
  type Tolerance,
} from './replicas.ts'
import type { Pod } from '../../kinds/core/pod.ts'

interface Asking extends Where {
  client: Client
  kinds: readonly AnyKind[]
  pods: readonly Pod[]
  /** `spec.replicas` of the target's scale. */
  current: number
  /** `status.replicas` of the target's scale. */
  existing: number
  tolerance: Tolerance
  timing: Timing
}

export interface MetricProposal {
  replicas: number
  /** The metric's name in conditions and events, such as `cpu resource utilization (percentage of request)`. */
  name: string
  status: MetricStatus
}

/** A metric that could not be read. `reason` goes into the condition and the event. */
export class ProposalError extends Error {
  readonly reason: string

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** The proposal of one metric. Throws ProposalError when the metric cannot be read. */
export async function propose(metric: MetricSpec, asking: Asking): Promise<MetricProposal> {
  const { resource, containerResource, pods, object, external } = metric
  const failed = (reason: string, what: string) => (cause: unknown) => {
    if (!(cause instanceof MetricError)) throw cause
    throw new ProposalError(reason, `failed to get ${what}: ${messageOf(cause)}`, { cause })
  }
  if (metric.type === 'Resource' && resource) {
    const what = resource.target.averageUtilization === undefined ? 'resource metric value' : 'utilization'
    return byResource(resource, asking).catch(failed('FailedGetResourceMetric', `${resource.name} ${what}`))
  }
  if (metric.type === 'ContainerResource' && containerResource) {
    const what =
      containerResource.target.averageUtilization === undefined ? 'container metric value' : 'container metric value'
    return byResource(containerResource, asking).catch(
      failed('FailedGetContainerResourceMetric', `${containerResource.name} ${what}`),
    )
  }
  if (metric.type === 'Pods' && pods)
    return byPods(pods, asking).catch(failed('FailedGetPodsMetric', 'pods metric value'))
  if (metric.type === 'Object' && object)
    return byObject(object, asking).catch(failed('FailedGetObjectMetric', 'object metric value'))
  if (metric.type === 'External' && external)
    return byExternal(external, asking).catch(
      failed('FailedGetExternalMetric', `${external.metric.name} external metric`),
    )
  throw new ProposalError('InvalidMetricSourceType', `unknown metric source type ${JSON.stringify(metric.type)}`)
}

type Source = ResourceMetricSource | ContainerResourceMetricSource

const quantity = (milli: number) => (milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`)

async function byResource(source: Source, asking: Asking): Promise<MetricProposal> {
  const { client, current, pods, tolerance, timing } = asking
  const { name, target } = source
  const container = 'container' in source ? source.container : undefined
  const isCpu = name === 'cpu'
  const values = await resourceUse(client, asking, name, container)
  const scaling = { current, pods, values, tolerance, timing }
  const type = container === undefined ? 'Resource' : 'ContainerResource'
  const status = (current: object): MetricStatus =>
    (container === undefined
      ? { type, resource: { name, current } }
      : { type, containerResource: { name, container, current } }) as MetricStatus
  const label = container === undefined ? `${name} resource` : `${name} container resource`
  if (target.averageUtilization === undefined) {
    if (target.averageValue === undefined)
      throw new MetricError(
        'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
      )
    const { replicas, averageMilli } = byAverage(scaling, quantityMilli(target.averageValue), isCpu)
    return { replicas, name: label, status: status({ averageValue: quantity(averageMilli) }) }
  }
  const { replicas, utilization, averageMilli } = byUtilization(
    scaling,
    requestsOf(pods, name, container),
    target.averageUtilization,
    isCpu,
  )
  return {
    replicas,
    name: `${label} utilization (percentage of request)`,
    status: status({ averageUtilization: utilization, averageValue: quantity(averageMilli) }),
  }
}

function requestsOf(pods: readonly Pod[], resource: string, container: string | undefined): Map<string, number> {
  const requests = new Map<string, number>()
  for (const pod of pods) {
    const name = pod.metadata.name ?? ''
    const own = pod.spec.containers.filter(c => container === undefined || c.name === container)
    const whole = container === undefined && pod.spec.resources?.requests?.[resource] !== undefined
    const lacking = own.find(c => c.resources?.requests?.[resource] === undefined)
    if (!whole && (lacking || !own.length))
      throw new MetricError(`missing request for ${resource} in container ${lacking?.name ?? container} of Pod ${name}`)
    requests.set(
      name,
      whole
        ? quantityMilli(podRequests(pod.spec)[resource])
        : own.reduce((sum, c) => sum + quantityMilli(c.resources?.requests?.[resource]), 0),
    )
  }
  return requests
}

async function byPods({ metric, target }: PodsMetricSource, asking: Asking): Promise<MetricProposal> {
  const { client, current, pods, tolerance, timing } = asking
  const values = await podMetric(client, asking, metric.name, metric.selector)
  const found = byAverage({ current, pods, values, tolerance, timing }, quantityMilli(target.averageValue), false)
  const status = { type: 'Pods', pods: { metric, current: { averageValue: quantity(found.averageMilli) } } }
  return { replicas: found.replicas, name: `pods metric ${metric.name}`, status: status as MetricStatus }
}

async function byObject(
  { metric, target, describedObject }: ObjectMetricSource,
  asking: Asking,
): Promise<MetricProposal> {
  const { client, namespace, kinds } = asking
  const at = { namespace, resource: resourceOf(describedObject, kinds), name: describedObject.name }
  const { milli } = await objectMetric(client, at, metric.name, metric.selector)
  const { replicas, current } = byTarget(target, milli, asking)
  const name =
    target.averageValue === undefined
      ? `${describedObject.kind} metric ${metric.name}`
      : `external metric ${metric.name}(${JSON.stringify(metric.selector ?? {})})`
  return { replicas, name, status: { type: 'Object', object: { metric, describedObject, current } } as MetricStatus }
}

async function byExternal({ metric, target }: ExternalMetricSource, asking: Asking): Promise<MetricProposal> {
  const { milli } = await externalMetric(asking.client, asking.namespace, metric.name, metric.selector)
  const total = milli.reduce((sum, value) => sum + value, 0)
  const { replicas, current } = byTarget(target, total, asking)
  const name = `external metric ${metric.name}(${JSON.stringify(metric.selector ?? {})})`
  return { replicas, name, status: { type: 'External', external: { metric, current } } as MetricStatus }
}

function byTarget(target: ObjectMetricSource['target'], usedMilli: number, asking: Asking) {
  if (target.averageValue !== undefined) {
    const { replicas, averageMilli } = byValuePerPod(asking, usedMilli, quantityMilli(target.averageValue))
    return { replicas, current: { averageValue: quantity(averageMilli) } }
  }
  if (target.value === undefined)
    throw new MetricError('invalid metric source: neither a value target nor an average value target was set')
  return { replicas: byValue(asking, usedMilli, quantityMilli(target.value)), current: { value: quantity(usedMilli) } }
}

/** `ingresses.networking.k8s.io` for an Ingress. */
function resourceOf(ref: CrossVersionObjectReference, kinds: readonly AnyKind[]): string {
  const kind = kindOf(ref, kinds)
  if (!kind) throw new MetricError(`unable to map kind ${JSON.stringify(ref.kind)} of ${ref.apiVersion ?? ''}`)
  return kind.group ? `${kind.plural}.${kind.group}` : kind.plural
}

/** The kind that a reference names. The version is ignored, since every version of a group has the same objects. */
export function kindOf(
  { apiVersion = '', kind }: CrossVersionObjectReference,
  kinds: readonly AnyKind[],
): AnyKind | undefined {
  const { group } = parseApiVersion(apiVersion)
  return kinds.find(k => k.kind === kind && k.group === group && k.plural)
}
