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
import { type Binding, bindingKey } from '../ingress/ports.ts'
import { hostCondition } from './matches.ts'
import { errorBackend, type GatewayPlan, type PortPlan, type Share } from './plan.ts'

/** What a configuration needs of the node. */
interface Node extends Process {
  /** A text that no other HAProxy of the machine has. */
  mark: string
  /** Where this node can listen, as `bindingKey` writes it. */
  free: ReadonlySet<string>
}

/** Where a port is served. */
export const bindingsOf = ({ addresses, port, isBehind }: PortPlan): Binding[] =>
  isBehind ? [] : (addresses.length ? addresses : ['']).map(address => ({ address, port }))

export function filesOf(plan: GatewayPlan, around: Omit<Node, 'socket' | 'digest'>): Files {
  const isFree = (one: PortPlan) => bindingsOf(one).some(binding => around.free.has(bindingKey(binding)))
  const fronts = plan.ports.filter(isFree)
  const ports = plan.ports.filter(one => fronts.includes(one) || fronts.some(({ behind }) => behind === one.name))
  const lists = ports.filter(endsHere).map(one => [listOf(one), certificateList(one)] as const)
  const structure = configText(plan, ports, { ...around, socket: '', digest: '' }, false)
  const digest = createHash('sha256')
    .update(JSON.stringify([structure, lists]))
    .digest('hex')
  return {
    digest,
    textsFor: socket => new Map([...lists, [configFile, configText(plan, ports, { ...around, socket, digest }, true)]]),
  }
}

/** Whether TLS ends at a port. */
const endsHere = ({ protocol, isPassedOn }: PortPlan) => protocol !== 'HTTP' && !isPassedOn

const listOf = ({ name }: PortPlan) => `certificates-${name}.list`

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

function configText(plan: GatewayPlan, ports: readonly PortPlan[], around: Node, withServers: boolean): string {
  const sections = [
    global(around),
    defaults,
    ...ports.map(port =>
      port.protocol === 'TLS' ? tlsFrontend(port, plan, around) : httpFrontend(port, plan, around),
    ),
    [`backend ${noBackend}`, 'http-request return status 404 content-type text/plain string "404 page not found"'],
    [`backend ${errorBackend}`, 'http-request return status 500 content-type text/plain string "500 no backend"'],
    [`backend ${closedTls}`, 'mode tcp', 'tcp-request content reject'],
    ...ports.flatMap(port => inner(port, around)),
    ...plan.backends.map(backend => section(backend, withServers)),
  ]
  return sections.map(([head, ...lines]) => `${[head, ...lines].join('\n  ')}\n`).join('\n')
}

const noBackend = '_none'
const closedTls = '_closed'

/** The lines by which a port is listened on. An address that the node does not have yet may come to it later. */
function bind(plan: PortPlan, { isIPv6, free, mark }: Node): string[] {
  const alpn = plan.protocol === 'HTTPS' ? ' alpn h2,http/1.1' : ''
  const tls = endsHere(plan) ? ` ssl crt-list ${listOf(plan)}${alpn}` : ''
  if (plan.isBehind) return [`bind ${socketOf(plan.name, mark)} accept-proxy${tls}`]
  // With IPv6 one listener is for both families.
  const [any, both] = isIPv6 ? ['::', ' v4v6'] : ['', '']
  return bindingsOf(plan)
    .filter(one => free.has(bindingKey(one)))
    .map(({ address, port }) =>
      address ? `bind ${address}:${port} transparent${tls}` : `bind ${any}:${port}${both}${tls}`,
    )
}

/** A socket by which one section leads to another, without a place in a file system. */
const socketOf = (name: string, mark: string) => `abns@${mark}-${name}`

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

function httpFrontend(plan: PortPlan, { shares }: GatewayPlan, around: Node): string[] {
  const conditions = new Conditions()
  const choose = (variable: string, fetch: string, condition = '') =>
    plan.listeners.map(
      ({ name, hostname }) =>
        `http-request set-var(${variable}) str(${name}) if${condition} !{ var(${variable}) -m found }${conditions.all(hostCondition(fetch, hostname))}`,
    )
  const isMany = plan.protocol === 'HTTPS' && plan.listeners.length > 1
  const listeners = [
    ...choose('txn.listener', 'var(txn.host)'),
    // A connection for one listener must not be used for another: they may have certificates of different owners.
    ...(isMany
      ? [
          ...choose('txn.asked', 'ssl_fc_sni,lower', ' { ssl_fc_has_sni }'),
          ...plan.listeners.map(
            ({ name }) =>
              `http-request return status 421 content-type text/plain string "421 misdirected request" if { ssl_fc_has_sni } { var(txn.asked) -m str ${name} } !{ var(txn.listener) -m str ${name} }`,
          ),
        ]
      : []),
  ]
  const entries = plan.entries.map(
    one => `http-request set-var(txn.rule) str(${one.rule}) if ${notYet}${conditions.all(one.conditions)}`,
  )
  const rules = [...new Set(plan.entries.map(({ rule }) => rule))]
  return [
    `frontend port${plan.name}`,
    ...bind(plan, around),
    ...conditions.lines,
    'http-request deny deny_status 400 if { req.hdr_cnt(host) gt 1 }',
    'http-request disable-l7-retry if !METH_GET !METH_HEAD',
    ...requestRules,
    ...listeners,
    ...entries,
    ...forwarded,
    ...rules.flatMap(rule => chooseShare(rule, shares.get(rule) ?? [])),
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
function chooseShare(rule: string, shares: readonly Share[]): string[] {
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

function tlsFrontend(plan: PortPlan, { shares }: GatewayPlan, around: Node): string[] {
  const conditions = new Conditions()
  const isFree = '!{ var(txn.listener) -m found }'
  // The name is in the first message of the client, which is waited for where TLS does not end here.
  const [fetch, isHello] = plan.isPassedOn
    ? ['req.ssl_sni,lower', '{ req.ssl_hello_type 1 } ']
    : ['ssl_fc_sni,lower', '']
  const listeners = plan.listeners.map(
    ({ name, hostname }) =>
      `tcp-request content set-var(txn.listener) str(${name}) if ${isHello}${isFree}${conditions.all(hostCondition(fetch, hostname))}`,
  )
  const uses = plan.entries.flatMap(({ rule, conditions: all }) => {
    const some = shares.get(rule) ?? []
    return some.map(({ backend, weight }, i) => {
      const to = backend === errorBackend ? closedTls : backend
      const left = some.slice(i).reduce((sum, one) => sum + one.weight, 0)
      return `use_backend ${to} if${conditions.all(all)} { rand(${left}) lt ${weight} }`
    })
  })
  const ended = plan.listeners.filter(({ isServed }) => !isServed)
  return [
    `frontend port${plan.name}`,
    'mode tcp',
    ...bind(plan, around),
    ...conditions.lines,
    'timeout client 1h',
    ...(plan.isPassedOn ? ['tcp-request inspect-delay 5s'] : []),
    ...listeners,
    ...(plan.isPassedOn
      ? ['tcp-request content accept if { req.ssl_hello_type 1 }', 'tcp-request content reject if WAIT_END']
      : []),
    ...uses,
    ...ended.map(({ name }) => `use_backend ${endsBackend(plan)} if { var(txn.listener) -m str ${name} }`),
    `default_backend ${closedTls}`,
  ]
}

const endsBackend = ({ behind }: PortPlan) => `_${behind}`

/** Leads from a port to the section in which TLS ends. The address of the client goes along. */
const inner = (plan: PortPlan, { mark }: Node): string[][] =>
  plan.behind === undefined
    ? []
    : [
        [
          `backend ${endsBackend(plan)}`,
          'mode tcp',
          'timeout server 1h',
          `server ends ${socketOf(plan.behind, mark)} send-proxy-v2`,
        ],
      ]
