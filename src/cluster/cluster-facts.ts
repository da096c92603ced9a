// kube-system/kutter-config: the settings of the cluster that a node on another machine needs before it can join.
// Nodes may read this ConfigMap; it holds no secret.
import { StatusError } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import type { ClusterConfig } from './config.ts'

export type ClusterFacts = Pick<ClusterConfig, 'podCidr' | 'serviceCidr' | 'dnsAddress' | 'domain'>

const metadata = { name: 'kutter-config', namespace: 'kube-system' }

/** Creates the ConfigMap, or corrects the one that exists. */
export async function publishClusterFacts(client: Client, config: ClusterFacts): Promise<void> {
  const { podCidr, serviceCidr, dnsAddress, domain } = config
  const data = { podCidr, serviceCidr, dnsAddress, domain }
  const existing = await client.find(ConfigMap, metadata)
  if (!existing) await client.create(ConfigMap, { metadata, data })
  else if (Object.entries(data).some(([key, value]) => existing.data?.[key] !== value))
    await client.patch(ConfigMap, metadata, 'merge', { data })
}

/** Reads the settings. Throws StatusError when one is missing. */
export async function readClusterFacts(client: Client): Promise<ClusterFacts> {
  const { data = {} } = await client.get(ConfigMap, metadata)
  const fact = (key: keyof ClusterFacts) => {
    const value = data[key]
    if (!value) throw new StatusError('InternalError', `the ConfigMap kube-system/kutter-config has no ${key}`)
    return value
  }
  return {
    podCidr: fact('podCidr'),
    serviceCidr: fact('serviceCidr'),
    dnsAddress: fact('dnsAddress'),
    domain: fact('domain'),
  }
}
