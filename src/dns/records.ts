// The names of the cluster, computed from Services and EndpointSlices at the time of the question:
//
//   SERVICE.NAMESPACE.svc.DOMAIN                    A       cluster address, or all ready endpoints when headless
//   SERVICE.NAMESPACE.svc.DOMAIN                    CNAME   of a Service of type ExternalName
//   HOSTNAME.SERVICE.NAMESPACE.svc.DOMAIN           A       one endpoint of a headless Service
//   _PORT._PROTOCOL.SERVICE.NAMESPACE.svc.DOMAIN    SRV     a named port
//   10-244-0-5.NAMESPACE.pod.DOMAIN                 A       the address in the name
//   5.0.244.10.in-addr.arpa                         PTR     the Service, or the endpoint of a headless one
//   dns-version.DOMAIN                              TXT     the version of the specification
//
// Source: the Kubernetes DNS specification (kubernetes/dns docs/specification.md), version 1.1.0.
import type { Mirror } from '../api/mirror.ts'
import type { Namespace } from '../kinds/core/namespace.ts'
import type { Service } from '../kinds/core/service.ts'
import type { EndpointSlice } from '../kinds/discovery/endpointslice.ts'

export interface Names {
  services: Mirror<Service>
  slices: Mirror<EndpointSlice>
  namespaces: Mirror<Namespace>
  /** The domain of the cluster, such as `cluster.local`. */
  domain: string
}

export type Record =
  | { type: 'A' | 'AAAA'; name: string; address: string }
  | { type: 'SRV'; name: string; target: string; port: number; priority: number; weight: number }
  | { type: 'CNAME' | 'PTR'; name: string; target: string }
  | { type: 'TXT'; name: string; text: string }

/**
 * The records of a name. A name may exist without records, which is a different answer than one that does not exist.
 */
export interface Found {
  exists: boolean
  records: Record[]
}

const none: Found = { exists: false, records: [] }
const serviceLabel = 'kubernetes.io/service-name'

/** Looks up a lower-case name without its last dot. Undefined when it is for other resolvers to answer. */
export function lookup(names: Names, name: string): Found | undefined {
  const reverse = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name)
  if (reverse) return lookupAddress(names, name, `${reverse[4]}.${reverse[3]}.${reverse[2]}.${reverse[1]}`)
  const suffix = `.${names.domain}`
  if (name === names.domain) return { exists: true, records: [] }
  if (!name.endsWith(suffix)) return undefined
  const labels = name.slice(0, -suffix.length).split('.')
  if (labels.length === 1 && labels[0] === 'dns-version')
    return { exists: true, records: [{ type: 'TXT', name, text: '1.1.0' }] }
  const kind = labels.at(-1)
  const namespace = labels.at(-2)
  if (kind !== 'svc' && kind !== 'pod') return none
  if (namespace === undefined) return { exists: true, records: [] }
  if (!names.namespaces.get(undefined, namespace)) return none
  const rest = labels.slice(0, -2)
  if (rest.length === 0) return { exists: true, records: [] }
  return kind === 'pod' ? lookupPod(name, rest) : lookupService(names, name, rest, namespace)
}

// The name of a pod is its address with dashes. Whether such a pod exists is not checked, like CoreDNS with
// `pods insecure`, which is how kubeadm sets it up.
function lookupPod(name: string, rest: readonly string[]): Found {
  const match = rest.length === 1 && /^(\d+)-(\d+)-(\d+)-(\d+)$/.exec(rest[0]!)
  if (!match || match.slice(1).some(part => Number(part) > 255)) return none
  return { exists: true, records: [{ type: 'A', name, address: match.slice(1).join('.') }] }
}

function lookupService(names: Names, name: string, rest: readonly string[], namespace: string): Found {
  const serviceName = rest.at(-1)!
  const service = names.services.get(namespace, serviceName)
  if (!service) return none
  if (service.spec.type === 'ExternalName') {
    return rest.length === 1
      ? {
          exists: true,
          records: [{ type: 'CNAME', name, target: (service.spec.externalName ?? '').replace(/\.$/, '') }],
        }
      : none
  }
  const headless = service.spec.clusterIP === 'None'
  const endpoints = headless ? endpointsOf(names, service) : []
  if (rest.length === 1) {
    const addresses = headless ? endpoints.map(e => e.address) : (service.spec.clusterIPs ?? [])
    return { exists: true, records: [...new Set(addresses)].map(address => addressRecord(name, address)) }
  }
  const serviceDomain = `${serviceName}.${namespace}.svc.${names.domain}`
  if (rest.length === 3 && rest[0]!.startsWith('_') && rest[1]!.startsWith('_')) {
    return services(service, name, serviceDomain, endpoints, rest[0]!.slice(1), rest[1]!.slice(1))
  }
  if (rest.length !== 2 || !headless) return none
  const matching = endpoints.filter(e => e.label === rest[0])
  return { exists: matching.length > 0, records: matching.map(e => addressRecord(name, e.address)) }
}

function services(
  service: Service,
  name: string,
  domain: string,
  endpoints: readonly Endpoint[],
  port: string,
  protocol: string,
): Found {
  const srv = (target: string, number: number): Record => ({
    type: 'SRV',
    name,
    target,
    port: number,
    priority: 0,
    weight: 100,
  })
  if (service.spec.clusterIP !== 'None') {
    const found = (service.spec.ports ?? []).filter(p => p.name === port && p.protocol.toLowerCase() === protocol)
    return { exists: found.length > 0, records: found.map(p => srv(domain, p.port)) }
  }
  const records = endpoints.flatMap(e =>
    e.ports
      .filter(p => p.name === port && p.protocol.toLowerCase() === protocol)
      .map(p => srv(`${e.label}.${domain}`, p.port)),
  )
  return { exists: records.length > 0, records }
}

interface Endpoint {
  address: string
  /** The first label of the endpoint's name: the hostname of the pod, or its address with dashes. */
  label: string
  ports: { name: string; protocol: string; port: number }[]
}

function endpointsOf({ slices }: Names, service: Service): Endpoint[] {
  const key = `${service.metadata.namespace}/${service.metadata.name}`
  const own = slices.byIndex(
    'dns-service',
    s => [`${s.metadata.namespace}/${s.metadata.labels?.[serviceLabel] ?? ''}`],
    key,
  )
  return own.flatMap(slice =>
    (slice.endpoints ?? [])
      .filter(e => (e.conditions.ready ?? true) || service.spec.publishNotReadyAddresses)
      .flatMap(e =>
        e.addresses.map(address => ({
          address,
          label: e.hostname || address.replaceAll('.', '-').replaceAll(':', '-'),
          ports: (slice.ports ?? []).map(p => ({
            name: p.name ?? '',
            protocol: p.protocol ?? 'TCP',
            port: p.port ?? 0,
          })),
        })),
      ),
  )
}

function lookupAddress(names: Names, name: string, address: string): Found | undefined {
  const service = names.services.byIndex(
    'dns-address',
    s => (s.spec.clusterIPs ?? []).filter(ip => ip !== 'None'),
    address,
  )[0]
  if (service)
    return {
      exists: true,
      records: [
        { type: 'PTR', name, target: `${service.metadata.name}.${service.metadata.namespace}.svc.${names.domain}` },
      ],
    }
  const slice = names.slices.byIndex('dns-endpoint', s => (s.endpoints ?? []).flatMap(e => e.addresses), address)[0]
  const serviceName = slice?.metadata.labels?.[serviceLabel]
  const owner = serviceName && names.services.get(slice.metadata.namespace, serviceName)
  if (!owner || owner.spec.clusterIP !== 'None') return undefined
  const label = endpointsOf(names, owner).find(e => e.address === address)?.label
  return label
    ? {
        exists: true,
        records: [
          { type: 'PTR', name, target: `${label}.${serviceName}.${slice.metadata.namespace}.svc.${names.domain}` },
        ],
      }
    : undefined
}

const addressRecord = (name: string, address: string): Record => ({
  type: address.includes(':') ? 'AAAA' : 'A',
  name,
  address,
})
