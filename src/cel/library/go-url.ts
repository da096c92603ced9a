// Parses URLs as Go does, which takes some texts that browsers do not, and the other way round.
// Source: Go's net/url; RFC 3986.
import { goQuote } from '../../base/go-text.ts'

export interface GoUrl {
  readonly text: string
  readonly scheme: string
  readonly host: string
  /** As it is written, and with what has to be escaped escaped. */
  readonly escapedPath: string
  readonly query: string
}

/** The parts, or what Go says is wrong. `asRequest` asks for an absolute URL or path, without a fragment. */
export function parseGoUrl(text: string, asRequest: boolean): GoUrl | string {
  const fault = (message: string) => `parse ${goQuote(text)}: ${message}`
  if (Array.from(text).some(isControl)) return fault('net/url: invalid control character in URL')
  const body = asRequest ? text : text.split('#', 1)[0]!
  if (body === '' && asRequest) return fault('empty url')
  if (body === '*') return { text, scheme: '', host: '', escapedPath: '*', query: '' }
  const parts = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?([^?]*)(?:\?(.*))?$/s.exec(body)!
  const scheme = parts[1]?.toLowerCase() ?? ''
  const rest = parts[2]!
  const query = parts[3] ?? ''
  if (parts[1] === undefined && rest.startsWith(':')) return fault('missing protocol scheme')
  if (!rest.startsWith('/')) {
    if (scheme) return { text, scheme, host: '', escapedPath: '', query }
    if (asRequest) return fault('invalid URI for request')
    if (rest.split('/', 1)[0]!.includes(':')) return fault('first path segment in URL cannot contain colon')
  }
  const hasAuthority = rest.startsWith('//') && (scheme !== '' || (!asRequest && !rest.startsWith('///')))
  const authority = hasAuthority ? rest.slice(2).split('/', 1)[0]! : ''
  const path = hasAuthority ? rest.slice(2 + authority.length) : rest
  const host = parseAuthority(authority)
  if (typeof host !== 'string') return fault(host.fault)
  const badEscape = /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(path)
  if (badEscape) return fault(`invalid URL escape ${goQuote(badEscape[0])}`)
  return { text, scheme, host, escapedPath: escapePath(path), query }
}

const isControl = (character: string) => character < ' ' || character === '\x7f'

/** The host with its port. */
function parseAuthority(authority: string): string | { fault: string } {
  const at = authority.lastIndexOf('@')
  if (at >= 0 && !/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(authority.slice(0, at)))
    return { fault: 'net/url: invalid userinfo' }
  const host = authority.slice(at + 1)
  const bracket = host.startsWith('[') ? host.lastIndexOf(']') : undefined
  if (bracket === -1) return { fault: "missing ']' in host" }
  const colon = bracket === undefined ? host.lastIndexOf(':') : bracket + 1
  const port = colon < 0 ? '' : host.slice(colon)
  if (!/^(?::\d*)?$/.test(port)) return { fault: `invalid port ${goQuote(port)} after host` }
  const bad = /[^A-Za-z0-9\-._~!$&'()*+,;=:[\]<>"%\u0080-\uffff]/u.exec(host)
  if (bad) return { fault: `invalid character ${goQuote(bad[0])} in host name` }
  const escape = /%(?:.{0,2})/s.exec(host)
  if (escape && !/^%[89A-Fa-f][0-9A-Fa-f]$/.test(escape[0]) && bracket === undefined)
    return { fault: `invalid URL escape ${goQuote(escape[0])}` }
  return host
}

/** The path as it is when all of its characters may stand there; otherwise unescaped and escaped again. */
function escapePath(path: string): string {
  if (/^[A-Za-z0-9\-_.~!$&'()*+,;=:@[\]/%]*$/.test(path)) return path
  const escaped = Buffer.from(path).reduce((text, byte) => {
    const character = String.fromCharCode(byte)
    if (/[A-Za-z0-9\-_.~$&+,/:;=@%]/.test(character)) return text + character
    return `${text}%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }, '')
  return escaped
}

/** The values of each name of a query, unescaped. What cannot be unescaped is left out. */
export function queryValues(query: string): Map<string, string[]> {
  const values = new Map<string, string[]>()
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';')) continue
    const equals = pair.indexOf('=')
    const [name, value] = (equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]).map(unescapeQuery)
    if (name === undefined || value === undefined) continue
    const before = values.get(name)
    if (before) before.push(value)
    else values.set(name, [value])
  }
  return values
}

function unescapeQuery(text: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined
  const bytes: Buffer[] = text
    .replaceAll('+', ' ')
    .split(/(%[0-9A-Fa-f]{2})/)
    .map(part => (part.startsWith('%') ? Buffer.of(parseInt(part.slice(1), 16)) : Buffer.from(part)))
  return Buffer.concat(bytes).toString('utf8')
}
