// What is done with a request on its way to a backend, as lines of a section of HAProxy. Pure.
import { parseDuration } from '../../api/time.ts'
import type { Filter, HeaderChanges, PathChange, Redirect } from '../../kinds/gateway/common.ts'
import { regexOf } from '../../kinds/networking/path-regex.ts'
import { format, word } from '../ingress/text.ts'
import { corsLines } from './cors.ts'

/**
 * The lines of all filters. What is changed of the path comes first, since a redirect uses it.
 * @param prefix the prefix that the request matched, without a slash at its end
 */
export function filterLines(filters: readonly Filter[], prefix: string): string[] {
  // What browsers ask before is answered first: the answer must not depend on the other filters.
  const cors = filters.flatMap(one => (one.cors ? corsLines(one.cors) : []))
  const rest = filters.flatMap(({ requestHeaderModifier, responseHeaderModifier, requestRedirect, urlRewrite }) => [
    ...headerLines('http-request', requestHeaderModifier),
    ...headerLines('http-response', responseHeaderModifier),
    ...(urlRewrite ? pathLines(urlRewrite.path, prefix) : []),
    ...(urlRewrite?.hostname ? [`http-request set-header Host ${format(urlRewrite.hostname)}`] : []),
    ...(requestRedirect ? redirectLines(requestRedirect, prefix) : []),
  ])
  return [...cors, ...rest]
}

const headerLines = (
  when: 'http-request' | 'http-response',
  { set = [], add = [], remove = [] }: HeaderChanges = {},
) => [
  ...set.map(({ name, value }) => `${when} set-header ${name} ${format(value)}`),
  ...add.map(({ name, value }) => `${when} add-header ${name} ${format(value)}`),
  ...remove.map(name => `${when} del-header ${name}`),
]

/** Below the prefix everything stays as the client sent it. */
function pathLines(change: PathChange | undefined, prefix: string): string[] {
  if (!change) return []
  if (change.type === 'ReplaceFullPath') {
    const path = change.replaceFullPath || '/'
    return [`http-request set-path ${format(path.startsWith('/') ? path : `/${path}`)}`]
  }
  const given = (change.replacePrefixMatch ?? '').replace(/\/$/, '')
  const replacement = given && !given.startsWith('/') ? `/${given}` : given
  // Without a prefix, or with nothing in its place, the slash that follows must be there once.
  const [pattern, end] = prefix && replacement ? ['(/.*)?$', '\\1'] : ['/?(.*)$', '/\\1']
  return [`http-request replace-path ${word(`^${regexOf(prefix)}${pattern}`)} ${format(replacement + end)}`]
}

const ports: Readonly<Record<string, number>> = { http: 80, https: 443 }

function redirectLines({ scheme, hostname, path, port, statusCode = 302 }: Redirect, prefix: string): string[] {
  const host = hostname === undefined ? '%[var(txn.host)]' : hostname
  const to = `${scheme ?? '%[ssl_fc,iif(https,http)]'}://${host}`
  const redirect = (suffix: string, condition = '') =>
    `http-request redirect location '${to}${suffix}%[pathq]' code ${statusCode}${condition}`
  const suffix = (other: string) => [
    redirect('', ' if { ssl_fc } { var(txn.port) -m int 443 }'),
    redirect('', ' if !{ ssl_fc } { var(txn.port) -m int 80 }'),
    redirect(other),
  ]
  const own = (given: number, of: string) => (ports[of] === given ? '' : `:${given}`)
  const lines = scheme
    ? [redirect(port ? own(port, scheme) : '')]
    : [`http-request set-var(txn.port) ${port ? `int(${port})` : 'dst_port'}`, ...suffix(':%[var(txn.port)]')]
  return [...pathLines(path, prefix), ...lines]
}

const longestMs = 24 * 3600_000

/** The time for an answer. HAProxy has one for the whole of it, so the shorter one counts. */
export function timeoutLines({
  request,
  backendRequest,
}: {
  request?: string
  backendRequest?: string
} = {}): string[] {
  const all = [request, backendRequest].flatMap(one => (one === undefined ? [] : Number(parseDuration(one) ?? 0) / 1e6))
  if (!all.length) return []
  const limits = all.filter(ms => ms > 0)
  return [`timeout server ${limits.length ? Math.max(1, Math.min(...limits, longestMs)) : longestMs}ms`]
}
