// A storage driver and what it can do.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int64, list, string, struct } from '../../api/schema/build.ts'

export const TokenRequest = struct('storage.v1.TokenRequest', 'A token that a driver gets when it mounts for a pod.', {
  audience: string({ proto: 1, always: true, doc: 'Whom the token is for; empty for the API server.' }),
  expirationSeconds: int64({ proto: 2, optional: true, doc: 'Seconds the token is valid.' }),
})
export type TokenRequest = Of<typeof TokenRequest>

export const CSIDriverSpec = struct('storage.v1.CSIDriverSpec', 'What a CSI driver needs and can do.', {
  attachRequired: bool({
    proto: 1,
    optional: true,
    doc: 'Whether its volumes have to be attached before they are mounted.',
  }),
  podInfoOnMount: bool({ proto: 2, optional: true, doc: 'Whether it is told about the pod when it mounts.' }),
  volumeLifecycleModes: list(string({}), { proto: 3, listType: 'set', doc: 'Persistent, Ephemeral or both.' }),
  storageCapacity: bool({ proto: 4, optional: true, doc: 'Whether the scheduler should look at the room it reports.' }),
  fsGroupPolicy: string({
    proto: 5,
    optional: true,
    doc: 'Whether files are given to fsGroup: ReadWriteOnceWithFSType, File or None.',
  }),
  tokenRequests: list(TokenRequest, { proto: 6, doc: 'Tokens that it gets when it mounts.' }),
  requiresRepublish: bool({
    proto: 7,
    optional: true,
    doc: 'Whether it is called again from time to time to refresh a mount.',
  }),
  seLinuxMount: bool({ proto: 8, optional: true, doc: 'Whether it can mount with an SELinux label.' }),
  nodeAllocatableUpdatePeriodSeconds: int64({
    proto: 9,
    optional: true,
    doc: 'Seconds between updates of how many volumes a node can have.',
  }),
  serviceAccountTokenInSecrets: bool({
    proto: 10,
    optional: true,
    doc: 'Whether tokens are passed among the secrets instead of the attributes.',
  }),
  preventPodSchedulingIfMissing: bool({
    proto: 11,
    optional: true,
    doc: 'Whether pods stay off nodes that lack the driver.',
  }),
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
