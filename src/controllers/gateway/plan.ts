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
  type ListenerState,
  ownGateways,
  type ParentState,
  type RouteState,
} from '../../kinds/gateway/attachment.ts'
import type { AnyRoute, ParentStatus } from '../../kinds/gateway/common.ts'
import { gatewayGroup } from '../../kinds/gateway/definition.ts'
import type { Gateway, ListenerStatus } from '../../kinds/gateway/gateway.ts'
import { type GatewayClass, gatewayController } from '../../kinds/gateway/gatewayclass.ts'
import { certificatesOf } from '../../kinds/gateway/grants.ts'
import { pemOf } from '../../kinds/networking/tls-pem.ts'
import { conditionsOf, type Verdict } from './conditions.ts'

export interface StatusWorld extends GatewayWorld {
  secret(key: string): Secret | undefined
  /** Where the nodes are reached. */
  addresses: readonly string[]
  nowMs: number
  now: string
}

/** The features beyond the core that are served, by their names in conformance reports. */
const features = [
  'GRPCRoute',
  'Gateway',
  'GatewayPort8080',
  'HTTPRoute',
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
].map(name => ({ name }))

/** The most addresses of a status. */
const maxAddresses = 16
const maxParents = 32

const generationOf = ({ metadata }: Gateway | GatewayClass | AnyRoute) => metadata.generation ?? 0

export function planClassStatus(one: GatewayClass, now: string): NonNullable<GatewayClass['status']> {
  const accepted = one.spec.parametersRef
    ? { type: 'Accepted', status: false, reason: 'InvalidParameters', message: 'parameters are not supported' }
    : { type: 'Accepted', status: true, reason: 'Accepted' }
  const conditions = conditionsOf(one.status?.conditions, [accepted], generationOf(one), now)
  return { conditions, supportedFeatures: features }
}

/** The status of each Gateway that is ours. */
export function planGatewayStatuses(
  { listeners }: Attachments,
  world: StatusWorld,
): { gateway: Gateway; status: NonNullable<Gateway['status']> }[] {
  const byGateway = Map.groupBy(listeners, ({ gateway }) => objectKey(gateway))
  return ownGateways(world).map(gateway => {
    const own = byGateway.get(objectKey(gateway)) ?? []
    const statuses = own.map(state => listenerStatus(state, world))
    const isRight = (type: string) => (one: ListenerStatus) =>
      one.conditions.some(condition => condition.type === type && condition.status === 'True')
    const hasAddress = (gateway.spec.addresses ?? []).every(
      ({ type = 'IPAddress', value }) => type === 'IPAddress' && (!value || world.addresses.includes(value)),
    )
    const all = own.every(one => !one.refusal)
    const accepted: Verdict = hasAddress
      ? all
        ? { type: 'Accepted', status: true, reason: 'Accepted' }
        : {
            type: 'Accepted',
            status: own.some(one => !one.refusal),
            reason: 'ListenersNotValid',
            message: 'some listeners are not accepted',
          }
      : {
          type: 'Accepted',
          status: false,
          reason: 'UnsupportedAddress',
          message: 'only addresses of the nodes can be had',
        }
    const isProgrammed = accepted.status && statuses.some(isRight('Programmed'))
    const programmed: Verdict = !world.addresses.length
      ? { type: 'Programmed', status: false, reason: 'AddressNotAssigned', message: 'no node is ready' }
      : isProgrammed
        ? { type: 'Programmed', status: true, reason: 'Programmed' }
        : { type: 'Programmed', status: false, reason: 'Invalid', message: 'no listener is programmed' }
    const conditions = conditionsOf(
      gateway.status?.conditions,
      [accepted, programmed],
      generationOf(gateway),
      world.now,
    )
    const addresses = world.addresses.slice(0, maxAddresses).map(value => ({ type: 'IPAddress', value }))
    return { gateway, status: { addresses, conditions, listeners: statuses } }
  })
}

function listenerStatus(state: ListenerState, world: StatusWorld): ListenerStatus {
  const { gateway, listener, kinds, refusal, conflict, attached } = state
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
  ]
  return {
    name: listener.name,
    supportedKinds: kinds.map(({ kind }) => ({ group: gatewayGroup, kind })),
    attachedRoutes: attached.size,
    conditions: conditionsOf(before, verdicts, generationOf(gateway), world.now),
  }
}

function resolvedRefs({ gateway, listener, hasOtherKinds }: ListenerState, world: StatusWorld): Verdict {
  const type = 'ResolvedRefs'
  const refs = listener.protocol === 'HTTPS' ? certificatesOf(gateway, listener, world.grants) : []
  for (const ref of refs) {
    if (ref.problem !== undefined)
      return { type, status: false, reason: ref.problem, message: 'a certificate cannot be referred to' }
    const { problem } = { problem: undefined, ...pemOf(world.secret(ref.key), world.nowMs) }
    if (problem !== undefined)
      return { type, status: false, reason: 'InvalidCertificateRef', message: `the Secret ${ref.key} ${problem}` }
  }
  if (listener.protocol === 'HTTPS' && !refs.length)
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
