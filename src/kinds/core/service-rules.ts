// Defaults, validation and columns of Service. Source: pkg/apis/core/v1/defaults.go, validation.go, printers.go.
import type { Column, KubeObject } from '../../api/kind.ts'
import { validateLabels } from '../../api/checks.ts'
import { parseIP } from '../../api/ip.ts'
import type { Path, Problem } from '../../api/path.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { dns1035Errors, dnsLabelErrors, dnsSubdomainErrors, portNameErrors } from '../../api/names.ts'
import { selectorCell } from '../columns.ts'
import type { ServiceSpec, ServiceStatus } from './service.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Service = KubeObject & { spec: ServiceSpec; status: ServiceStatus }

export function defaultService({ spec }: Service): void {
  for (const port of spec.ports ?? []) if (port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port
  if (spec.sessionAffinity === 'ClientIP') spec.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: 10800 } }
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.type === 'ExternalName') return
  spec.internalTrafficPolicy ??= 'Cluster'
  spec.ipFamilies ??= [(parseIP(spec.clusterIP ?? '')?.family ?? 4) === 6 ? 'IPv6' : 'IPv4']
  spec.ipFamilyPolicy ??= 'SingleStack'
  if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') spec.externalTrafficPolicy ??= 'Cluster'
  else delete spec.externalTrafficPolicy
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true
  else delete spec.allocateLoadBalancerNodePorts
}

export function* validateService(service: DeepReadonly<Service>, root: Path): Iterable<Problem> {
  const { spec } = service
  const at = root.field('spec')
  const ports = spec.ports ?? []
  if (!ports.length && spec.clusterIP !== 'None' && spec.type !== 'ExternalName') yield at.field('ports').required()
  if (spec.type === 'ExternalName') {
    if (!spec.externalName) yield at.field('externalName').required()
    else
      for (const error of dnsSubdomainErrors(spec.externalName.replace(/\.$/, '')))
        yield at.field('externalName').invalid(spec.externalName, error)
  }
  if (spec.clusterIP === 'None' && spec.type !== 'ClusterIP' && spec.type !== 'ExternalName')
    yield at.field('clusterIPs').index(0).invalid('None', `may not be set to 'None' for ${spec.type} services`)
  if (spec.clusterIP && spec.clusterIP !== 'None' && !parseIP(spec.clusterIP))
    yield at
      .field('clusterIPs')
      .index(0)
      .invalid(spec.clusterIP, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')
  for (const [i, ip] of (spec.externalIPs ?? []).entries())
    if (!parseIP(ip))
      yield at
        .field('externalIPs')
        .index(i)
        .invalid(ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')
  yield* validateLabels(spec.selector, at.field('selector'))
  yield* validatePorts(service, at.field('ports'))
}

function* validatePorts({ spec }: DeepReadonly<Service>, at: Path): Iterable<Problem> {
  const ports = spec.ports ?? []
  const names = new Set<string>()
  const numbers = new Set<string>()
  for (const [i, port] of ports.entries()) {
    const path = at.index(i)
    if (!port.name) {
      if (ports.length > 1) yield path.field('name').required()
    } else {
      for (const error of dnsLabelErrors(port.name)) yield path.field('name').invalid(port.name, error)
      if (names.has(port.name)) yield path.field('name').duplicate(port.name)
      names.add(port.name)
    }
    if (port.port < 1 || port.port > 65535)
      yield path.field('port').invalid(port.port, 'must be between 1 and 65535, inclusive')
    if (typeof port.targetPort === 'number') {
      if (port.targetPort < 1 || port.targetPort > 65535)
        yield path.field('targetPort').invalid(port.targetPort, 'must be between 1 and 65535, inclusive')
    } else
      for (const error of portNameErrors(port.targetPort))
        yield path.field('targetPort').invalid(port.targetPort, error)
    if (port.nodePort && spec.type !== 'NodePort' && spec.type !== 'LoadBalancer')
      yield path.field('nodePort').forbidden("may not be used when `type` is 'ClusterIP'")
    const key = `${port.protocol}/${port.port}`
    if (numbers.has(key)) yield path.duplicate({ port: port.port, protocol: port.protocol })
    numbers.add(key)
  }
}

export function* validateServiceUpdate(
  next: DeepReadonly<Service>,
  old: DeepReadonly<Service>,
  root: Path,
): Iterable<Problem> {
  const before = old.spec.clusterIP
  if (old.spec.type === 'ExternalName' || next.spec.type === 'ExternalName' || !before) return
  if (next.spec.clusterIP !== before)
    yield root
      .field('spec', 'clusterIPs')
      .index(0)
      .invalid(next.spec.clusterIPs ?? null, 'may not change once set')
}

export const serviceNameErrors = dns1035Errors

export const serviceColumns: readonly Column<Service>[] = [
  { name: 'Type', type: 'string', value: '.spec.type' },
  { name: 'Cluster-IP', type: 'string', value: s => s.spec.clusterIP ?? '<none>' },
  { name: 'External-IP', type: 'string', value: s => externalText(s) },
  { name: 'Port(s)', type: 'string', value: s => portsText(s) },
  { name: 'Selector', type: 'string', wide: true, value: s => selectorCell(s.spec.selector) },
]

function externalText({ spec, status }: DeepReadonly<Service>): string {
  const external = spec.externalIPs ?? []
  if (spec.type === 'ExternalName') return spec.externalName ?? '<none>'
  if (spec.type !== 'LoadBalancer') return external.join(',') || '<none>'
  const ingress = (status.loadBalancer.ingress ?? []).map(i => i.ip || i.hostname)
  return [...ingress, ...external].join(',') || '<pending>'
}

function portsText({ spec }: DeepReadonly<Service>): string {
  return (
    (spec.ports ?? []).map(p => `${p.port}${p.nodePort ? `:${p.nodePort}` : ''}/${p.protocol}`).join(',') || '<none>'
  )
}
