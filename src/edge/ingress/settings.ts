// What the annotations of an Ingress ask for. Those of the widespread nginx controller are read, too, as far as they mean
// something here. docs/ingress.md lists them.
//
// - An annotation that only makes things more convenient, and is wrong or not supported, is left out with an event.
// - One that protects something must not be left out: then the paths of the Ingress are closed, and answer 503.
// Source: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations
import { parseCidr, parseIP } from '../../api/ip.ts'
import { messageOf } from '../../base/errors.ts'
import { own } from '../../base/own.ts'
import type { Ingress } from '../../kinds/networking/ingress.ts'
import { annotationOf, annotationPrefixes, authSecretOf } from '../../kinds/networking/ingress-serving.ts'
import { isText } from './text.ts'

/** What an event reports about an Ingress. */
export interface Problem {
  reason: string
  message: string
}

export interface Cors {
  origins: readonly string[]
  methods: readonly string[]
  headers: readonly string[]
  expose: readonly string[]
  credentials: boolean
  maxAgeSeconds: number
}

export interface Canary {
  /** Per hundred requests, how many go to the canary. */
  weight: number
  header?: string
  headerValue?: string
  cookie?: string
}

export interface Settings {
  /** Whether HTTP is redirected to HTTPS: never, where the host has a certificate, or always. */
  redirect: 'never' | 'tls' | 'always'
  protocol: Protocol
  connectMs: number
  serverMs: number
  /** The largest body, in bytes; 0 for any. */
  bodyBytes: number
  /** Ranges from which alone requests are answered, and ranges from which none is. */
  allow: readonly string[]
  deny: readonly string[]
  auth?: { secret: string; realm: string; isMap: boolean }
  cookie?: string
  elsewhere?: { to: string; code: number }
  usesRegex: boolean
  rewrite?: string
  cors?: Cors
  canary?: Canary
  /** Why the paths of the Ingress are closed. */
  closed?: string
}

type Protocol = 'HTTP' | 'HTTPS' | 'GRPC' | 'GRPCS'
const protocols: readonly string[] = ['HTTP', 'HTTPS', 'GRPC', 'GRPCS']

const defaults: Settings = {
  redirect: 'tls',
  protocol: 'HTTP',
  connectMs: 5_000,
  serverMs: 60_000,
  bodyBytes: 0,
  allow: [],
  deny: [],
  usesRegex: false,
}

const maxSeconds = 7 * 24 * 3600
const maxRanges = 500
const maxItems = 50

interface Reader {
  read(value: string, ingress: Ingress): Partial<Settings>
  /** Whether the Ingress is closed if the value is wrong. */
  guards?: boolean
}

/** The annotations that are read, by name. Further ones are read by another: `auth-realm` by `auth-type`. */
const readers: Readonly<Record<string, Reader>> = {
  'ssl-redirect': { read: value => (flag(value) ? {} : { redirect: 'never' }) },
  'force-ssl-redirect': { read: value => (flag(value) ? { redirect: 'always' } : {}), guards: true },
  'backend-protocol': { read: value => ({ protocol: protocolOf(value) }), guards: true },
  'proxy-connect-timeout': { read: value => ({ connectMs: seconds(value) }) },
  'proxy-read-timeout': { read: value => ({ serverMs: seconds(value) }) },
  'proxy-send-timeout': {
    // HAProxy has one time for both directions: the longer one.
    read: (value, ingress) => ({
      serverMs: Math.max(seconds(value), seconds(annotationOf(ingress, 'proxy-read-timeout') ?? '60')),
    }),
  },
  'proxy-body-size': { read: value => ({ bodyBytes: bytes(value) }), guards: true },
  'whitelist-source-range': { read: value => ({ allow: ranges(value) }), guards: true },
  'allowlist-source-range': { read: value => ({ allow: ranges(value) }), guards: true },
  'denylist-source-range': { read: value => ({ deny: ranges(value) }), guards: true },
  'auth-type': { read: auth, guards: true },
  affinity: { read: affinity },
  'permanent-redirect': { read: (value, ingress) => ({ elsewhere: redirectTo(value, ingress) }) },
  'use-regex': { read: value => ({ usesRegex: flag(value) }), guards: true },
  'rewrite-target': { read: rewrite, guards: true },
  'enable-cors': { read: (value, ingress) => (flag(value) ? { cors: corsOf(ingress) } : {}) },
  canary: { read: (value, ingress) => (flag(value) ? { canary: canaryOf(ingress) } : {}), guards: true },
}

/** Annotations that one of the readers reads together with its own. */
const alsoRead = new Set([
  'auth-secret',
  'auth-secret-type',
  'auth-realm',
  'affinity-mode',
  'session-cookie-name',
  'permanent-redirect-code',
  'cors-allow-origin',
  'cors-allow-methods',
  'cors-allow-headers',
  'cors-expose-headers',
  'cors-allow-credentials',
  'cors-max-age',
  'canary-weight',
  'canary-by-header',
  'canary-by-header-value',
  'canary-by-cookie',
])

/** Names of annotations that protect what is behind them. Where they are not supported, nothing is served. */
const isGuard = (name: string) =>
  name.startsWith('auth-') ||
  ['satisfy', 'blacklist-source-range', 'enable-modsecurity', 'modsecurity-transaction-id'].includes(name)

/** What an Ingress asks for, and what of it is not done. */
export function readSettings(ingress: Ingress): { settings: Settings; problems: Problem[] } {
  let settings = defaults
  const problems: Problem[] = []
  const close = (why: string) => (settings = { ...settings, closed: settings.closed ?? why })
  const ignored: string[] = []
  for (const name of namesOf(ingress)) {
    const reader = own(readers, name)
    if (!reader) {
      if (alsoRead.has(name)) continue
      if (name.endsWith('-snippet'))
        close(`the annotation ${name} is refused, since it would configure the proxy for everyone`)
      else if (isGuard(name)) close(`the annotation ${name} is not supported, and may protect something`)
      else ignored.push(name)
      continue
    }
    try {
      settings = { ...settings, ...reader.read(annotationOf(ingress, name) ?? '', ingress) }
    } catch (error) {
      const why = `the annotation ${name} ${messageOf(error)}`
      if (reader.guards) close(why)
      else problems.push({ reason: 'InvalidAnnotation', message: `${why}; it has no effect` })
    }
  }
  if (ignored.length)
    problems.push({
      reason: 'UnsupportedAnnotation',
      message: `these annotations have no effect: ${ignored.join(', ')}`,
    })
  if (settings.closed) problems.push({ reason: 'Refused', message: `${settings.closed}; its paths answer 503` })
  return { settings, problems }
}

/** The names of the annotations with our prefixes, in order, each once. */
function namesOf({ metadata }: Ingress): string[] {
  const names = Object.keys(metadata.annotations ?? {}).flatMap(key => {
    const prefix = annotationPrefixes.find(one => key.startsWith(one))
    return prefix ? [key.slice(prefix.length)] : []
  })
  return [...new Set(names)].sort()
}

function flag(value: string): boolean {
  if (value === 'true' || value === 'false') return value === 'true'
  throw new Error('must be true or false')
}

function seconds(value: string): number {
  const [, number, unit] = /^(\d{1,6})(s?)$/.exec(value.trim()) ?? []
  if (number === undefined || unit === undefined || Number(number) < 1 || Number(number) > maxSeconds)
    throw new Error(`must be a number of seconds from 1 to ${maxSeconds}`)
  return Number(number) * 1000
}

function bytes(value: string): number {
  const [, number, unit = ''] = /^(\d{1,9})([kKmMgG]?)$/.exec(value.trim()) ?? []
  if (number === undefined) throw new Error('must be a number of bytes, such as 8m')
  return Math.min(Number(number) * 1024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase()), Number.MAX_SAFE_INTEGER)
}

const items = (value: string): string[] =>
  value
    .split(',')
    .map(one => one.trim())
    .filter(Boolean)

function ranges(value: string): string[] {
  const all = items(value)
  if (!all.length || all.length > maxRanges) throw new Error(`must have 1 to ${maxRanges} ranges`)
  for (const one of all)
    if (!parseIP(one) && !parseCidr(one)) throw new Error('must be addresses and ranges such as 10.0.0.0/8')
  return all
}

function protocolOf(value: string): Protocol {
  const name = value.trim().toUpperCase()
  if (!protocols.includes(name)) throw new Error(`must be one of ${protocols.join(', ')}`)
  return name as Protocol
}

function auth(value: string, ingress: Ingress): Partial<Settings> {
  if (value.trim() !== 'basic') throw new Error('must be basic')
  const secret = authSecretOf(ingress)
  if (!secret || secret.includes('/'))
    throw new Error("needs auth-secret, the name of a Secret in the Ingress's namespace")
  const realm = annotationOf(ingress, 'auth-realm')?.trim() || 'Authentication required'
  if (!isText('realm', realm)) throw new Error('needs an auth-realm of letters, digits, spaces and simple punctuation')
  return { auth: { secret, realm, isMap: annotationOf(ingress, 'auth-secret-type') === 'auth-map' } }
}

function affinity(value: string, ingress: Ingress): Partial<Settings> {
  if (value.trim() !== 'cookie') throw new Error('must be cookie')
  const cookie = annotationOf(ingress, 'session-cookie-name')?.trim() || 'INGRESSCOOKIE'
  if (!isText('cookie', cookie)) throw new Error('needs a session-cookie-name of letters, digits, - and _')
  return { cookie }
}

function redirectTo(value: string, ingress: Ingress): NonNullable<Settings['elsewhere']> {
  const code = annotationOf(ingress, 'permanent-redirect-code') ?? '301'
  if (!['301', '302', '303', '307', '308'].includes(code))
    throw new Error('needs a permanent-redirect-code such as 308')
  if (!isText('url', value)) throw new Error('must be a URL of http or https')
  return { to: value, code: Number(code) }
}

function rewrite(value: string): Partial<Settings> {
  if (!isText('replacement', value)) throw new Error('must be a path, in which $1 to $9 stand for groups')
  // Groups are of use only in regular expressions, so an Ingress that names one has expressions.
  return { rewrite: value, ...(value.includes('$') && { usesRegex: true }) }
}

function corsOf(ingress: Ingress): Cors {
  const list = (name: string, sort: 'origin' | 'method' | 'header', otherwise: string) => {
    const all = items(annotationOf(ingress, name) ?? otherwise)
    if (all.length > maxItems || !all.every(one => isText(sort, one) || (one === '*' && sort !== 'method')))
      throw new Error(`needs a ${name} that is a list of at most ${maxItems}`)
    return all
  }
  const age = annotationOf(ingress, 'cors-max-age') ?? '1728000'
  if (!/^\d{1,8}$/.test(age)) throw new Error('needs a cors-max-age in seconds')
  return {
    origins: list('cors-allow-origin', 'origin', '*'),
    methods: list('cors-allow-methods', 'method', 'GET, PUT, POST, DELETE, PATCH, OPTIONS'),
    headers: list(
      'cors-allow-headers',
      'header',
      'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization',
    ),
    expose: list('cors-expose-headers', 'header', ''),
    credentials: flag(annotationOf(ingress, 'cors-allow-credentials') ?? 'true'),
    maxAgeSeconds: Number(age),
  }
}

function canaryOf(ingress: Ingress): Canary {
  const [weight, header, value, cookie] = ['weight', 'by-header', 'by-header-value', 'by-cookie'].map(name =>
    annotationOf(ingress, `canary-${name}`)?.trim(),
  )
  if (weight !== undefined && !(/^\d{1,3}$/.test(weight) && Number(weight) <= 100))
    throw new Error('needs a canary-weight from 0 to 100')
  if (header !== undefined && !isText('header', header)) throw new Error('needs a canary-by-header that names a header')
  if (value !== undefined && !isText('headerValue', value)) throw new Error('needs a simple canary-by-header-value')
  if (cookie !== undefined && !isText('cookie', cookie)) throw new Error('needs a canary-by-cookie that names a cookie')
  return {
    weight: Number(weight ?? 0),
    ...(header && { header }),
    ...(header && value && { headerValue: value }),
    ...(cookie && { cookie }),
  }
}
