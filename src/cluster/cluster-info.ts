// kube-public/cluster-info: where this cluster is and who signs for it, readable by everybody. The bootstrap signer
// adds signatures, by which the holder of a join token knows that it is the truth.
import { stringify } from 'yaml'
import type { Client } from '../client/index.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'

const metadata = { name: 'cluster-info', namespace: 'kube-public' }

/** Makes the ConfigMap, or puts the address or authority right in the one that is there. */
export async function publishClusterInfo(client: Client, server: string, caPem: string): Promise<void> {
  const kubeconfig = stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: '', cluster: { 'certificate-authority-data': Buffer.from(caPem).toString('base64'), server } }],
    contexts: [],
    'current-context': '',
    preferences: {},
    users: [],
  })
  const existing = await client.find(ConfigMap, metadata)
  if (!existing) await client.create(ConfigMap, { metadata, data: { kubeconfig } })
  else if (existing.data?.kubeconfig !== kubeconfig)
    await client.patch(ConfigMap, metadata, 'merge', { data: { kubeconfig } })
}
