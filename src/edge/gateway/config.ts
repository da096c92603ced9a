// The plan as the files that HAProxy reads. Pure. Conditions are written once for each frontend, as lists with names, since
// words of users may stand there in any form.
import { createHash } from 'node:crypto'
import {
  certificateDir,
  configFile,
  defaults,
  type Files,
  forwarded,
  global,
  placeholderFile,
  type Process,
  section,
} from '../ingress/config.ts'
import { errorBackend, type GatewayPlan, type PortPlan, type Share } from './plan.ts'

/** @param withPorts the ports that this node can have */
export function filesOf(
  plan: GatewayPlan,
  around: Omit<Process, 'socket' | 'digest'>,
  withPorts: ReadonlySet<number>,
): Files {
  const ports = plan.ports.filter(({ port }) => withPorts.has(port))
  const lists = ports
    .filter(({ protocol }) => protocol === 'HTTPS')
    .map(one => [listOf(one), certificateList(one)] as const)
  const structure = configText(plan, ports, { ...around, socket: '', digest: '' }, false)
  const digest = createHash('sha256')
    .update(JSON.stringify([structure, lists]))
    .digest('hex')
  return {
    digest,
    textsFor: socket => new Map([...lists, [configFile, configText(plan, ports, { ...around, socket, digest }, true)]]),
  }
}

const listOf = ({ port }: PortPlan) => `certificates-${port}.list`

/** The first certificate is for names without one: that of a listener for all names, or one that nobody trusts. */
function certificateList({ certificates }: PortPlan): string {
  const [open, named] = [true, false].map(isOpen => certificates.filter(({ hostname }) => !hostname === isOpen))
  const first = open!.length ? open!.map(({ file }) => file) : [placeholderFile]
  const lines = [
    ...first.map(file => `${certificateDir}/${file}`),
    ...named!.map(({ file, hostname }) => `${certificateDir}/${file} ${hostname}`),
  ]
  return `${lines.join('\n')}\n`
}

function configText(plan: GatewayPlan, ports: readonly PortPlan[], around: Process, withServers: boolean): string {
  const sections = [
    global(around),
    defaults,
    ...ports.map(port =>
      port.protocol === 'TLS' ? tlsFrontend(port, plan, around) : httpFrontend(port, plan, around),
    ),
    [`backend ${noBackend}`, 'http-request return status 404 content-type text/plain string "404 page not found"'],
    [`backend ${errorBackend}`, 'http-request return status 500 content-type text/plain string "500 no backend"'],
    [`backend ${closedTls}`, 'mode tcp', 'tcp-request content reject'],
    ...plan.backends.map(backend => section(backend, withServers)),
  ]
  return sections.map(([head, ...lines]) => `${[head, ...lines].join('\n  ')}\n`).join('\n')
}

const noBackend = '_none'
const closedTls = '_closed'

function bind({ port, protocol }: PortPlan, isIPv6: boolean): string {
  // With IPv6 one listener is for both families.
  const [any, both] = isIPv6 ? ['::', ' v4v6'] : ['', '']
  const tls = protocol === 'HTTPS' ? ` ssl crt-list certificates-${port}.list alpn h2,http/1.1` : ''
  return `bind ${any}:${port}${both}${tls}`
}

/** Names for conditions, each of which is written once. */
class Conditions {
  readonly #names = new Map<string, string>()

  name(condition: string): string {
    const name = this.#names.get(condition) ?? `a${this.#names.size}`
    this.#names.set(condition, name)
    return name
  }

  all = (conditions: readonly string[]): string => conditions.map(one => ` ${this.name(one)}`).join('')

  get lines(): string[] {
    return [...this.#names].map(([condition, name]) => `acl ${name} ${condition}`)
  }
}

const notYet = '!{ var(txn.rule) -m found }'

function httpFrontend(plan: PortPlan, { shares }: GatewayPlan, { isIPv6 }: Process): string[] {
  const conditions = new Conditions()
  const listeners = plan.listeners.map(
    one =>
      `http-request set-var(txn.listener) str(${one.name}) if !{ var(txn.listener) -m found }${conditions.all(one.conditions)}`,
  )
  const entries = plan.entries.map(
    one => `http-request set-var(txn.rule) str(${one.rule}) if ${notYet}${conditions.all(one.conditions)}`,
  )
  const rules = [...new Set(plan.entries.map(({ rule }) => rule))]
  return [
    `frontend port${plan.port}`,
    bind(plan, isIPv6),
    ...conditions.lines,
    'http-request deny deny_status 400 if { req.hdr_cnt(host) gt 1 }',
    'http-request disable-l7-retry if !METH_GET !METH_HEAD',
    ...requestRules,
    ...listeners,
    ...entries,
    ...forwarded,
    ...rules.flatMap(rule => choose(rule, shares.get(rule) ?? [])),
    'use_backend %[var(txn.backend)] if { var(txn.backend) -m found }',
    `default_backend ${noBackend}`,
  ]
}

/** Host and path as they are compared; a path that climbs is refused, as for Ingresses. */
const requestRules = [
  'http-request set-var(txn.host) req.hdr(host),field(1,:),lower',
  'http-request set-var(txn.host) var(txn.host),regsub([.]$,) if { var(txn.host) -m end . }',
  'http-request deny deny_status 400 if { var(txn.host) -m reg [^a-z0-9._[-] }',
  'http-request set-var(txn.path) path',
  "http-request set-var(txn.path) path,url_dec,regsub('/+','/',g) if { path -m sub % // }",
  'http-request deny deny_status 400 if { path -m sub % } { var(txn.path) -m reg [[:cntrl:]] }',
  'http-request deny deny_status 400 if { var(txn.path) -m sub /../ /./ }',
  'http-request deny deny_status 400 if { var(txn.path) -m end /.. /. }',
  'http-request set-var(txn.slashed) var(txn.path),concat(/)',
]

/** One of the backends of a rule, by chance and weight. */
function choose(rule: string, shares: readonly Share[]): string[] {
  const isRule = `{ var(txn.rule) -m str ${rule} }`
  const total = shares.reduce((sum, { weight }) => sum + weight, 0)
  const [first, ...rest] = shares
  if (!first) return []
  if (!rest.length) return [`http-request set-var(txn.backend) str(${first.backend}) if ${isRule}`]
  return [
    `http-request set-var(txn.pick) rand(${total}) if ${isRule}`,
    ...below(shares).map(
      ({ backend, limit }) =>
        `http-request set-var(txn.backend) str(${backend}) if ${isRule} !{ var(txn.backend) -m found } { var(txn.pick) -m int lt ${limit} }`,
    ),
  ]
}

/** Each backend with the number below which a random one stands for it, if it does not for one before. */
function below(shares: readonly Share[]): { backend: string; limit: number }[] {
  let limit = 0
  return shares.map(({ backend, weight }) => ({ backend, limit: (limit += weight) }))
}

function tlsFrontend(plan: PortPlan, { shares }: GatewayPlan, { isIPv6 }: Process): string[] {
  const conditions = new Conditions()
  const isFree = '!{ var(txn.listener) -m found }'
  const listeners = plan.listeners.map(
    one => `tcp-request content set-var(txn.listener) str(${one.name}) if ${isFree}${conditions.all(one.conditions)}`,
  )
  const uses = plan.entries.flatMap(({ rule, conditions: all }) => {
    const some = shares.get(rule) ?? []
    return some.map(({ backend, weight }, i) => {
      const to = backend === errorBackend ? closedTls : backend
      const left = some.slice(i).reduce((sum, one) => sum + one.weight, 0)
      return `use_backend ${to} if${conditions.all(all)} { rand(${left}) lt ${weight} }`
    })
  })
  return [
    `frontend port${plan.port}`,
    'mode tcp',
    bind(plan, isIPv6),
    ...conditions.lines,
    'timeout client 1h',
    'tcp-request inspect-delay 5s',
    ...listeners.map(line => line.replace(' if ', ' if { req.ssl_hello_type 1 } ')),
    'tcp-request content accept if { req.ssl_hello_type 1 }',
    'tcp-request content reject if WAIT_END',
    ...uses,
    `default_backend ${closedTls}`,
  ]
}
