// The root CA publisher: keeps a ConfigMap in every namespace with the certificate by which pods verify the API server.
// Source: pkg/controller/certificates/rootcacertpublisher.
import { sameJson } from '../api/equal.ts'
import { isReason } from '../base/errors.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { type Controller, defineController, watch } from './harness.ts'

const name = 'kube-root-ca.crt'
const descriptionKey = 'kubernetes.io/description'
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.'

/** @param caPem the certificate authority of the API server, as PEM */
export const rootCaController = (caPem: string): Controller =>
  defineController({
    name: 'root-ca-cert-publisher',
    reconciles: Namespace,
    watches: [watch(ConfigMap, map => (map.metadata.name === name ? [map.metadata.namespace ?? ''] : []))],
    async reconcile(namespace, ctx) {
      if (namespace.metadata.deletionTimestamp) return
      const at = namespace.metadata.name ?? ''
      const data = { 'ca.crt': caPem }
      const existing = ctx.cache(ConfigMap).get(at, name)
      if (!existing) {
        const metadata = { name, namespace: at, annotations: { [descriptionKey]: description } }
        try {
          await ctx.create(ConfigMap, { metadata, data })
        } catch (error) {
          if (!isReason(error, 'AlreadyExists')) throw error
        }
        return
      }
      const same = sameJson(existing.data, data)
      if (same && existing.metadata.annotations?.[descriptionKey]) return
      const annotations = { ...existing.metadata.annotations, [descriptionKey]: description }
      await ctx.update(ConfigMap, { ...existing, metadata: { ...existing.metadata, annotations }, data })
    },
  })
