// What of routes cannot be served here, although the API has it. Such a route is not accepted, and serves nothing.
import { checkRegex } from '../networking/path-regex.ts'
import type { CorsFilter, Filter, HeaderChanges, PathChange } from './common.ts'
import type { GRPCRoute } from './grpcroute.ts'
import type { HTTPRoute, ValueMatch } from './httproute.ts'

const header = /^[A-Za-z][A-Za-z0-9-]{0,63}$/
const queryName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/
/** Printable characters without those that have a meaning in quotes. */
const value = /^[ -&(-[\]-~]{0,1024}$/
/** A name of a service or method of gRPC. */
const grpcName = /^[\w.]{0,1024}$/
const path = /^\/[\w/.~!&()*+,;=:@%-]{0,1023}$/
/** Headers that say where a message goes or ends; the proxy alone writes them. */
const ownHeaders = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'te', 'trailer', 'upgrade'])
const supportedFilters = new Set([
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
])

/** Why an HTTPRoute cannot be served; undefined if it can. */
export function unsupportedInHttp({ spec }: HTTPRoute): string | undefined {
  for (const { matches = [], filters = [], backendRefs = [] } of spec.rules ?? []) {
    for (const { path, headers = [], queryParams = [] } of matches) {
      const problem =
        (path?.type === 'RegularExpression' ? unsafe('the path', path.value ?? '/') : unreadable(path?.value)) ??
        first(headers, one => unsupportedMatch('header', header, one)) ??
        first(queryParams, one => unsupportedMatch('query parameter', queryName, one))
      if (problem) return problem
    }
    const problem = first([...filters, ...backendRefs.flatMap(one => one.filters ?? [])], unsupportedFilter)
    if (problem) return problem
  }
  return undefined
}

/** Why a GRPCRoute cannot be served; undefined if it can. */
export function unsupportedInGrpc({ spec }: GRPCRoute): string | undefined {
  for (const { matches = [], filters = [], backendRefs = [] } of spec.rules ?? []) {
    for (const { method, headers = [] } of matches) {
      const isRegex = method?.type === 'RegularExpression'
      const problem =
        (isRegex ? first([method.service, method.method], one => one && unsafe('the method', one)) : unnamed(method)) ??
        first(headers, one => unsupportedMatch('header', header, one))
      if (problem) return problem
    }
    const problem = first([...filters, ...backendRefs.flatMap(one => one.filters ?? [])], unsupportedFilter)
    if (problem) return problem
  }
  return undefined
}

const unnamed = ({ service = '', method = '' }: { service?: string; method?: string } = {}): string | undefined =>
  grpcName.test(service) && grpcName.test(method) ? undefined : 'the method has a name that is not supported'

function first<T>(items: readonly T[], check: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const problem = check(item)
    if (problem) return problem
  }
  return undefined
}

/** Paths are compared decoded, as text that has a place in a configuration. */
function unreadable(path = '/'): string | undefined {
  try {
    if (value.test(decodeURIComponent(path))) return undefined
  } catch {
    // What cannot be decoded cannot be compared.
  }
  return `the path ${path.slice(0, 200)} has characters that are not supported`
}

function unsafe(what: string, expression: string): string | undefined {
  const { problem } = { problem: undefined, ...checkRegex(expression) }
  return problem && `the expression of ${what} ${problem}`
}

function unsupportedMatch(what: string, names: RegExp, { type, name, value: wanted }: ValueMatch): string | undefined {
  if (!names.test(name)) return `the ${what} ${name} has a name that is not supported`
  if (type === 'RegularExpression') return unsafe(`the ${what} ${name}`, wanted)
  return value.test(wanted) ? undefined : `the ${what} ${name} has a value that is not supported`
}

function unsupportedFilter(filter: Filter): string | undefined {
  if (!supportedFilters.has(filter.type)) return `the filter ${filter.type} is not supported`
  return (
    unsupportedHeaders(filter.requestHeaderModifier) ??
    unsupportedHeaders(filter.responseHeaderModifier) ??
    unsupportedPath(filter.requestRedirect?.path) ??
    unsupportedPath(filter.urlRewrite?.path) ??
    unsupportedCors(filter.cors)
  )
}

function unsupportedHeaders({ set = [], add = [], remove = [] }: HeaderChanges = {}): string | undefined {
  const names = [...set.map(one => one.name), ...add.map(one => one.name), ...remove]
  const wrong = names.find(name => !header.test(name) || ownHeaders.has(name.toLowerCase()))
  if (wrong !== undefined) return `the header ${wrong} cannot be changed`
  const odd = [...set, ...add].find(one => !value.test(one.value))
  return odd && `the header ${odd.name} has a value that is not supported`
}

/** One star stands for a part of the host. */
const origin = /^(\*|https?:\/\/[A-Za-z0-9.-]*\*?[A-Za-z0-9.-]*(:\d{1,5})?)$/

function unsupportedCors({ allowOrigins = [], allowHeaders = [], exposeHeaders = [] }: CorsFilter = {}) {
  const wrong =
    allowOrigins.find(one => !origin.test(one)) ??
    [...allowHeaders, ...exposeHeaders].find(one => one !== '*' && !header.test(one))
  return wrong === undefined ? undefined : `the filter CORS has ${wrong}, which is not supported`
}

function unsupportedPath(change: PathChange | undefined): string | undefined {
  const text = change?.replaceFullPath ?? change?.replacePrefixMatch
  if (!text) return undefined
  return path.test(text.startsWith('/') ? text : `/${text}`)
    ? undefined
    : 'the replacement of the path is not supported'
}
