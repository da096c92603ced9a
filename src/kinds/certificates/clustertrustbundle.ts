// A set of root certificates that pods may trust.
import { defineKind, type Of } from '../../api/kind.ts'
import { string, struct } from '../../api/schema/build.ts'

export const ClusterTrustBundleSpec = struct(
  'certificates.v1.ClusterTrustBundleSpec',
  'Certificates of authorities to trust.',
  {
    signerName: string({ proto: 1, doc: 'Signer that the certificates belong to, if any; cannot change.' }),
    trustBundle: string({ proto: 2, always: true, doc: 'The certificates in PEM.' }),
  },
)
export type ClusterTrustBundleSpec = Of<typeof ClusterTrustBundleSpec>

export const ClusterTrustBundle = defineKind({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'ClusterTrustBundle',
  plural: 'clustertrustbundles',
  scope: 'Cluster',
  doc: 'A set of root certificates that pods may trust.',
  fields: {
    spec: ClusterTrustBundleSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type ClusterTrustBundle = Of<typeof ClusterTrustBundle>
