// What a slice of devices is made of: devices, their properties, and how much of them can be asked for.
import type { Of } from '../../api/kind.ts'
import { bool, int64, list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { NodeSelector } from '../core/affinity.ts'
import { DeviceTaint } from './types.ts'

export const ResourcePool = struct('resource.v1.ResourcePool', 'The pool that the devices of a slice belong to.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name of the pool; often that of the node.' }),
  generation: int64({
    proto: 2,
    always: true,
    required: true,
    doc: 'Goes up when the pool changes; slices with a lower one do not count.',
  }),
  resourceSliceCount: int64({ proto: 3, always: true, required: true, doc: 'How many slices make up the pool.' }),
})
export type ResourcePool = Of<typeof ResourcePool>

export const DeviceAttribute = struct('resource.v1.DeviceAttribute', 'A property of a device; exactly one is set.', {
  int: int64({ proto: 2, optional: true, doc: 'A whole number.' }),
  bool: bool({ proto: 3, optional: true, doc: 'True or false.' }),
  string: string({ proto: 4, optional: true, doc: 'A text.' }),
  version: string({ proto: 5, optional: true, doc: 'A semantic version.' }),
  ints: list(int64({}), { proto: 6, doc: 'Whole numbers.' }),
  bools: list(bool({}), { proto: 7, doc: 'Truth values.' }),
  strings: list(string({}), { proto: 8, doc: 'Texts.' }),
  versions: list(string({}), { proto: 9, doc: 'Semantic versions.' }),
})
export type DeviceAttribute = Of<typeof DeviceAttribute>

export const CapacityRequestPolicyRange = struct(
  'resource.v1.CapacityRequestPolicyRange',
  'Amounts that may be asked for.',
  {
    min: quantity({ proto: 1, optional: true, required: true, doc: 'The least.' }),
    max: quantity({ proto: 2, optional: true, doc: 'The most.' }),
    step: quantity({ proto: 3, optional: true, doc: 'Amounts go up from min in steps of this.' }),
  },
)
export type CapacityRequestPolicyRange = Of<typeof CapacityRequestPolicyRange>

export const CapacityRequestPolicy = struct(
  'resource.v1.CapacityRequestPolicy',
  'How much of a device may be asked for.',
  {
    default: quantity({ proto: 1, optional: true, doc: 'Amount when nothing is asked for.' }),
    validValues: list(quantity({}), { proto: 3, doc: 'Amounts that may be asked for.' }),
    validRange: CapacityRequestPolicyRange.field({ proto: 4, doc: 'Range of amounts that may be asked for.' }),
  },
)
export type CapacityRequestPolicy = Of<typeof CapacityRequestPolicy>

export const DeviceCapacity = struct('resource.v1.DeviceCapacity', 'How much a device has of something.', {
  value: quantity({ proto: 1, always: true, required: true, doc: 'How much.' }),
  requestPolicy: CapacityRequestPolicy.field({
    proto: 2,
    doc: 'How much may be asked for, for devices given several times.',
  }),
})
export type DeviceCapacity = Of<typeof DeviceCapacity>

export const Counter = struct('resource.v1.Counter', 'How much there is of something.', {
  value: quantity({ proto: 1, always: true, required: true, doc: 'How much.' }),
})
export type Counter = Of<typeof Counter>

export const DeviceCounterConsumption = struct(
  'resource.v1.DeviceCounterConsumption',
  'What a device takes from shared counters.',
  {
    counterSet: string({ proto: 1, always: true, required: true, doc: 'Name of the set of counters.' }),
    counters: map(Counter, { proto: 2, required: true, doc: 'How much it takes, by counter.' }),
  },
)
export type DeviceCounterConsumption = Of<typeof DeviceCounterConsumption>

export const NodeAllocatableMapping = struct(
  'resource.v1.NodeAllocatableMapping',
  'Which resource of the node a device stands for.',
  {
    capacityKey: string({ proto: 1, optional: true, doc: 'Capacity of the device that is counted.' }),
    capacityMultiplier: quantity({ proto: 2, optional: true, doc: 'How much of the resource each unit of it is.' }),
    deviceMultiplier: quantity({ proto: 3, optional: true, doc: 'How much of the resource each device is.' }),
  },
)
export type NodeAllocatableMapping = Of<typeof NodeAllocatableMapping>

export const NodeAllocatableOverhead = struct(
  'resource.v1.NodeAllocatableOverhead',
  'What using a device costs of a node’s resource.',
  {
    perPod: quantity({ proto: 1, optional: true, doc: 'Amount for each pod.' }),
    perContainer: quantity({ proto: 2, optional: true, doc: 'Amount for each container.' }),
  },
)
export type NodeAllocatableOverhead = Of<typeof NodeAllocatableOverhead>

export const NodeAllocatableResource = struct(
  'resource.v1.NodeAllocatableResource',
  'What a device means for a resource of the node.',
  {
    mapping: NodeAllocatableMapping.field({ proto: 3, doc: 'How much of the resource it stands for.' }),
    overhead: NodeAllocatableOverhead.field({ proto: 4, doc: 'How much using it costs.' }),
  },
)
export type NodeAllocatableResource = Of<typeof NodeAllocatableResource>

export const Device = struct('resource.v1.Device', 'A device that claims can be given.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name, unique in the pool.' }),
  attributes: map(DeviceAttribute, { proto: 2, doc: 'Its properties, by name.' }),
  capacity: map(DeviceCapacity, { proto: 3, doc: 'How much it has, by name.' }),
  consumesCounters: list(DeviceCounterConsumption, {
    proto: 4,
    doc: 'What it takes from counters that devices share.',
  }),
  nodeName: string({ proto: 5, optional: true, doc: 'Node that can reach it.' }),
  nodeSelector: NodeSelector.field({ proto: 6, doc: 'Nodes that can reach it.' }),
  allNodes: bool({ proto: 7, optional: true, doc: 'True if all nodes can reach it.' }),
  taints: list(DeviceTaint, { proto: 8, doc: 'Keep claims off the device unless they tolerate them.' }),
  bindsToNode: bool({
    proto: 9,
    optional: true,
    doc: 'True if a claim given this device stays on the node that was chosen.',
  }),
  bindingConditions: list(string({}), { proto: 10, doc: 'Conditions that must hold before a pod is bound.' }),
  bindingFailureConditions: list(string({}), { proto: 11, doc: 'Conditions that mean it cannot be used after all.' }),
  allowMultipleAllocations: bool({ proto: 12, optional: true, doc: 'True if several claims can have it at once.' }),
  nodeAllocatableResources: map(NodeAllocatableResource, { proto: 14, doc: 'What it means for the node’s resources.' }),
})
export type Device = Of<typeof Device>

export const CounterSet = struct('resource.v1.CounterSet', 'Counters that devices share.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name, unique in the pool.' }),
  counters: map(Counter, { proto: 2, required: true, doc: 'How much there is, by counter.' }),
})
export type CounterSet = Of<typeof CounterSet>

export const ResourceSliceSpec = struct('resource.v1.ResourceSliceSpec', 'Devices that a driver offers.', {
  driver: string({ proto: 1, always: true, required: true, doc: 'Name of the driver; cannot change.' }),
  pool: ResourcePool.value({ proto: 2, required: true, doc: 'Pool that the devices belong to.' }),
  nodeName: string({ proto: 3, optional: true, doc: 'Node that can reach them.' }),
  nodeSelector: NodeSelector.field({ proto: 4, doc: 'Nodes that can reach them.' }),
  allNodes: bool({ proto: 5, optional: true, doc: 'True if all nodes can reach them.' }),
  devices: list(Device, { proto: 6, doc: 'The devices.' }),
  perDeviceNodeSelection: bool({
    proto: 7,
    optional: true,
    doc: 'True if each device says itself which nodes can reach it.',
  }),
  sharedCounters: list(CounterSet, { proto: 8, doc: 'Counters that devices of the pool share.' }),
  partitionTypeAttribute: string({
    proto: 9,
    optional: true,
    doc: 'Attribute that tells the types of partitions apart.',
  }),
  skipNodeOperations: list(string({}), {
    proto: 10,
    listType: 'set',
    doc: 'What the kubelet leaves out for these devices.',
  }),
})
export type ResourceSliceSpec = Of<typeof ResourceSliceSpec>
