// What the API server refuses in an Ingress. Source: pkg/apis/networking/validation (ValidateIngressSpec).
import { named } from '../../api/checks.ts'
import { parseIP } from '../../api/ip.ts'
import type { Path, Problem } from '../../api/path.ts'
import { dnsLabelErrors, dnsSubdomainErrors, portNameErrors } from '../../api/names.ts'
import type { HTTPIngressPath, IngressBackend, IngressSpec } from './ingressspec.ts'

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix']

export function* validateIngress(spec: IngressSpec, at: Path): Iterable<Problem> {
  if (!spec.rules?.length && !spec.defaultBackend)
    yield at.invalid(spec.rules, 'either `defaultBackend` or `rules` must be specified')
  if (spec.defaultBackend) yield* validateBackend(spec.defaultBackend, at.field('defaultBackend'))
  for (const [i, { host, http }] of (spec.rules ?? []).entries()) {
    const path = at.field('rules').index(i)
    if (host) for (const error of hostErrors(host)) yield path.field('host').invalid(host, error)
    if (!http) continue
    const paths = path.field('http', 'paths')
    if (!http.paths?.length) yield paths.required()
    for (const [n, one] of (http.paths ?? []).entries()) yield* validatePath(one, paths.index(n))
  }
  for (const [i, { hosts = [], secretName }] of (spec.tls ?? []).entries()) {
    const path = at.field('tls').index(i)
    for (const [n, host] of hosts.entries()) yield* named(hostErrors, host, path.field('hosts').index(n))
    if (secretName) yield* named(dnsSubdomainErrors, secretName, path.field('secretName'))
  }
  if (spec.ingressClassName !== undefined)
    for (const error of dnsSubdomainErrors(spec.ingressClassName))
      yield at.field('ingressClassName').invalid(spec.ingressClassName, error)
}

/** A name, or a name below `*.`; no address. */
function hostErrors(host: string): string[] {
  if (parseIP(host)) return ['must be a DNS name, not an IP address']
  if (!host.includes('*')) return dnsSubdomainErrors(host)
  if (host.startsWith('*.') && dnsSubdomainErrors(host.slice(2)).length === 0) return []
  return [
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ]
}

function* validatePath({ path = '', pathType, backend }: HTTPIngressPath, at: Path): Iterable<Problem> {
  if (pathType === undefined) return yield at.field('pathType').required('pathType must be specified')
  const exact = pathType === 'Exact' || pathType === 'Prefix'
  if (!pathTypes.includes(pathType)) yield at.field('pathType').notSupported(pathType, pathTypes)
  else if (!path.startsWith('/') && (exact || path !== ''))
    yield at.field('path').invalid(path, 'must be an absolute path')
  else if (exact) {
    for (const part of ['//', '/./', '/../', '%2f', '%2F'])
      if (path.includes(part)) yield at.field('path').invalid(path, `must not contain '${part}'`)
    for (const end of ['/..', '/.'])
      if (path.endsWith(end)) yield at.field('path').invalid(path, `cannot end with '${end}'`)
  }
  yield* validateBackend(backend, at.field('backend'))
}

function* validateBackend({ service, resource }: IngressBackend, at: Path): Iterable<Problem> {
  if (service && resource) return yield at.invalid('', 'cannot set both resource and service backends')
  if (resource) {
    for (const name of ['kind', 'name'] as const) if (!resource[name]) yield at.field('resource', name).required()
    return
  }
  if (!service) return yield at.invalid('', 'resource or service backend is required')
  const path = at.field('service')
  if (!service.name) yield path.field('name').required()
  else for (const error of dnsLabelErrors(service.name)) yield path.field('name').invalid(service.name, error)
  const { name, number } = service.port
  if (name && number) yield at.invalid('', 'cannot set both port name & port number')
  else if (name) for (const error of portNameErrors(name)) yield path.field('port', 'name').invalid(name, error)
  else if (!number) yield at.required('port name or number is required')
  else if (number < 1 || number > 65535)
    yield path.field('port', 'number').invalid(number, 'must be between 1 and 65535, inclusive')
}
