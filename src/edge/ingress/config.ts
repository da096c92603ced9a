// The plan as the files that HAProxy reads: its configuration, a map for each way of finding a path, and the list of
// certificates. Pure. All paths of files are relative to the directory that the process is started in.
//
//   request ─► host, path as they are looked up ─► maps: backend ─► canary? ─► section of the backend ─► server
import { createHash } from 'node:crypto'
import { type Backend, serverLine } from './backend.ts'
import { type CanaryRule, closedBackend, type IngressPlan, type MapName } from './plan.ts'
import { anyHost } from './routes.ts'
import { word } from './text.ts'

export interface Surroundings {
  /** The ports to listen on; undefined for one that another program has. */
  http: number | undefined
  https: number | undefined
  /** Whether clients may come by IPv6, too. */
  isIPv6: boolean
  user: string
  group: string
  threads: number
  /** Path of an empty directory, in which the process is shut in. */
  emptyDir: string
}

export interface Files {
  /** What has to be in the configuration whichever servers there are now; see `digestOf`. */
  digest: string
  /** Text by the name of the file, for a process with this socket. */
  textsFor(socket: string): ReadonlyMap<string, string>
}

export const configFile = 'haproxy.cfg'
/** Where certificates are, from the directory of the configuration. */
export const certificateDir = '../certificates'
export const placeholderFile = 'placeholder.pem'

/** How long such a process goes on with long answers and WebSockets. */
const finishMs = 600_000
/** With this many connections, of which each needs two files, a process needs no more than 100 MB for its tables. */
const maxFiles = 20_000
const mapNames: readonly MapName[] = ['hosts', 'exact', 'regex', 'regexhosts', 'prefix']

export function filesOf(plan: IngressPlan, around: Surroundings): Files {
  const maps = new Map(mapNames.map(name => [`${name}.map`, `${plan.maps[name].join('\n')}\n`]))
  const list = certificateList(plan)
  const structure = configText(plan, { ...around, socket: '', digest: '' }, false)
  const digest = createHash('sha256')
    .update(JSON.stringify([structure, [...maps], list]))
    .digest('hex')
  return {
    digest,
    textsFor: socket =>
      new Map([
        ...maps,
        ['certificates.list', list],
        [configFile, configText(plan, { ...around, socket, digest }, true)],
      ]),
  }
}

/** The first certificate is for clients that ask for a name without one. */
function certificateList({ certificates }: IngressPlan): string {
  const lines = [...certificates].flatMap(([file, { hosts }]) =>
    hosts.length ? hosts.map(host => `${certificateDir}/${file} ${host}`) : [`${certificateDir}/${file}`],
  )
  return `${[`${certificateDir}/${placeholderFile}`, ...lines].join('\n')}\n`
}

/** A process by itself, whatever it serves. */
export type Process = Omit<Surroundings, 'http' | 'https'> & { socket: string; digest: string }

function configText(plan: IngressPlan, around: Surroundings & Process, withServers: boolean): string {
  const sections = [
    global(around),
    defaults,
    ...[...plan.users].map(([name, users]) => [
      `userlist ${name}`,
      ...users.map(({ name, hash }) => `user ${name} password ${word(hash)}`),
    ]),
    frontend(plan, around),
    [`backend ${noBackend}`, 'http-request return status 404 content-type text/plain string "404 page not found"'],
    [
      `backend ${closedBackend}`,
      'http-request return status 503 content-type text/plain string "503 service unavailable"',
    ],
    ...plan.backends.map(backend => section(backend, withServers)),
  ]
  return sections.map(([head, ...lines]) => `${[head, ...lines].join('\n  ')}\n`).join('\n')
}

const noBackend = '_none'

export const global = ({ user, group, threads, emptyDir, socket, digest }: Process) => [
  'global',
  `description ${digest || 'none'}`,
  `stats socket unix@${socket} mode 600 level admin expose-fd listeners`,
  'stats timeout 20d',
  `fd-hard-limit ${maxFiles}`,
  `nbthread ${threads}`,
  `user ${user}`,
  `group ${group}`,
  `chroot ${emptyDir}`,
  `hard-stop-after ${finishMs}ms`,
  'ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets',
  'tune.ssl.default-dh-param 2048',
]

// A request is sent once more, to another server, if the first one was not reached, and one that changes nothing also if
// the server closed the connection without an answer.
export const defaults = [
  'defaults',
  'mode http',
  'option http-keep-alive',
  // A process that finishes closes a connection after an answer, and not while the client may be sending a request.
  'option idle-close-on-response',
  // As nginx, which drops names with underscores: some programs read them as the headers that are set here.
  'option http-restrict-req-hdr-names delete',
  'option redispatch 1',
  'retries 3',
  'retry-on conn-failure empty-response',
  'timeout connect 5s',
  'timeout client 75s',
  'timeout server 60s',
  'timeout http-request 15s',
  'timeout http-keep-alive 75s',
  'timeout queue 5s',
  'timeout tunnel 1h',
]

const notFound = '!{ var(txn.backend) -m found }'

function frontend(plan: IngressPlan, { http, https, isIPv6 }: Surroundings): string[] {
  // With IPv6 one listener is for both families.
  const [any, both] = isIPv6 ? ['::', ' v4v6'] : ['', '']
  return [
    'frontend ingress',
    ...(http === undefined ? [] : [`bind ${any}:${http}${both}`]),
    ...(https === undefined ? [] : [`bind ${any}:${https}${both} ssl crt-list certificates.list alpn h2,http/1.1`]),
    'http-request deny deny_status 400 if { req.hdr_cnt(host) gt 1 }',
    'http-request disable-l7-retry if !METH_GET !METH_HEAD',
    ...plainLookUps(plan),
    ...hostRules,
    ...pathRules,
    ...lookUps(plan),
    ...plan.canaries.flatMap(canaryRules),
    ...(plan.canaries.length
      ? ['http-request set-var(txn.backend) var(txn.canary) if { var(txn.canary) -m found }']
      : []),
    ...forwarded,
    'use_backend %[var(txn.backend)] if { var(txn.backend) -m found }',
    `default_backend ${noBackend}`,
  ]
}

/**
 * Most requests have the host of a rule as it is written there, and a path that can be read in one way. For them one or
 * two look-ups are enough, and the rules that follow are skipped. A host with a slash would look like one with a path.
 */
function plainLookUps({ maps }: IngressPlan): string[] {
  const isPlain = '!{ var(txn.odd) -m found }'
  return [
    'http-request deny deny_status 400 if { req.hdr(host) -m sub / }',
    'http-request set-var(txn.odd) bool(true) if { path -m sub % // /. }',
    // Expressions come before prefixes.
    ...(maps.regex.length
      ? ['http-request set-var(txn.odd) bool(true) if { req.hdr(host),map_str(regexhosts.map) -m found }']
      : []),
    ...(maps.exact.length ? [`http-request set-var(txn.backend) base,map_str(exact.map) if ${isPlain}`] : []),
    `http-request set-var(txn.backend) base,concat(/),map_beg(prefix.map) if ${isPlain} ${notFound}`,
  ]
}

/** The host without port and final dot, and then the key of the rules for it. */
const hostRules = [
  `http-request set-var(txn.host) req.hdr(host),field(1,:),lower if ${notFound}`,
  `http-request set-var(txn.host) var(txn.host),regsub([.]$,) if ${notFound} { var(txn.host) -m end . }`,
  `http-request set-var(txn.key) var(txn.host),map_str(hosts.map) if ${notFound}`,
  // Whatever is not the host of a rule may be anything, and is part of answers.
  `http-request deny deny_status 400 if ${notFound} !{ var(txn.key) -m found } { var(txn.host) -m reg [^a-z0-9._[-] }`,
  `http-request set-var(txn.key) var(txn.host),regsub('^[^.]+','*'),map_str(hosts.map) if ${notFound} !{ var(txn.key) -m found }`,
  `http-request set-var(txn.key) str(${anyHost}) if ${notFound} !{ var(txn.key) -m found }`,
]

/**
 * The path as servers read it: decoded, and slashes in a row as one. One that climbs is refused, since what is protected
 * below one path could then be reached by another.
 */
const pathRules = [
  `http-request set-var(txn.path) path if ${notFound}`,
  `http-request set-var(txn.path) path,url_dec,regsub('/+','/',g) if ${notFound} { path -m sub % // }`,
  `http-request deny deny_status 400 if ${notFound} { path -m sub % } { var(txn.path) -m reg [[:cntrl:]] }`,
  `http-request deny deny_status 400 if ${notFound} { var(txn.path) -m sub /../ /./ }`,
  `http-request deny deny_status 400 if ${notFound} { var(txn.path) -m end /.. /. }`,
  `http-request set-var(txn.full) var(txn.key),concat(,txn.path) if ${notFound}`,
]

/** The longest path that is compared with expressions. */
const maxRegexInput = 1024

const lookUps = ({ maps, fallback }: IngressPlan): string[] => [
  ...(maps.exact.length ? [`http-request set-var(txn.backend) var(txn.full),map_str(exact.map) if ${notFound}`] : []),
  ...(maps.regex.length
    ? [
        `http-request set-var(txn.backend) var(txn.full),map_reg(regex.map) if ${notFound} { var(txn.key),map_str(regexhosts.map) -m found } { path,length le ${maxRegexInput} }`,
      ]
    : []),
  `http-request set-var(txn.backend) var(txn.full),concat(/),map_beg(prefix.map) if ${notFound}`,
  ...(fallback ? [`http-request set-var(txn.backend) str(${fallback}) if ${notFound}`] : []),
]

/** By header, then by cookie, then by chance. */
function canaryRules({ rule: { header, headerValue, cookie, weight }, stable, canary }: CanaryRule): string[] {
  const isOurs = `{ var(txn.backend) -m str ${stable} } !{ var(txn.canary) -m found }`
  const use = (which: string, condition: string) =>
    `http-request set-var(txn.canary) str(${which}) if ${isOurs} ${condition}`
  const always = (fetch: string) => [
    use(canary, `{ ${fetch} -m str always }`),
    use(stable, `{ ${fetch} -m str never }`),
  ]
  return [
    ...(header && headerValue ? [use(canary, `{ req.hdr(${header}) -m str ${word(headerValue)} }`)] : []),
    ...(header && !headerValue ? always(`req.hdr(${header})`) : []),
    ...(cookie ? always(`req.cook(${cookie})`) : []),
    ...(weight ? [use(canary, `{ rand(100) lt ${weight} }`)] : []),
  ]
}

/** What servers read about the client. What the client itself says of it is not passed on. */
export const forwarded = [
  'http-request set-header X-Forwarded-For %[src]',
  'http-request set-header X-Real-IP %[src]',
  'http-request set-header X-Forwarded-Host %[req.hdr(host)]',
  'http-request set-header X-Forwarded-Port %[dst_port]',
  'http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]',
  'http-request del-header Forwarded',
  'http-request del-header Proxy',
]

export function section({ name, lines, servers, serverOptions }: Backend, withServers: boolean): string[] {
  const all = withServers ? servers.map(server => serverLine(server, serverOptions)) : []
  // The options of servers are part of the structure, although no line has them without servers.
  const options = withServers || !serverOptions ? [] : [`#${serverOptions}`]
  return [`backend ${name}`, 'balance roundrobin', ...lines, ...options, ...all]
}
