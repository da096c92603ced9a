// What a slice of devices is made of: devices, their properties, and how much of them can be asked for.
import type { Of } from '../../api/kind.ts'
import { bool, int64, list, map, quantity, string, struct } from '../../api/schema/build.ts'
import { NodeSelector } from '../core/affinity.ts'
import { DeviceTaint } from './types.ts'

export const ResourcePool = struct('resource.v1.ResourcePool', 'Pool that a slice belongs to.', {
  name: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'Name of the pool, often that of the node. Cannot be changed.',
  }),
  generation: int64({
    proto: 2,
    always: true,
    required: true,
    doc: 'Number that the driver increases whenever it changes the pool. Only the slices with the highest number are valid.',
  }),
  resourceSliceCount: int64({
    proto: 3,
    always: true,
    required: true,
    doc: 'Number of slices in the pool. The pool is complete once all are found. Must be greater than 0.',
  }),
})
export type ResourcePool = Of<typeof ResourcePool>

export const DeviceAttribute = struct(
  'resource.v1.DeviceAttribute',
  'Attribute of a device. Exactly one field must be set.',
  {
    int: int64({ proto: 2, optional: true, doc: 'Value as an integer.' }),
    bool: bool({ proto: 3, optional: true, doc: 'Value as a boolean.' }),
    string: string({ proto: 4, optional: true, doc: 'Value as a string of at most 64 characters.' }),
    version: string({ proto: 5, optional: true, doc: 'Value as a semantic version of at most 64 characters.' }),
    ints: list(int64({}), { proto: 6, doc: 'Value as a list of integers.' }),
    bools: list(bool({}), { proto: 7, doc: 'Value as a list of booleans.' }),
    strings: list(string({}), { proto: 8, doc: 'Value as a list of strings of at most 64 characters.' }),
    versions: list(string({}), { proto: 9, doc: 'Value as a list of semantic versions of at most 64 characters.' }),
  },
)
export type DeviceAttribute = Of<typeof DeviceAttribute>

export const CapacityRequestPolicyRange = struct(
  'resource.v1.CapacityRequestPolicyRange',
  'Range of amounts that a request can have.',
  {
    min: quantity({
      proto: 1,
      optional: true,
      required: true,
      doc: 'Minimum amount. A smaller request is rounded up to it.',
    }),
    max: quantity({
      proto: 2,
      optional: true,
      doc: 'Maximum amount. A device cannot satisfy a larger request. Cannot exceed the capacity.',
    }),
    step: quantity({
      proto: 3,
      optional: true,
      doc: 'Step between amounts, counted from min. Other amounts are rounded up to the next one.',
    }),
  },
)
export type CapacityRequestPolicyRange = Of<typeof CapacityRequestPolicyRange>

export const CapacityRequestPolicy = struct(
  'resource.v1.CapacityRequestPolicy',
  'How much of a capacity a request can consume, if the device allows several allocations.',
  {
    default: quantity({
      proto: 1,
      optional: true,
      doc: 'Amount that a request consumes if it does not specify one. Required with validValues or validRange.',
    }),
    validValues: list(quantity({}), {
      proto: 3,
      doc: 'Amounts that a request can have, in ascending order. Others are rounded up to the next one. At most 10. Cannot be set together with validRange.',
    }),
    validRange: CapacityRequestPolicyRange.field({
      proto: 4,
      doc: 'Range of amounts that a request can have. Cannot be set together with validValues.',
    }),
  },
)
export type CapacityRequestPolicy = Of<typeof CapacityRequestPolicy>

export const DeviceCapacity = struct('resource.v1.DeviceCapacity', 'Capacity of a device.', {
  value: quantity({ proto: 1, always: true, required: true, doc: 'Amount of the capacity that the device has.' }),
  requestPolicy: CapacityRequestPolicy.field({
    proto: 2,
    doc: 'How much of the capacity a request can consume. Requires allowMultipleAllocations. If unset, a request can consume any amount.',
  }),
})
export type DeviceCapacity = Of<typeof DeviceCapacity>

export const Counter = struct('resource.v1.Counter', 'Amount of a shared resource.', {
  value: quantity({ proto: 1, always: true, required: true, doc: 'Amount of the resource that is available.' }),
})
export type Counter = Of<typeof Counter>

export const DeviceCounterConsumption = struct(
  'resource.v1.DeviceCounterConsumption',
  'Amounts that a device takes from a set of shared counters.',
  {
    counterSet: string({ proto: 1, always: true, required: true, doc: 'Name of the counter set in the pool.' }),
    counters: map(Counter, {
      proto: 2,
      required: true,
      doc: 'Amount that the device takes from each counter. From 1 to 32 counters.',
    }),
  },
)
export type DeviceCounterConsumption = Of<typeof DeviceCounterConsumption>

export const NodeAllocatableMapping = struct(
  'resource.v1.NodeAllocatableMapping',
  'How an allocated device translates to an allocatable resource of the node, either by its number or by a capacity.',
  {
    capacityKey: string({
      proto: 1,
      optional: true,
      doc: 'Name of the device capacity whose consumed amount is multiplied by capacityMultiplier. Cannot be set together with deviceMultiplier.',
    }),
    capacityMultiplier: quantity({
      proto: 2,
      optional: true,
      doc: 'Amount of the node’s resource for each unit of the capacity. Required with capacityKey.',
    }),
    deviceMultiplier: quantity({
      proto: 3,
      optional: true,
      doc: 'Amount of the node’s resource for each allocated device.',
    }),
  },
)
export type NodeAllocatableMapping = Of<typeof NodeAllocatableMapping>

export const NodeAllocatableOverhead = struct(
  'resource.v1.NodeAllocatableOverhead',
  'Amount of an allocatable resource of the node that using a device takes in addition. At least one field must be set.',
  {
    perPod: quantity({ proto: 1, optional: true, doc: 'Amount for each pod that uses the device.' }),
    perContainer: quantity({ proto: 2, optional: true, doc: 'Amount for each container that uses the device.' }),
  },
)
export type NodeAllocatableOverhead = Of<typeof NodeAllocatableOverhead>

export const NodeAllocatableResource = struct(
  'resource.v1.NodeAllocatableResource',
  'How a device affects an allocatable resource of the node. At least one field must be set.',
  {
    mapping: NodeAllocatableMapping.field({
      proto: 3,
      doc: 'Amount of the resource that the device itself represents, for devices that model CPU or memory.',
    }),
    overhead: NodeAllocatableOverhead.field({
      proto: 4,
      doc: 'Amount of the resource that using the device takes in addition.',
    }),
  },
)
export type NodeAllocatableResource = Of<typeof NodeAllocatableResource>

export const Device = struct('resource.v1.Device', 'Device that a driver makes available.', {
  name: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'Name of the device, unique within the pool. Must be a DNS label.',
  }),
  attributes: map(DeviceAttribute, {
    proto: 2,
    doc: 'Attributes of the device by name, which selectors can use. At most 32 attributes and capacities together.',
  }),
  capacity: map(DeviceCapacity, {
    proto: 3,
    doc: 'Capacities of the device by name, such as its memory. At most 32 attributes and capacities together.',
  }),
  consumesCounters: list(DeviceCounterConsumption, {
    proto: 4,
    doc: 'Amounts that the device takes from shared counters. At most 2 counter sets.',
  }),
  nodeName: string({
    proto: 5,
    optional: true,
    doc: 'Name of the only node from which the device can be accessed. Requires perDeviceNodeSelection.',
  }),
  nodeSelector: NodeSelector.field({
    proto: 6,
    doc: 'Nodes from which the device can be accessed. Requires perDeviceNodeSelection.',
  }),
  allNodes: bool({
    proto: 7,
    optional: true,
    doc: 'If true, the device can be accessed from all nodes. Requires perDeviceNodeSelection.',
  }),
  taints: list(DeviceTaint, {
    proto: 8,
    doc: 'Taints of the device, which keep it from being allocated to claims that do not tolerate them. At most 16.',
  }),
  bindsToNode: bool({
    proto: 9,
    optional: true,
    doc: 'If true, a claim with this device is restricted to the node that was chosen when it was allocated. Defaults to false.',
  }),
  bindingConditions: list(string({}), {
    proto: 10,
    doc: 'Conditions in the claim’s device status that must be True before a pod is bound. At most 4. Requires bindingFailureConditions.',
  }),
  bindingFailureConditions: list(string({}), {
    proto: 11,
    doc: 'Conditions in the claim’s device status that mean a failure if one of them is True. At most 4. Requires bindingConditions.',
  }),
  allowMultipleAllocations: bool({
    proto: 12,
    optional: true,
    doc: 'If true, the device can be allocated to several requests, which share its capacity. Defaults to false.',
  }),
  nodeAllocatableResources: map(NodeAllocatableResource, {
    proto: 14,
    doc: 'How the device affects allocatable resources of the node, by the name of the resource.',
  }),
})
export type Device = Of<typeof Device>

export const CounterSet = struct('resource.v1.CounterSet', 'Set of counters that the devices of a pool share.', {
  name: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'Name of the counter set, unique within the pool. Must be a DNS label.',
  }),
  counters: map(Counter, {
    proto: 2,
    required: true,
    doc: 'Amount that is available of each counter. From 1 to 32 counters.',
  }),
})
export type CounterSet = Of<typeof CounterSet>

export const ResourceSliceSpec = struct(
  'resource.v1.ResourceSliceSpec',
  'Devices that a driver publishes in a slice. Exactly one of nodeName, nodeSelector, allNodes and perDeviceNodeSelection must be set.',
  {
    driver: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Name of the driver, as a DNS subdomain. Cannot be changed.',
    }),
    pool: ResourcePool.value({ proto: 2, required: true, doc: 'Pool that the slice belongs to.' }),
    nodeName: string({
      proto: 3,
      optional: true,
      doc: 'Name of the only node from which the devices can be accessed. Cannot be changed.',
    }),
    nodeSelector: NodeSelector.field({
      proto: 4,
      doc: 'Nodes from which the devices can be accessed. Must have exactly one term.',
    }),
    allNodes: bool({
      proto: 5,
      optional: true,
      doc: 'If true, the devices can be accessed from all nodes. Must be true or unset.',
    }),
    devices: list(Device, {
      proto: 6,
      doc: 'Devices of the slice. At most 128, or 64 if one has taints, list attributes or counters. Cannot be set together with sharedCounters.',
    }),
    perDeviceNodeSelection: bool({
      proto: 7,
      optional: true,
      doc: 'If true, each device specifies the nodes from which it can be accessed. Must be true or unset.',
    }),
    sharedCounters: list(CounterSet, {
      proto: 8,
      doc: 'Sets of counters that the devices of the pool share. At most 8.',
    }),
    partitionTypeAttribute: string({
      proto: 9,
      optional: true,
      doc: 'Name of the attribute that distinguishes the types of partitions of a device. Alpha, without effect.',
    }),
    skipNodeOperations: list(string({}), {
      proto: 10,
      listType: 'set',
      doc: 'Operations that the kubelet skips for these devices: NodePrepareResources, NodeUnprepareResources or * for all. Preparing can only be skipped together with unpreparing.',
    }),
  },
)
export type ResourceSliceSpec = Of<typeof ResourceSliceSpec>
