// kube-system/kutter-config: the settings of the cluster that a node on another machine needs before it can join.
// Nodes may read this ConfigMap; it holds no secret.
import { StatusError } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { type ClusterConfig, ingressPortsOf, nodeParts, type ServerPart, vxlanIdOf } from './config.ts'

export type ClusterFacts = Pick<ClusterConfig, 'podCidrs' | 'serviceCidrs' | 'dnsAddress' | 'domain'> &
  Pick<
    ClusterConfig,
    | 'ingressHttpPort'
    | 'ingressHttpsPort'
    | 'loadBalancerPool'
    | 'nodePortAddresses'
    | 'gateway'
    | 'encrypt'
    | 'disable'
    | 'vxlanId'
  >

export const factsMetadata = { name: 'kutter-config', namespace: 'kube-system' }

const isNodePart = (part: ServerPart): boolean => nodeParts.some(one => one === part)

/**
 * Creates the ConfigMap, or corrects the one that exists.
 *
 * @param caPem the authorities that nodes are to accept
 */
export async function publishClusterFacts(client: Client, config: ClusterConfig, caPem: string): Promise<void> {
  const { dnsAddress, domain } = config
  // Several ranges are separated by commas, as in the options of Kubernetes.
  const [podCidr, serviceCidr] = [config.podCidrs.join(','), config.serviceCidrs.join(',')]
  const { http, https } = ingressPortsOf(config)
  const ingressPorts = config.disable?.includes('ingress') ? 'none' : `${http},${https}`
  const vxlanId = String(config.vxlanId ?? vxlanIdOf(config.slot))
  const { loadBalancerPool = [], nodePortAddresses = [], disable = [] } = config
  const loadBalancer = disable.includes('loadbalancer') ? 'none' : loadBalancerPool.join(',') || 'nodes'
  const data = {
    podCidr,
    serviceCidr,
    dnsAddress,
    domain,
    ingressPorts,
    loadBalancer,
    nodePortAddresses: nodePortAddresses.join(','),
    vxlanId,
    disable: disable.filter(isNodePart).join(','),
    gateway: config.gateway ? 'nodes' : 'none',
    encryption: config.encrypt ? 'wireguard' : 'none',
    authorities: caPem,
  }
  const existing = await client.find(ConfigMap, factsMetadata)
  if (!existing) await client.create(ConfigMap, { metadata: factsMetadata, data })
  else if (Object.entries(data).some(([key, value]) => existing.data?.[key] !== value))
    await client.patch(ConfigMap, factsMetadata, 'merge', { data })
}

/** The authorities that nodes are to accept, as PEM; undefined where a server of an earlier version is silent about it. */
export const authoritiesOf = ({ data }: ConfigMap): string | undefined => data?.authorities || undefined

/** The settings, if the cluster has any. Throws StatusError when one is missing. */
export async function findClusterFacts(client: Client): Promise<ClusterFacts | undefined> {
  return (await client.find(ConfigMap, factsMetadata)) && readClusterFacts(client)
}

/** Reads the settings. Throws StatusError when one is missing. */
export async function readClusterFacts(client: Client): Promise<ClusterFacts> {
  const { data = {} } = await client.get(ConfigMap, factsMetadata)
  const fact = (key: 'podCidr' | 'serviceCidr' | 'dnsAddress' | 'domain') => {
    const value = data[key]
    if (!value) throw new StatusError('InternalError', `the ConfigMap kube-system/kutter-config has no ${key}`)
    return value
  }
  return {
    podCidrs: fact('podCidr').split(','),
    serviceCidrs: fact('serviceCidr').split(','),
    dnsAddress: fact('dnsAddress'),
    domain: fact('domain'),
    vxlanId: Number(data.vxlanId) || vxlanIdOf(0),
    ...partFacts(data),
  }
}

/** A server of an earlier version has no word on Ingresses or load balancers, and leaves them to others. */
function partFacts({
  ingressPorts = '',
  loadBalancer = 'none',
  disable: leftOut = '',
  nodePortAddresses,
  gateway = 'none',
  encryption = 'none',
}: Readonly<Record<string, string>>): Omit<ClusterFacts, 'podCidrs' | 'serviceCidrs' | 'dnsAddress' | 'domain'> {
  const [, http, https] = /^(\d{1,5}),(\d{1,5})$/.exec(ingressPorts) ?? []
  const isIngress = http !== undefined && https !== undefined
  const disable: ServerPart[] = [
    ...(isIngress ? [] : (['ingress'] as const)),
    ...(loadBalancer === 'none' ? (['loadbalancer'] as const) : []),
    ...nodeParts.filter(part => leftOut.split(',').includes(part)),
  ]
  return {
    ...(isIngress && { ingressHttpPort: Number(http), ingressHttpsPort: Number(https) }),
    ...(!['none', 'nodes'].includes(loadBalancer) && { loadBalancerPool: loadBalancer.split(',') }),
    ...(nodePortAddresses && { nodePortAddresses: nodePortAddresses.split(',') }),
    ...(gateway === 'nodes' && { gateway: true }),
    ...(encryption === 'wireguard' && { encrypt: true }),
    ...(disable.length && { disable }),
  }
}
