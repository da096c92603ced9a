// Links in what a proxied program answers: it believes to be at the root of its host, while the client sees it below
// /api/…/proxy/. Absolute paths get that prefix, in redirects and in HTML; what points elsewhere stays.
// Source: apimachinery pkg/util/proxy/transport.go (Transport).
import { Transform } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** Where the client sees what is at the root of the proxied program. */
export interface ProxyLocation {
  /** `/api/v1/namespaces/default/pods/web/proxy`, without a slash at the end. */
  prefix: string
  /** The host the client asked, and the one that was dialled. */
  hosts: readonly string[]
}

/** A URL as the client must see it. */
export function rewriteUrl(text: string, { prefix, hosts }: ProxyLocation): string {
  const absolute = /^(?:[a-z][a-z\d+.-]*:)?\/\/([^/?#]*)(.*)$/i.exec(text)
  if (absolute && !hosts.includes(absolute[1]!)) return text
  const path = absolute ? absolute[2] || '/' : text
  if (!path.startsWith('/') || path.startsWith(`${prefix}/`) || path === prefix) return text
  return prefix + path
}

/** The attributes of each tag that hold URLs. */
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

/** HTML with its links rewritten. Only tags are looked at; the rest is kept byte for byte. */
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

/** A tag longer than this is passed on as it is. */
const maxTagChars = 64 * 1024

/** Rewrites a page as it passes. What may be the beginning of a tag waits for the rest of it. */
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
