// kube-public/cluster-info: the address of this cluster and the certificate of its authority, which anyone may read.
// The bootstrap signer adds a signature for each join token, so the holder of a token can verify the content.
// Source: kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens.
import { stringify } from 'yaml'
import type { Client } from '../client/index.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'

const metadata = { name: 'cluster-info', namespace: 'kube-public' }

/** Creates the ConfigMap, or updates the address and the authority in the one that exists. Signatures are kept. */
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
