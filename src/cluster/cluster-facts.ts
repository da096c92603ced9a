// kube-system/kutter-config: what a node on another machine has to know of the cluster before it can be one of its
// nodes. Nodes may read it; it holds no secret.
import { StatusError } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import type { ClusterConfig } from './config.ts'

export type ClusterFacts = Pick<ClusterConfig, 'podCidr' | 'serviceCidr' | 'dnsAddress' | 'domain'>

const metadata = { name: 'kutter-config', namespace: 'kube-system' }

/** Makes the ConfigMap, or puts it right. */
export async function publishClusterFacts(client: Client, config: ClusterFacts): Promise<void> {
  const { podCidr, serviceCidr, dnsAddress, domain } = config
  const data = { podCidr, serviceCidr, dnsAddress, domain }
  const existing = await client.find(ConfigMap, metadata)
  if (!existing) await client.create(ConfigMap, { metadata, data })
  else if (Object.entries(data).some(([key, value]) => existing.data?.[key] !== value))
    await client.patch(ConfigMap, metadata, 'merge', { data })
}

export async function readClusterFacts(client: Client): Promise<ClusterFacts> {
  const { data = {} } = await client.get(ConfigMap, metadata)
  const fact = (key: keyof ClusterFacts) => {
    const value = data[key]
    if (!value) throw new StatusError('InternalError', `kube-system/kutter-config of the cluster does not say ${key}`)
    return value
  }
  return {
    podCidr: fact('podCidr'),
    serviceCidr: fact('serviceCidr'),
    dnsAddress: fact('dnsAddress'),
    domain: fact('domain'),
  }
}
