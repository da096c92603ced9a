// The status of a claim: its devices, who uses it, and what drivers report.
import type { Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { bool, inline, json, list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { NodeSelector } from '../core/affinity.ts'
import { DeviceConfiguration, DeviceToleration } from './types.ts'

export const DeviceRequestAllocationResult = struct(
  'resource.v1.DeviceRequestAllocationResult',
  'Device that is allocated for a request.',
  {
    request: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Name of the request, or <request>/<subrequest> for a subrequest.',
    }),
    driver: string({ proto: 2, always: true, required: true, doc: 'Name of the driver of the device.' }),
    pool: string({ proto: 3, always: true, required: true, doc: 'Name of the pool that the device belongs to.' }),
    device: string({ proto: 4, always: true, required: true, doc: 'Name of the device within the pool.' }),
    adminAccess: bool({
      proto: 5,
      optional: true,
      doc: 'Whether the device is allocated for administrative access, independent of other allocations.',
    }),
    tolerations: list(DeviceToleration, {
      proto: 6,
      doc: 'Tolerations of the request, copied at the time of allocation.',
    }),
    bindingConditions: list(string({}), {
      proto: 7,
      doc: 'Conditions of the device that must be True before the pod is bound to a node. At most 4.',
    }),
    bindingFailureConditions: list(string({}), {
      proto: 8,
      doc: 'Conditions of the device that mean a failure if one of them is True. The allocation is then released. At most 4.',
    }),
    shareID: string({
      proto: 9,
      optional: true,
      doc: 'ID of this share of the device, if the device allows several allocations.',
    }),
    consumedCapacity: map(quantity({}), {
      proto: 10,
      doc: 'Amount of each capacity of the device that this share uses.',
    }),
    skipNodeOperations: list(string({}), {
      proto: 11,
      listType: 'set',
      doc: 'Operations that the kubelet skips for this device.',
    }),
  },
)
export type DeviceRequestAllocationResult = Of<typeof DeviceRequestAllocationResult>

export const DeviceAllocationConfiguration = struct(
  'resource.v1.DeviceAllocationConfiguration',
  'Configuration for allocated devices.',
  {
    source: string({
      proto: 1,
      always: true,
      required: true,
      enum: ['FromClass', 'FromClaim'],
      doc: 'Source of the configuration: FromClass or FromClaim. The one from the claim takes precedence.',
    }),
    requests: list(string({}), {
      proto: 2,
      doc: 'Names of the requests that the configuration applies to. If empty, it applies to all of them.',
    }),
    ...inline(DeviceConfiguration, 3),
  },
)
export type DeviceAllocationConfiguration = Of<typeof DeviceAllocationConfiguration>

export const DeviceAllocationResult = struct(
  'resource.v1.DeviceAllocationResult',
  'Devices that are allocated for a claim, and their configuration.',
  {
    results: list(DeviceRequestAllocationResult, { proto: 1, doc: 'Devices that are allocated for the requests.' }),
    config: list(DeviceAllocationConfiguration, {
      proto: 2,
      doc: 'Configuration from the classes and the claim. Drivers ignore entries for other drivers.',
    }),
  },
)
export type DeviceAllocationResult = Of<typeof DeviceAllocationResult>

export const AllocationResult = struct('resource.v1.AllocationResult', 'Result of allocating a ResourceClaim.', {
  devices: DeviceAllocationResult.value({ proto: 1, doc: 'Devices that are allocated for the claim.' }),
  nodeSelector: NodeSelector.field({
    proto: 3,
    doc: 'Nodes from which the devices can be accessed. If unset, they can be accessed from all nodes.',
  }),
  allocationTimestamp: time({ proto: 5, optional: true, doc: 'Time when the devices were allocated.' }),
})
export type AllocationResult = Of<typeof AllocationResult>

export const ResourceClaimConsumerReference = struct(
  'resource.v1.ResourceClaimConsumerReference',
  'Reference to an object that may use a claim. It must be in the same namespace.',
  {
    apiGroup: string({ proto: 1, doc: 'API group of the referenced object. Empty for the core group.' }),
    resource: string({
      proto: 3,
      always: true,
      required: true,
      doc: 'Resource of the referenced object, such as pods.',
    }),
    name: string({ proto: 4, always: true, required: true, doc: 'Name of the referenced object.' }),
    uid: string({ proto: 5, always: true, required: true, doc: 'UID of the referenced object.' }),
  },
)
export type ResourceClaimConsumerReference = Of<typeof ResourceClaimConsumerReference>

export const NetworkDeviceData = struct(
  'resource.v1.NetworkDeviceData',
  'Network information about an allocated device.',
  {
    interfaceName: string({ proto: 1, doc: 'Name of the network interface in the pod.' }),
    ips: list(string({}), {
      proto: 2,
      doc: 'IP addresses of the interface with their prefix length, such as 192.0.2.5/24.',
    }),
    hardwareAddress: string({ proto: 3, doc: 'Hardware address of the interface, such as a MAC address.' }),
  },
)
export type NetworkDeviceData = Of<typeof NetworkDeviceData>

export const AllocatedDeviceStatus = struct(
  'resource.v1.AllocatedDeviceStatus',
  'State of an allocated device, as reported by its driver.',
  {
    driver: string({ proto: 1, always: true, required: true, doc: 'Name of the driver of the device.' }),
    pool: string({ proto: 2, always: true, required: true, doc: 'Name of the pool that the device belongs to.' }),
    device: string({ proto: 3, always: true, required: true, doc: 'Name of the device within the pool.' }),
    shareID: string({
      proto: 7,
      optional: true,
      doc: 'ID of this share of the device, if the device allows several allocations.',
    }),
    conditions: listByKey('type', Condition, {
      proto: 4,
      always: true,
      doc: 'Current conditions of the device, such as Ready.',
    }),
    data: json({
      proto: 5,
      optional: true,
      doc: 'Arbitrary data from the driver, as a JSON object.',
    }),
    networkData: NetworkDeviceData.field({ proto: 6, doc: 'Network information about the device.' }),
  },
)
export type AllocatedDeviceStatus = Of<typeof AllocatedDeviceStatus>

export const ResourceClaimStatus = struct(
  'resource.v1.ResourceClaimStatus',
  'Most recently observed state of a ResourceClaim.',
  {
    allocation: AllocationResult.field({
      proto: 1,
      doc: 'Devices that are allocated for the claim. Unset until it is allocated.',
    }),
    reservedFor: listByKey('uid', ResourceClaimConsumerReference, {
      proto: 2,
      mergeKey: 'uid',
      doc: 'Objects that may currently use the claim, usually pods. It is released once the list is empty.',
    }),
    devices: listByKey(['driver', 'device', 'pool', 'shareID'], AllocatedDeviceStatus, {
      proto: 4,
      doc: 'State of the allocated devices, as reported by their drivers.',
    }),
  },
)
export type ResourceClaimStatus = Of<typeof ResourceClaimStatus>
