// A storage driver and what it can do.
import { sameJson } from '../../api/equal.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { type Problems, supported } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import { immutableValue, unchanged } from '../unchanged.ts'
import { bool, int64, list, string, struct } from '../../api/schema/build.ts'

export const TokenRequest = struct(
  'storage.v1.TokenRequest',
  'Service account token that a CSI driver receives when it mounts a volume.',
  {
    audience: string({
      proto: 1,
      always: true,
      doc: 'Intended audience of the token. Empty for the API server. Must be unique within the list.',
    }),
    expirationSeconds: int64({
      proto: 2,
      optional: true,
      doc: 'Lifetime of the token in seconds, at least 600 (10 minutes). Defaults to that of a TokenRequest.',
    }),
  },
)
export type TokenRequest = Of<typeof TokenRequest>

export const CSIDriverSpec = struct('storage.v1.CSIDriverSpec', 'Requirements and capabilities of a CSI driver.', {
  attachRequired: bool({
    proto: 1,
    default: true,
    optional: true,
    doc: 'Whether volumes must be attached to a node before they are mounted. Cannot be changed. Defaults to true.',
  }),
  podInfoOnMount: bool({
    proto: 2,
    default: false,
    optional: true,
    doc: 'Whether the driver receives the name, namespace, UID and service account of the pod when it mounts a volume. Defaults to false.',
  }),
  volumeLifecycleModes: list(string({}), {
    proto: 3,
    default: ['Persistent'],
    listType: 'set',
    doc: 'Kinds of volumes that the driver supports: Persistent (PersistentVolumes and claims), Ephemeral (inline volumes of pods) or both. Cannot be changed. Defaults to Persistent.',
  }),
  storageCapacity: bool({
    proto: 4,
    default: false,
    optional: true,
    doc: 'Whether the scheduler considers the capacity that the driver reports in CSIStorageCapacity objects. Defaults to false.',
  }),
  fsGroupPolicy: string({
    proto: 5,
    default: 'ReadWriteOnceWithFSType',
    optional: true,
    enum: ['ReadWriteOnceWithFSType', 'File', 'None'],
    doc: 'When the ownership of a volume is changed to the pod’s fsGroup: ReadWriteOnceWithFSType only for ReadWriteOnce volumes with an fsType, File always, None never. Defaults to ReadWriteOnceWithFSType.',
  }),
  tokenRequests: list(TokenRequest, {
    proto: 6,
    doc: 'Service account tokens of the pod that the driver receives when it mounts a volume.',
  }),
  requiresRepublish: bool({
    proto: 7,
    default: false,
    optional: true,
    doc: 'Whether the driver is called periodically to update mounted volumes. Running containers must see the changes without a remount. Defaults to false.',
  }),
  seLinuxMount: bool({
    proto: 8,
    default: false,
    optional: true,
    doc: 'Whether the driver supports mounting volumes with the option -o context for SELinux labels. Defaults to false.',
  }),
  nodeAllocatableUpdatePeriodSeconds: int64({
    proto: 9,
    optional: true,
    doc: 'Seconds between updates of the number of volumes that a node can take. At least 10. If unset, it is not updated periodically.',
  }),
  serviceAccountTokenInSecrets: bool({
    proto: 10,
    optional: true,
    doc: 'Whether tokens are passed to the driver in the secrets field instead of the volume context, which may be logged. Requires tokenRequests. Defaults to false.',
  }),
  preventPodSchedulingIfMissing: bool({
    proto: 11,
    optional: true,
    doc: 'Whether pods that use the driver are kept off nodes where it is not installed. Defaults to false.',
  }),
})
export type CSIDriverSpec = Of<typeof CSIDriverSpec>

const minTokenSeconds = 600
const maxTokenSeconds = 2 ** 32
const minPeriodSeconds = 10

function* validateDriver(spec: CSIDriverSpec, at: Path): Problems {
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

function* validateTokens(requests: readonly TokenRequest[], at: Path): Problems {
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
  doc: 'CSIDriver describes a CSI driver that is installed in the cluster. Its name is that of the driver.',
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
    if (sameJson(spec.tokenRequests, old?.spec.tokenRequests)) return
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
    spec: CSIDriverSpec.value({ proto: 2, doc: 'Requirements and capabilities of the driver.' }),
  },
})
export type CSIDriver = Of<typeof CSIDriver>
