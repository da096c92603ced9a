// A claim for devices.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { bool, inline, json, list, listByKey, map, quantity, string, struct, time } from '../../api/schema/build.ts'
import { NodeSelector } from '../core/affinity.ts'
import { DeviceConfiguration, DeviceToleration, ResourceClaimSpec } from './types.ts'

export const DeviceRequestAllocationResult = struct('resource.v1.DeviceRequestAllocationResult', '', {
  request: string({ proto: 1, always: true, required: true }),
  driver: string({ proto: 2, always: true, required: true }),
  pool: string({ proto: 3, always: true, required: true }),
  device: string({ proto: 4, always: true, required: true }),
  adminAccess: bool({ proto: 5, optional: true }),
  tolerations: list(DeviceToleration, { proto: 6 }),
  bindingConditions: list(string({}), { proto: 7 }),
  bindingFailureConditions: list(string({}), { proto: 8 }),
  shareID: string({ proto: 9, optional: true }),
  consumedCapacity: map(quantity({}), { proto: 10 }),
  skipNodeOperations: list(string({}), { proto: 11, listType: 'set' }),
})
export type DeviceRequestAllocationResult = Of<typeof DeviceRequestAllocationResult>

export const DeviceAllocationConfiguration = struct('resource.v1.DeviceAllocationConfiguration', '', {
  source: string({ proto: 1, always: true, required: true, enum: ['FromClass', 'FromClaim'] }),
  requests: list(string({}), { proto: 2 }),
  ...inline(DeviceConfiguration, 3),
})
export type DeviceAllocationConfiguration = Of<typeof DeviceAllocationConfiguration>

export const DeviceAllocationResult = struct('resource.v1.DeviceAllocationResult', '', {
  results: list(DeviceRequestAllocationResult, { proto: 1 }),
  config: list(DeviceAllocationConfiguration, { proto: 2 }),
})
export type DeviceAllocationResult = Of<typeof DeviceAllocationResult>

export const AllocationResult = struct('resource.v1.AllocationResult', '', {
  devices: DeviceAllocationResult.value({ proto: 1 }),
  nodeSelector: NodeSelector.field({ proto: 3 }),
  allocationTimestamp: time({ proto: 5, optional: true }),
})
export type AllocationResult = Of<typeof AllocationResult>

export const ResourceClaimConsumerReference = struct('resource.v1.ResourceClaimConsumerReference', '', {
  apiGroup: string({ proto: 1 }),
  resource: string({ proto: 3, always: true, required: true }),
  name: string({ proto: 4, always: true, required: true }),
  uid: string({ proto: 5, always: true, required: true }),
})
export type ResourceClaimConsumerReference = Of<typeof ResourceClaimConsumerReference>

export const NetworkDeviceData = struct('resource.v1.NetworkDeviceData', '', {
  interfaceName: string({ proto: 1 }),
  ips: list(string({}), { proto: 2 }),
  hardwareAddress: string({ proto: 3 }),
})
export type NetworkDeviceData = Of<typeof NetworkDeviceData>

export const AllocatedDeviceStatus = struct('resource.v1.AllocatedDeviceStatus', '', {
  driver: string({ proto: 1, always: true, required: true }),
  pool: string({ proto: 2, always: true, required: true }),
  device: string({ proto: 3, always: true, required: true }),
  shareID: string({ proto: 7, optional: true }),
  conditions: listByKey('type', Condition, { proto: 4, always: true }),
  data: json({ proto: 5, optional: true }),
  networkData: NetworkDeviceData.field({ proto: 6 }),
})
export type AllocatedDeviceStatus = Of<typeof AllocatedDeviceStatus>

export const ResourceClaimStatus = struct('resource.v1.ResourceClaimStatus', '', {
  allocation: AllocationResult.field({ proto: 1 }),
  reservedFor: listByKey('uid', ResourceClaimConsumerReference, { proto: 2, mergeKey: 'uid' }),
  devices: listByKey(['driver', 'device', 'pool', 'shareID'], AllocatedDeviceStatus, { proto: 4 }),
})
export type ResourceClaimStatus = Of<typeof ResourceClaimStatus>

export const ResourceClaim = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaim',
  plural: 'resourceclaims',
  scope: 'Namespaced',
  status: true,
  doc: 'A claim for devices.',
  fields: {
    spec: ResourceClaimSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ResourceClaimStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ResourceClaim = Of<typeof ResourceClaim>
