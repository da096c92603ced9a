// The storage drivers of a node.
import { immutable, named, notNegative, type Problems, present } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { validateDriverName } from '../core/volume-source-rules.ts'
import { same } from '../unchanged.ts'
import { int32, list, listByKey, string, struct, time } from '../../api/schema/build.ts'

export const VolumeNodeResources = struct('storage.v1.VolumeNodeResources', 'How many volumes a node can have.', {
  count: int32({ proto: 1, optional: true, doc: 'Most volumes of the driver; unset for no limit.' }),
})
export type VolumeNodeResources = Of<typeof VolumeNodeResources>

export const CSINodeDriver = struct('storage.v1.CSINodeDriver', 'A CSI driver on a node.', {
  name: string({ proto: 1, always: true, doc: 'Name of the driver.' }),
  nodeID: string({ proto: 2, always: true, doc: 'What the driver calls the node.' }),
  topologyKeys: list(string({}), {
    proto: 3,
    always: true,
    doc: 'Node labels that say which volumes the node can reach.',
  }),
  allocatable: VolumeNodeResources.field({ proto: 4, doc: 'How many of its volumes the node can have.' }),
})
export type CSINodeDriver = Of<typeof CSINodeDriver>

export const CSINodeSpec = struct('storage.v1.CSINodeSpec', 'The CSI drivers on a node.', {
  drivers: listByKey('name', CSINodeDriver, { proto: 1, always: true, mergeKey: 'name', doc: 'The drivers.' }),
})
export type CSINodeSpec = Of<typeof CSINodeSpec>

export const StorageHealthCondition = struct(
  'storage.v1.StorageHealthCondition',
  'Something wrong with a driver’s storage, as the node sees it.',
  {
    status: string({
      proto: 1,
      always: true,
      required: true,
      enum: ['StorageUnreachable', 'StorageDegraded'],
      doc: 'StorageUnreachable or StorageDegraded.',
    }),
    reason: string({ proto: 2, always: true, required: true, doc: 'One CamelCase word why.' }),
    message: string({ proto: 3, doc: 'The same for people.' }),
    accessMode: string({ proto: 4, optional: true, doc: 'The access mode it is about.' }),
    volumeMode: string({ proto: 5, optional: true, doc: 'The volume mode it is about.' }),
    lastTransitionTime: time({ proto: 6, always: true, doc: 'When the status last changed.' }),
  },
)
export type StorageHealthCondition = Of<typeof StorageHealthCondition>

export const StorageHealth = struct('storage.v1.StorageHealth', 'How healthy a driver’s storage is.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name of the driver.' }),
  healthConditions: list(StorageHealthCondition, { proto: 2, doc: 'What is wrong with it, if anything.' }),
})
export type StorageHealth = Of<typeof StorageHealth>

export const CSINodeStatus = struct('storage.v1.CSINodeStatus', 'The state of the CSI drivers on a node.', {
  storageHealth: listByKey('name', StorageHealth, { proto: 1, mergeKey: 'name', doc: 'How healthy their storage is.' }),
})
export type CSINodeStatus = Of<typeof CSINodeStatus>

const maxNodeIDBytes = 256

function* validateDrivers(drivers: readonly DeepReadonly<CSINodeDriver>[], at: Path): Problems {
  const names = new Set<string>()
  for (const [i, { name, nodeID, allocatable, topologyKeys }] of drivers.entries()) {
    const path = at.index(i)
    yield* validateDriverName(name, path.field('name'))
    yield* present(nodeID, path.field('nodeID'))
    if (Buffer.byteLength(nodeID) > maxNodeIDBytes)
      yield path.field('nodeID').invalid(nodeID, `must be ${maxNodeIDBytes} characters or less`)
    yield* notNegative({ count: allocatable?.count }, path.field('allocatable'))
    if (names.has(name)) yield path.field('name').duplicate(name)
    names.add(name)
    for (const [j, key] of (topologyKeys ?? []).entries()) {
      yield* present(key, path)
      if (topologyKeys.indexOf(key) < j) yield path.duplicate(key)
      yield* named(qualifiedNameErrors, key, path)
    }
  }
}

export const CSINode = defineKind({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  scope: 'Cluster',
  returnsDeleted: true,
  conditionalUpdate: true,
  doc: 'The storage drivers of a node.',
  columns: [{ name: 'Drivers', type: 'integer', value: o => o.spec.drivers.length }],
  explicit: true,
  *validate({ spec }, at) {
    yield* validateDrivers(spec.drivers ?? [], at.field('spec', 'drivers'))
  },
  *validateUpdate(next, old, at) {
    for (const { allocatable: _before, ...was } of old.spec.drivers ?? [])
      for (const { allocatable: _now, ...is } of next.spec.drivers ?? [])
        if (was.name === is.name && !same(was, is))
          yield at.field('spec', 'drivers').invalid(goStruct(CSINodeDriver, is), immutable)
  },
  fields: {
    spec: CSINodeSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: CSINodeStatus.value({ proto: 3, omitZero: true, doc: 'What is the case, as last observed.' }),
  },
})
export type CSINode = Of<typeof CSINode>
