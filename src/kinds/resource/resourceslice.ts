// Devices that a driver offers on a node.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int64, list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { NodeSelector } from '../core/affinity.ts'
import { DeviceTaint } from './types.ts'

export const ResourcePool = struct('resource.v1.ResourcePool', '', {
  name: string({ proto: 1, always: true, required: true }),
  generation: int64({ proto: 2, always: true, required: true }),
  resourceSliceCount: int64({ proto: 3, always: true, required: true }),
})
export type ResourcePool = Of<typeof ResourcePool>

export const DeviceAttribute = struct('resource.v1.DeviceAttribute', '', {
  int: int64({ proto: 2, optional: true }),
  bool: bool({ proto: 3, optional: true }),
  string: string({ proto: 4, optional: true }),
  version: string({ proto: 5, optional: true }),
  ints: list(int64({}), { proto: 6 }),
  bools: list(bool({}), { proto: 7 }),
  strings: list(string({}), { proto: 8 }),
  versions: list(string({}), { proto: 9 }),
})
export type DeviceAttribute = Of<typeof DeviceAttribute>

export const CapacityRequestPolicyRange = struct('resource.v1.CapacityRequestPolicyRange', '', {
  min: quantity({ proto: 1, optional: true, required: true }),
  max: quantity({ proto: 2, optional: true }),
  step: quantity({ proto: 3, optional: true }),
})
export type CapacityRequestPolicyRange = Of<typeof CapacityRequestPolicyRange>

export const CapacityRequestPolicy = struct('resource.v1.CapacityRequestPolicy', '', {
  default: quantity({ proto: 1, optional: true }),
  validValues: list(quantity({}), { proto: 3 }),
  validRange: CapacityRequestPolicyRange.field({ proto: 4 }),
})
export type CapacityRequestPolicy = Of<typeof CapacityRequestPolicy>

export const DeviceCapacity = struct('resource.v1.DeviceCapacity', '', {
  value: quantity({ proto: 1, always: true, required: true }),
  requestPolicy: CapacityRequestPolicy.field({ proto: 2 }),
})
export type DeviceCapacity = Of<typeof DeviceCapacity>

export const Counter = struct('resource.v1.Counter', '', {
  value: quantity({ proto: 1, always: true, required: true }),
})
export type Counter = Of<typeof Counter>

export const DeviceCounterConsumption = struct('resource.v1.DeviceCounterConsumption', '', {
  counterSet: string({ proto: 1, always: true, required: true }),
  counters: map(Counter, { proto: 2, required: true }),
})
export type DeviceCounterConsumption = Of<typeof DeviceCounterConsumption>

export const NodeAllocatableMapping = struct('resource.v1.NodeAllocatableMapping', '', {
  capacityKey: string({ proto: 1, optional: true }),
  capacityMultiplier: quantity({ proto: 2, optional: true }),
  deviceMultiplier: quantity({ proto: 3, optional: true }),
})
export type NodeAllocatableMapping = Of<typeof NodeAllocatableMapping>

export const NodeAllocatableOverhead = struct('resource.v1.NodeAllocatableOverhead', '', {
  perPod: quantity({ proto: 1, optional: true }),
  perContainer: quantity({ proto: 2, optional: true }),
})
export type NodeAllocatableOverhead = Of<typeof NodeAllocatableOverhead>

export const NodeAllocatableResource = struct('resource.v1.NodeAllocatableResource', '', {
  mapping: NodeAllocatableMapping.field({ proto: 3 }),
  overhead: NodeAllocatableOverhead.field({ proto: 4 }),
})
export type NodeAllocatableResource = Of<typeof NodeAllocatableResource>

export const Device = struct('resource.v1.Device', '', {
  name: string({ proto: 1, always: true, required: true }),
  attributes: map(DeviceAttribute, { proto: 2 }),
  capacity: map(DeviceCapacity, { proto: 3 }),
  consumesCounters: list(DeviceCounterConsumption, { proto: 4 }),
  nodeName: string({ proto: 5, optional: true }),
  nodeSelector: NodeSelector.field({ proto: 6 }),
  allNodes: bool({ proto: 7, optional: true }),
  taints: list(DeviceTaint, { proto: 8 }),
  bindsToNode: bool({ proto: 9, optional: true }),
  bindingConditions: list(string({}), { proto: 10 }),
  bindingFailureConditions: list(string({}), { proto: 11 }),
  allowMultipleAllocations: bool({ proto: 12, optional: true }),
  nodeAllocatableResources: map(NodeAllocatableResource, { proto: 14 }),
})
export type Device = Of<typeof Device>

export const CounterSet = struct('resource.v1.CounterSet', '', {
  name: string({ proto: 1, always: true, required: true }),
  counters: map(Counter, { proto: 2, required: true }),
})
export type CounterSet = Of<typeof CounterSet>

export const ResourceSliceSpec = struct('resource.v1.ResourceSliceSpec', '', {
  driver: string({ proto: 1, always: true, required: true }),
  pool: ResourcePool.value({ proto: 2, required: true }),
  nodeName: string({ proto: 3, optional: true }),
  nodeSelector: NodeSelector.field({ proto: 4 }),
  allNodes: bool({ proto: 5, optional: true }),
  devices: list(Device, { proto: 6 }),
  perDeviceNodeSelection: bool({ proto: 7, optional: true }),
  sharedCounters: list(CounterSet, { proto: 8 }),
  partitionTypeAttribute: string({ proto: 9, optional: true }),
  skipNodeOperations: list(string({}), { proto: 10, listType: 'set' }),
})
export type ResourceSliceSpec = Of<typeof ResourceSliceSpec>

export const ResourceSlice = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  plural: 'resourceslices',
  scope: 'Cluster',
  doc: 'Devices that a driver offers on a node.',
  fields: {
    spec: ResourceSliceSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
  },
})
export type ResourceSlice = Of<typeof ResourceSlice>
