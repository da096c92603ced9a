// The wish that a volume be attached to a node.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int32, map, string, struct, time } from '../../api/schema/build.ts'
import { PersistentVolumeSpec } from '../core/persistentvolume.ts'

export const VolumeAttachmentSource = struct('storage.v1.VolumeAttachmentSource', '', {
  persistentVolumeName: string({ proto: 1, optional: true }),
  inlineVolumeSpec: PersistentVolumeSpec.field({ proto: 2 }),
})
export type VolumeAttachmentSource = Of<typeof VolumeAttachmentSource>

export const VolumeAttachmentSpec = struct('storage.v1.VolumeAttachmentSpec', '', {
  attacher: string({ proto: 1, always: true, required: true }),
  source: VolumeAttachmentSource.value({ proto: 2 }),
  nodeName: string({ proto: 3, always: true }),
})
export type VolumeAttachmentSpec = Of<typeof VolumeAttachmentSpec>

export const VolumeError = struct('storage.v1.VolumeError', '', {
  time: time({ proto: 1, always: true }),
  message: string({ proto: 2 }),
  errorCode: int32({ proto: 3, optional: true }),
})
export type VolumeError = Of<typeof VolumeError>

export const VolumeAttachmentStatus = struct('storage.v1.VolumeAttachmentStatus', '', {
  attached: bool({ proto: 1, always: true }),
  attachmentMetadata: map(string({}), { proto: 2 }),
  attachError: VolumeError.field({ proto: 3 }),
  detachError: VolumeError.field({ proto: 4 }),
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
  fields: {
    spec: VolumeAttachmentSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: VolumeAttachmentStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type VolumeAttachment = Of<typeof VolumeAttachment>
