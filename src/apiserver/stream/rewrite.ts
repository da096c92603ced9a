// Rewrites links in answers of proxied programs. A program is at the root of its own host, but the client sees it below
// /api/…/proxy/, so absolute paths in redirects and HTML get that prefix. URLs of other hosts stay.
// Source: apimachinery pkg/util/proxy/transport.go (Transport).
import { Transform } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** The address at which the client sees the root of a proxied program. */
export interface ProxyLocation {
  /** The path, such as `/api/v1/namespaces/default/pods/web/proxy`, without a slash at its end. */
  prefix: string
  /** The host that the client used, and the one that was connected to. */
  hosts: readonly string[]
}

/** Rewrites a URL for the client. */
export function rewriteUrl(text: string, { prefix, hosts }: ProxyLocation): string {
  const absolute = /^(?:[a-z][a-z\d+.-]*:)?\/\/([^/?#]*)(.*)$/i.exec(text)
  if (absolute && !hosts.includes(absolute[1]!)) return text
  const path = absolute ? absolute[2] || '/' : text
  if (!path.startsWith('/') || path.startsWith(`${prefix}/`) || path === prefix) return text
  return prefix + path
}

/** For each tag, its attributes with URLs. */
const linkAttributes: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'usemap'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
}

/** Rewrites the links of HTML. Only attributes of tags are changed. */
export function rewriteHtml(html: string, location: ProxyLocation): string {
  return html.replace(/<([a-zA-Z]+)(\s[^<>]*)>/g, (tag, name: string, attributes: string) => {
    const links = linkAttributes[name.toLowerCase()]
    if (!links) return tag
    const rewritten = attributes.replace(
      /(\s)([\w-]+)(\s*=\s*)(?:"([^"]*)"|'([^']*)')/g,
      (all, space: string, attribute: string, equals: string, double?: string, single?: string) => {
        if (!links.includes(attribute.toLowerCase())) return all
        const quote = double === undefined ? "'" : '"'
        return `${space}${attribute}${equals}${quote}${rewriteUrl(double ?? single ?? '', location)}${quote}`
      },
    )
    return `<${name}${rewritten}>`
  })
}

/** Limit of a tag. Longer ones are passed on unchanged. */
const maxTagChars = 64 * 1024

/** Rewrites a page while it passes. The possible beginning of a tag is kept until its end arrives. */
export function htmlRewriter(location: ProxyLocation): Transform {
  const decoder = new StringDecoder()
  let waiting = ''
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const text = waiting + decoder.write(chunk)
      const open = text.lastIndexOf('<')
      const cut = open >= 0 && text.indexOf('>', open) < 0 && text.length - open < maxTagChars ? open : text.length
      waiting = text.slice(cut)
      done(null, rewriteHtml(text.slice(0, cut), location))
    },
    flush(done) {
      done(null, rewriteHtml(waiting + decoder.end(), location))
    },
  })
}
