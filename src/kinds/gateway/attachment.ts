// Which routes belong to which listeners, and what is wrong with both. The nodes that serve them and the controller that
// writes statuses must agree, so both compute it here. Pure.
//
//   Gateways, oldest first ─► listeners (listeners.ts)
//   routes, oldest first ─► parents ─► listeners that select, allow and share a hostname with the route
//
// Source: gateway-api.sigs.k8s.io/reference/spec (ParentReference, RouteConditionReason).
import { type Labels, matches } from '../../api/labels.ts'
import { objectKey } from '../../api/mirror.ts'
import type { AnyRoute, BackendReference, ParentReference } from './common.ts'
import type { Service } from '../core/service.ts'
import { gatewayGroup } from './definition.ts'
import type { Gateway } from './gateway.ts'
import { type GatewayClass, gatewayController } from './gatewayclass.ts'
import { mayRefer } from './grants.ts'
import type { GRPCRoute } from './grpcroute.ts'
import type { HTTPRoute } from './httproute.ts'
import { covers, type ListenerState, planListeners, type Refusal } from './listeners.ts'
import type { ReferenceGrant } from './referencegrant.ts'
import { unsupportedInGrpc, unsupportedInHttp } from './supported.ts'

export interface GatewayWorld {
  classes: readonly GatewayClass[]
  gateways: readonly Gateway[]
  routes: readonly AnyRoute[]
  grants: readonly ReferenceGrant[]
  labelsOf(namespace: string): Labels | undefined
  service(key: string): Service | undefined
  /** Ports of the nodes that something else of the cluster has, and what that is. */
  takenPorts: ReadonlyMap<number, string>
  /** Whether each Gateway has addresses of its own; otherwise all have those of the nodes. */
  isApart: boolean
}

interface Attachment {
  listener: ListenerState
  /** What of the route's hostnames the listener has. */
  hostnames: readonly SharedHostname[]
}

export interface SharedHostname {
  /** '' for any. */
  name: string
  /** The route's own, which may be less specific; '' if it has none. */
  own: string
}

export interface ParentState {
  ref: ParentReference
  refusal?: Refusal
  attachments: readonly Attachment[]
}

export interface RouteState {
  route: AnyRoute
  parents: readonly ParentState[]
  /** The first thing that is wrong with a reference to a backend. */
  unresolved?: Refusal
}

export interface Attachments {
  listeners: readonly ListenerState[]
  routes: readonly RouteState[]
}

/** The most routes that are served. */
const maxRoutes = 5_000

/** The order in which Gateways and routes count. */
const byAge = (a: AnyRoute | Gateway, b: AnyRoute | Gateway): number => {
  const [x, y] = [a, b].map(({ metadata }) => `${metadata.creationTimestamp ?? ''} ${objectKey({ metadata })}`)
  return x! < y! ? -1 : x! > y! ? 1 : 0
}

/** The Gateways that the nodes serve. */
export function ownGateways({ classes, gateways }: Pick<GatewayWorld, 'classes' | 'gateways'>): Gateway[] {
  const own = new Set(
    classes.filter(({ spec }) => spec.controllerName === gatewayController).map(({ metadata }) => metadata.name),
  )
  return gateways.filter(({ spec }) => own.has(spec.gatewayClassName)).sort(byAge)
}

export function planAttachments(world: GatewayWorld): Attachments {
  const listeners = planListeners(ownGateways(world), world)
  const byGateway = Map.groupBy(listeners, ({ gateway }) => objectKey(gateway))
  const routes = [...world.routes].sort(byAge).flatMap(route => planRoute(route, byGateway, world) ?? [])
  return { listeners, routes: routes.slice(0, maxRoutes) }
}

/** Undefined for a route without any parent that is ours. */
function planRoute(
  route: AnyRoute,
  byGateway: ReadonlyMap<string, readonly ListenerState[]>,
  world: GatewayWorld,
): RouteState | undefined {
  const parents = (route.spec.parentRefs ?? []).flatMap((ref): ParentState[] => {
    const { group = gatewayGroup, kind = 'Gateway', namespace = route.metadata.namespace ?? '' } = ref
    if (group !== gatewayGroup || kind !== 'Gateway') return []
    const listeners = byGateway.get(`${namespace}/${ref.name}`)
    return listeners ? [attach(route, ref, listeners, world)] : []
  })
  if (!parents.length) return undefined
  const unresolved = (route.spec.rules ?? [])
    .flatMap(({ backendRefs = [] }) => backendRefs)
    .map(ref => backendOf(route, ref, world))
    .find(one => 'reason' in one)
  return { route, parents, ...(unresolved && 'reason' in unresolved && { unresolved }) }
}

function attach(
  route: AnyRoute,
  ref: ParentReference,
  listeners: readonly ListenerState[],
  { labelsOf }: GatewayWorld,
): ParentState {
  const refuse = (reason: string, message: string) => ({ ref, refusal: { reason, message }, attachments: [] })
  const selected = listeners.filter(
    ({ listener }) =>
      (!ref.sectionName || listener.name === ref.sectionName) && (!ref.port || listener.port === ref.port),
  )
  if (!selected.length) return refuse('NoMatchingParent', 'the Gateway has no such listener')
  const allowing = selected.filter(
    one => one.kinds.some(({ kind }) => kind === route.kind) && allowsNamespace(one, route, labelsOf),
  )
  if (!allowing.length)
    return refuse('NotAllowedByListeners', 'no listener allows this kind of route, or its namespace')
  const attachments = allowing.flatMap(listener => {
    const hostnames = sharedHostnames(listener.listener.hostname ?? '', route.spec.hostnames ?? [])
    return hostnames.length ? [{ listener, hostnames }] : []
  })
  if (!attachments.length) return refuse('NoMatchingListenerHostname', 'no listener has one of the hostnames')
  const unsupported = unsupportedIn(route)
  if (unsupported) return refuse('UnsupportedValue', unsupported)
  const accepting = attachments.filter(({ listener }) => !listener.refusal)
  if (!accepting.length) return refuse('NoMatchingParent', 'none of the listeners is accepted')
  for (const { listener } of accepting) listener.attached.add(`${route.kind} ${objectKey(route)}`)
  return { ref, attachments: accepting }
}

function unsupportedIn(route: AnyRoute): string | undefined {
  if (route.kind === 'HTTPRoute') return unsupportedInHttp(route as HTTPRoute)
  return route.kind === 'GRPCRoute' ? unsupportedInGrpc(route as GRPCRoute) : undefined
}

function allowsNamespace(
  { gateway, listener }: ListenerState,
  { metadata }: AnyRoute,
  labelsOf: GatewayWorld['labelsOf'],
): boolean {
  const { from = 'Same', selector } = listener.allowedRoutes?.namespaces ?? {}
  if (from === 'All') return true
  if (from === 'Same') return metadata.namespace === gateway.metadata.namespace
  // A selector that is missing selects nothing here.
  return selector !== undefined && matches(selector, labelsOf(metadata.namespace ?? ''))
}

/** The hostnames that a listener and a route have in common. */
function sharedHostnames(listener: string, route: readonly string[]): SharedHostname[] {
  if (!route.length) return [{ name: listener, own: '' }]
  return [...new Set(route)].flatMap(own => {
    if (!listener || own === listener || covers(listener, own)) return { name: own, own }
    return covers(own, listener) ? { name: listener, own } : []
  })
}

type Backend = { key: string; port: NonNullable<Service['spec']['ports']>[number] } | Refusal

/** The port of the Service that a route refers to, or what is wrong with the reference. */
export function backendOf(
  { kind: routeKind, metadata }: AnyRoute,
  ref: BackendReference,
  { grants, service: serviceAt }: Pick<GatewayWorld, 'grants' | 'service'>,
): Backend {
  const own = metadata.namespace ?? ''
  const { group = '', kind = 'Service', namespace = own, name, port: number } = ref
  const key = `${namespace}/${name}`
  if (group !== '' || kind !== 'Service')
    return { reason: 'InvalidKind', message: `${kind} ${name} is not a Service, which alone is supported` }
  if (!mayRefer({ kind: routeKind, namespace: own }, { kind, namespace, name }, grants))
    return { reason: 'RefNotPermitted', message: `no ReferenceGrant allows the reference to the Service ${key}` }
  const service = serviceAt(key)
  // An ExternalName could be that of anything the node reaches.
  if (!service || service.spec.type === 'ExternalName')
    return { reason: 'BackendNotFound', message: `the Service ${key} does not exist, or is of type ExternalName` }
  const port = service.spec.ports?.find(one => one.port === number)
  if (!port) return { reason: 'BackendNotFound', message: `the Service ${key} has no port ${number}` }
  if (port.protocol !== 'TCP')
    return { reason: 'UnsupportedProtocol', message: `port ${number} of ${key} is not of TCP` }
  return { key, port }
}
