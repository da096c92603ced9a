// What a request must have to match a rule, as conditions of HAProxy, and which match counts if there are several. Pure.
// Source: gateway-api.sigs.k8s.io/reference/spec (HTTPRouteRule.matches, GRPCRouteRule.matches).
import type { GRPCRouteMatch } from '../../kinds/gateway/grpcroute.ts'
import type { HTTPRouteMatch, ValueMatch } from '../../kinds/gateway/httproute.ts'
import { regexOf } from '../../kinds/networking/path-regex.ts'
import { word } from '../ingress/text.ts'

/** Conditions that must all hold. */
interface Match {
  conditions: readonly string[]
  /** Of two matches the one with the greater number counts, where they differ first. */
  rank: readonly number[]
}

const rankOf = { exact: 3, regex: 2, prefix: 1 }

/** Compares a text with a value of a user, which stands behind the end of all options. */
const compare = (fetch: string, how: 'str' | 'beg' | 'end' | 'reg', value: string) =>
  `${fetch} -m ${how} -- ${word(value)}`
const whole = (expression: string) => `^(?:${expression})$`

function decodedPath(path: string): string {
  return decodeURIComponent(path).replace(/\/+/g, '/')
}

/** The prefix of a match, without a slash at its end. */
export const prefixOf = (path: string): string => decodedPath(path).replace(/\/$/, '')

export function httpMatch({ path = {}, headers = [], queryParams = [], method }: HTTPRouteMatch): Match {
  const { type = 'PathPrefix', value = '/' } = path
  const text = type === 'RegularExpression' ? value : type === 'Exact' ? decodedPath(value) : `${prefixOf(value)}/`
  const how = type === 'RegularExpression' ? 'regex' : type === 'Exact' ? 'exact' : 'prefix'
  const ofPath = {
    regex: () => [compare('var(txn.path)', 'reg', whole(text))],
    exact: () => [compare('var(txn.path)', 'str', text)],
    prefix: () => (text === '/' ? [] : [compare('var(txn.slashed)', 'beg', text)]),
  }
  return {
    conditions: [
      ...ofPath[how](),
      ...(method ? [compare('method', 'str', method)] : []),
      ...headers.map(headerCondition),
      ...queryParams.map(one => valueCondition(`url_param(${one.name}),url_dec`, one)),
    ],
    rank: [rankOf[how], text.length, method ? 1 : 0, headers.length, queryParams.length],
  }
}

export function grpcMatch({ method = {}, headers = [] }: GRPCRouteMatch): Match {
  const { type = 'Exact', service = '', method: name = '' } = method
  const part = (text: string) => (text ? (type === 'Exact' ? regexOf(text) : `(?:${text})`) : '[^/]+')
  const isAny = !service && !name
  return {
    conditions: [
      ...(isAny ? [] : [compare('path', 'reg', `^/${part(service)}/${part(name)}$`)]),
      ...headers.map(headerCondition),
    ],
    rank: [type === 'Exact' ? rankOf.exact : rankOf.regex, service.length, name.length, headers.length, 0],
  }
}

const headerCondition = (one: ValueMatch) => valueCondition(`req.fhdr(${one.name})`, one)

const valueCondition = (fetch: string, { type, value }: ValueMatch): string =>
  type === 'RegularExpression' ? compare(fetch, 'reg', whole(value)) : compare(fetch, 'str', value)

/** The condition that a name is one for which a hostname stands; `*.` stands for one label or more. */
export function hostCondition(fetch: string, hostname: string): string[] {
  if (!hostname) return []
  return [hostname.startsWith('*.') ? compare(fetch, 'end', hostname.slice(1)) : compare(fetch, 'str', hostname)]
}

/** Names count before wildcards, and longer ones before shorter ones. */
export const hostRank = (hostname: string): readonly number[] =>
  hostname.startsWith('*.') ? [0, hostname.length] : [hostname.length, hostname.length]

/** Sorts what counts more to the front. */
export function byRank(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i])
  return at < 0 ? 0 : b[at]! - a[at]!
}
