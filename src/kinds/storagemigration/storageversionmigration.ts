// A rewrite of all objects of a resource in its newest form.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition, GroupResource } from '../../api/meta.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'

export const StorageVersionMigrationSpec = struct('storagemigration.v1.StorageVersionMigrationSpec', '', {
  resource: GroupResource.value({ proto: 1 }),
})
export type StorageVersionMigrationSpec = Of<typeof StorageVersionMigrationSpec>

export const StorageVersionMigrationStatus = struct('storagemigration.v1.StorageVersionMigrationStatus', '', {
  conditions: listByKey('type', Condition, { proto: 1, mergeKey: 'type' }),
  resourceVersion: string({ proto: 2 }),
})
export type StorageVersionMigrationStatus = Of<typeof StorageVersionMigrationStatus>

export const StorageVersionMigration = defineKind({
  group: 'storagemigration.k8s.io',
  version: 'v1',
  kind: 'StorageVersionMigration',
  plural: 'storageversionmigrations',
  scope: 'Cluster',
  status: true,
  doc: 'A rewrite of all objects of a resource in its newest form.',
  fields: {
    spec: StorageVersionMigrationSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: StorageVersionMigrationStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type StorageVersionMigration = Of<typeof StorageVersionMigration>
