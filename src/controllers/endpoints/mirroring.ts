// EndpointSlice mirroring: copies Endpoints that a user wrote, for a service without a selector, into slices, since the
// proxy and DNS read only those. Source: pkg/controller/endpointslicemirroring.
import { canonicalJson, sameJson } from '../../api/equal.ts'
import { parseIP } from '../../api/ip.ts'
import type { Draft } from '../../api/schema/node.ts'
import { Endpoints } from '../../kinds/core/endpoints.ts'
import { type EndpointAddress } from '../../kinds/core/endpointsubset.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { type Endpoint } from '../../kinds/discovery/endpoint.ts'
import type { Context } from '../context.ts'
import { defineController, keyOf, type Reference, watch } from '../harness.ts'
import { managedByLabel, serviceNameLabel } from './endpointslice.ts'
import { triggerAnnotation } from './backends.ts'
import type { Group } from './slices.ts'

const manager = 'endpointslicemirroring-controller.k8s.io'
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror'
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader'
const appliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration'
/** How many addresses of a subset are mirrored, which is also how many endpoints a slice may have. */
const maxPerSubset = 1000

export const endpointSliceMirroringController = defineController({
  name: 'endpointslicemirroring-controller',
  reconciles: Endpoints,
  watches: [
    watch(Service, ({ metadata }) => [keyOf(metadata.namespace ?? '', metadata.name ?? '')]),
    watch(EndpointSlice, slice => mirrored(slice)),
  ],
  async reconcile(endpoints, ctx) {
    const { namespace = '', name = '' } = endpoints.metadata
    const existing = slicesOf({ namespace, name }, ctx)
    const service = ctx.cache(Service).get(namespace, name)
    if (!service || service.spec.selector || !shouldMirror(endpoints)) return removeAll(existing, ctx)
    const { groups, skipped, invalid } = planMirror(endpoints)
    if (skipped) {
      const text = `A max of ${maxPerSubset} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`
      ctx.event(endpoints, 'Warning', 'TooManyAddressesToMirror', text)
    }
    if (invalid) {
      const text = `Skipped ${invalid} invalid IP addresses when mirroring to EndpointSlices`
      ctx.event(endpoints, 'Warning', 'InvalidIPAddress', text)
    }
    await carryOut(endpoints, groups, existing, ctx)
  },
  async deleted(ref, ctx) {
    await removeAll(slicesOf(ref, ctx), ctx)
  },
})

const mirrored = ({ metadata: { labels, namespace = '' } }: EndpointSlice): string[] => {
  const name = labels?.[serviceNameLabel]
  return name && labels?.[managedByLabel] === manager ? [keyOf(namespace, name)] : []
}

const slicesOf = ({ namespace, name }: Reference, ctx: Context): EndpointSlice[] =>
  ctx
    .cache(EndpointSlice)
    .byIndex('mirrored', mirrored, keyOf(namespace, name))
    .filter(slice => !slice.metadata.deletionTimestamp)

async function removeAll(slices: readonly EndpointSlice[], ctx: Context): Promise<void> {
  for (const slice of slices) await ctx.delete(EndpointSlice, slice)
}

/** Endpoints with the skip label are not mirrored, nor are those that serve leader election. */
const shouldMirror = ({ metadata: { labels, annotations } }: Endpoints): boolean =>
  labels?.[skipLabel] !== 'true' && annotations?.[leaderAnnotation] === undefined

/** The content of the slices: one group for each family and set of ports, in which no endpoint is twice. */
export function planMirror({ subsets = [] }: Pick<Endpoints, 'subsets'>): {
  groups: Group[]
  skipped: number
  invalid: number
} {
  const groups = new Map<string, Omit<Group, 'endpoints'> & { endpoints: Map<string, Draft<Endpoint>> }>()
  let [skipped, invalid] = [0, 0]
  for (const { addresses = [], notReadyAddresses = [], ports: given = [] } of subsets) {
    const ports = given.map(({ name = '', port, protocol, appProtocol }) => ({
      name,
      port,
      protocol: protocol || 'TCP',
      ...(appProtocol && { appProtocol }),
    }))
    let room = maxPerSubset
    const add = (address: EndpointAddress, ready: boolean) => {
      const family = parseIP(address.ip)?.family
      if (!family) invalid++
      else if (room === 0) skipped++
      else {
        room--
        const addressType = family === 6 ? 'IPv6' : 'IPv4'
        const key = `${addressType} ${canonicalJson(ports)}`
        const group = groups.get(key) ?? { addressType, ports, endpoints: new Map() }
        const { ip, hostname, targetRef } = address
        group.endpoints.set(
          canonicalJson([ip, hostname, targetRef?.namespace, targetRef?.name]),
          endpointOf(address, ready),
        )
        groups.set(key, group)
      }
    }
    for (const address of addresses) add(address, true)
    for (const address of notReadyAddresses) add(address, false)
  }
  const all = [...groups.values()].map(group => ({
    ...group,
    endpoints: [...group.endpoints.values()].slice(0, maxPerSubset),
  }))
  return { groups: all, skipped, invalid }
}

const endpointOf = ({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Draft<Endpoint> => ({
  addresses: [ip],
  conditions: { ready },
  ...(hostname && { hostname }),
  ...(nodeName && { nodeName }),
  ...(targetRef && { targetRef }),
})

async function carryOut(
  endpoints: Endpoints,
  groups: readonly Group[],
  existing: readonly EndpointSlice[],
  ctx: Context,
): Promise<void> {
  const { labels, annotations } = mirroredMetadata(endpoints)
  const keyOfGroup = ({ addressType, ports }: EndpointSlice | Group) => `${addressType} ${canonicalJson(ports ?? [])}`
  const left = new Set(existing)
  for (const group of groups) {
    const same = existing.find(slice => left.has(slice) && keyOfGroup(slice) === keyOfGroup(group))
    if (!same) {
      const metadata = { generateName: `${endpoints.metadata.name}-`, labels, annotations }
      await ctx.create(EndpointSlice, { metadata, ...group }, { owner: endpoints })
      continue
    }
    left.delete(same)
    const isSame =
      sameJson(same.endpoints, group.endpoints) &&
      sameJson(same.metadata.labels, labels) &&
      sameJson(same.metadata.annotations ?? {}, annotations)
    if (isSame) continue
    await ctx.update(EndpointSlice, {
      ...same,
      metadata: { ...same.metadata, labels, annotations },
      endpoints: group.endpoints,
    })
  }
  await removeAll([...left], ctx)
}

/** The labels and annotations of the slices. */
export function mirroredMetadata({ metadata }: Pick<Endpoints, 'metadata'>) {
  const { [triggerAnnotation]: _time, [appliedAnnotation]: _applied, ...annotations } = metadata.annotations ?? {}
  const labels = { ...metadata.labels, [serviceNameLabel]: metadata.name ?? '', [managedByLabel]: manager }
  return { labels, annotations }
}
