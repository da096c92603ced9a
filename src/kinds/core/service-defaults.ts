// Defaults and columns of Service. Source: pkg/apis/core/v1/defaults.go, printers.go.
import { sameJson } from '../../api/equal.ts'
import type { Column, KubeObject } from '../../api/kind.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { selectorCell } from '../columns.ts'
import { needsHealthCheck } from './service-rules.ts'
import type { ServiceStatus } from './servicestatus.ts'
import { isExternal, type ServiceSpec } from './servicespec.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type OptionalField =
  | 'clusterIP'
  | 'clusterIPs'
  | 'ipFamilies'
  | 'ipFamilyPolicy'
  | 'internalTrafficPolicy'
  | 'externalTrafficPolicy'
  | 'healthCheckNodePort'
  | 'allocateLoadBalancerNodePorts'
  | 'loadBalancerClass'
type Service = KubeObject & { spec: ServiceSpec; status: ServiceStatus }

export function defaultService({ spec, status }: Mutable<Service>): void {
  for (const port of spec.ports ?? []) if (port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port
  if (spec.sessionAffinity === 'ClientIP' && !spec.sessionAffinityConfig?.clientIP)
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: 10800 } }
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.type === 'ExternalName') return
  spec.internalTrafficPolicy ??= 'Cluster'
  if (isExternal(spec)) spec.externalTrafficPolicy ??= 'Cluster'
  if (spec.type !== 'LoadBalancer') return
  spec.allocateLoadBalancerNodePorts ??= true
  for (const ingress of status.loadBalancer.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP'
}

/** What goes with a type goes when the type changes, unless the client says something else about it. */
export function prepareService(service: Mutable<Service>, old: Service | undefined): void {
  if (!old) return
  const { spec } = service
  // The load balancer itself may take longer to go, which is no concern of clients.
  if (isBalanced(old.spec) && !isBalanced(spec)) service.status.loadBalancer = {}
  for (const { fields, goWith } of typeDependent)
    if (goWith(old.spec) && !goWith(spec) && fields.every(field => sameJson(spec[field], old.spec[field])))
      for (const field of fields) delete spec[field]
}

const isBalanced = ({ type }: ServiceSpec) => type === 'LoadBalancer'
const hasAddress = ({ type }: ServiceSpec) => type !== 'ExternalName'

const typeDependent: readonly {
  fields: readonly OptionalField[]
  goWith: (spec: ServiceSpec) => boolean
}[] = [
  { fields: ['clusterIP', 'clusterIPs'], goWith: hasAddress },
  { fields: ['ipFamilies'], goWith: hasAddress },
  { fields: ['ipFamilyPolicy'], goWith: hasAddress },
  { fields: ['internalTrafficPolicy'], goWith: hasAddress },
  { fields: ['externalTrafficPolicy'], goWith: isExternal },
  { fields: ['healthCheckNodePort'], goWith: needsHealthCheck },
  { fields: ['allocateLoadBalancerNodePorts'], goWith: isBalanced },
  { fields: ['loadBalancerClass'], goWith: isBalanced },
]

export const serviceColumns: readonly Column<Service>[] = [
  { name: 'Type', type: 'string', value: '.spec.type' },
  { name: 'Cluster-IP', type: 'string', value: s => s.spec.clusterIP ?? '<none>' },
  { name: 'External-IP', type: 'string', value: s => externalText(s) },
  { name: 'Port(s)', type: 'string', value: s => portsText(s) },
  { name: 'Selector', type: 'string', wide: true, value: s => selectorCell(s.spec.selector) },
]

function externalText({ spec, status }: Service): string {
  const external = spec.externalIPs ?? []
  if (spec.type === 'ExternalName') return spec.externalName ?? '<none>'
  if (spec.type !== 'LoadBalancer') return external.join(',') || '<none>'
  const ingress = (status.loadBalancer.ingress ?? []).map(i => i.ip || i.hostname)
  return [...ingress, ...external].join(',') || '<pending>'
}

function portsText({ spec }: Service): string {
  return (
    (spec.ports ?? []).map(p => `${p.port}${p.nodePort ? `:${p.nodePort}` : ''}/${p.protocol}`).join(',') || '<none>'
  )
}
