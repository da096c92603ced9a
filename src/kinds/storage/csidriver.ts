// A storage driver and what it can do.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int64, list, string, struct } from '../../api/schema/build.ts'

export const TokenRequest = struct('storage.v1.TokenRequest', '', {
  audience: string({ proto: 1, always: true }),
  expirationSeconds: int64({ proto: 2, optional: true }),
})
export type TokenRequest = Of<typeof TokenRequest>

export const CSIDriverSpec = struct('storage.v1.CSIDriverSpec', '', {
  attachRequired: bool({ proto: 1, optional: true }),
  podInfoOnMount: bool({ proto: 2, optional: true }),
  volumeLifecycleModes: list(string({}), { proto: 3, listType: 'set' }),
  storageCapacity: bool({ proto: 4, optional: true }),
  fsGroupPolicy: string({ proto: 5, optional: true }),
  tokenRequests: list(TokenRequest, { proto: 6 }),
  requiresRepublish: bool({ proto: 7, optional: true }),
  seLinuxMount: bool({ proto: 8, optional: true }),
  nodeAllocatableUpdatePeriodSeconds: int64({ proto: 9, optional: true }),
  serviceAccountTokenInSecrets: bool({ proto: 10, optional: true }),
  preventPodSchedulingIfMissing: bool({ proto: 11, optional: true }),
})
export type CSIDriverSpec = Of<typeof CSIDriverSpec>

export const CSIDriver = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  scope: 'Cluster',
  doc: 'A storage driver and what it can do.',
  fields: {
    spec: CSIDriverSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type CSIDriver = Of<typeof CSIDriver>
