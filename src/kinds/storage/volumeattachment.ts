// The wish that a volume be attached to a node.
import { keptByStatus } from '../status-rules.ts'
import { sameJson } from '../../api/equal.ts'
import { immutable, named, type Problems, present } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { dnsSubdomainErrors, rangeProblem } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { bool, int32, map, string, struct, time } from '../../api/schema/build.ts'
import { PersistentVolumeSpec } from '../core/persistentvolumespec.ts'
import { validateInlineVolume } from '../core/persistentvolume-rules.ts'
import { validateDriverName } from '../core/volume-source-rules.ts'

export const VolumeAttachmentSource = struct(
  'storage.v1.VolumeAttachmentSource',
  'Volume to attach. Exactly one field must be set.',
  {
    persistentVolumeName: string({ proto: 1, optional: true, doc: 'Name of the PersistentVolume to attach.' }),
    inlineVolumeSpec: PersistentVolumeSpec.field({
      proto: 2,
      doc: 'Spec of a volume without a PersistentVolume. Used for in-tree volumes that are migrated to CSI.',
    }),
  },
)
export type VolumeAttachmentSource = Of<typeof VolumeAttachmentSource>

export const VolumeAttachmentSpec = struct(
  'storage.v1.VolumeAttachmentSpec',
  'Requested attachment. Cannot be changed.',
  {
    attacher: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Name of the CSI driver that handles the request.',
    }),
    source: VolumeAttachmentSource.value({ proto: 2, doc: 'Volume to attach.' }),
    nodeName: string({ proto: 3, always: true, doc: 'Name of the node to attach the volume to.' }),
  },
)
export type VolumeAttachmentSpec = Of<typeof VolumeAttachmentSpec>

export const VolumeError = struct('storage.v1.VolumeError', 'Error of an attach or detach operation.', {
  time: time({ proto: 1, always: true, doc: 'Time when the error occurred.' }),
  message: string({
    proto: 2,
    doc: 'Human-readable description of the error. Must not contain sensitive information.',
  }),
  errorCode: int32({ proto: 3, optional: true, doc: 'Error code of the operation, as defined by gRPC.' }),
})
export type VolumeError = Of<typeof VolumeError>

export const VolumeAttachmentStatus = struct(
  'storage.v1.VolumeAttachmentStatus',
  'Most recently observed state of a VolumeAttachment.',
  {
    attached: bool({ proto: 1, always: true, doc: 'Whether the volume is attached. Set by the external attacher.' }),
    attachmentMetadata: map(string({}), {
      proto: 2,
      doc: 'Information from the attach operation that later operations need, such as the mount. Set by the external attacher.',
    }),
    attachError: VolumeError.field({ proto: 3, doc: 'Error of the last attach operation, if it failed.' }),
    detachError: VolumeError.field({ proto: 4, doc: 'Error of the last detach operation, if it failed.' }),
  },
)
export type VolumeAttachmentStatus = Of<typeof VolumeAttachmentStatus>

const oneSource = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'
const maxMetadataBytes = 256 * 1024
const maxMessageBytes = 1024

function* validateAttachment(
  { spec, status }: { spec: VolumeAttachmentSpec; status: VolumeAttachmentStatus },
  at: Path,
): Problems {
  yield* present(spec.attacher, at.field('spec', 'attacher'))
  yield* validateSource(spec.source, at.field('spec', 'source'))
  yield* named(dnsSubdomainErrors, spec.nodeName, at.field('spec', 'nodeName'))
  const bytes = Object.entries(status.attachmentMetadata ?? {})
    .flat()
    .reduce((sum, s) => sum + Buffer.byteLength(s), 0)
  if (bytes > maxMetadataBytes) yield at.field('status', 'attachmentMetadata').tooLong(maxMetadataBytes)
  for (const field of ['attachError', 'detachError'] as const) {
    const { message = '', errorCode = 0 } = status[field] ?? {}
    const path = at.field('status', field)
    if (Buffer.byteLength(message) > maxMessageBytes) yield path.field('message').tooLong(maxMetadataBytes)
    if (errorCode < 0) yield path.field('errorCode').invalid(errorCode, rangeProblem(0, 2 ** 31 - 1))
  }
}

function* validateSource(source: VolumeAttachmentSource, at: Path): Problems {
  const { inlineVolumeSpec: inline, persistentVolumeName: name } = source
  if (!inline && name === undefined) yield at.required(oneSource)
  else if (inline && name !== undefined) yield at.forbidden(oneSource)
  else if (inline) yield* validateInlineVolume(inline, at.field('inlineVolumeSpec'))
  else yield* present(name, at.field('persistentVolumeName'), 'must specify non empty persistentVolumeName')
}

/** Names that are looked at only when the object is new. */
function* validateNames({ attacher, source }: VolumeAttachmentSpec, at: Path): Problems {
  if (attacher) yield* validateDriverName(attacher, at.field('attacher'))
  const name = source.persistentVolumeName
  if (name !== undefined) yield* named(dnsSubdomainErrors, name, at.field('source', 'persistentVolumeName'))
}

export const VolumeAttachment = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  scope: 'Cluster',
  returnsDeleted: true,
  conditionalUpdate: true,
  status: true,
  statusKeeps: keptByStatus,
  doc: 'VolumeAttachment requests that a volume be attached to a node. The volume is detached when the object is deleted.',
  columns: [
    { name: 'Attacher', type: 'string', format: 'name', value: o => o.spec.attacher },
    { name: 'PV', type: 'string', value: o => o.spec.source.persistentVolumeName ?? '' },
    { name: 'Node', type: 'string', value: o => o.spec.nodeName },
    { name: 'Attached', type: 'boolean', value: o => o.status.attached },
  ],
  explicit: true,
  *validate(attachment, at, old) {
    yield* validateAttachment(attachment, at)
    if (!old) yield* validateNames(attachment.spec, at.field('spec'))
  },
  *validateUpdate(next, old, at) {
    yield* validateAttachment(next, at)
    if (!sameJson(next.spec, old.spec))
      yield at.field('spec').invalid(goStruct(VolumeAttachmentSpec, next.spec), immutable)
  },
  fields: {
    spec: VolumeAttachmentSpec.value({
      proto: 2,
      required: true,
      doc: 'Volume to attach, and the node to attach it to. Cannot be changed.',
    }),
    status: VolumeAttachmentStatus.value({ proto: 3, doc: 'Most recently observed state of the attachment.' }),
  },
})
export type VolumeAttachment = Of<typeof VolumeAttachment>
