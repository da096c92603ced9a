// Everything that HAProxy gets for Gateways, computed from the objects: a frontend for each port, sections for what rules
// do, certificates. Pure.
//
//   listeners of a port ─► which listener has the host ─► its matches, in their order ─► rule ─► one of its backends
//
// A listener whose host is the most specific one has the request alone: no other listener's routes are looked at.
import { objectKey } from '../../api/mirror.ts'
import type { Secret } from '../../kinds/core/secret.ts'
import type { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import {
  type Attachments,
  backendOf,
  type GatewayWorld,
  type ListenerState,
  planAttachments,
  type RouteState,
} from '../../kinds/gateway/attachment.ts'
import type { AnyRoute, AnyRule, BackendReference } from '../../kinds/gateway/common.ts'
import { certificatesOf } from '../../kinds/gateway/grants.ts'
import type { GRPCRoute } from '../../kinds/gateway/grpcroute.ts'
import type { HTTPRoute, HTTPRouteMatch } from '../../kinds/gateway/httproute.ts'
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
  port: number
  protocol: 'HTTP' | 'HTTPS' | 'TLS'
  /** The name of each listener, with the conditions of its hostname; the most specific first. */
  listeners: readonly { name: string; conditions: readonly string[] }[]
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
  const ports = Map.groupBy(
    attachments.listeners.filter(one => !one.refusal),
    ({ listener }) => listener.port,
  )
  return {
    ports: [...ports].sort(([a], [b]) => a - b).map(([port, listeners]) => maker.port(port, listeners, attachments)),
    ...maker.made(),
  }
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

  port(port: number, all: readonly ListenerState[], { routes }: Attachments): PortPlan {
    const protocol = all[0]!.listener.protocol as PortPlan['protocol']
    const host = protocol === 'TLS' ? 'req.ssl_sni' : 'var(txn.host)'
    const certified = all.map(state => ({ state, files: protocol === 'HTTPS' ? this.#files(state) : [] }))
    const usable = certified.filter(({ files }) => protocol !== 'HTTPS' || files.length)
    const sorted = usable
      .map(({ state }) => state)
      .filter(({ listener }) => !listener.hostname || isHost(listener.hostname))
      .sort((a, b) => byRank(hostRank(a.listener.hostname ?? ''), hostRank(b.listener.hostname ?? '')))
    return {
      port,
      protocol,
      listeners: sorted.map((state, i) => ({
        name: `l${i}`,
        conditions: hostCondition(host, state.listener.hostname ?? ''),
      })),
      entries: sorted.flatMap((state, i) => this.#ofListener(state, `l${i}`, host, routes)),
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
      return [...new Set(hostnames)]
        .filter(hostname => !hostname || isHost(hostname))
        .flatMap(hostname =>
          this.#ofRoute(route).map(entry => ({
            rule: entry.rule,
            conditions: [
              `var(txn.listener) -m str ${name}`,
              ...hostCondition(host, hostname === state.listener.hostname ? '' : hostname),
              ...entry.conditions,
            ],
            rank: [...hostRank(hostname), ...entry.rank],
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
    if ('reason' in found) return errorBackend
    this.#services.add(found.key)
    const isH2 = route.kind === 'GRPCRoute' || found.port.appProtocol === 'kubernetes.io/h2c'
    const servers = serversOf(this.#world.slices(found.key), found.port.name ?? '')
    return this.#section(name, lines, servers, isH2 ? ' proto h2' : '')
  }

  #section(name: string, lines: readonly string[], servers: Backend['servers'] = [], serverOptions = ''): string {
    this.#backends.set(name, { name, lines, servers, serverOptions, hasCookie: false })
    return name
  }
}
