// Which pods stand behind a service, at which addresses and ports, and in what state. Shared by the controllers of
// Endpoints and EndpointSlices. Source: pkg/controller/util/endpoint, staging endpointslice/utils.go.
import { parseIP } from '../../api/ip.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import type { ServicePort } from '../../kinds/core/servicespec.ts'
import type { Caches } from '../context.ts'
import { keyOf, type Watch, watch } from '../harness.ts'
import { isReady } from '../pods.ts'
import { selectedBy, selecting, type Selector } from '../selection.ts'
import { Service } from '../../kinds/core/service.ts'

/** A service whose endpoints come from pods. */
export const hasSelector = (service: Service): boolean =>
  service.spec.type !== 'ExternalName' && service.spec.selector !== undefined

/** An empty selector takes in every pod of the namespace. */
const selectorOf = (service: Service): Selector | undefined =>
  hasSelector(service) ? { matchLabels: service.spec.selector! } : undefined

/** The pods of a service, whatever their state. */
export function podsOf(service: Service, caches: Caches): Pod[] {
  return selectedBy(caches(Pod), service.metadata.namespace ?? '', selectorOf(service))
}

/** The keys of the services a pod stands behind. */
export function servicesOf({ metadata }: Pod, caches: Caches): string[] {
  return selecting(caches(Service), selectorOf, metadata).map(service =>
    keyOf(metadata.namespace ?? '', service.metadata.name ?? ''),
  )
}

/** Wakes the services a pod stands behind, when something about the pod changed that an endpoint shows. */
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

/** The pod's address of a family. */
export function addressOf(pod: Pod, family: 4 | 6): string | undefined {
  const all = pod.status.podIPs?.length ? pod.status.podIPs.map(p => p.ip) : [pod.status.podIP ?? '']
  return all.find(ip => parseIP(ip)?.family === family)
}

/** The families a service asks for; a headless one that does not say gets that of its first pods. */
export function familiesOf(service: Service, pods: readonly Pod[]): (4 | 6)[] {
  const named = service.spec.ipFamilies ?? []
  if (named.length) return named.map(family => (family === 'IPv6' ? 6 : 4))
  const ip = service.spec.clusterIP
  if (ip && ip !== 'None') return [parseIP(ip)?.family ?? 4]
  return [pods.some(pod => !addressOf(pod, 4) && addressOf(pod, 6)) ? 6 : 4]
}

/** The number a service port leads to in this pod; undefined when the pod has no port of that name. */
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

/** What other components want to know about a pod behind a service. */
export const podReference = (pod: Pod): { kind: string; namespace: string; name: string; uid: string } => ({
  kind: 'Pod',
  namespace: pod.metadata.namespace ?? '',
  name: pod.metadata.name ?? '',
  uid: pod.metadata.uid ?? '',
})

/** A pod with a hostname in the service's own subdomain is found by that name in DNS. */
export function hostnameOf(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec
  return hostname && subdomain === service.metadata.name && pod.metadata.namespace === service.metadata.namespace
    ? hostname
    : undefined
}

export const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

/** The newest moment at which the service or one of its pods last changed: how late the endpoints are can be told from it. */
export function triggerTime(service: Service, pods: readonly Pod[]): string | undefined {
  const times = pods.flatMap(pod => {
    const ready = pod.status.conditions?.find(c => c.type === 'Ready')
    return [ready?.lastTransitionTime, pod.metadata.deletionTimestamp]
  })
  const sorted = [service.metadata.creationTimestamp, ...times].filter(time => time !== undefined && time !== null)
  return sorted.sort().at(-1)
}
