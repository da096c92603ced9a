// How Services of type LoadBalancer get their addresses, by the configuration of the cluster.
import { type IPRange, parseIPRange, rangesOverlap } from '../api/ip-range.ts'
import type { GatewaySharing, LoadBalancing } from '../controllers/index.ts'
import { parsePool } from '../kinds/core/service-balancing.ts'
import type { Client } from '../client/index.ts'
import { findClusterFacts } from './cluster-facts.ts'
import { type ClusterConfig, ingressPortsOf } from './config.ts'

type PortConfig = Parameters<typeof ingressPortsOf>[0]
type PoolConfig = Pick<ClusterConfig, 'loadBalancerPool' | 'disable' | 'gateway'> &
  Partial<Pick<ClusterConfig, 'podCidrs' | 'serviceCidrs'>>

/**
 * The pool of addresses; undefined without one, or when load balancing is left to others. Throws an Error that states
 * what is wrong with it.
 */
export function poolOf({
  loadBalancerPool = [],
  disable,
  podCidrs = [],
  serviceCidrs = [],
}: PoolConfig): IPRange[] | undefined {
  if (disable?.includes('loadbalancer') || !loadBalancerPool.length) return undefined
  const pool = parsePool(loadBalancerPool)
  const own = { pods: podCidrs, Services: serviceCidrs }
  for (const [what, texts] of Object.entries(own))
    for (const text of texts) {
      const other = pool.find(range => rangesOverlap(range, parseIPRange(text)))
      if (other) throw new Error(`the range ${other.text} of the pool overlaps with that of ${what}, ${text}`)
    }
  return pool
}

/** How Gateways share nodes and pool with Ingresses and Services; undefined when they are left to others. */
export function gatewaySharingOf(config: PoolConfig & PortConfig): GatewaySharing | undefined {
  if (!config.gateway) return undefined
  const ports = Object.values(ingressPortsOf(config))
  return { ingressPorts: config.disable?.includes('ingress') ? [] : ports, pool: poolOf(config) ?? [] }
}

/** The settings for controllers that run by themselves. A cluster that is not Kutter's has other controllers for it. */
export async function publishedSharing(
  client: Client,
): Promise<{ loadBalancing?: LoadBalancing; gateways?: GatewaySharing }> {
  const facts = await findClusterFacts(client)
  if (!facts) return {}
  const config = { name: '', slot: -1, ...facts }
  const [loadBalancing, gateways] = [loadBalancingOf(config), gatewaySharingOf(config)]
  return { ...(loadBalancing && { loadBalancing }), ...(gateways && { gateways }) }
}

/** What the controller is to do; undefined when load balancing is left to others. */
export function loadBalancingOf(config: PoolConfig & PortConfig): LoadBalancing | undefined {
  if (config.disable?.includes('loadbalancer')) return undefined
  const pool = poolOf(config)
  const { http, https } = ingressPortsOf(config)
  const isIngress = !config.disable?.includes('ingress')
  return {
    ...(pool && { pool }),
    ...(isIngress && { ingressPorts: [http, https] }),
    ...(config.gateway && { gateways: true }),
  }
}
