// The EndpointSlice controller: writes down the pods behind each service, for kube-proxy and DNS.
// Source: pkg/controller/endpointslice.
import type { DeepReadonly, Draft } from '../../api/schema/node.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod as PodKind } from '../../kinds/core/pod.ts'
import { Service as ServiceKind } from '../../kinds/core/service.ts'
import { type Endpoint, type EndpointPort, EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import type { Context } from '../context.ts'
import { defineController, keyOf, watch } from '../harness.ts'
import { isReady, isTerminal, type Pod } from '../pods.ts'
import {
  addressOf,
  familiesOf,
  hasSelector,
  hostnameOf,
  podReference,
  podsOf,
  podsOfServices,
  type Service,
  servicesOf,
  targetPort,
  triggerAnnotation,
  triggerTime,
} from './backends.ts'
import { type Group, planSlices } from './slices.ts'

export const serviceNameLabel = 'kubernetes.io/service-name'
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
const manager = 'endpointslice-controller.k8s.io'
const headlessLabel = 'service.kubernetes.io/headless'
const zoneLabel = 'topology.kubernetes.io/zone'

export const endpointSliceController = defineController({
  name: 'endpointslice-controller',
  reconciles: ServiceKind,
  workers: 50,
  watches: [
    podsOfServices,
    watch(EndpointSlice, slice => {
      const service = slice.metadata.labels?.[serviceNameLabel]
      return service && slice.metadata.labels?.[managedByLabel] === manager
        ? [keyOf(slice.metadata.namespace ?? '', service)]
        : []
    }),
    watch(
      Node,
      (node, caches) => podsOnNode(caches(PodKind), node.metadata.name ?? '').flatMap(pod => servicesOf(pod, caches)),
      (node, before) => before !== undefined && zoneOf(node) !== zoneOf(before),
    ),
  ],
  async reconcile(service, ctx) {
    if (!hasSelector(service) || service.metadata.deletionTimestamp) return
    const pods = podsOf(service, kind => ctx.cache(kind))
    const groups = planEndpoints(service, pods, name => zoneOf(ctx.cache(Node).get(undefined, name)))
    const existing = ctx
      .cache(EndpointSlice)
      .byIndex(
        'service',
        slice => serviceOf(slice),
        keyOf(service.metadata.namespace ?? '', service.metadata.name ?? ''),
      )
      .filter(slice => !slice.metadata.deletionTimestamp)
    await carryOut(service, pods, planSlices(groups, existing), ctx)
  },
})

const serviceOf = (slice: DeepReadonly<EndpointSlice>): string[] => {
  const { labels, namespace = '' } = slice.metadata
  return labels?.[managedByLabel] === manager && labels[serviceNameLabel]
    ? [keyOf(namespace, labels[serviceNameLabel])]
    : []
}

const zoneOf = (node: DeepReadonly<Node> | undefined) => node?.metadata.labels?.[zoneLabel]
const podsOnNode = (
  pods: { byIndex(name: string, keys: (pod: Pod) => readonly string[], value: string): Pod[] },
  node: string,
) => pods.byIndex('node', pod => (pod.spec.nodeName ? [pod.spec.nodeName] : []), node)

/** The endpoints of a service, grouped by what may share a slice. */
export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  zone: (node: string) => string | undefined,
): Group[] {
  const groups = new Map<string, Group>()
  const families = familiesOf(service, pods)
  for (const family of families) {
    const addressType = family === 6 ? 'IPv6' : 'IPv4'
    for (const pod of pods) {
      const address = addressOf(pod, family)
      if (!address || isTerminal(pod) || !pod.spec.nodeName) continue
      const ports = portsFor(service, pod)
      const key = `${addressType} ${JSON.stringify(ports)}`
      const group = groups.get(key) ?? { addressType, ports, endpoints: [] }
      group.endpoints.push(endpointOf(service, pod, address, zone(pod.spec.nodeName)))
      groups.set(key, group)
    }
    if (![...groups.values()].some(group => group.addressType === addressType))
      groups.set(addressType, { addressType, ports: [], endpoints: [] })
  }
  return [...groups.values()]
}

function portsFor(service: Service, pod: Pod): Draft<EndpointPort>[] {
  return (service.spec.ports ?? []).flatMap(port => {
    const number = targetPort(pod, port)
    if (number === undefined) return []
    const { name = '', protocol, appProtocol } = port
    return [{ name, protocol, port: number, ...(appProtocol && { appProtocol }) }]
  })
}

function endpointOf(service: Service, pod: Pod, address: string, zone: string | undefined): Draft<Endpoint> {
  const serving = isReady(pod)
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const hostname = hostnameOf(pod, service)
  return {
    addresses: [address],
    conditions: {
      ready: service.spec.publishNotReadyAddresses ? true : serving && !terminating,
      serving,
      terminating,
    },
    ...(hostname && { hostname }),
    targetRef: podReference(pod),
    nodeName: pod.spec.nodeName!,
    ...(zone && { zone }),
  }
}

async function carryOut(
  service: Service,
  pods: readonly Pod[],
  plan: ReturnType<typeof planSlices>,
  ctx: Context,
): Promise<void> {
  const labels = sliceLabels(service)
  const time = triggerTime(service, pods)
  const annotations = time ? { [triggerAnnotation]: time } : {}
  for (const { addressType, ports, endpoints } of plan.create) {
    const metadata = { generateName: `${service.metadata.name}-`, labels, annotations }
    await ctx.create(EndpointSlice, { metadata, addressType, ports, endpoints }, { owner: service })
  }
  for (const { slice, endpoints, ports } of plan.update) {
    const metadata = { ...slice.metadata, labels, annotations: { ...slice.metadata.annotations, ...annotations } }
    await ctx.update(EndpointSlice, { ...slice, metadata, endpoints, ports })
  }
  for (const slice of plan.remove) await ctx.delete(EndpointSlice, slice)
}

function sliceLabels(service: Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    [serviceNameLabel]: service.metadata.name ?? '',
    [managedByLabel]: manager,
    ...(service.spec.clusterIP === 'None' && { [headlessLabel]: '' }),
  }
}
