// The storage drivers of a node.
import { sameJson } from '../../api/equal.ts'
import { immutable, named, notNegative, type Problems, present } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { validateDriverName } from '../core/volume-source-rules.ts'
import { int32, list, listByKey, string, struct, time } from '../../api/schema/build.ts'

export const VolumeNodeResources = struct('storage.v1.VolumeNodeResources', 'Number of volumes that a node can take.', {
  count: int32({
    proto: 1,
    optional: true,
    doc: 'Maximum number of distinct volumes of the driver that can be used on the node. If unset, there is no limit.',
  }),
})
export type VolumeNodeResources = Of<typeof VolumeNodeResources>

export const CSINodeDriver = struct('storage.v1.CSINodeDriver', 'CSI driver that is installed on a node.', {
  name: string({ proto: 1, always: true, doc: 'Name of the driver.' }),
  nodeID: string({
    proto: 2,
    always: true,
    doc: 'ID of the node as the driver identifies it. May differ from the name of the node.',
  }),
  topologyKeys: list(string({}), {
    proto: 3,
    always: true,
    doc: 'Keys of the node labels that determine which volumes of the driver the node can access.',
  }),
  allocatable: VolumeNodeResources.field({ proto: 4, doc: 'Number of volumes of the driver that the node can take.' }),
})
export type CSINodeDriver = Of<typeof CSINodeDriver>

export const CSINodeSpec = struct('storage.v1.CSINodeSpec', 'CSI drivers that are installed on a node.', {
  drivers: listByKey('name', CSINodeDriver, {
    proto: 1,
    always: true,
    mergeKey: 'name',
    doc: 'Drivers that are installed on the node. The entry of an installed driver cannot be changed, apart from allocatable.',
  }),
})
export type CSINodeSpec = Of<typeof CSINodeSpec>

export const StorageHealthCondition = struct(
  'storage.v1.StorageHealthCondition',
  'Problem with the storage of a driver, as seen from a node.',
  {
    status: string({
      proto: 1,
      always: true,
      required: true,
      enum: ['StorageUnreachable', 'StorageDegraded'],
      doc: 'Kind of problem: StorageUnreachable or StorageDegraded.',
    }),
    reason: string({
      proto: 2,
      always: true,
      required: true,
      doc: 'Machine-readable reason in CamelCase for the problem.',
    }),
    message: string({ proto: 3, doc: 'Human-readable message with details about the problem.' }),
    accessMode: string({
      proto: 4,
      optional: true,
      doc: 'Access mode of the volumes that are affected. If unset, all are.',
    }),
    volumeMode: string({
      proto: 5,
      optional: true,
      doc: 'Volume mode of the volumes that are affected. If unset, all are.',
    }),
    lastTransitionTime: time({ proto: 6, always: true, doc: 'Time when the condition last changed.' }),
  },
)
export type StorageHealthCondition = Of<typeof StorageHealthCondition>

export const StorageHealth = struct(
  'storage.v1.StorageHealth',
  'Health of the storage of a driver, as seen from a node.',
  {
    name: string({ proto: 1, always: true, required: true, doc: 'Name of the driver.' }),
    healthConditions: list(StorageHealthCondition, {
      proto: 2,
      doc: 'Problems with the storage. Empty if there are none.',
    }),
  },
)
export type StorageHealth = Of<typeof StorageHealth>

export const CSINodeStatus = struct(
  'storage.v1.CSINodeStatus',
  'Most recently observed state of the CSI drivers on a node.',
  {
    storageHealth: listByKey('name', StorageHealth, {
      proto: 1,
      mergeKey: 'name',
      doc: 'Health of the storage of each driver. Alpha, not reported.',
    }),
  },
)
export type CSINodeStatus = Of<typeof CSINodeStatus>

const maxNodeIDBytes = 256

function* validateDrivers(drivers: readonly CSINodeDriver[], at: Path): Problems {
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
  doc: 'CSINode holds information about the CSI drivers that are installed on a node. Its name is that of the node.',
  columns: [{ name: 'Drivers', type: 'integer', value: o => o.spec.drivers.length }],
  explicit: true,
  *validate({ spec }, at) {
    yield* validateDrivers(spec.drivers ?? [], at.field('spec', 'drivers'))
  },
  *validateUpdate(next, old, at) {
    for (const { allocatable: _before, ...was } of old.spec.drivers ?? [])
      for (const { allocatable: _now, ...is } of next.spec.drivers ?? [])
        if (was.name === is.name && !sameJson(was, is))
          yield at.field('spec', 'drivers').invalid(goStruct(CSINodeDriver, is), immutable)
  },
  fields: {
    spec: CSINodeSpec.value({ proto: 2, doc: 'CSI drivers that are installed on the node.' }),
    status: CSINodeStatus.value({ proto: 3, omitZero: true, doc: 'Most recently observed state of the drivers.' }),
  },
})
export type CSINode = Of<typeof CSINode>
