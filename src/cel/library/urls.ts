// URLs: `url('https://example.com:80/').getHost()`.
// Source: apiserver pkg/cel/library/urls.go, pkg/cel/url.go.
import { fn, member, plain, type Library } from '../functions.ts'
import * as t from '../types.ts'
import { ArrayList, EntryMap, Opaque, failure, noSuchOverload, type Value } from '../values.ts'
import { spend } from '../work.ts'
import { parseGoUrl, queryValues, type GoUrl } from './go-url.ts'

class URLValue extends Opaque {
  readonly parts: GoUrl
  constructor(parts: GoUrl) {
    super('kubernetes.URL')
    this.parts = parts
  }

  equals(other: Opaque): boolean {
    return other instanceof URLValue && other.parts.text === this.parts.text
  }
}

const url = new URLValue({ text: '', scheme: '', host: '', escapedPath: '', query: '' }).type

function parse(text: string): URLValue | string {
  spend(text.length / 8)
  // The strict form is asked for, but takes a fragment for a part of the path.
  const strict = parseGoUrl(text, true)
  const parts = typeof strict === 'string' ? strict : parseGoUrl(text, false)
  return typeof parts === 'string' ? parts : new URLValue(parts)
}

const port = /:(\d*)$/

/** Without the port, and without the brackets of an IPv6 address. */
function hostname(host: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(host)
  return bracketed ? bracketed[1]! : host.replace(port, '')
}

/** Each name has a list of values: it may stand in a query several times. */
function query(text: string): EntryMap {
  const map = new EntryMap()
  for (const [name, values] of queryValues(text)) map.add(name, new ArrayList(values))
  return map
}

const part = (name: string, id: string, result: t.Type, read: (parts: GoUrl) => Value) =>
  fn(
    name,
    member(id, [url], result, value => (value instanceof URLValue ? read(value.parts) : noSuchOverload())),
  )

export const urls: Library = {
  name: 'kubernetes.urls',
  types: [url],
  functions: [
    fn(
      'url',
      plain('string_to_url', [t.string], url, text => {
        const parsed = parse(text as string)
        return typeof parsed === 'string' ? failure(`URL parse error during conversion from string: ${parsed}`) : parsed
      }),
    ),
    fn(
      'isURL',
      plain('is_url_string', [t.string], t.bool, text => typeof parseGoUrl(text as string, true) !== 'string'),
    ),
    part('getScheme', 'url_get_scheme', t.string, ({ scheme }) => scheme),
    part('getHost', 'url_get_host', t.string, ({ host }) => host),
    part('getHostname', 'url_get_hostname', t.string, ({ host }) => hostname(host)),
    part('getPort', 'url_get_port', t.string, ({ host }) => (host.endsWith(']') ? '' : (port.exec(host)?.[1] ?? ''))),
    part('getEscapedPath', 'url_get_escaped_path', t.string, ({ escapedPath }) => escapedPath),
    part('getQuery', 'url_get_query', t.map(t.string, t.list(t.string)), parts => query(parts.query)),
  ],
}
