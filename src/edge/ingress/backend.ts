// A target as a section of HAProxy's configuration: what is done with a request before it goes to a server. Pure.
import { createHash } from 'node:crypto'
import { word, format } from './text.ts'
import type { Server } from './endpoints.ts'
import { nameOf } from './endpoints.ts'
import type { Target } from './routes.ts'
import type { Cors, Settings } from './settings.ts'

/** A section `backend`. */
export interface Backend {
  name: string
  /** Its lines without those of servers. */
  lines: readonly string[]
  servers: readonly Server[]
  /** What stands after the address of each server. */
  serverOptions: string
  /** Whether clients come back to a server by a cookie. */
  hasCookie: boolean
}

/** What a target needs of other objects. */
interface Behind {
  servers: readonly Server[]
  /** The list of users, if the target has one. */
  users?: string
  httpsPort: number
}

/** How many words of a list stand in one line, of which HAProxy takes 64. */
const wordsPerLine = 40

/** @param apart makes the section another one than that of an equal target */
export function backendOf(target: Target, behind: Behind, apart = ''): Backend {
  const { settings, namespace, service } = target
  const lines = [
    ...access(settings),
    ...redirects(target, behind.httpsPort),
    ...(settings.cors ? preflight(settings.cors) : []),
    ...login(settings, behind.users),
    ...body(settings),
    ...rewriting(target),
    ...(settings.cors ? corsAnswer(settings.cors) : []),
    `timeout connect ${settings.connectMs}ms`,
    `timeout server ${settings.serverMs}ms`,
    ...(settings.cookie ? affinity(settings.cookie, target) : []),
  ]
  const { name: portName, number } = service?.port ?? {}
  const identity = JSON.stringify([portName ?? number ?? 0, lines, settings.protocol, apart])
  return {
    name: `${namespace}.${service?.name ?? ''}.${hash(identity)}`,
    lines,
    servers: behind.servers,
    serverOptions: serverOptions[settings.protocol],
    hasCookie: settings.cookie !== undefined,
  }
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12)

/** Certificates of servers are not verified, since nothing says who they must be from. */
const serverOptions: Readonly<Record<Settings['protocol'], string>> = {
  HTTP: '',
  HTTPS: ' ssl verify none alpn http/1.1',
  GRPC: ' proto h2',
  GRPCS: ' ssl verify none alpn h2',
}

export const serverLine = (server: Server, options: string): string =>
  `server ${nameOf(server)} ${server.ip}:${server.port}${options}`

function access({ allow, deny }: Settings): string[] {
  const list = (name: string, ranges: readonly string[]) =>
    Array.from(
      { length: Math.ceil(ranges.length / wordsPerLine) },
      (_, i) => `acl ${name} src ${ranges.slice(i * wordsPerLine, (i + 1) * wordsPerLine).join(' ')}`,
    )
  return [
    ...list('allowed', allow),
    ...list('denied', deny),
    ...(allow.length ? ['http-request deny deny_status 403 unless allowed'] : []),
    ...(deny.length ? ['http-request deny deny_status 403 if denied'] : []),
  ]
}

function redirects({ settings, isTls }: Target, httpsPort: number): string[] {
  const port = httpsPort === 443 ? '' : `:${httpsPort}`
  const isWanted = settings.redirect === 'always' || (settings.redirect === 'tls' && isTls)
  return [
    ...(isWanted
      ? [`http-request redirect prefix https://%[req.hdr(host),field(1,:),lower]${port} code 308 unless { ssl_fc }`]
      : []),
    ...(settings.elsewhere
      ? [`http-request redirect location ${format(settings.elsewhere.to)} code ${settings.elsewhere.code}`]
      : []),
  ]
}

function login({ auth }: Settings, users: string | undefined): string[] {
  if (!auth) return []
  // Without its users nobody gets in.
  if (users === undefined) return ['http-request deny deny_status 503']
  return [`http-request auth realm ${word(auth.realm)} unless { http_auth(${users}) }`]
}

/** A body without a length could become too large on its way, so it must have one. */
function body({ bodyBytes }: Settings): string[] {
  if (!bodyBytes) return []
  return [
    `http-request deny deny_status 413 if { req.hdr_val(content-length) gt ${bodyBytes} }`,
    'http-request return status 411 if { req.hdr(transfer-encoding) -m found }',
    'http-request return status 411 if { req.ver 2.0 } { method POST PUT PATCH } !{ req.hdr(content-length) -m found }',
  ]
}

function rewriting({ settings: { rewrite }, pattern }: Target): string[] {
  if (rewrite === undefined) return []
  if (pattern === undefined) return [`http-request set-path ${format(rewrite.replace(/\$\d/g, ''))}`]
  return [`http-request replace-path ${word(pattern)} ${format(rewrite.replace(/\$(\d)/g, '\\$1'))}`]
}

function affinity(cookie: string, { namespace, service }: Target): string[] {
  // The same on all nodes, so that a client may change between them.
  const key = hash(`${namespace}/${service?.name}/${cookie}`)
  return [`cookie ${cookie} insert indirect nocache httponly dynamic`, `dynamic-cookie-key ${key}`]
}

const hasOrigin = '{ var(txn.origin) -m found }'

/** Remembers the origin of a request if it is allowed, and answers the question that browsers ask before. */
function preflight(cors: Cors): string[] {
  const headers = [
    `hdr Access-Control-Allow-Origin ${allowedOrigin(cors)}`,
    `hdr Access-Control-Allow-Methods ${word(cors.methods.join(', '))}`,
    `hdr Access-Control-Allow-Headers ${word(cors.headers.join(', '))}`,
    `hdr Access-Control-Max-Age ${cors.maxAgeSeconds}`,
    ...(cors.credentials ? ['hdr Access-Control-Allow-Credentials true'] : []),
    'hdr Vary Origin',
  ]
  return [
    ...originRules(cors.origins),
    `http-request return status 204 ${headers.join(' ')} if METH_OPTIONS { req.hdr(access-control-request-method) -m found } ${hasOrigin}`,
  ]
}

function originRules(origins: readonly string[]): string[] {
  return origins.map(origin => {
    if (origin === '*') return 'http-request set-var(txn.origin) req.hdr(origin) if { req.hdr(origin) -m found }'
    const [scheme = '', rest = ''] = origin.split('*.')
    const end = origin.includes('*.') ? `^${scheme}[A-Za-z0-9.-]+\\.${rest.replaceAll('.', '\\.')}$` : undefined
    const match = end ? `-m reg -i ${word(end)}` : `-m str -i ${word(origin)}`
    return `http-request set-var(txn.origin) req.hdr(origin) if { req.hdr(origin) ${match} }`
  })
}

/** With credentials no star is allowed, so the origin itself is named. */
const allowedOrigin = ({ origins, credentials }: Cors) =>
  origins.includes('*') && !credentials ? word('*') : '%[var(txn.origin)]'

function corsAnswer(cors: Cors): string[] {
  return [
    `http-response set-header Access-Control-Allow-Origin ${allowedOrigin(cors)} if ${hasOrigin}`,
    `http-response add-header Vary Origin if ${hasOrigin}`,
    ...(cors.credentials ? [`http-response set-header Access-Control-Allow-Credentials true if ${hasOrigin}`] : []),
    ...(cors.expose.length
      ? [`http-response set-header Access-Control-Expose-Headers ${word(cors.expose.join(', '))} if ${hasOrigin}`]
      : []),
  ]
}
