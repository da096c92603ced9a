// What may stand in HAProxy's configuration. Every text of a user is checked here against a list of what it may be made
// of before it is written anywhere, and one that is not is refused: nothing is escaped and hoped for.
// Source: HAProxy configuration manual, 2.2 (quoting and escaping).
import { StatusError } from '../../base/errors.ts'
import { dnsSubdomainErrors } from '../../api/names.ts'

/** The longest path of a rule. */
const maxPathLength = 1024

/** A word of the configuration. Single quotes make everything literal, so it must only have none in it. */
export function word(text: string): string {
  if (!/^[ -&(-~]*$/.test(text)) throw new StatusError('Invalid', `${JSON.stringify(text)} cannot be written`)
  return `'${text}'`
}

/** A word in which HAProxy looks for variables, of which there are none. */
export const format = (text: string): string => word(text.replaceAll('%', '%%'))

/** Whether a host of a rule is a name, or `*.` before a name. */
export const isHost = (host: string): boolean => dnsSubdomainErrors(host.replace(/^\*\./, '')).length === 0

const pathPattern = /^\/[\p{L}\p{N}\p{M}/._~!$&'()*+,;=:@|<>[\]{}^-]*$/u

/**
 * The path of a rule as it is looked up: decoded, and slashes in a row as one. Undefined if it has characters that no
 * path of a request can have, such as spaces.
 */
export function lookupPath(path: string): string | undefined {
  if (path.length > maxPathLength) return undefined
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    return undefined
  }
  const merged = decoded.replace(/\/+/g, '/')
  return pathPattern.test(merged) && !/\/\.\.?(\/|$)/.test(merged) ? merged : undefined
}

const patterns = {
  header: /^[A-Za-z][A-Za-z0-9-]{0,63}$/,
  headerValue: /^[\w.~/@:=+,;-]{1,128}$/,
  cookie: /^[A-Za-z0-9_-]{1,64}$/,
  realm: /^[\w .,:;()!?/@-]{1,128}$/,
  url: /^https?:\/\/[A-Za-z0-9.-]{1,253}(:\d{1,5})?(\/[\w/.~!$&()*+,;=:@%?#-]{0,1024})?$/,
  origin: /^(\*|https?:\/\/(\*\.)?[A-Za-z0-9.-]{1,253}(:\d{1,5})?)$/,
  method: /^[A-Z]{1,20}$/,
  user: /^[\w.@+-]{1,64}$/,
  hash: /^\$[\w./$=,-]{8,255}$/,
  replacement: /^\/([\w/.~!&()*+,;=:@%-]|\$[1-9])*$/,
}

/** Whether a text is a whole one of its sort. */
export const isText = (sort: keyof typeof patterns, text: string): boolean =>
  text.length <= maxPathLength + 300 && patterns[sort].test(text)
