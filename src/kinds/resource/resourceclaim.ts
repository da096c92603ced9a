// A claim for devices.
import { keptByStatus } from '../status-rules.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { immutable } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { defaultClaim, validateClaim } from './claim-rules.ts'
import { same } from '../unchanged.ts'
import { Condition } from '../../api/meta.ts'
import { bool, inline, json, list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { NodeSelector } from '../core/affinity.ts'
import { DeviceConfiguration, DeviceToleration, ResourceClaimSpec } from './types.ts'

export const DeviceRequestAllocationResult = struct(
  'resource.v1.DeviceRequestAllocationResult',
  'A device given for a request.',
  {
    request: string({ proto: 1, always: true, required: true, doc: 'Name of the request.' }),
    driver: string({ proto: 2, always: true, required: true, doc: 'Driver of the device.' }),
    pool: string({ proto: 3, always: true, required: true, doc: 'Pool of the device.' }),
    device: string({ proto: 4, always: true, required: true, doc: 'Name of the device in its pool.' }),
    adminAccess: bool({ proto: 5, optional: true, doc: 'True if it was given for administration, besides its users.' }),
    tolerations: list(DeviceToleration, { proto: 6, doc: 'Taints of the device that are tolerated.' }),
    bindingConditions: list(string({}), {
      proto: 7,
      doc: 'Conditions of the device that must hold before the pod is bound.',
    }),
    bindingFailureConditions: list(string({}), {
      proto: 8,
      doc: 'Conditions of the device that mean it cannot be used after all.',
    }),
    shareID: string({ proto: 9, optional: true, doc: 'ID of the share, for devices given several times.' }),
    consumedCapacity: map(quantity({}), { proto: 10, doc: 'What this share takes of the device.' }),
    skipNodeOperations: list(string({}), {
      proto: 11,
      listType: 'set',
      doc: 'What the kubelet leaves out for this device.',
    }),
  },
)
export type DeviceRequestAllocationResult = Of<typeof DeviceRequestAllocationResult>

export const DeviceAllocationConfiguration = struct(
  'resource.v1.DeviceAllocationConfiguration',
  'Settings for given devices.',
  {
    source: string({
      proto: 1,
      always: true,
      required: true,
      enum: ['FromClass', 'FromClaim'],
      doc: 'FromClass or FromClaim.',
    }),
    requests: list(string({}), { proto: 2, doc: 'Requests that the settings are for; otherwise all.' }),
    ...inline(DeviceConfiguration, 3),
  },
)
export type DeviceAllocationConfiguration = Of<typeof DeviceAllocationConfiguration>

export const DeviceAllocationResult = struct('resource.v1.DeviceAllocationResult', 'The devices given for a claim.', {
  results: list(DeviceRequestAllocationResult, { proto: 1, doc: 'The devices.' }),
  config: list(DeviceAllocationConfiguration, { proto: 2, doc: 'Settings for them.' }),
})
export type DeviceAllocationResult = Of<typeof DeviceAllocationResult>

export const AllocationResult = struct('resource.v1.AllocationResult', 'What was given for a claim.', {
  devices: DeviceAllocationResult.value({ proto: 1, doc: 'The devices.' }),
  nodeSelector: NodeSelector.field({ proto: 3, doc: 'Nodes that can reach them; otherwise all.' }),
  allocationTimestamp: time({ proto: 5, optional: true, doc: 'When they were given.' }),
})
export type AllocationResult = Of<typeof AllocationResult>

export const ResourceClaimConsumerReference = struct(
  'resource.v1.ResourceClaimConsumerReference',
  'An object that uses a claim.',
  {
    apiGroup: string({ proto: 1, doc: 'Group of the object; empty for the core group.' }),
    resource: string({ proto: 3, always: true, required: true, doc: 'Resource of the object, such as pods.' }),
    name: string({ proto: 4, always: true, required: true, doc: 'Name of the object.' }),
    uid: string({ proto: 5, always: true, required: true, doc: 'UID of the object.' }),
  },
)
export type ResourceClaimConsumerReference = Of<typeof ResourceClaimConsumerReference>

export const NetworkDeviceData = struct('resource.v1.NetworkDeviceData', 'What is known of a network device.', {
  interfaceName: string({ proto: 1, doc: 'Name of the interface in the pod.' }),
  ips: list(string({}), { proto: 2, doc: 'Its addresses, as CIDRs.' }),
  hardwareAddress: string({ proto: 3, doc: 'Its hardware address.' }),
})
export type NetworkDeviceData = Of<typeof NetworkDeviceData>

export const AllocatedDeviceStatus = struct('resource.v1.AllocatedDeviceStatus', 'The state of a given device.', {
  driver: string({ proto: 1, always: true, required: true, doc: 'Driver of the device.' }),
  pool: string({ proto: 2, always: true, required: true, doc: 'Pool of the device.' }),
  device: string({ proto: 3, always: true, required: true, doc: 'Name of the device in its pool.' }),
  shareID: string({ proto: 7, optional: true, doc: 'ID of the share, for devices given several times.' }),
  conditions: listByKey('type', Condition, {
    proto: 4,
    always: true,
    doc: 'What can be said about the state, one entry per aspect.',
  }),
  data: json({ proto: 5, optional: true, doc: 'What else the driver has to say.' }),
  networkData: NetworkDeviceData.field({ proto: 6, doc: 'What is known of a network device.' }),
})
export type AllocatedDeviceStatus = Of<typeof AllocatedDeviceStatus>

export const ResourceClaimStatus = struct(
  'resource.v1.ResourceClaimStatus',
  'What a claim was given, and who uses it.',
  {
    allocation: AllocationResult.field({ proto: 1, doc: 'What was given.' }),
    reservedFor: listByKey('uid', ResourceClaimConsumerReference, {
      proto: 2,
      mergeKey: 'uid',
      doc: 'Who may use it.',
    }),
    devices: listByKey(['driver', 'device', 'pool', 'shareID'], AllocatedDeviceStatus, {
      proto: 4,
      doc: 'State of the devices, from their drivers.',
    }),
  },
)
export type ResourceClaimStatus = Of<typeof ResourceClaimStatus>

export const ResourceClaim = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaim',
  plural: 'resourceclaims',
  scope: 'Namespaced',
  returnsDeleted: true,
  status: true,
  statusKeeps: keptByStatus,
  doc: 'A claim for devices.',
  explicit: true,
  defaults: ({ spec }) => defaultClaim(spec),
  // A claim cannot change, so that all there is to say about a change is that.
  validate: ({ spec }, at, old) => (old ? [] : validateClaim(spec, at.field('spec'))),
  *validateUpdate(next, old, at) {
    if (!same(next.spec, old.spec)) yield at.field('spec').invalid(goStruct(ResourceClaimSpec, next.spec), immutable)
  },
  columns: [{ name: 'State', type: 'string', value: o => claimState(o.status, o.metadata.deletionTimestamp) }],
  fields: {
    spec: ResourceClaimSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ResourceClaimStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ResourceClaim = Of<typeof ResourceClaim>

/** The state in words. Source: printResourceClaim. */
function claimState(
  { allocation, reservedFor }: DeepReadonly<ResourceClaimStatus>,
  deleted: string | undefined,
): string {
  const states = [deleted && 'deleted', allocation ? 'allocated' : 'pending', reservedFor?.length && 'reserved']
  return states.filter(Boolean).join(',')
}
