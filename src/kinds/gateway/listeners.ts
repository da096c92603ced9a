// Which listeners of Gateways are served, and what is wrong with the others. Pure.
//
// - Listeners that share an address have to differ: by their port, or by the hostname if their protocols can share a port.
//   Of one Gateway those that do not differ are all refused; of several with the addresses of the nodes the older counts.
// - Which listener a request is for is decided by its header Host for HTTP, and for HTTPS and TLS by the name that the
//   client asks for.
// Source: gateway-api.sigs.k8s.io/reference/spec (Listener, ListenerConditionReason, GatewayConditionReason).
import { gatewayGroup } from './definition.ts'
import type { Gateway, Listener, RouteKind } from './gateway.ts'

export interface Refusal {
  reason: string
  message: string
}

export interface ListenerState {
  gateway: Gateway
  listener: Listener
  kinds: readonly RouteKind[]
  /** Whether some of the kinds that it allows cannot be served. */
  hasOtherKinds: boolean
  /** Why it is not accepted. */
  refusal?: Refusal
  /** Set if that is because of another listener. */
  conflict?: Refusal
  /** Whether another listener of the port, with a certificate too, has a hostname in common with it. */
  overlaps: boolean
  attached: Set<string>
}

interface Surroundings {
  /** Ports of the nodes that something else of the cluster has, and what that is. */
  takenPorts: ReadonlyMap<number, string>
  /** Whether each Gateway has addresses of its own; otherwise all have those of the nodes. */
  isApart: boolean
}

/** The most listeners of all Gateways that are served. */
const maxListeners = 500

/** The kinds of routes for each protocol. */
const routeKinds: Readonly<Record<string, readonly string[]>> = {
  HTTP: ['HTTPRoute', 'GRPCRoute'],
  HTTPS: ['HTTPRoute', 'GRPCRoute'],
  TLS: ['TLSRoute'],
}
const isTls = ({ protocol }: Listener) => protocol === 'HTTPS' || protocol === 'TLS'

/** Whether connections are passed on still encrypted. */
export const isPassedOn = ({ protocol, tls }: Listener): boolean => protocol === 'TLS' && tls?.mode === 'Passthrough'
/** Whether a listener needs certificates. */
export const endsTls = (listener: Listener): boolean => isTls(listener) && !isPassedOn(listener)

/** Why a Gateway as a whole is not accepted; undefined if it is. */
export function gatewayRefusal({ spec }: Gateway): Refusal | undefined {
  if (spec.infrastructure?.parametersRef)
    return { reason: 'InvalidParameters', message: 'parameters are not supported' }
  return spec.addresses?.some(({ type = 'IPAddress' }) => type !== 'IPAddress')
    ? { reason: 'UnsupportedAddress', message: 'only addresses of type IPAddress are supported' }
    : undefined
}

/** @param gateways the oldest first */
export function planListeners(
  gateways: readonly Gateway[],
  { takenPorts, isApart }: Surroundings,
): readonly ListenerState[] {
  const shared = new Map<number, ListenerState[]>()
  let count = 0
  return gateways.flatMap(gateway => {
    const ports = isApart ? new Map<number, ListenerState[]>() : shared
    const whole = gatewayRefusal(gateway)
    const states = gateway.spec.listeners.map((listener): ListenerState => {
      const state = stateOf(gateway, listener)
      const refuse = (reason: string, message: string) => ({ ...state, refusal: { reason, message } })
      if (state.refusal) return state
      if (++count > maxListeners) return refuse('Invalid', `there are ${maxListeners} listeners already`)
      const holder = isApart ? undefined : takenPorts.get(listener.port)
      if (holder !== undefined)
        return refuse('PortUnavailable', `port ${listener.port} of the nodes is used by ${holder}`)
      return whole ? refuse('Invalid', whole.message) : state
    })
    const usable = states.filter(({ refusal }) => !refusal)
    const conflicts = new Map(
      usable.flatMap(state => {
        const near = [...(ports.get(state.listener.port) ?? []), ...usable.filter(one => one !== state)]
        const conflict = near.map(one => conflictOf(state, one)).find(one => one !== undefined)
        return conflict ? [[state, conflict]] : []
      }),
    )
    const served = usable.filter(state => !conflicts.has(state))
    for (const state of served) ports.set(state.listener.port, [...(ports.get(state.listener.port) ?? []), state])
    return states.map((state): ListenerState => {
      const conflict = conflicts.get(state)
      // A listener keeps its identity unless something is added to it: routes are attached to it.
      if (conflict) return { ...state, conflict, refusal: { reason: 'Invalid', message: conflict.message } }
      state.overlaps = served.includes(state) && served.some(one => one !== state && overlap(state, one))
      return state
    })
  })
}

function stateOf(gateway: Gateway, listener: Listener): ListenerState {
  const { protocol, allowedRoutes } = listener
  const served = Object.hasOwn(routeKinds, protocol) ? routeKinds[protocol]! : []
  const asked: readonly RouteKind[] = allowedRoutes?.kinds?.length
    ? allowedRoutes.kinds
    : served.map(kind => ({ kind }))
  const kinds = asked.filter(({ group = gatewayGroup, kind }) => group === gatewayGroup && served.includes(kind))
  const hasOtherKinds = kinds.length < asked.length
  return {
    gateway,
    listener,
    kinds,
    hasOtherKinds,
    overlaps: false,
    attached: new Set(),
    ...(!served.length && {
      refusal: { reason: 'UnsupportedProtocol', message: 'HTTP, HTTPS and TLS are supported' },
    }),
  }
}

/** Why two listeners cannot both be served. */
function conflictOf({ listener: one }: ListenerState, { listener: other }: ListenerState): Refusal | undefined {
  if (one.port !== other.port) return undefined
  const isSame = (one.hostname ?? '') === (other.hostname ?? '')
  const isOther = one.protocol !== other.protocol
  // TLS that ends here leads either to requests or to plain connections.
  const cannotShare = isTls(one) !== isTls(other) || (endsTls(one) && endsTls(other) && isOther)
  if (cannotShare || (isSame && (isOther || isPassedOn(one) !== isPassedOn(other))))
    return { reason: 'ProtocolConflict', message: `another listener has port ${one.port} for ${other.protocol}` }
  return isSame
    ? { reason: 'HostnameConflict', message: `another listener has port ${one.port} for the same hostname` }
    : undefined
}

function overlap({ listener: one }: ListenerState, { listener: other }: ListenerState): boolean {
  if (one.port !== other.port || one.protocol !== 'HTTPS' || other.protocol !== 'HTTPS') return false
  const [a, b] = [one.hostname ?? '', other.hostname ?? '']
  return !a || !b || covers(a, b) || covers(b, a)
}

/** Whether a hostname with `*.` stands for another one, with or without. It stands for one or more labels. */
export const covers = (wildcard: string, host: string): boolean =>
  wildcard.startsWith('*.') && host.endsWith(wildcard.slice(1))
