// The file of a clusterTrustBundle projection: the certificates of the bundle of a name, or of all bundles of a signer
// that a selector chooses, each once. Their order has no meaning, so it is the one of their bytes, and a file does not
// change because a bundle was written in another order.
// Source: KEP-3257, kubernetes pkg/kubelet/clustertrustbundle, pkg/volume/projected.
import { matches } from '../../api/labels.ts'
import type { ClusterTrustBundle } from '../../kinds/certificates/clustertrustbundle.ts'
import type { ClusterTrustBundleProjection } from '../../kinds/core/volume.ts'

/** @param all every bundle of the cluster. Throws an Error when none is meant, unless the projection is optional. */
export function trustBundleFile(projection: ClusterTrustBundleProjection, all: readonly ClusterTrustBundle[]): Buffer {
  const { name, signerName, labelSelector, optional } = projection
  const found =
    name === undefined
      ? all.filter(({ metadata, spec }) => spec.signerName === signerName && matches(labelSelector, metadata.labels))
      : all.filter(({ metadata }) => metadata.name === name)
  if (!found.length && !optional)
    throw new Error(
      name === undefined
        ? 'combination of signerName and labelSelector matched zero ClusterTrustBundles'
        : `clustertrustbundle.certificates.k8s.io ${JSON.stringify(name)} not found`,
    )
  const certificates = new Set(found.flatMap(({ spec }) => certificatesIn(spec.trustBundle)))
  return Buffer.from([...certificates].sort().join(''))
}

const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** The certificates of a text, in one form: what stands around them is dropped. */
const certificatesIn = (text: string): string[] =>
  (text.match(block) ?? []).map(certificate => {
    const base64 = certificate.replace(/-----[A-Z ]+-----|\s/g, '')
    const lines = base64.match(/.{1,64}/g) ?? []
    return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
  })
