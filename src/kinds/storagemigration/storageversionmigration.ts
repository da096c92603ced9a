// A rewrite of all objects of a resource in its newest form.
import { keptByStatus } from '../status-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition, GroupResource } from '../../api/meta.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'

export const StorageVersionMigrationSpec = struct(
  'storagemigration.v1.StorageVersionMigrationSpec',
  'What is to be written anew.',
  {
    resource: GroupResource.value({ proto: 1, doc: 'The resource whose objects are written anew.' }),
  },
)
export type StorageVersionMigrationSpec = Of<typeof StorageVersionMigrationSpec>

export const StorageVersionMigrationStatus = struct(
  'storagemigration.v1.StorageVersionMigrationStatus',
  'How far it has come.',
  {
    conditions: listByKey('type', Condition, {
      proto: 1,
      mergeKey: 'type',
      doc: 'What can be said about the state, one entry per aspect.',
    }),
    resourceVersion: string({ proto: 2, doc: 'Objects older than this are written anew.' }),
  },
)
export type StorageVersionMigrationStatus = Of<typeof StorageVersionMigrationStatus>

export const StorageVersionMigration = defineKind({
  group: 'storagemigration.k8s.io',
  version: 'v1',
  kind: 'StorageVersionMigration',
  plural: 'storageversionmigrations',
  scope: 'Cluster',
  status: true,
  statusKeeps: keptByStatus,
  doc: 'A rewrite of all objects of a resource in its newest form.',
  fields: {
    spec: StorageVersionMigrationSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: StorageVersionMigrationStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type StorageVersionMigration = Of<typeof StorageVersionMigration>
