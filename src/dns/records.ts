// The names of the cluster, computed from Services and EndpointSlices at the time of the question:
//
//   SERVICE.NAMESPACE.svc.DOMAIN                    A AAAA  cluster addresses, or all ready endpoints when headless
//                                                   SRV     all ports
//   SERVICE.NAMESPACE.svc.DOMAIN                    CNAME   of a Service of type ExternalName
//   HOSTNAME.SERVICE.NAMESPACE.svc.DOMAIN           A AAAA  one endpoint
//   _PORT._PROTOCOL.SERVICE.NAMESPACE.svc.DOMAIN    SRV     a named port, and the addresses as above
//   10-244-0-5.NAMESPACE.pod.DOMAIN                 A AAAA  the address in the name
//   5.0.244.10.in-addr.arpa, ….ip6.arpa             PTR     the Service, or the endpoints
//   dns-version.DOMAIN                              TXT     the version of the specification
//   DOMAIN                                          SOA NS  and ns.dns.DOMAIN with the addresses of the server
//
// A name that has others below it exists, without records. A headless Service without ready endpoints does not exist.
// Source: the Kubernetes DNS specification (kubernetes/dns docs/specification.md), version 1.1.0; where it is silent,
// CoreDNS plugin/kubernetes as kubeadm sets it up (`pods insecure`).
import { isIPv4, isIPv6 } from 'node:net'
import { formatIP, parseIP } from '../api/ip.ts'
import type { Mirror } from '../api/mirror.ts'
import type { Namespace } from '../kinds/core/namespace.ts'
import type { Service } from '../kinds/core/service.ts'
import type { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { endsWith, types } from './message.ts'

export interface Names {
  readonly services: Mirror<Service>
  readonly slices: Mirror<EndpointSlice>
  readonly namespaces: Mirror<Namespace>
  /** The domain of the cluster, such as `cluster.local`. */
  readonly domain: string
  /** The same as labels. */
  readonly domainLabels: readonly string[]
}

type Data =
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | {
      readonly type: 'SRV'
      readonly target: string
      readonly port: number
      readonly priority: number
      readonly weight: number
    }
  | { readonly type: 'CNAME' | 'PTR' | 'NS'; readonly target: string }
  | { readonly type: 'TXT'; readonly text: string }
  | { readonly type: 'HINFO'; readonly cpu: string; readonly os: string }
  | { readonly type: 'SOA'; readonly server: string; readonly mailbox: string }
  /** A record of another resolver, as bytes without pointers. */
  | { readonly type: 'bytes'; readonly code: number; readonly bytes: Buffer; readonly owner: Buffer }

/** A record. Without a name it has the name of the question. */
export type Record = Data & { readonly name?: string; readonly ttl: number }

/**
 * The records of one type that a name has, or its alias. A name may exist without records, which is a different answer
 * than one that does not exist.
 */
export interface Found {
  readonly exists: boolean
  readonly records: readonly Record[]
  readonly additionals?: readonly Record[]
  /** The Service, as `namespace/name`, from which alone the records are computed. */
  readonly service?: string
  /** The zone that the name is in, if it is not the domain of the cluster. */
  readonly zone?: string
}

/** For how many seconds clients may keep an answer. It is short because endpoints change. */
export const ttl = 5
const versionTtl = 28_800

const none: Found = { exists: false, records: [] }
const empty: Found = { exists: true, records: [] }
const serviceLabel = 'kubernetes.io/service-name'
/** The Service through which pods reach this server. */
const ownService = { namespace: 'kube-system', name: 'kube-dns' }

/** Looks up a name, given as labels in lower case. Undefined when it is for other resolvers to answer. */
export function lookup(names: Names, labels: readonly string[], type: number): Found | undefined {
  if (!endsWith(labels, names.domainLabels)) return lookupReverse(names, labels, type)
  const count = labels.length - names.domainLabels.length
  if (count === 0) return apex(names, type)
  const kind = labels[count - 1]!
  if (kind !== 'svc' && kind !== 'pod') return lookupOther(names, labels.slice(0, count), type)
  if (count === 1) return empty
  const namespace = labels[count - 2]!
  if (!names.namespaces.get(undefined, namespace)) return none
  if (count === 2) return empty
  const rest = labels.slice(0, count - 2)
  return kind === 'pod' ? lookupPod(rest, type) : lookupService(names, rest, namespace, type)
}

function lookupOther(names: Names, labels: readonly string[], type: number): Found {
  const name = labels.join('.')
  if (name === 'dns-version')
    return { exists: true, records: type === types.TXT ? [{ type: 'TXT', ttl: versionTtl, text: '1.1.0' }] : [] }
  if (name === 'dns') return empty
  return name === 'ns.dns' ? { exists: true, records: ofFamily(ownAddresses(names), type) } : none
}

/** The domain itself: who serves it, and how long answers last. */
function apex(names: Names, type: number): Found {
  if (type === types.SOA) return { exists: true, records: [{ ...authority(names.domain) }] }
  if (type !== types.NS) return empty
  const server = `ns.dns.${names.domain}`
  return {
    exists: true,
    records: [{ type: 'NS', ttl, target: server }],
    additionals: ownAddresses(names).map(address => addressRecord(address, server)),
  }
}

const ownAddresses = ({ services }: Names): readonly string[] =>
  services.get(ownService.namespace, ownService.name)?.spec.clusterIPs ?? []

/** The SOA record of a zone, which says how long clients may keep that there is nothing. Source: RFC 2308. */
export const authority = (zone: string): Record => ({
  type: 'SOA',
  name: zone,
  ttl,
  server: `ns.dns.${zone}`,
  mailbox: `hostmaster.${zone}`,
})

// The name of a pod is its address with dashes. Whether such a pod exists is not checked.
function lookupPod(rest: readonly string[], type: number): Found {
  const label = rest.length === 1 ? rest[0]! : ''
  const dotted = label.replaceAll('-', '.')
  const address = isIPv4(dotted) ? dotted : label.replaceAll('-', ':')
  if (!isIPv4(address) && !isIPv6(address)) return none
  return { exists: true, records: ofFamily([address], type) }
}

function lookupService(names: Names, rest: readonly string[], namespace: string, type: number): Found {
  const name = rest.at(-1)!
  const service = names.services.get(namespace, name)
  if (!service) return none
  const key = `${namespace}/${name}`
  if (service.spec.type === 'ExternalName') {
    const target = (service.spec.externalName ?? '').replace(/\.$/, '')
    // An address is no name that could be an alias.
    if (rest.length !== 1 || !target || isIPv4(target) || isIPv6(target)) return none
    return { exists: true, service: key, records: [{ type: 'CNAME', ttl, target }] }
  }
  const wanted = portOf(rest)
  if (!wanted) return none
  const hostname = rest.length === 2 ? rest[0]! : undefined
  const targets =
    service.spec.clusterIP === 'None' || hostname !== undefined
      ? endpointTargets(names, service, hostname, wanted)
      : clusterTargets(service, wanted)
  if (!targets.length) return none
  const domain = `${name}.${namespace}.svc.${names.domain}`
  if (type === types.SRV) return { exists: true, service: key, ...serviceRecords(targets, domain) }
  return { exists: true, service: key, records: ofFamily(new Set(targets.map(t => t.address)), type) }
}

/** One address of a Service or endpoint, with a port if it has any. */
interface Target {
  readonly address: string
  readonly port: number | undefined
  /** The first label of an endpoint's name; none for the Service's own. */
  readonly label?: string
}

interface WantedPort {
  readonly name?: string
  readonly protocol?: string
}

/** Which ports a name asks for: any, or by `_name._protocol`. Undefined for what cannot be a name of a Service. */
function portOf(rest: readonly string[]): WantedPort | undefined {
  if (rest.length <= 2) return {}
  const [port, protocol] = rest as [string, string]
  if (rest.length > 3 || !port.startsWith('_') || !protocol.startsWith('_')) return undefined
  return { name: port.slice(1), protocol: protocol.slice(1) }
}

const isWanted = (port: { readonly name?: string; readonly protocol?: string }, { name, protocol }: WantedPort) =>
  (name === undefined || (port.name ?? '').toLowerCase() === name) &&
  (protocol === undefined || (port.protocol ?? 'TCP').toLowerCase() === protocol)

function clusterTargets({ spec }: Service, wanted: WantedPort): Target[] {
  const addresses = spec.clusterIPs ?? []
  return (spec.ports ?? [])
    .filter(port => isWanted(port, wanted))
    .flatMap(({ port }) => addresses.map(address => ({ address, port })))
}

function endpointTargets(
  names: Names,
  service: Service,
  hostname: string | undefined,
  wanted: WantedPort,
): readonly Target[] {
  const targets: Target[] = []
  for (const { endpoint, ports } of endpointsOf(names, service)) {
    for (const address of endpoint.addresses) {
      const label = labelOf(endpoint, address)
      if (hostname !== undefined && label !== hostname) continue
      for (const port of ports) if (isWanted(port, wanted)) targets.push({ address, label, port: port.port })
      // Without ports an endpoint has an address all the same.
      if (!ports.length && wanted.name === undefined) targets.push({ address, label, port: undefined })
    }
  }
  return targets
}

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number]

function endpointsOf({ slices }: Names, { metadata, spec }: Service) {
  const key = `${metadata.namespace}/${metadata.name}`
  return slices
    .byIndex('dns-service', slice => [serviceOf(slice)], key)
    .flatMap(slice => {
      const ports = slice.ports ?? []
      // Endpoints that are names have no addresses to answer with.
      if (slice.addressType === 'FQDN') return []
      return (slice.endpoints ?? [])
        .filter(({ conditions }) => (conditions.ready ?? true) || spec.publishNotReadyAddresses)
        .map(endpoint => ({ endpoint, ports }))
    })
}

/** The Service that a slice belongs to, as `namespace/name`. */
export const serviceOf = ({ metadata }: EndpointSlice): string =>
  `${metadata.namespace}/${metadata.labels?.[serviceLabel] ?? ''}`

const labelOf = ({ hostname }: Endpoint, address: string) => hostname || address.replaceAll(/[.:]/g, '-')

/** The SRV records, each once, with the addresses of their targets. */
function serviceRecords(targets: readonly Target[], domain: string): Pick<Found, 'records' | 'additionals'> {
  const withPort = targets.filter(t => t.port !== undefined)
  const weight = Math.max(1, Math.floor(100 / withPort.length))
  const records = new Map<string, Record>()
  const additionals = new Map<string, Record>()
  for (const { address, port = 0, label } of withPort) {
    const target = label === undefined ? domain : `${label}.${domain}`
    records.set(`${target} ${port}`, { type: 'SRV', ttl, target, port, priority: 0, weight })
    additionals.set(`${target} ${address}`, addressRecord(address, target))
  }
  return { records: [...records.values()], additionals: [...additionals.values()] }
}

const addressRecord = (address: string, name?: string): Record => ({
  type: address.includes(':') ? 'AAAA' : 'A',
  ...(name !== undefined && { name }),
  ttl,
  address,
})

/** The records of the addresses of the family that is asked for. */
function ofFamily(addresses: Iterable<string>, type: number): Record[] {
  if (type !== types.A && type !== types.AAAA) return []
  const isSix = type === types.AAAA
  const records: Record[] = []
  for (const address of addresses) if (address.includes(':') === isSix) records.push(addressRecord(address))
  return records
}

function lookupReverse(names: Names, labels: readonly string[], type: number): Found | undefined {
  const address = reversedAddress(labels)
  if (address === undefined) return undefined
  const targets = namesOfAddress(names, address)
  if (!targets.length) return undefined
  const records = type === types.PTR ? targets.map((target): Record => ({ type: 'PTR', ttl, target })) : []
  return { exists: true, records, zone: labels.slice(-2).join('.') }
}

/** The address that a name below in-addr.arpa or ip6.arpa stands for. Source: RFC 1035, 3.5; RFC 3596, 2.5. */
function reversedAddress(labels: readonly string[]): string | undefined {
  if (labels.at(-1) !== 'arpa') return undefined
  const parts = labels.slice(0, -2).reverse()
  if (labels.at(-2) === 'in-addr') {
    const address = parts.join('.')
    return isIPv4(address) ? address : undefined
  }
  if (labels.at(-2) !== 'ip6' || parts.length !== 32 || !parts.every(part => /^[0-9a-f]$/.test(part))) return undefined
  return formatIP(6, BigInt(`0x${parts.join('')}`))
}

/** The Service with this cluster address, or all endpoints with it, those with a name of their own first. */
function namesOfAddress(names: Names, address: string): readonly string[] {
  const domainOf = (key: string) => `${key.split('/').reverse().join('.')}.svc.${names.domain}`
  const clusterAddresses = (s: Service) => (s.spec.clusterIPs ?? []).map(canonical)
  const [service] = names.services.byIndex('dns-address', clusterAddresses, address)
  if (service) return [domainOf(`${service.metadata.namespace}/${service.metadata.name}`)]
  const endpointAddresses = (s: EndpointSlice) => (s.endpoints ?? []).flatMap(e => e.addresses.map(canonical))
  const found: { named: boolean; target: string }[] = []
  for (const slice of names.slices.byIndex('dns-endpoint', endpointAddresses, address)) {
    const key = serviceOf(slice)
    const owner = names.services.byKey(key)
    for (const { endpoint } of owner ? endpointsOf(names, owner) : [])
      for (const own of endpoint.addresses.filter(a => canonical(a) === address))
        found.push({ named: !!endpoint.hostname, target: `${labelOf(endpoint, own)}.${domainOf(key)}` })
  }
  found.sort((a, b) => Number(b.named) - Number(a.named))
  return [...new Set(found.map(({ target }) => target))]
}

/** An address in its one spelling; only IPv6 has several. */
function canonical(address: string): string {
  const ip = address.includes(':') ? parseIP(address) : undefined
  return ip ? formatIP(ip.family, ip.value) : address
}
