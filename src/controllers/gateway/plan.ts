// The statuses of GatewayClasses, Gateways and their routes. Pure.
//
// - What is wrong with a certificate makes its listener not programmed; what is wrong with one listener leaves the others be.
// - In the status of a route there may be entries of other controllers, which stay as they are.
// Source: gateway-api.sigs.k8s.io/reference/spec (conditions and their reasons).
import { sameJson } from '../../api/equal.ts'
import { objectKey } from '../../api/mirror.ts'
import type { Secret } from '../../kinds/core/secret.ts'
import {
  type Attachments,
  type GatewayWorld,
  ownGateways,
  type ParentState,
  type RouteState,
} from '../../kinds/gateway/attachment.ts'
import type { AnyRoute, ParentStatus } from '../../kinds/gateway/common.ts'
import { endsTls, gatewayRefusal, type ListenerState } from '../../kinds/gateway/listeners.ts'
import { gatewayGroup } from '../../kinds/gateway/definition.ts'
import type { Gateway, ListenerStatus } from '../../kinds/gateway/gateway.ts'
import { type GatewayClass, gatewayController } from '../../kinds/gateway/gatewayclass.ts'
import { certificatesOf } from '../../kinds/gateway/grants.ts'
import { pemOf } from '../../kinds/networking/tls-pem.ts'
import { type Addresses, type AddressWorld, planGatewayAddresses } from './addresses.ts'
import { conditionsOf, type Verdict } from './conditions.ts'

export interface StatusWorld extends GatewayWorld, AddressWorld {
  secret(key: string): Secret | undefined
  nowMs: number
  now: string
}

/** The features beyond the core that are served, by their names in conformance reports. */
const features = [
  'GRPCRoute',
  'Gateway',
  'GatewayAddressEmpty',
  'GatewayHTTPListenerIsolation',
  'GatewayHTTPSListenerDetectMisdirectedRequests',
  'GatewayPort8080',
  'HTTPRoute',
  'HTTPRoute303RedirectStatusCode',
  'HTTPRoute307RedirectStatusCode',
  'HTTPRoute308RedirectStatusCode',
  'HTTPRouteBackendProtocolWebSocket',
  'HTTPRouteCORS',
  'HTTPRouteNamedRouteRule',
  'HTTPRouteBackendProtocolH2C',
  'HTTPRouteBackendRequestHeaderModification',
  'HTTPRouteBackendTimeout',
  'HTTPRouteDestinationPortMatching',
  'HTTPRouteHostRewrite',
  'HTTPRouteMethodMatching',
  'HTTPRouteParentRefPort',
  'HTTPRoutePathRedirect',
  'HTTPRoutePathRewrite',
  'HTTPRoutePortRedirect',
  'HTTPRouteQueryParamMatching',
  'HTTPRouteRequestTimeout',
  'HTTPRouteResponseHeaderModification',
  'HTTPRouteSchemeRedirect',
  'ReferenceGrant',
  'TLSRoute',
  'TLSRouteModeMixed',
  'TLSRouteModeTerminate',
]
/** What needs addresses of their own for Gateways. */
const apartFeatures = ['GatewayStaticAddresses']

/** The most addresses of a status. */
const maxAddresses = 16
const maxParents = 32

const generationOf = ({ metadata }: Gateway | GatewayClass | AnyRoute) => metadata.generation ?? 0

export function planClassStatus(
  one: GatewayClass,
  { now, isApart }: Pick<StatusWorld, 'now' | 'isApart'>,
): NonNullable<GatewayClass['status']> {
  const accepted = one.spec.parametersRef
    ? { type: 'Accepted', status: false, reason: 'InvalidParameters', message: 'parameters are not supported' }
    : { type: 'Accepted', status: true, reason: 'Accepted' }
  const conditions = conditionsOf(one.status?.conditions, [accepted], generationOf(one), now)
  const names = [...features, ...(isApart ? apartFeatures : [])].sort()
  return { conditions, supportedFeatures: names.map(name => ({ name })) }
}

/** The status of each Gateway that is ours. */
export function planGatewayStatuses(
  { listeners }: Attachments,
  world: StatusWorld,
): { gateway: Gateway; status: NonNullable<Gateway['status']> }[] {
  const byGateway = Map.groupBy(listeners, ({ gateway }) => objectKey(gateway))
  const gateways = ownGateways(world)
  const places = planGatewayAddresses(gateways, world)
  return gateways.map(gateway => {
    const own = byGateway.get(objectKey(gateway)) ?? []
    const statuses = own.map(state => listenerStatus(state, world))
    const place = places.get(gateway) ?? { addresses: [] }
    const accepted = acceptedOf(gateway, own)
    const verdicts = [accepted, programmedOf(accepted.status, statuses, place)]
    return {
      gateway,
      status: {
        addresses: place.addresses.slice(0, maxAddresses).map(value => ({ type: 'IPAddress', value })),
        conditions: conditionsOf(gateway.status?.conditions, verdicts, generationOf(gateway), world.now),
        listeners: statuses,
      },
    }
  })
}

function acceptedOf(gateway: Gateway, listeners: readonly ListenerState[]): Verdict {
  const type = 'Accepted'
  const refusal = gatewayRefusal(gateway)
  if (refusal) return { type, status: false, ...refusal }
  if (listeners.every(one => !one.refusal)) return { type, status: true, reason: 'Accepted' }
  const status = listeners.some(one => !one.refusal)
  return { type, status, reason: 'ListenersNotValid', message: 'some listeners are not accepted' }
}

function programmedOf(isAccepted: boolean, listeners: readonly ListenerStatus[], { problem }: Addresses): Verdict {
  const type = 'Programmed'
  if (isAccepted && problem) return { type, status: false, ...problem }
  const isProgrammed = listeners.some(({ conditions }) =>
    conditions.some(one => one.type === 'Programmed' && one.status === 'True'),
  )
  return isAccepted && isProgrammed
    ? { type, status: true, reason: 'Programmed' }
    : { type, status: false, reason: 'Invalid', message: 'no listener is programmed' }
}

function listenerStatus(state: ListenerState, world: StatusWorld): ListenerStatus {
  const { gateway, listener, kinds, refusal, conflict, overlaps, attached } = state
  const before = gateway.status?.listeners?.find(({ name }) => name === listener.name)?.conditions
  const resolved = resolvedRefs(state, world)
  const isUsable = !refusal && (resolved.status || resolved.reason === 'InvalidRouteKinds')
  const verdicts: Verdict[] = [
    refusal ? { type: 'Accepted', status: false, ...refusal } : { type: 'Accepted', status: true, reason: 'Accepted' },
    isUsable
      ? { type: 'Programmed', status: true, reason: 'Programmed' }
      : { type: 'Programmed', status: false, reason: 'Invalid', message: refusal?.message ?? resolved.message ?? '' },
    resolved,
    conflict
      ? { type: 'Conflicted', status: true, ...conflict }
      : { type: 'Conflicted', status: false, reason: 'NoConflicts' },
    ...(overlaps ? [overlapping] : []),
  ]
  return {
    name: listener.name,
    supportedKinds: kinds.map(({ kind }) => ({ group: gatewayGroup, kind })),
    attachedRoutes: attached.size,
    conditions: conditionsOf(
      before?.filter(({ type }) => type !== overlapping.type),
      verdicts,
      generationOf(gateway),
      world.now,
    ),
  }
}

/** The condition is there only while it is true. A client may use a connection for one listener for the other. */
const overlapping: Verdict = {
  type: 'OverlappingTLSConfig',
  status: true,
  reason: 'OverlappingHostnames',
  message: 'another HTTPS listener of the port has hostnames in common with this one',
}

function resolvedRefs({ gateway, listener, hasOtherKinds }: ListenerState, world: StatusWorld): Verdict {
  const type = 'ResolvedRefs'
  const refs = endsTls(listener) ? certificatesOf(gateway, listener, world.grants) : []
  for (const ref of refs) {
    if (ref.problem !== undefined)
      return { type, status: false, reason: ref.problem, message: 'a certificate cannot be referred to' }
    const { problem } = { problem: undefined, ...pemOf(world.secret(ref.key), world.nowMs) }
    if (problem !== undefined)
      return { type, status: false, reason: 'InvalidCertificateRef', message: `the Secret ${ref.key} ${problem}` }
  }
  if (endsTls(listener) && !refs.length)
    return { type, status: false, reason: 'InvalidCertificateRef', message: 'there is no certificate' }
  if (hasOtherKinds)
    return { type, status: false, reason: 'InvalidRouteKinds', message: 'some kinds of routes cannot be served' }
  return { type, status: true, reason: 'ResolvedRefs' }
}

/** The parents in the status of each route, for all routes with one that is or was ours. */
export function planRouteStatuses(
  { routes }: Attachments,
  { routes: all, now }: StatusWorld,
): { route: AnyRoute; parents: ParentStatus[] }[] {
  const states = new Map(routes.map(state => [state.route, state]))
  return all.flatMap(route => {
    const present = route.status?.parents ?? []
    const others = present.filter(one => one.controllerName !== gatewayController)
    const state = states.get(route)
    if (!state && others.length === present.length) return []
    const ours = (state?.parents ?? []).map(parent => parentStatus(state!, parent, present, now))
    return [{ route, parents: [...ours, ...others].slice(0, maxParents) }]
  })
}

function parentStatus(
  { route, unresolved }: RouteState,
  { ref, refusal }: ParentState,
  present: readonly ParentStatus[],
  now: string,
): ParentStatus {
  const before = present.find(
    one => one.controllerName === gatewayController && sameJson({ ...one.parentRef }, { ...ref }),
  )
  const verdicts: Verdict[] = [
    refusal ? { type: 'Accepted', status: false, ...refusal } : { type: 'Accepted', status: true, reason: 'Accepted' },
    unresolved
      ? { type: 'ResolvedRefs', status: false, ...unresolved }
      : { type: 'ResolvedRefs', status: true, reason: 'ResolvedRefs' },
  ]
  return {
    parentRef: ref,
    controllerName: gatewayController,
    conditions: conditionsOf(before?.conditions, verdicts, generationOf(route), now),
  }
}
