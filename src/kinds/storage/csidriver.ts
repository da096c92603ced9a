// A storage driver and what it can do.
import { defineKind, type Of } from '../../api/kind.ts'
import { type Problems, supported } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { immutableValue, same, unchanged } from '../unchanged.ts'
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

const minTokenSeconds = 600
const maxTokenSeconds = 2 ** 32
const minPeriodSeconds = 10

function* validateDriver(spec: DeepReadonly<CSIDriverSpec>, at: Path): Problems {
  const { fsGroupPolicy, volumeLifecycleModes = [], nodeAllocatableUpdatePeriodSeconds: period } = spec
  if (fsGroupPolicy !== undefined)
    yield* supported(fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType'], at.field('fsGroupPolicy'))
  yield* validateTokens(spec.tokenRequests ?? [], at.field('tokenRequests'))
  for (const mode of volumeLifecycleModes)
    yield* supported(mode, ['Persistent', 'Ephemeral'], at.field('volumeLifecycleModes'))
  if (period !== undefined && period < minPeriodSeconds)
    yield at
      .field('nodeAllocatableUpdatePeriodSeconds')
      .invalid(period, `must be greater than or equal to ${minPeriodSeconds} seconds`)
}

function* validateTokens(requests: readonly DeepReadonly<TokenRequest>[], at: Path): Problems {
  const audiences = new Set<string>()
  for (const [i, { audience, expirationSeconds: seconds }] of requests.entries()) {
    const path = at.index(i).field('expirationSeconds')
    if (audiences.has(audience)) {
      yield at.index(i).field('audience').duplicate(audience)
      continue
    }
    audiences.add(audience)
    if (seconds === undefined) continue
    if (seconds < minTokenSeconds) yield path.invalid(seconds, 'may not specify a duration less than 10 minutes')
    if (seconds > maxTokenSeconds) yield path.invalid(seconds, 'may not specify a duration larger than 2^32 seconds')
  }
}

export const CSIDriver = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  scope: 'Cluster',
  returnsDeleted: true,
  conditionalUpdate: true,
  doc: 'A storage driver and what it can do.',
  generation: 'changes',
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
  explicit: true,
  *warnings({ spec }, old) {
    if (same(spec.tokenRequests, old?.spec.tokenRequests)) return
    if (spec.tokenRequests?.length && spec.serviceAccountTokenInSecrets === undefined)
      yield 'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes'
  },
  validate: ({ spec }, at) => validateDriver(spec, at.field('spec')),
  *validateUpdate(next, old, at) {
    const path = at.field('spec')
    // Kubernetes calls this field so.
    yield* immutableValue(next.spec.attachRequired, old.spec.attachRequired, path.field('attachedRequired'))
    yield* unchanged(next.spec, old.spec, ['volumeLifecycleModes'], path)
  },
  fields: {
    spec: CSIDriverSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type CSIDriver = Of<typeof CSIDriver>
