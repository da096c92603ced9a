// Everything that HAProxy gets, computed from the objects: sections, maps, certificates, and what is to be reported. Pure.
//
//   routes.ts: table ─┬─► backends, each with its servers (endpoints.ts, backend.ts)
//                     ├─► maps from host and path to a backend
//                     └─► certificates by host (certificates.ts)
import { createHash } from 'node:crypto'
import type { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import type { Secret } from '../../kinds/core/secret.ts'
import type { Service } from '../../kinds/core/service.ts'
import type { Ingress } from '../../kinds/networking/ingress.ts'
import { type Backend, backendOf } from './backend.ts'
import { pemOf } from '../../kinds/networking/tls-pem.ts'
import { portOf, type Server, serversOf } from './endpoints.ts'
import { planRoutes, type Route, type RouteTable, regexOfRoute, type Target } from './routes.ts'
import type { Canary, Problem } from './settings.ts'
import { type Users, usersOf } from './users.ts'

/** The objects that Ingresses refer to, by `namespace/name`. */
export interface World {
  service(key: string): Service | undefined
  slices(service: string): readonly EndpointSlice[]
  secret(key: string): Secret | undefined
  now: number
  httpsPort: number
}

export interface CanaryRule {
  rule: Canary
  stable: string
  canary: string
}

export interface IngressPlan {
  paths: number
  /** In the order of their names. */
  backends: readonly Backend[]
  /** The lines of each map, without duplicates. */
  maps: Readonly<Record<MapName, readonly string[]>>
  canaries: readonly CanaryRule[]
  /** The backend for what no path matches. */
  fallback?: string
  users: ReadonlyMap<string, Users['users']>
  /** The certificates by the name of their file, each with the hosts that it is for, or none for those in it. */
  certificates: ReadonlyMap<string, { pem: string; hosts: readonly string[] }>
  /** The keys of the Services whose endpoints count. */
  services: ReadonlySet<string>
  problems: ReadonlyMap<string, readonly Problem[]>
}

export type MapName = 'hosts' | 'exact' | 'regex' | 'regexhosts' | 'prefix'

/** Answers 503, and is there without any Service. */
export const closedBackend = '_closed'

/** The most servers of all backends together. */
const maxServers = 20_000

/** @param ingresses those that are served, the oldest first */
export function planIngress(ingresses: readonly Ingress[], world: World): IngressPlan {
  const table = planRoutes(ingresses)
  const maker = new PlanMaker(world, table)
  for (const route of table.routes) maker.addRoute(route)
  if (table.fallback) maker.addFallback(table.fallback)
  maker.addCertificates(ingresses)
  return maker.made()
}

class PlanMaker {
  readonly #world: World
  readonly #table: RouteTable
  readonly #backends = new Map<string, Backend>()
  readonly #maps: Record<MapName, string[]> = { hosts: [], exact: [], regex: [], regexhosts: [], prefix: [] }
  readonly #hosts = new Set<string>()
  readonly #canaries: CanaryRule[] = []
  #fallback: string | undefined
  readonly #users = new Map<string, Users>()
  readonly #services = new Set<string>()
  readonly #problems: Map<string, Problem[]>
  readonly #certificates = new Map<string, { pem: string; hosts: string[] }>()
  readonly #servers = new Map<string, readonly Server[]>()
  #serverCount = 0

  constructor(world: World, table: RouteTable) {
    this.#world = world
    this.#table = table
    this.#problems = new Map([...table.problems].map(([key, problems]) => [key, [...problems]]))
  }

  made(): IngressPlan {
    const { regex, hosts, regexhosts, ...rest } = this.#maps
    // The longest expression comes first, since the first that matches counts.
    regex.sort((a, b) => b.length - a.length || (a < b ? -1 : 1))
    const sorted = {
      hosts: hosts.sort(),
      regexhosts: regexhosts.sort(),
      exact: rest.exact.sort(),
      prefix: rest.prefix.sort(),
    }
    return {
      paths: this.#table.routes.length,
      backends: [...this.#backends.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
      maps: { ...sorted, regex },
      canaries: this.#canaries,
      ...(this.#fallback && { fallback: this.#fallback }),
      users: new Map([...this.#users].flatMap(([name, { users }]) => (users.length ? [[name, users]] : []))),
      certificates: this.#certificates,
      services: this.#services,
      problems: this.#problems,
    }
  }

  addRoute(route: Route): void {
    const { host, kind, path, target, canary } = route
    // A path with a canary has a section of its own, by which the canary's rules find its requests.
    const name = this.#backend(route.ingress, target, canary ? `${host}${kind}${path}` : '')
    if (canary && name !== closedBackend)
      this.#canaries.push({
        rule: canary.rule,
        stable: name,
        canary: this.#backend(route.ingress, canary.target, 'canary'),
      })
    if (!this.#hosts.has(host)) this.#maps.hosts.push(`${host} ${host}`)
    this.#hosts.add(host)
    if (kind === 'regex') {
      if (!this.#maps.regexhosts.includes(`${host} ${host}`)) this.#maps.regexhosts.push(`${host} ${host}`)
      this.#maps.regex.push(`${regexOfRoute(route)} ${name}`)
    } else this.#maps[kind].push(`${host}${path} ${name}`)
  }

  addFallback(target: Target): void {
    this.#fallback = this.#backend('', target)
  }

  /** The name of the section of a target, which is made unless it is there. */
  #backend(ingress: string, target: Target, apart = ''): string {
    const { service, namespace, settings } = target
    if (!service) return closedBackend
    const key = `${namespace}/${service.name}`
    this.#services.add(key)
    const found = portOf(this.#world.service(key), service)
    if ('problem' in found) {
      this.#report(ingress, { reason: 'BackendMissing', message: `${found.problem}; its paths answer 503` })
      return closedBackend
    }
    const users = settings.auth && this.#usersOf(ingress, namespace, settings.auth)
    const behind = {
      servers: this.#serversOf(key, found.port.name ?? ''),
      httpsPort: this.#world.httpsPort,
      ...(users && { users }),
    }
    const backend = backendOf(target, behind, apart)
    this.#backends.set(backend.name, backend)
    return backend.name
  }

  #serversOf(service: string, portName: string): readonly Server[] {
    const key = `${service}:${portName}`
    let servers = this.#servers.get(key)
    if (!servers) {
      servers = serversOf(this.#world.slices(service), portName).slice(0, Math.max(0, maxServers - this.#serverCount))
      this.#serverCount += servers.length
      this.#servers.set(key, servers)
    }
    return servers
  }

  /** The name of a list of users; undefined if nobody is in it. */
  #usersOf(
    ingress: string,
    namespace: string,
    { secret, isMap }: { secret: string; isMap: boolean },
  ): string | undefined {
    const name = `${namespace}.${secret}.${isMap ? 'map' : 'file'}`
    const found = this.#users.get(name) ?? usersOf(this.#world.secret(`${namespace}/${secret}`), isMap)
    this.#users.set(name, found)
    if (found.problem)
      this.#report(ingress, { reason: 'InvalidUsers', message: `the Secret ${secret} ${found.problem}` })
    return found.users.length ? name : undefined
  }

  addCertificates(ingresses: readonly Ingress[]): void {
    const hosts = new Map<string, string[]>()
    for (const secret of this.#table.open) hosts.set(secret, [])
    for (const [host, secret] of this.#table.tls) if (secret) hosts.set(secret, [...(hosts.get(secret) ?? []), host])
    for (const [secret, named] of hosts) {
      const { pem, problem, warning } = {
        pem: undefined,
        warning: undefined,
        ...pemOf(this.#world.secret(secret), this.#world.now),
      }
      if (pem) this.#certificates.set(fileOf(secret), { pem, hosts: named.sort() })
      const message = problem ?? warning
      if (message)
        for (const user of usersOfSecret(ingresses, secret))
          this.#report(user, { reason: 'InvalidCertificate', message: `the Secret ${secret.split('/')[1]} ${message}` })
    }
  }

  #report(ingress: string, problem: Problem): void {
    const said = this.#problems.get(ingress) ?? []
    if (ingress && !said.some(one => one.message === problem.message)) this.#problems.set(ingress, [...said, problem])
  }
}

/** The longest name of a file that is taken from that of a Secret. */
const maxFileName = 200

/** The file of a Secret. No name has an underscore. */
export function fileOf(secret: string): string {
  const name = secret.replace('/', '_')
  return `${name.length <= maxFileName ? name : createHash('sha256').update(secret).digest('hex')}.pem`
}

const usersOfSecret = (ingresses: readonly Ingress[], secret: string): string[] =>
  ingresses.flatMap(({ metadata, spec }) =>
    (spec.tls ?? []).some(({ secretName }) => `${metadata.namespace}/${secretName}` === secret)
      ? [`${metadata.namespace}/${metadata.name}`]
      : [],
  )
