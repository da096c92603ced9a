// The pods behind a service, with their addresses, ports and state. Shared by the controllers of Endpoints and
// EndpointSlices. This is the first half of the way from a Service, or a NodePort, to a pod: from the slices that
// result, the proxy makes its rules. Source: pkg/controller/util/endpoint, staging endpointslice/utils.go.
import { parseIP } from '../../api/ip.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import type { ServicePort } from '../../kinds/core/servicespec.ts'
import type { Caches } from '../context.ts'
import { keyOf, type Watch, watch } from '../harness.ts'
import { isReady } from '../pods.ts'
import { selectedBy, selecting, type Selector } from '../selection.ts'
import { Service } from '../../kinds/core/service.ts'

/** Whether the endpoints of a service come from pods. */
export const hasSelector = (service: Service): boolean =>
  service.spec.type !== 'ExternalName' && service.spec.selector !== undefined

/** The selector of a service; an empty one selects every pod of the namespace. */
const selectorOf = (service: Service): Selector | undefined =>
  hasSelector(service) ? { matchLabels: service.spec.selector! } : undefined

/** The pods of a service, whatever their state. */
export function podsOf(service: Service, caches: Caches): Pod[] {
  return selectedBy(caches(Pod), service.metadata.namespace ?? '', selectorOf(service))
}

/** The keys of the services that select a pod. */
export function servicesOf({ metadata }: Pod, caches: Caches): string[] {
  return selecting(caches(Service), selectorOf, metadata).map(service =>
    keyOf(metadata.namespace ?? '', service.metadata.name ?? ''),
  )
}

/** Wakes the services that select a pod when a field of the pod changes that an endpoint contains. */
export const podsOfServices: Watch = watch(
  Pod,
  servicesOf,
  (pod, before) => !before || endpointText(pod) !== endpointText(before),
)

const endpointText = (pod: Pod): string =>
  JSON.stringify([
    pod.status.podIPs ?? pod.status.podIP,
    pod.spec.nodeName,
    isReady(pod),
    isTerminal(pod),
    pod.metadata.deletionTimestamp !== undefined,
    pod.metadata.labels,
  ])

/** The pod's first address of a family. */
export function addressOf(pod: Pod, family: 4 | 6): string | undefined {
  const all = pod.status.podIPs?.length ? pod.status.podIPs.map(p => p.ip) : [pod.status.podIP ?? '']
  return all.find(ip => parseIP(ip)?.family === family)
}

/** The address families of a service. A headless one without `ipFamilies` gets IPv6 if a pod has only that. */
export function familiesOf(service: Service, pods: readonly Pod[]): (4 | 6)[] {
  const named = service.spec.ipFamilies ?? []
  if (named.length) return named.map(family => (family === 'IPv6' ? 6 : 4))
  const ip = service.spec.clusterIP
  if (ip && ip !== 'None') return [parseIP(ip)?.family ?? 4]
  return [pods.some(pod => !addressOf(pod, 4) && addressOf(pod, 6)) ? 6 : 4]
}

/** The port number in this pod to which a service port leads. Undefined if the pod has no port of that name. */
export function targetPort(pod: Pod, port: ServicePort): number | undefined {
  const { targetPort: target } = port
  if (typeof target === 'number') return target || port.port
  const containers = [
    ...pod.spec.containers,
    ...(pod.spec.initContainers ?? []).filter(container => container.restartPolicy === 'Always'),
  ]
  for (const container of containers)
    for (const candidate of container.ports ?? [])
      if (candidate.name === target && candidate.protocol === port.protocol) return candidate.containerPort
  return undefined
}

/** The reference to the pod in an endpoint. */
export const podReference = (pod: Pod): { kind: string; namespace: string; name: string; uid: string } => ({
  kind: 'Pod',
  namespace: pod.metadata.namespace ?? '',
  name: pod.metadata.name ?? '',
  uid: pod.metadata.uid ?? '',
})

/** The name under which DNS has a pod. Only pods with the service's name as their subdomain have one. */
export function hostnameOf(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec
  return hostname && subdomain === service.metadata.name && pod.metadata.namespace === service.metadata.namespace
    ? hostname
    : undefined
}

export const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

/** When the service or one of its pods last changed. Monitoring computes from it how far endpoints lag behind. */
export function triggerTime(service: Service, pods: readonly Pod[]): string | undefined {
  const times = pods.flatMap(pod => {
    const ready = pod.status.conditions?.find(c => c.type === 'Ready')
    return [ready?.lastTransitionTime, pod.metadata.deletionTimestamp]
  })
  const sorted = [service.metadata.creationTimestamp, ...times].filter(time => time !== undefined && time !== null)
  return sorted.sort().at(-1)
}
