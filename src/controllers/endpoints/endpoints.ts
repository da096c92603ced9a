// The Endpoints controller: writes one Endpoints object of the same name for each service, the older form of
// EndpointSlices. An object holds at most 1000 addresses, ready ones first; more are cut off and an annotation marks
// it. Source: pkg/controller/endpoint.
import { canonicalJson, sameJson } from '../../api/equal.ts'
import { parseIP } from '../../api/ip.ts'
import type { Draft } from '../../api/schema/node.ts'
import { Endpoints } from '../../kinds/core/endpoints.ts'
import { type EndpointAddress, type EndpointPort, type EndpointSubset } from '../../kinds/core/endpointsubset.ts'
import { Service } from '../../kinds/core/service.ts'
import { defineController, watch } from '../harness.ts'
import { objectKey } from '../../api/mirror.ts'
import { isReady } from '../pods.ts'
import {
  addressOf,
  familiesOf,
  hasSelector,
  hostnameOf,
  podReference,
  podsOf,
  podsOfServices,
  targetPort,
  triggerAnnotation,
  triggerTime,
} from './backends.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'

const headlessLabel = 'service.kubernetes.io/headless'
const managedByLabel = 'endpoints.kubernetes.io/managed-by'
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity'
const maxAddresses = 1000

export const endpointsController = defineController({
  name: 'endpoint-controller',
  reconciles: Service,
  workers: 50,
  watches: [podsOfServices, watch(Endpoints, endpoints => [objectKey(endpoints)])],
  async reconcile(service, ctx) {
    if (!hasSelector(service) || service.metadata.deletionTimestamp) return
    const { namespace = '', name = '', labels } = service.metadata
    const pods = podsOf(service, kind => ctx.cache(kind))
    const { subsets, truncated } = planSubsets(service, pods)
    const existing = ctx.cache(Endpoints).get(namespace, name)
    const wantedLabels = {
      ...labels,
      [managedByLabel]: 'endpoint-controller',
      ...(service.spec.clusterIP === 'None' && { [headlessLabel]: '' }),
    }
    const same =
      existing &&
      sameJson(existing.subsets ?? [], subsets) &&
      sameJson(existing.metadata.labels ?? {}, wantedLabels) &&
      truncated === (existing.metadata.annotations?.[overCapacityAnnotation] === 'truncated')
    if (same) return
    const time = triggerTime(service, pods)
    const { [overCapacityAnnotation]: _old, ...kept } = existing?.metadata.annotations ?? {}
    const annotations = {
      ...kept,
      ...(time && { [triggerAnnotation]: time }),
      ...(truncated && { [overCapacityAnnotation]: 'truncated' }),
    }
    const metadata = { ...existing?.metadata, name, namespace, labels: wantedLabels, annotations }
    if (existing) await ctx.update(Endpoints, { ...existing, metadata, subsets })
    else await ctx.create(Endpoints, { metadata, subsets })
  },
  async deleted({ namespace, name }, ctx) {
    const existing = ctx.cache(Endpoints).get(namespace, name)
    if (existing?.metadata.labels?.[managedByLabel]) await ctx.delete(Endpoints, existing)
  },
})

/** The addresses of a service's pods, grouped by ports. The order is fixed, so that equal pods give equal objects. */
function planSubsets(service: Service, pods: readonly Pod[]): { subsets: Draft<EndpointSubset>[]; truncated: boolean } {
  const family = familiesOf(service, pods)[0]!
  const subsets = new Map<string, { ports: Draft<EndpointPort>[]; ready: EndpointAddress[]; not: EndpointAddress[] }>()
  for (const pod of pods) {
    const ip = addressOf(pod, family)
    if (!ip || isTerminal(pod) || !pod.spec.nodeName) continue
    const publish = service.spec.publishNotReadyAddresses === true
    if (pod.metadata.deletionTimestamp && !publish) continue
    const ports = portsFor(service, pod)
    if (!ports) continue
    const hostname = hostnameOf(pod, service)
    const address = {
      ip,
      ...(hostname && { hostname }),
      nodeName: pod.spec.nodeName,
      targetRef: podReference(pod),
    } as EndpointAddress
    const key = canonicalJson(ports)
    const subset = subsets.get(key) ?? { ports, ready: [], not: [] }
    if (publish || isReady(pod)) subset.ready.push(address)
    else subset.not.push(address)
    subsets.set(key, subset)
  }
  return truncate([...subsets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, subset]) => subset))
}

function truncate(all: { ports: Draft<EndpointPort>[]; ready: EndpointAddress[]; not: EndpointAddress[] }[]): {
  subsets: Draft<EndpointSubset>[]
  truncated: boolean
} {
  const total = all.reduce((sum, { ready, not }) => sum + ready.length + not.length, 0)
  let room = maxAddresses
  const take = (addresses: EndpointAddress[]) => {
    const taken = addresses.sort(byAddress).slice(0, room)
    room -= taken.length
    return taken
  }
  const ready = all.map(subset => take(subset.ready))
  const subsets = all.map(({ ports, not }, i) => {
    const notReady = take(not)
    return {
      ...(ready[i]!.length && { addresses: ready[i]! }),
      ...(notReady.length && { notReadyAddresses: notReady }),
      ...(ports.length && { ports }),
    }
  })
  return { subsets: subsets.filter(s => s.addresses || s.notReadyAddresses), truncated: total > maxAddresses }
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  const [x, y] = [parseIP(a.ip)?.value ?? 0n, parseIP(b.ip)?.value ?? 0n]
  return x < y ? -1 : x > y ? 1 : 0
}

/** The ports of a service in this pod. Undefined when the service has ports and the pod none of them. */
function portsFor(service: Service, pod: Pod): Draft<EndpointPort>[] | undefined {
  const wanted = service.spec.ports ?? []
  const ports = wanted.flatMap(port => {
    const number = targetPort(pod, port)
    if (number === undefined) return []
    const { name, protocol, appProtocol } = port
    return [{ ...(name && { name }), port: number, protocol, ...(appProtocol && { appProtocol }) }]
  })
  return wanted.length && !ports.length ? undefined : ports
}
