// Which request goes to which port of which Service: the rules of all Ingresses as one table. Pure.
//
//   Ingresses, oldest first ─► hosts ─► exact paths, expressions, prefixes ─► targets
//
// - A request belongs to its host, or else to the wildcard of its host, or else to the rules without a host; it does not
//   go on to the next if no path of the first one matches.
// - Of its paths an exact one counts first, then the longest expression, then the longest prefix. Prefixes match whole
//   elements: /foo has /foo/bar below it, and not /foobar.
// - Several Ingresses may have paths of one host. Of two with the same path the older one counts.
// Source: kubernetes.io/docs/concepts/services-networking/ingress; KEP-1453.
import type { HTTPIngressPath, IngressBackend } from '../../kinds/networking/ingressspec.ts'
import type { Ingress } from '../../kinds/networking/ingress.ts'
import { objectKey } from '../../api/mirror.ts'
import { checkRegex, regexOf } from '../../kinds/networking/path-regex.ts'
import { type Canary, type Problem, readSettings, type Settings } from './settings.ts'
import { isHost, lookupPath } from './text.ts'

/** The key of rules without a host. */
export const anyHost = '*'

/** Where requests go, and what is done with them on the way. */
export interface Target {
  namespace: string
  /** Undefined if requests are answered with 503. */
  service?: { name: string; port: { name?: string; number?: number } }
  settings: Settings
  /** The expression of the path, for a rewrite with groups. */
  pattern?: string
  isTls: boolean
}

type PathKind = 'exact' | 'regex' | 'prefix'

export interface Route {
  ingress: string
  host: string
  kind: PathKind
  /** A prefix ends with a slash. */
  path: string
  target: Target
  canary?: { rule: Canary; target: Target }
}

export interface RouteTable {
  routes: readonly Route[]
  /** For requests that no route matches. */
  fallback?: Target
  /** The Secret of each host with one, as `namespace/name`; '' for the certificate that is there by itself. */
  tls: ReadonlyMap<string, string>
  /** Secrets for the names in their certificates. */
  open: ReadonlySet<string>
  /** What is to be reported, by the key of the Ingress. */
  problems: ReadonlyMap<string, readonly Problem[]>
}

/** The most paths of all Ingresses together, of which the oldest are kept. */
const maxRoutes = 50_000
/** Expressions are tried one after the other. */
const maxRegexes = 500
const maxCanaries = 200

/** The order in which Ingresses count. */
export const byAge = (a: Ingress, b: Ingress): number => {
  const [x, y] = [a, b].map(({ metadata }) => `${metadata.creationTimestamp ?? ''} ${objectKey({ metadata })}`)
  return x! < y! ? -1 : x! > y! ? 1 : 0
}

/** @param ingresses those that are served, the oldest first */
export function planRoutes(ingresses: readonly Ingress[]): RouteTable {
  const table = new TableMaker()
  const all = ingresses.map(ingress => ({ ingress, ...readSettings(ingress) }))
  for (const { ingress, problems } of all) table.report(objectKey(ingress), ...problems)
  for (const { ingress } of all) table.addTls(ingress)
  const stable = all.filter(({ settings }) => !settings.canary)
  for (const { ingress, settings } of stable) table.addRules(ingress, settings)
  // Only now it is clear which paths nobody has asked for.
  for (const { ingress, settings } of stable) table.addDefault(ingress, settings)
  for (const { ingress, settings } of all) if (settings.canary) table.addCanary(ingress, settings.canary, settings)
  return table.made()
}

class TableMaker {
  readonly #routes = new Map<string, Route>()
  readonly #problems = new Map<string, Problem[]>()
  readonly #tls = new Map<string, { secret: string; by: string }>()
  readonly #open = new Set<string>()
  #fallback: Target | undefined
  #regexes = 0
  #canaries = 0

  made(): RouteTable {
    return {
      routes: [...this.#routes.values()],
      ...(this.#fallback && { fallback: this.#fallback }),
      tls: new Map([...this.#tls].map(([host, { secret }]) => [host, secret])),
      open: this.#open,
      problems: this.#problems,
    }
  }

  report(key: string, ...problems: Problem[]): void {
    if (problems.length) this.#problems.set(key, [...(this.#problems.get(key) ?? []), ...problems])
  }

  addTls(ingress: Ingress): void {
    const by = objectKey(ingress)
    const ruled = (ingress.spec.rules ?? []).flatMap(({ host }) => host || [])
    for (const { hosts, secretName } of ingress.spec.tls ?? []) {
      const secret = secretName ? `${ingress.metadata.namespace}/${secretName}` : ''
      const named = hosts?.length ? hosts : ruled
      if (!named.length && secret) this.#open.add(secret)
      for (const host of named) {
        const first = this.#tls.get(host)
        if (!isHost(host))
          this.report(by, { reason: 'InvalidHost', message: `the host ${host} of tls cannot be served` })
        // One that only says that there is TLS gives way to a certificate.
        else if (!first || (!first.secret && secret)) this.#tls.set(host, { secret, by })
        else if (secret && first.secret !== secret)
          this.report(by, {
            reason: 'HostTaken',
            message: `the certificate for ${host} is that of the Ingress ${first.by}, which is older`,
          })
      }
    }
  }

  addRules(ingress: Ingress, settings: Settings): void {
    for (const { host = '', http } of ingress.spec.rules ?? []) {
      if (!this.#takesHost(ingress, host)) continue
      for (const path of http?.paths ?? []) {
        const found = this.#place(ingress, host, path, settings)
        if (found) this.#add(ingress, found, path.backend, settings)
      }
    }
  }

  /** The default backend takes what its hosts have no path for; that of an Ingress without rules takes all the rest. */
  addDefault(ingress: Ingress, settings: Settings): void {
    const { defaultBackend: backend, rules = [] } = ingress.spec
    if (!backend) return
    const isOnly = !rules?.length
    if (isOnly && !this.#fallback) this.#fallback = this.#target(ingress, anyHost, backend, settings)
    else if (isOnly)
      this.report(objectKey(ingress), {
        reason: 'PathTaken',
        message: 'another Ingress, which is older, has the default backend',
      })
    for (const { host = '' } of rules ?? []) {
      const place = { host: host || anyHost, kind: 'prefix' as const, path: '/' }
      if (this.#takesHost(ingress, host) && !this.#routes.has(keyOf(place)))
        this.#add(ingress, place, backend, settings)
    }
  }

  /** A canary is an alternative for some requests of a path that another Ingress has, with the settings of that one. */
  addCanary(ingress: Ingress, rule: Canary, settings: Settings): void {
    for (const { host = '', http } of ingress.spec.rules ?? []) {
      for (const path of http?.paths ?? []) {
        const place = this.#takesHost(ingress, host) && this.#place(ingress, host, path, settings, true)
        const route = place ? this.#routes.get(keyOf(place)) : undefined
        const problem = !route
          ? `no other Ingress has ${host}${path.path}, of which this would be the canary`
          : route.canary
            ? `${host}${path.path} has another canary, which is older`
            : this.#canaries >= maxCanaries
              ? `there are ${maxCanaries} canaries already`
              : settings.closed
        if (!route || problem) this.report(objectKey(ingress), { reason: 'CanaryIgnored', message: problem ?? '' })
        else {
          const target = this.#target(ingress, route.host, path.backend, route.target.settings)
          this.#canaries++
          route.canary = { rule, target: { ...target, ...(route.target.pattern && { pattern: route.target.pattern }) } }
        }
      }
    }
  }

  #takesHost(ingress: Ingress, host: string): boolean {
    if (!host || isHost(host)) return true
    this.report(objectKey(ingress), { reason: 'InvalidHost', message: `the host ${host} cannot be served` })
    return false
  }

  /** Where a path stands in the table. Undefined, with a report, if it cannot be there. */
  #place(
    ingress: Ingress,
    host: string,
    { path = '', pathType }: HTTPIngressPath,
    settings: Settings,
    isCanary = false,
  ) {
    const refuse = (why: string) =>
      void this.report(objectKey(ingress), {
        reason: 'InvalidPath',
        message: `the path ${JSON.stringify(path.slice(0, 200))} ${why}`,
      })
    const where = host || anyHost
    if (settings.usesRegex && /[*+?^${}()|[\]\\]/.test(path)) {
      const checked = checkRegex(path)
      if (!path.startsWith('/')) return refuse('must begin with /')
      if (checked.problem !== undefined) return refuse(checked.problem)
      if (Number(/\$(\d)/.exec(settings.rewrite ?? '')?.[1] ?? 0) > checked.groups)
        return refuse('has fewer groups than the rewrite-target names')
      if (!isCanary && ++this.#regexes > maxRegexes)
        return refuse(`is an expression, of which there are ${maxRegexes} already`)
      return { host: where, kind: 'regex' as const, path: pathType === 'Exact' ? `${path}$` : path }
    }
    const found = lookupPath(path || '/')
    if (found === undefined) return refuse('has characters that no path of a request has, or is too long')
    if (pathType === 'Exact') return { host: where, kind: 'exact' as const, path: found }
    return { host: where, kind: 'prefix' as const, path: found.endsWith('/') ? found : `${found}/` }
  }

  #add(ingress: Ingress, place: Place, backend: IngressBackend, settings: Settings): void {
    const [key, by] = [keyOf(place), objectKey(ingress)]
    const first = this.#routes.get(key)
    if (first) {
      const said = `${place.host}${place.path}`
      if (first.ingress !== by)
        this.report(by, {
          reason: 'PathTaken',
          message: `${said} is served by the Ingress ${first.ingress}, which is older`,
        })
      return
    }
    if (this.#routes.size >= maxRoutes)
      return this.report(by, {
        reason: 'TooMany',
        message: `${place.host}${place.path} is not served: there are ${maxRoutes} paths already`,
      })
    const target = this.#target(ingress, place.host, backend, settings)
    const pattern = place.kind === 'regex' && settings.rewrite?.includes('$') ? { pattern: `^${place.path}` } : {}
    this.#routes.set(key, { ingress: by, ...place, target: { ...target, ...pattern } })
  }

  #target(ingress: Ingress, host: string, { service, resource }: IngressBackend, settings: Settings): Target {
    if (resource)
      this.report(objectKey(ingress), {
        reason: 'UnsupportedBackend',
        message: `a backend that is a ${resource.kind} cannot be served; its paths answer 503`,
      })
    return {
      namespace: ingress.metadata.namespace ?? '',
      ...(service && !settings.closed && { service: { name: service.name, port: service.port } }),
      settings,
      isTls: this.#tls.has(host) || this.#tls.has(host.replace(/^[^.]+/, anyHost)),
    }
  }
}

type Place = Pick<Route, 'host' | 'kind' | 'path'>

const keyOf = ({ host, kind, path }: Place) => `${kind} ${host} ${path}`

/** The expression of a route as it is looked up, for a text that begins with the host. */
export const regexOfRoute = ({ host, path }: Place): string => `^${regexOf(host)}${path}`
