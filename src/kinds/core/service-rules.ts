// What a Service may ask for, and what of it stays as it was.
// Source: pkg/apis/core/validation (ValidateService, ValidateServiceUpdate and below).
import {
  immutable,
  named,
  oneOf,
  type Problems,
  requiredName,
  supported,
  validateCIDR,
  validateIP,
  validateLabels,
  validatePort,
} from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { ipFamily } from '../../api/ip.ts'
import type { KubeObject } from '../../api/kind.ts'
import { dnsLabelErrors, dnsSubdomainErrors, portErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { notSpecialIP } from './address-rules.ts'
import { protocols } from './container-rules.ts'
import { isExternal, ServicePort, type ServiceSpec } from './servicespec.ts'
import type { LoadBalancerIngress, ServiceStatus } from './servicestatus.ts'

type Service = KubeObject & { spec: ServiceSpec }
type Spec = ServiceSpec

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const hints = 'service.kubernetes.io/topology-aware-hints'
const mode = 'service.kubernetes.io/topology-mode'
const rangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges'
const balancersOnly = "may only be used when `type` is 'LoadBalancer'"

const isHeadless = ({ clusterIPs }: Spec) => clusterIPs?.length === 1 && clusterIPs[0] === 'None'

export function* validateService({ metadata: { annotations = {} }, spec }: Service, root: Path): Problems {
  const at = root.field('spec')
  if (annotations[mode] !== undefined && annotations[hints] !== undefined && annotations[mode] !== annotations[hints])
    yield root
      .field('metadata', 'annotations')
      .key(mode)
      .invalid(annotations[mode], `must match annotations[${hints}] when both are specified`)
  if (!spec.ports?.length && !isHeadless(spec) && spec.type !== 'ExternalName') yield at.field('ports').required()
  yield* validateType(spec, at)
  yield* validatePorts(spec, at.field('ports'))
  yield* validateLabels(spec.selector, at.field('selector'))
  yield* validateAffinity(spec, at)
  if (spec.type !== 'ExternalName') yield* validateClusterIPs(spec, at)
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    const path = at.field('externalIPs').index(i)
    yield* ipFamily(ip) ? notSpecialIP(ip, path) : validateIP(ip, path)
  }
  yield* validateRanges(spec, annotations[rangesAnnotation], root)
  yield* validateBalancer(spec, at)
  yield* validateTraffic(spec, at)
}

function* validateType(spec: Spec, at: Path): Problems {
  const { type, externalName = '' } = spec
  yield* oneOf(type, types, at.field('type'))
  if (isHeadless(spec) && (type === 'LoadBalancer' || type === 'NodePort'))
    yield at.field('clusterIPs').index(0).invalid('None', `may not be set to 'None' for ${type} services`)
  if (type !== 'ExternalName') return
  for (const field of ['clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const)
    if (spec[field]?.length) yield at.field(field).forbidden('may not be set for ExternalName services')
  yield* requiredName(dnsSubdomainErrors, externalName.replace(/\.$/, ''), at.field('externalName'))
}

function* validatePorts(spec: Spec, at: Path): Problems {
  const ports = spec.ports ?? []
  const names = new Set<string>()
  for (const [i, port] of ports.entries()) {
    const path = at.index(i)
    const { name = '', protocol, nodePort, appProtocol } = port
    if (name || ports.length > 1) yield* requiredName(dnsLabelErrors, name, path.field('name'))
    if (name && names.has(name)) yield path.field('name').duplicate(name)
    names.add(name)
    for (const error of portErrors(port.port)) yield path.field('port').invalid(port.port, error)
    yield* oneOf(protocol, protocols, path.field('protocol'))
    yield* validatePort(port.targetPort, path.field('targetPort'))
    if (appProtocol !== undefined) yield* named(qualifiedNameErrors, appProtocol, path.field('appProtocol'))
    if (nodePort && spec.type === 'ClusterIP')
      yield path.field('nodePort').forbidden("may not be used when `type` is 'ClusterIP'")
    const before = ports.slice(0, i).filter(other => other.protocol === protocol)
    if (nodePort && before.some(other => other.nodePort === nodePort)) yield path.field('nodePort').duplicate(nodePort)
    if (before.some(other => other.port === port.port))
      yield path.duplicate(goStruct(ServicePort, { protocol, port: port.port }))
  }
}

const maxAffinitySeconds = 86_400

function* validateAffinity({ sessionAffinity, sessionAffinityConfig: config }: Spec, at: Path): Problems {
  yield* oneOf(sessionAffinity, ['ClientIP', 'None'], at.field('sessionAffinity'))
  const path = at.field('sessionAffinityConfig')
  if (sessionAffinity === 'None') {
    if (config) yield path.forbidden('must not be set when session affinity is None')
    return
  }
  if (sessionAffinity !== 'ClientIP') return
  const missing = 'when session affinity type is ClientIP'
  if (!config) return yield path.required(missing)
  if (!config.clientIP) return yield path.field('clientIP').required(missing)
  const { timeoutSeconds: seconds } = config.clientIP
  if (seconds <= 0 || seconds > maxAffinitySeconds)
    yield path
      .field('clientIP', 'timeoutSeconds')
      .invalid(seconds, `must be greater than 0 and less than ${maxAffinitySeconds}`)
}

/** Addresses and families of addresses, which have to be right before any can be given out. */
export function* validateClusterIPs(spec: Spec, at: Path): Problems {
  const { clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec
  const path = at.field('clusterIPs')
  if (clusterIP) {
    if (!clusterIPs.length) yield path.required()
    else if (clusterIPs[0] !== clusterIP) yield path.invalid(clusterIPs, 'first value must match `clusterIP`')
  } else if (clusterIPs.length) yield path.invalid(clusterIPs, 'must be empty when `clusterIP` is not specified')
  for (const [i, family] of ipFamilies.entries()) {
    yield* supported(family, ['IPv4', 'IPv6'], at.field('ipFamilies').index(i))
    if (ipFamilies.indexOf(family) < i) yield at.field('ipFamilies').index(i).duplicate(family)
  }
  if (ipFamilyPolicy !== undefined)
    yield* supported(ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack'], at.field('ipFamilyPolicy'))
  const isNone = clusterIPs[0] === 'None'
  if (isNone && clusterIPs.length > 1) yield path.invalid(clusterIPs, "'None' must be the first and only value")
  const wrong = clusterIPs.flatMap((ip, i) => (i === 0 && isNone ? [] : [...validateIP(ip, path.index(i))]))
  yield* wrong
  if (clusterIPs.length > 2) yield path.invalid(clusterIPs, 'may only hold up to 2 values')
  if (!wrong.length && !isNone) yield* validateFamilies(clusterIPs, ipFamilies, path)
}

function* validateFamilies(ips: readonly string[], families: readonly string[], at: Path): Problems {
  const found = ips.map(ip => `IPv${ipFamily(ip)}`)
  if (ips.length > 1 && new Set(found).size < 2)
    yield at.invalid(ips, 'may specify no more than one IP for each IP family')
  for (const [i, ip] of ips.entries())
    if ((families[i] === 'IPv4' || families[i] === 'IPv6') && families[i] !== found[i])
      yield at.index(i).invalid(ip, `expected an ${families[i]} value as indicated by \`ipFamilies[${i}]\``)
}

/** Who may reach a load balancer, by the field or by the annotation before it. */
function* validateRanges(
  { type, loadBalancerSourceRanges }: Spec,
  annotation: string | undefined,
  root: Path,
): Problems {
  if (loadBalancerSourceRanges?.length) {
    const path = root.field('spec', 'LoadBalancerSourceRanges')
    if (type !== 'LoadBalancer') yield path.forbidden(balancersOnly)
    for (const [i, range] of loadBalancerSourceRanges.entries()) yield* validateCIDR(range.trim(), path.index(i))
  } else if (annotation !== undefined) {
    const path = root.field('metadata', 'annotations').key(rangesAnnotation)
    if (type !== 'LoadBalancer') yield path.forbidden(balancersOnly)
    if (annotation.trim()) for (const range of annotation.split(',')) yield* validateCIDR(range.trim(), path)
  }
}

function* validateBalancer({ type, allocateLoadBalancerNodePorts, loadBalancerClass }: Spec, at: Path): Problems {
  if (type !== 'LoadBalancer') {
    if (allocateLoadBalancerNodePorts !== undefined)
      yield at.field('allocateLoadBalancerNodePorts').forbidden(balancersOnly)
    if (loadBalancerClass !== undefined) yield at.field('loadBalancerClass').forbidden(balancersOnly)
  } else if (loadBalancerClass !== undefined)
    yield* named(qualifiedNameErrors, loadBalancerClass, at.field('loadBalancerClass'))
}

/** Whether the load balancer is to ask each node whether it has pods of the service. */
export const needsHealthCheck = ({ type, externalTrafficPolicy }: Spec) =>
  type === 'LoadBalancer' && externalTrafficPolicy === 'Local'

function* validateTraffic(spec: Spec, at: Path): Problems {
  const { externalTrafficPolicy, internalTrafficPolicy, healthCheckNodePort, trafficDistribution } = spec
  const policies = ['Cluster', 'Local']
  const external = at.field('externalTrafficPolicy')
  if (isExternal(spec)) yield* oneOf(externalTrafficPolicy, policies, external)
  else if (externalTrafficPolicy)
    yield external.invalid(externalTrafficPolicy, 'may only be set for externally-accessible services')
  const health = at.field('healthCheckNodePort')
  if (!needsHealthCheck(spec)) {
    if (healthCheckNodePort)
      yield health.invalid(
        healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      )
  } else if (healthCheckNodePort)
    for (const error of portErrors(healthCheckNodePort)) yield health.invalid(healthCheckNodePort, error)
  if (internalTrafficPolicy !== undefined)
    yield* supported(internalTrafficPolicy, policies, at.field('internalTrafficPolicy'))
  if (trafficDistribution !== undefined)
    yield* supported(
      trafficDistribution,
      ['PreferClose', 'PreferSameZone', 'PreferSameNode'],
      at.field('trafficDistribution'),
    )
}

const onceSet = 'may not change once set'

export function* validateServiceUpdate({ spec: next }: Service, { spec: old }: Service, root: Path): Problems {
  const at = root.field('spec')
  if (next.type === 'LoadBalancer' && old.type === 'LoadBalancer' && next.loadBalancerClass !== old.loadBalancerClass)
    yield at.field('loadBalancerClass').invalid(next.loadBalancerClass, onceSet)
  if (needsHealthCheck(old) && needsHealthCheck(next) && next.healthCheckNodePort !== old.healthCheckNodePort)
    yield at.field('healthCheckNodePort').forbidden(immutable)
  if (next.type === 'ExternalName' || old.type === 'ExternalName') return
  if (!isHeadless(next) || !isHeadless(old)) yield* validateKept(next, old, 'clusterIPs', 'clusterIP', at)
  if (isHeadless(next) === isHeadless(old) && !isHeadless(next))
    yield* validateKept(next, old, 'ipFamilies', 'ipFamily', at)
}

/** The first of two stays; the second may come, and go if the service is to have one only. */
function* validateKept(next: Spec, old: Spec, field: 'clusterIPs' | 'ipFamilies', one: string, at: Path): Problems {
  const [before, after] = [old[field] ?? [], next[field] ?? []]
  const path = at.field(field)
  if (before.length === after.length) {
    for (const [i, value] of before.entries())
      if (value !== after[i]) yield path.index(field === 'clusterIPs' ? i : 0).invalid(next[field], onceSet)
    return
  }
  if (before.length > after.length && !after.length)
    yield path.index(0).invalid(next[field], `primary ${one} can not be unset`)
  else if (before.length && before[0] !== after[0]) yield path.index(0).invalid(next.clusterIPs, onceSet)
  if (before.length > 1 && after.length === 1 && next.ipFamilyPolicy !== 'SingleStack')
    yield at
      .field('ipFamilyPolicy')
      .invalid(next.ipFamilyPolicy, `must be set to 'SingleStack' when releasing the secondary ${one}`)
}

/** A write through /status: what a load balancer reports of itself. */
export function* validateServiceStatus(
  { spec, status }: Service & { status: ServiceStatus },
  _old: unknown,
  root: Path,
): Problems {
  const ingress = status.loadBalancer.ingress ?? []
  const at = root.field('status', 'loadBalancer', 'ingress')
  if (spec.type !== 'LoadBalancer' && ingress.length)
    return yield at.forbidden("may only be used when `spec.type` is 'LoadBalancer'")
  for (const [i, one] of ingress.entries()) yield* validateIngress(one, at.index(i))
}

function* validateIngress({ ip = '', hostname = '', ipMode }: LoadBalancerIngress, at: Path): Problems {
  if (ip) yield* validateIP(ip, at.field('ip'))
  const mode = at.field('ipMode')
  if (ipMode === undefined) {
    if (ip) yield mode.required('must be specified when `ip` is set')
  } else if (!ip) yield mode.forbidden('may not be specified when `ip` is not set')
  else yield* supported(ipMode, ['Proxy', 'VIP'], mode)
  if (!hostname) return
  yield* named(dnsSubdomainErrors, hostname, at.field('hostname'))
  if (ipFamily(hostname)) yield at.field('hostname').invalid(hostname, 'must be a DNS name, not an IP address')
}
