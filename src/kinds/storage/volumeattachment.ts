// The wish that a volume be attached to a node.
import { defineKind, type Of } from '../../api/kind.ts'
import { same } from '../unchanged.ts'
import { bool, int32, map, string, struct, time } from '../../api/schema/build.ts'
import { PersistentVolumeSpec } from '../core/persistentvolume.ts'

export const VolumeAttachmentSource = struct(
  'storage.v1.VolumeAttachmentSource',
  'The volume to attach; exactly one is set.',
  {
    persistentVolumeName: string({ proto: 1, optional: true, doc: 'A PersistentVolume.' }),
    inlineVolumeSpec: PersistentVolumeSpec.field({ proto: 2, doc: 'A volume that no PersistentVolume stands for.' }),
  },
)
export type VolumeAttachmentSource = Of<typeof VolumeAttachmentSource>

export const VolumeAttachmentSpec = struct('storage.v1.VolumeAttachmentSpec', 'Which volume is to be attached where.', {
  attacher: string({ proto: 1, always: true, required: true, doc: 'CSI driver that has to do it.' }),
  source: VolumeAttachmentSource.value({ proto: 2, doc: 'The volume.' }),
  nodeName: string({ proto: 3, always: true, doc: 'The node.' }),
})
export type VolumeAttachmentSpec = Of<typeof VolumeAttachmentSpec>

export const VolumeError = struct('storage.v1.VolumeError', 'An attempt that failed.', {
  time: time({ proto: 1, always: true, doc: 'When.' }),
  message: string({ proto: 2, doc: 'What went wrong.' }),
  errorCode: int32({ proto: 3, optional: true, doc: 'gRPC code of the failure.' }),
})
export type VolumeError = Of<typeof VolumeError>

export const VolumeAttachmentStatus = struct('storage.v1.VolumeAttachmentStatus', 'How far attaching has come.', {
  attached: bool({ proto: 1, always: true, doc: 'Whether the volume is attached.' }),
  attachmentMetadata: map(string({}), { proto: 2, doc: 'Values that the driver needs to mount the volume.' }),
  attachError: VolumeError.field({ proto: 3, doc: 'Last failure to attach.' }),
  detachError: VolumeError.field({ proto: 4, doc: 'Last failure to detach.' }),
})
export type VolumeAttachmentStatus = Of<typeof VolumeAttachmentStatus>

export const VolumeAttachment = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  scope: 'Cluster',
  status: true,
  doc: 'The wish that a volume be attached to a node.',
  *validateUpdate(next, old, at) {
    if (!same(next.spec, old.spec)) yield at.field('spec').invalid(next.spec, 'field is immutable')
  },
  fields: {
    spec: VolumeAttachmentSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: VolumeAttachmentStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type VolumeAttachment = Of<typeof VolumeAttachment>
