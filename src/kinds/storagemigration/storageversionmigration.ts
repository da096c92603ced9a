// A rewrite of all objects of a resource in its newest form.
import { keptByStatus } from '../status-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition, GroupResource } from '../../api/meta.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'

export const StorageVersionMigrationSpec = struct(
  'storagemigration.v1.StorageVersionMigrationSpec',
  'Resource whose objects are migrated.',
  {
    resource: GroupResource.value({
      proto: 1,
      doc: 'Resource whose objects are migrated to the current storage version.',
    }),
  },
)
export type StorageVersionMigrationSpec = Of<typeof StorageVersionMigrationSpec>

export const StorageVersionMigrationStatus = struct(
  'storagemigration.v1.StorageVersionMigrationStatus',
  'Most recently observed state of a migration.',
  {
    conditions: listByKey('type', Condition, {
      proto: 1,
      mergeKey: 'type',
      doc: 'Current conditions of the migration: Running, Succeeded or Failed.',
    }),
    resourceVersion: string({
      proto: 2,
      doc: 'Resource version at which the migration began. Objects that were last written before it are migrated.',
    }),
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
  doc: 'StorageVersionMigration rewrites all objects of a resource, so that they are stored in the current storage version.',
  fields: {
    spec: StorageVersionMigrationSpec.value({ proto: 2, doc: 'Resource whose objects are migrated.' }),
    status: StorageVersionMigrationStatus.value({ proto: 3, doc: 'Most recently observed state of the migration.' }),
  },
})
export type StorageVersionMigration = Of<typeof StorageVersionMigration>
