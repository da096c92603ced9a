// The Service kube-dns, which gives the DNS servers of all nodes one address. Its endpoints are the nodes that have a
// range of pod addresses. Its internal traffic policy is Local: every node uses its own server, so the loss of one node
// costs no other node its DNS.
import { sameJson } from '../api/equal.ts'
import { ipFamily, parseCidr } from '../api/ip.ts'
import { Chore } from '../base/chore.ts'
import { messageOf } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { gatewayOf } from '../network/index.ts'
import type { ClusterConfig } from './config.ts'

/**
 * The port of the nodes' DNS servers, on the address of their bridge. Another DNS server of the machine may already
 * have port 53 on all addresses.
 */
export const dnsPort = 10053
/** The port of their metrics, which is CoreDNS' own. */
export const dnsMetricsPort = 9153

const retry = { firstMs: 200, maxMs: 10_000 }
const namespace = 'kube-system'
const name = 'kube-dns'
const labels = { 'k8s-app': 'kube-dns', 'kubernetes.io/name': 'CoreDNS', 'kubernetes.io/cluster-service': 'true' }

const annotations = { 'prometheus.io/port': String(dnsMetricsPort), 'prometheus.io/scrape': 'true' }
const internalTrafficPolicy = 'Local' as const
const ports = [
  { name: 'dns', port: 53, protocol: 'UDP' as const, targetPort: dnsPort },
  { name: 'dns-tcp', port: 53, protocol: 'TCP' as const, targetPort: dnsPort },
  { name: 'metrics', port: dnsMetricsPort, protocol: 'TCP' as const, targetPort: dnsMetricsPort },
]

/** Creates the Service, or adds what one of a former version lacks. One that selects pods is somebody's own. */
async function ensureService(client: Client, address: string): Promise<void> {
  const before = await client.find(Service, { namespace, name })
  if (!before) {
    await client.create(Service, {
      metadata: { name, namespace, labels, annotations },
      spec: { clusterIP: address, internalTrafficPolicy, ports },
    })
    return
  }
  if (Object.keys(before.spec.selector ?? {}).length) return
  const hasMetrics = before.spec.ports?.some(port => port.name === 'metrics')
  if (hasMetrics && before.spec.internalTrafficPolicy === internalTrafficPolicy) return
  const change = { metadata: { annotations }, spec: { internalTrafficPolicy, ports } }
  await client.patch(Service, { namespace, name }, 'merge', change)
}

/** Creates the Service and keeps its endpoints up to date until the signal aborts. */
export async function keepDnsService(
  client: Client,
  { dnsAddress, podCidrs, disable }: Pick<ClusterConfig, 'dnsAddress' | 'podCidrs' | 'disable'>,
  signal: AbortSignal,
): Promise<void> {
  await ensureService(client, dnsAddress)
  const family = parseCidr(podCidrs[0] ?? '')?.family ?? 4
  // The server listens on the node's bridge, or where there is none on the node's own addresses.
  const serverOf = ({ spec, status }: Node) =>
    disable?.includes('network')
      ? status.addresses?.find(one => one.type === 'InternalIP' && ipFamily(one.address) === family)?.address
      : parseCidr(spec.podCIDR ?? '')?.family === family
        ? gatewayOf(spec.podCIDR!)
        : undefined
  const nodes = client.mirror(Node)
  const slices = client.mirror(EndpointSlice)
  await client.synced([nodes, slices], signal)
  const failed = (error: unknown) =>
    client.log.warn('cannot write the endpoints of kube-dns, trying again', { why: messageOf(error) })
  const chore = new Chore({ signal, retry: { ...retry, clock: client.clock, failed } }, async () => {
    const wanted = sliceOf(nodes.list(), family, serverOf)
    const there = await client.find(EndpointSlice, { namespace, name })
    if (!there) await client.create(EndpointSlice, wanted)
    else if (!sameJson(partsOf(there), partsOf(wanted))) await client.update(EndpointSlice, wanted)
  })
  // Nodes write their status often, and none of it matters here: only changed endpoints wake the chore.
  let last = ''
  const stops = [
    nodes.subscribe(() => {
      const text = JSON.stringify(sliceOf(nodes.list(), family, serverOf).endpoints)
      if (text !== last) chore.wake()
      last = text
    }, 'kube-dns endpoints'),
    slices.subscribeEach(({ item }) => {
      if (item.object.metadata.name === name && item.object.metadata.namespace === namespace) chore.wake()
    }, 'kube-dns endpoints'),
  ]
  signal.addEventListener('abort', () => stops.forEach(stop => stop()), { once: true })
  chore.wake()
}

/** What matters of a slice. */
const partsOf = ({ endpoints = [], ports = [] }: Pick<EndpointSlice, 'endpoints' | 'ports'>) => ({
  endpoints: endpoints.map(({ addresses, nodeName }) => ({ addresses, nodeName })),
  ports: ports.map(({ name, port, protocol }) => ({ name, port, protocol })),
})

/** The EndpointSlice of the Service: one endpoint for each node that has a range of pod addresses. */
function sliceOf(nodes: readonly Node[], family: 4 | 6, serverOf: (node: Node) => string | undefined) {
  const endpoints = nodes
    .flatMap(node => {
      const address = serverOf(node)
      const conditions = { ready: true, serving: true, terminating: false }
      return address ? [{ addresses: [address], conditions, nodeName: node.metadata.name ?? '' }] : []
    })
    .sort((a, b) => (a.nodeName < b.nodeName ? -1 : 1))
  return {
    metadata: {
      name,
      namespace,
      labels: { ...labels, 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': 'kutter' },
    },
    addressType: `IPv${family}` as const,
    endpoints,
    ports: ports.map(({ name, protocol, targetPort: port }) => ({ name, port, protocol })),
  }
}
