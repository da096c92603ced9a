// The EndpointSlice controller: writes the pods behind each service into slices, which the proxy and DNS read.
//
//   pods of the service ─► planEndpoints: groups by family and ports ─► planSlices: slices of at most 100 (slices.ts)
//                       ─► planHints: zones and nodes (hints.ts) ─► carryOut
//
// It changes only slices with its own managed-by label. A slice whose owner is an earlier service of the same name is
// deleted. Source: pkg/controller/endpointslice, staging endpointslice (reconciler.go, utils.go).
import { sameJson } from '../../api/equal.ts'
import type { Draft } from '../../api/schema/node.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { type Endpoint, type EndpointPort } from '../../kinds/discovery/endpoint.ts'
import type { Context, Caches } from '../context.ts'
import { defineController, keyOf, watch } from '../harness.ts'
import { isReady } from '../pods.ts'
import {
  addressOf,
  familiesOf,
  hasSelector,
  hostnameOf,
  podReference,
  podsOf,
  podsOfServices,
  servicesOf,
  targetPort,
  triggerAnnotation,
  triggerTime,
} from './backends.ts'
import { isAuto, planHints, zoneShares } from './hints.ts'
import { type Group, planSlices, type SlicePlan } from './slices.ts'

export const serviceNameLabel = 'kubernetes.io/service-name'
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
const manager = 'endpointslice-controller.k8s.io'
const headlessLabel = 'service.kubernetes.io/headless'
const zoneLabel = 'topology.kubernetes.io/zone'

export const endpointSliceController = defineController({
  name: 'endpointslice-controller',
  reconciles: Service,
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
      (node, caches) => [
        ...podsOnNode(caches, node.metadata.name ?? '').flatMap(pod => servicesOf(pod, caches)),
        ...autoServices(caches),
      ],
      (node, before) => !before || !sameJson(placeOf(node), placeOf(before)),
    ),
  ],
  async reconcile(service, ctx) {
    if (!hasSelector(service) || service.metadata.deletionTimestamp) return
    const pods = podsOf(service, kind => ctx.cache(kind))
    const groups = planEndpoints(service, pods, name => ctx.cache(Node).get(undefined, name))
    const existing = slicesOf(service, ctx)
    const mine = existing.filter(slice => isOwned(slice, service))
    const shares = isAuto(service) ? zoneShares(ctx.cache(Node).list()) : undefined
    for (const plan of byFamily(planSlices(groups, mine))) {
      const hinted = planHints(service, plan, shares)
      await carryOut(service, pods, hinted.plan, ctx)
      for (const { type, reason, message } of hinted.events) ctx.event(service, type, reason, message)
    }
    // These belong to a deleted service of the same name.
    for (const slice of existing) if (!isOwned(slice, service)) await ctx.delete(EndpointSlice, slice)
  },
})

const slicesOf = ({ metadata }: Service, ctx: Context) =>
  ctx
    .cache(EndpointSlice)
    .byIndex('service', serviceOf, keyOf(metadata.namespace ?? '', metadata.name ?? ''))
    .filter(slice => !slice.metadata.deletionTimestamp)

const isOwned = (slice: EndpointSlice, service: Service) =>
  slice.metadata.ownerReferences?.some(owner => owner.uid === service.metadata.uid) ?? false

const serviceOf = (slice: EndpointSlice): string[] => {
  const { labels, namespace = '' } = slice.metadata
  return labels?.[managedByLabel] === manager && labels[serviceNameLabel]
    ? [keyOf(namespace, labels[serviceNameLabel])]
    : []
}

/** Splits a plan by address type, since hints are computed for each by itself. */
function byFamily(plan: SlicePlan): SlicePlan[] {
  const of = (type: string): SlicePlan => ({
    create: plan.create.filter(group => group.addressType === type),
    update: plan.update.filter(({ slice }) => slice.addressType === type),
    remove: plan.remove.filter(slice => slice.addressType === type),
    unchanged: plan.unchanged.filter(slice => slice.addressType === type),
  })
  return ['IPv4', 'IPv6']
    .map(of)
    .filter(({ create, update, remove, unchanged }) => [create, update, remove, unchanged].some(list => list.length))
}

const zoneOf = (node: Node | undefined) => node?.metadata.labels?.[zoneLabel]
/** The fields of a node on which endpoints and hints depend. */
const placeOf = (node: Node) => [
  zoneOf(node),
  node.status.allocatable?.cpu,
  node.status.conditions?.find(c => c.type === 'Ready')?.status,
]
const podsOnNode = (caches: Caches, node: string): Pod[] =>
  caches(Pod).byIndex('node', pod => (pod.spec.nodeName ? [pod.spec.nodeName] : []), node)
const autoServices = (caches: Caches): string[] =>
  caches(Service)
    .byIndex('auto hints', service => (isAuto(service) ? ['yes'] : []), 'yes')
    .map(({ metadata }) => keyOf(metadata.namespace ?? '', metadata.name ?? ''))

/** The endpoints of a service, grouped by address family and ports: only equal ones may share a slice. */
export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  nodeOf: (name: string) => Node | undefined,
): Group[] {
  const groups = new Map<string, Group>()
  for (const family of familiesOf(service, pods)) {
    const addressType = family === 6 ? 'IPv6' : 'IPv4'
    for (const pod of pods) {
      const address = addressOf(pod, family)
      if (!address || isTerminal(pod) || !pod.spec.nodeName) continue
      const node = nodeOf(pod.spec.nodeName)
      // The pod of a deleted node will be deleted by pod garbage collection.
      if (!node && !service.spec.publishNotReadyAddresses) continue
      const ports = portsFor(service, pod)
      const key = `${addressType} ${JSON.stringify(ports)}`
      const group = groups.get(key) ?? { addressType, ports, endpoints: [] }
      group.endpoints.push(endpointOf(service, pod, address, zoneOf(node)))
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

async function carryOut(service: Service, pods: readonly Pod[], plan: SlicePlan, ctx: Context): Promise<void> {
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
  // Every slice has the labels of the service, also those whose endpoints stay the same.
  for (const slice of plan.unchanged)
    if (!sameJson(slice.metadata.labels, labels))
      await ctx.update(EndpointSlice, { ...slice, metadata: { ...slice.metadata, labels } })
  for (const slice of plan.remove) await ctx.delete(EndpointSlice, slice)
}

function sliceLabels({ metadata, spec }: Service): Record<string, string> {
  const { [headlessLabel]: _headless, ...labels } = metadata.labels ?? {}
  return {
    ...labels,
    ...(['None', '', undefined].includes(spec.clusterIP) && { [headlessLabel]: '' }),
    [serviceNameLabel]: metadata.name ?? '',
    [managedByLabel]: manager,
  }
}
