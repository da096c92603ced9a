// The filter CORS: answers what browsers ask before a request to another origin, and adds to answers what they ask for.
// Pure.
// Source: gateway-api.sigs.k8s.io/geps/gep-1767; Fetch Standard, 3.2 (HTTP-CORS protocol).
import type { CorsFilter } from '../../kinds/gateway/common.ts'
import { regexOf } from '../../kinds/networking/path-regex.ts'
import { word } from '../ingress/text.ts'

const hasOrigin = '{ var(txn.origin) -m found }'
const asks = 'METH_OPTIONS { req.hdr(origin) -m found } { req.hdr(access-control-request-method) -m found }'

/** The lines of a section. The origin itself is named in answers, never a star, which browsers refuse with credentials. */
export function corsLines(cors: CorsFilter): string[] {
  const { allowMethods = [], allowHeaders = [], exposeHeaders = [], allowCredentials, maxAge = 5 } = cors
  // What is asked for is allowed where everything is.
  const list = (all: readonly string[], asked: string) =>
    all.includes('*') ? `%[req.fhdr(${asked})]` : word(all.join(', '))
  const header = (name: string, value: string, isThere: unknown = true) =>
    isThere ? [`Access-Control-${name} ${value}`] : []
  const common = [
    ...header('Allow-Origin', '%[var(txn.origin)]'),
    ...header('Allow-Credentials', 'true', allowCredentials ?? false),
    ...header('Expose-Headers', word(exposeHeaders.join(', ')), exposeHeaders.length),
  ]
  const preflight = [
    ...common,
    ...header('Allow-Methods', list(allowMethods, 'access-control-request-method'), allowMethods.length),
    ...header('Allow-Headers', list(allowHeaders, 'access-control-request-headers'), allowHeaders.length),
    ...header('Max-Age', `${maxAge}`),
    'Vary Origin',
  ]
  const headers = preflight.map(one => `hdr ${one}`).join(' ')
  return [
    ...(cors.allowOrigins ?? []).map(originLine),
    `http-request return status 200 ${headers} if ${asks} ${hasOrigin}`,
    `http-request return status 200 hdr Vary Origin if ${asks}`,
    ...common.map(one => `http-response set-header ${one} if ${hasOrigin}`),
    'http-response add-header Vary Origin',
  ]
}

/** Keeps the origin of a request if it is allowed. A star stands for one or more characters of a host. */
function originLine(origin: string): string {
  const [before = '', after] = origin.split('*')
  const keep = 'http-request set-var(txn.origin) req.hdr(origin) if { req.hdr(origin)'
  if (origin === '*') return `${keep} -m found }`
  if (after === undefined) return `${keep} -m str -i ${word(origin)} }`
  return `${keep} -m reg -i ${word(`^${regexOf(before)}[a-z0-9.-]+${regexOf(after)}$`)} }`
}
