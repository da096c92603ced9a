// Everything that HAProxy gets for Gateways, computed from the objects: a frontend for each port, sections for what rules
// do, certificates. Pure.
//
//   listeners of a port ─► which listener has the host ─► its matches, in their order ─► rule ─► one of its backends
//
// A listener whose host is the most specific one has the request alone: no other listener's routes are looked at.
import { createHash } from 'node:crypto'
import type { IPRange } from '../../api/ip-range.ts'
import { objectKey } from '../../api/mirror.ts'
import type { Secret } from '../../kinds/core/secret.ts'
import type { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import {
  type Attachments,
  backendOf,
  type GatewayWorld,
  ownGateways,
  planAttachments,
  type RouteState,
  type SharedHostname,
} from '../../kinds/gateway/attachment.ts'
import { servedAddresses } from '../../kinds/gateway/addresses.ts'
import type { AnyRoute, AnyRule, BackendReference } from '../../kinds/gateway/common.ts'
import { certificatesOf } from '../../kinds/gateway/grants.ts'
import type { Listener } from '../../kinds/gateway/gateway.ts'
import type { GRPCRoute } from '../../kinds/gateway/grpcroute.ts'
import type { HTTPRoute, HTTPRouteMatch } from '../../kinds/gateway/httproute.ts'
import { endsTls, isPassedOn, type ListenerState } from '../../kinds/gateway/listeners.ts'
import type { Backend } from '../ingress/backend.ts'
import { pemOf } from '../../kinds/networking/tls-pem.ts'
import { serversOf } from '../ingress/endpoints.ts'
import { fileOf } from '../ingress/plan.ts'
import { isHost } from '../ingress/text.ts'
import { filterLines, timeoutLines } from './filters.ts'
import { byRank, grpcMatch, hostCondition, hostRank, httpMatch, prefixOf } from './matches.ts'

export interface World extends GatewayWorld {
  slices(service: string): readonly EndpointSlice[]
  secret(key: string): Secret | undefined
  /** The addresses of which Gateways may have some of their own; `isApart` is whether there are any. */
  pool: readonly IPRange[]
  now: number
}

/** A share of the requests of a rule. */
export interface Share {
  backend: string
  weight: number
}

interface Entry {
  /** All must hold. */
  conditions: readonly string[]
  rule: string
}

export interface PortPlan {
  /** The name of the port among all others, with letters that files and sections may have. */
  name: string
  port: number
  /** Where it is served; empty for all addresses. */
  addresses: readonly string[]
  protocol: 'HTTP' | 'HTTPS' | 'TLS'
  /** Whether connections are passed on still encrypted. */
  isPassedOn: boolean
  /** Set where names choose between TLS that is passed on and TLS that ends here: the name of the latter's plan. */
  behind?: string
  /** Whether it is reached through the plan of another protocol only. */
  isBehind: boolean
  /** The name of each listener, with its hostname or '' for all; the most specific first. */
  listeners: readonly { name: string; hostname: string; isServed: boolean }[]
  /** The first that matches counts. */
  entries: readonly Entry[]
  /** Certificates by their files, each with the hostname that it is for, or '' for all. */
  certificates: readonly { file: string; hostname: string }[]
}

export interface GatewayPlan {
  ports: readonly PortPlan[]
  backends: readonly Backend[]
  /** What happens with requests of each rule. */
  shares: ReadonlyMap<string, readonly Share[]>
  certificates: ReadonlyMap<string, { pem: string }>
  services: ReadonlySet<string>
}

/** Answers 500: a rule without backends, or with one that is missing. */
export const errorBackend = '_error'

/** Matches are tried one after the other. */
const maxEntries = 5_000

export function planGateways(world: World): GatewayPlan {
  const attachments = planAttachments(world)
  const maker = new PlanMaker(world)
  const usable = attachments.listeners.filter(one => !one.refusal)
  return { ports: placesOf(usable, world).flatMap(place => maker.port(place, attachments)), ...maker.made() }
}

/** A port of some addresses. */
interface Place {
  name: string
  port: number
  addresses: readonly string[]
  listeners: readonly ListenerState[]
}

function placesOf(listeners: readonly ListenerState[], world: World): Place[] {
  const byPort = (some: readonly ListenerState[]) =>
    [...Map.groupBy(some, ({ listener }) => listener.port)].sort(([a], [b]) => a - b)
  if (!world.isApart)
    return byPort(listeners).map(([port, some]) => ({ name: `${port}`, port, addresses: [], listeners: some }))
  const own = servedAddresses(ownGateways(world), world.pool)
  return [...Map.groupBy(listeners, ({ gateway }) => gateway)].flatMap(([gateway, all]) => {
    const addresses = own.get(gateway) ?? []
    const mark = createHash('sha256').update(objectKey(gateway)).digest('hex').slice(0, 12)
    return addresses.length
      ? byPort(all).map(([port, some]) => ({ name: `${mark}-${port}`, port, addresses, listeners: some }))
      : []
  })
}

type Ranked = Entry & { rank: readonly number[] }

class PlanMaker {
  readonly #world: World
  readonly #backends = new Map<string, Backend>()
  readonly #shares = new Map<string, readonly Share[]>()
  readonly #certificates = new Map<string, { pem: string }>()
  readonly #services = new Set<string>()
  #entries = 0

  constructor(world: World) {
    this.#world = world
  }

  made(): Omit<GatewayPlan, 'ports'> {
    return {
      backends: [...this.#backends.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
      shares: this.#shares,
      certificates: this.#certificates,
      services: this.#services,
    }
  }

  /** The plan of a port, or two if names choose between TLS that is passed on and TLS that ends here. */
  port(place: Place, attachments: Attachments): PortPlan[] {
    const { port, name, addresses, listeners } = place
    const isPassed = ({ listener }: ListenerState) => isPassedOn(listener)
    const [passed, ended] = [listeners.filter(isPassed), listeners.filter(one => !isPassed(one))]
    const common = { port, addresses }
    if (!passed.length || !ended.length)
      return [{ ...common, name, isBehind: false, ...this.#frontend(listeners, listeners, attachments) }]
    const behind = `${name}-ends`
    return [
      { ...common, name, isBehind: false, behind, ...this.#frontend(listeners, passed, attachments) },
      { ...common, name: behind, isBehind: true, ...this.#frontend(ended, ended, attachments) },
    ]
  }

  /**
   * @param all the listeners among which the name chooses
   * @param served those whose routes are served here
   */
  #frontend(
    all: readonly ListenerState[],
    served: readonly ListenerState[],
    { routes }: Attachments,
  ): Pick<PortPlan, 'protocol' | 'isPassedOn' | 'listeners' | 'entries' | 'certificates'> {
    const { listener: first } = served[0]!
    const protocol = first.protocol as PortPlan['protocol']
    const host = hostFetch(first)
    const certified = all.map(state => ({ state, files: endsTls(first) ? this.#files(state) : [] }))
    const usable = certified.filter(({ files }) => !endsTls(first) || files.length)
    const sorted = usable
      .map(({ state }) => state)
      .filter(({ listener }) => !listener.hostname || isHost(listener.hostname))
      .sort((a, b) => byRank(hostRank(a.listener.hostname ?? ''), hostRank(b.listener.hostname ?? '')))
    return {
      protocol,
      isPassedOn: isPassedOn(first),
      listeners: sorted.map((state, i) => ({
        name: `l${i}`,
        hostname: state.listener.hostname ?? '',
        isServed: served.includes(state),
      })),
      entries: sorted.flatMap((state, i) =>
        served.includes(state) ? this.#ofListener(state, `l${i}`, host, routes) : [],
      ),
      certificates: usable.flatMap(({ state, files }) =>
        files.map(file => ({ file, hostname: state.listener.hostname ?? '' })),
      ),
    }
  }

  #files({ gateway, listener }: ListenerState): string[] {
    return certificatesOf(gateway, listener, this.#world.grants).flatMap(one => {
      const { pem } = { pem: undefined, ...(one.problem === undefined && this.#pem(one.key)) }
      if (one.problem !== undefined || pem === undefined) return []
      this.#certificates.set(fileOf(one.key), { pem })
      return [fileOf(one.key)]
    })
  }

  #pem = (key: string) => pemOf(this.#world.secret(key), this.#world.now)

  #ofListener(state: ListenerState, name: string, host: string, routes: readonly RouteState[]): Entry[] {
    const ranked = routes.flatMap(({ route, parents }) => {
      const hostnames = parents.flatMap(({ attachments }) =>
        attachments.flatMap(one => (one.listener === state ? one.hostnames : [])),
      )
      return distinct(hostnames).flatMap(({ name: hostname, own }) =>
        this.#ofRoute(route).map(entry => ({
          rule: entry.rule,
          conditions: [
            `var(txn.listener) -m str ${name}`,
            ...hostCondition(host, hostname === state.listener.hostname ? '' : hostname),
            ...entry.conditions,
          ],
          rank: [...hostRank(own), ...entry.rank],
        })),
      )
    })
    // Sorting is stable: of equals the older route comes first, and the first rule of one.
    const kept = ranked.sort((a, b) => byRank(a.rank, b.rank)).slice(0, Math.max(0, maxEntries - this.#entries))
    this.#entries += kept.length
    return kept.map(({ rule, conditions }) => ({ rule, conditions }))
  }

  #ofRoute(route: AnyRoute): Ranked[] {
    if (route.kind === 'HTTPRoute') return this.#ofHttp(route as HTTPRoute)
    if (route.kind === 'GRPCRoute') return this.#ofGrpc(route as GRPCRoute)
    return (route.spec.rules ?? []).map((rule, i) => ({
      conditions: [],
      rank: [],
      rule: this.#rule(route, i, rule, ['mode tcp', 'timeout server 1h'], ''),
    }))
  }

  #ofHttp(route: HTTPRoute): Ranked[] {
    return (route.spec.rules ?? []).flatMap((rule, i) => {
      const matches: readonly HTTPRouteMatch[] = rule.matches?.length ? rule.matches : [{}]
      const path = matches[0]?.path
      const prefix = path?.type === 'RegularExpression' ? '' : prefixOf(path?.value ?? '/')
      const name = this.#rule(route, i, rule, timeoutLines(rule.timeouts), prefix)
      return matches.map(match => ({ ...httpMatch(match), rule: name }))
    })
  }

  #ofGrpc(route: GRPCRoute): Ranked[] {
    return (route.spec.rules ?? []).flatMap((rule, i) => {
      const name = this.#rule(route, i, rule, ['timeout server 1h'], '')
      const matches = rule.matches?.length ? rule.matches : [{}]
      return matches.map(match => ({ ...grpcMatch(match), rule: name }))
    })
  }

  /** The name of a rule, whose sections are made unless they are there. */
  #rule(route: AnyRoute, index: number, rule: AnyRule, lines: readonly string[], prefix: string): string {
    const name = `${route.kind[0]!.toLowerCase()}.${objectKey(route).replace('/', '.')}.${index}`
    if (this.#shares.has(name)) return name
    const { filters = [], backendRefs = [] } = rule
    const own = [...lines, ...filterLines(filters, prefix)]
    const redirects = filters.some(({ requestRedirect }) => requestRedirect)
    const shares = redirects
      ? [{ backend: this.#section(`${name}.r`, own), weight: 1 }]
      : backendRefs.map((ref, i) => ({
          backend: this.#backend(route, `${name}.${i}`, ref, [...own, ...filterLines(ref.filters ?? [], prefix)]),
          weight: ref.weight ?? 1,
        }))
    const used = shares.filter(({ weight }) => weight > 0)
    this.#shares.set(name, used.length ? used : [{ backend: errorBackend, weight: 1 }])
    return name
  }

  #backend(route: AnyRoute, name: string, ref: BackendReference, lines: readonly string[]): string {
    const found = backendOf(route, ref, this.#world)
    // What is missing may come.
    this.#services.add(`${ref.namespace ?? route.metadata.namespace}/${ref.name}`)
    if ('reason' in found) return errorBackend
    const isH2 = route.kind === 'GRPCRoute' || found.port.appProtocol === 'kubernetes.io/h2c'
    const servers = serversOf(this.#world.slices(found.key), found.port.name ?? '')
    return this.#section(name, lines, servers, isH2 ? ' proto h2' : '')
  }

  #section(name: string, lines: readonly string[], servers: Backend['servers'] = [], serverOptions = ''): string {
    this.#backends.set(name, { name, lines, servers, serverOptions, hasCookie: false })
    return name
  }
}

/** How the name is fetched that decides about the listener and the route. */
function hostFetch(listener: Listener): string {
  if (listener.protocol !== 'TLS') return 'var(txn.host)'
  return isPassedOn(listener) ? 'req.ssl_sni,lower' : 'ssl_fc_sni,lower'
}

/** The hostnames that can be written down, each once: a route may have a listener by several of its parents. */
function distinct(hostnames: readonly SharedHostname[]): readonly SharedHostname[] {
  const usable = hostnames.filter(({ name }) => !name || isHost(name))
  return [...new Map(usable.map(one => [`${one.name} ${one.own}`, one])).values()]
}
