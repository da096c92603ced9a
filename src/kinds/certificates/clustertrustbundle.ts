// A set of root certificates that pods may trust.
import { defineKind, type Of } from '../../api/kind.ts'
import { string, struct } from '../../api/schema/build.ts'
import { immutableValue } from '../unchanged.ts'
import { validateBundle } from './trust-bundle-rules.ts'

export const ClusterTrustBundleSpec = struct(
  'certificates.v1.ClusterTrustBundleSpec',
  'Signer and trust anchors of a bundle.',
  {
    signerName: string({
      proto: 1,
      doc: 'Name of the signer that the bundle belongs to. By convention, the name of the object begins with it. If unset, pods select the bundle by its name.',
    }),
    trustBundle: string({
      proto: 2,
      always: true,
      doc: 'Trust anchors, as X.509 certificates in PEM format. Their order is not significant.',
    }),
  },
)
export type ClusterTrustBundleSpec = Of<typeof ClusterTrustBundleSpec>

export const ClusterTrustBundle = defineKind({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'ClusterTrustBundle',
  plural: 'clustertrustbundles',
  scope: 'Cluster',
  selectable: { 'spec.signerName': b => b.spec.signerName ?? '' },
  // The signer is part of the name, so both are looked at together.
  validateName: () => [],
  *validate(bundle, at, old) {
    yield* validateBundle(bundle, old, at)
  },
  *validateUpdate({ spec }, old, at) {
    yield* immutableValue(spec.signerName ?? '', old.spec.signerName ?? '', at.field('spec', 'signerName'))
  },
  explicit: true,
  doc: 'ClusterTrustBundle holds root certificates that pods can mount to verify peers.',
  fields: {
    spec: ClusterTrustBundleSpec.value({ proto: 2, doc: 'Signer and trust anchors of the bundle.' }),
  },
})
export type ClusterTrustBundle = Of<typeof ClusterTrustBundle>
