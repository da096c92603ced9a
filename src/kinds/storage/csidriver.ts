// A storage driver and what it can do.
import { defineKind, type Of } from '../../api/kind.ts'
import { unchanged } from '../unchanged.ts'
import { bool, int64, list, string, struct } from '../../api/schema/build.ts'

export const TokenRequest = struct('storage.v1.TokenRequest', 'A token that a driver gets when it mounts for a pod.', {
  audience: string({ proto: 1, always: true, doc: 'Whom the token is for; empty for the API server.' }),
  expirationSeconds: int64({ proto: 2, optional: true, doc: 'Seconds the token is valid.' }),
})
export type TokenRequest = Of<typeof TokenRequest>

export const CSIDriverSpec = struct('storage.v1.CSIDriverSpec', 'What a CSI driver needs and can do.', {
  attachRequired: bool({
    proto: 1,
    default: true,
    optional: true,
    doc: 'Whether its volumes have to be attached before they are mounted.',
  }),
  podInfoOnMount: bool({
    proto: 2,
    default: false,
    optional: true,
    doc: 'Whether it is told about the pod when it mounts.',
  }),
  volumeLifecycleModes: list(string({}), {
    proto: 3,
    default: ['Persistent'],
    listType: 'set',
    doc: 'Persistent, Ephemeral or both.',
  }),
  storageCapacity: bool({
    proto: 4,
    default: false,
    optional: true,
    doc: 'Whether the scheduler should look at the room it reports.',
  }),
  fsGroupPolicy: string({
    proto: 5,
    default: 'ReadWriteOnceWithFSType',
    optional: true,
    enum: ['ReadWriteOnceWithFSType', 'File', 'None'],
    doc: 'Whether files are given to fsGroup: ReadWriteOnceWithFSType, File or None.',
  }),
  tokenRequests: list(TokenRequest, { proto: 6, doc: 'Tokens that it gets when it mounts.' }),
  requiresRepublish: bool({
    proto: 7,
    default: false,
    optional: true,
    doc: 'Whether it is called again from time to time to refresh a mount.',
  }),
  seLinuxMount: bool({ proto: 8, default: false, optional: true, doc: 'Whether it can mount with an SELinux label.' }),
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
  generation: true,
  columns: [
    { name: 'AttachRequired', type: 'boolean', value: o => o.spec.attachRequired ?? true },
    { name: 'PodInfoOnMount', type: 'boolean', value: o => o.spec.podInfoOnMount ?? false },
    { name: 'StorageCapacity', type: 'boolean', value: o => o.spec.storageCapacity ?? false },
    {
      name: 'TokenRequests',
      type: 'string',
      value: o => (o.spec.tokenRequests ?? []).map(t => t.audience).join(',') || '<unset>',
    },
    { name: 'RequiresRepublish', type: 'boolean', value: o => o.spec.requiresRepublish ?? false },
    { name: 'Modes', type: 'string', value: o => (o.spec.volumeLifecycleModes ?? []).join(',') || '<none>' },
  ],
  *validateUpdate(next, old, at) {
    yield* unchanged(next.spec, old.spec, ['attachRequired', 'fsGroupPolicy', 'volumeLifecycleModes'], at.field('spec'))
  },
  fields: {
    spec: CSIDriverSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type CSIDriver = Of<typeof CSIDriver>
