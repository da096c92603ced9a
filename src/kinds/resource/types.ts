// What the kinds of dynamic resource allocation share.
import type { Of } from '../../api/kind.ts'
import { bool, inline, int64, json, list, map, quantity, string, struct, time } from '../../api/schema/build.ts'

export const CELDeviceSelector = struct('resource.v1.CELDeviceSelector', 'Selects devices by a CEL expression.', {
  expression: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'CEL expression that evaluates to true for devices that match. It can use device.driver, device.attributes and device.capacity. At most 10 KiB.',
  }),
})
export type CELDeviceSelector = Of<typeof CELDeviceSelector>

export const DeviceSelector = struct('resource.v1.DeviceSelector', 'Selects devices. Exactly one field must be set.', {
  cel: CELDeviceSelector.field({ proto: 1, doc: 'Selects devices by a CEL expression.' }),
})
export type DeviceSelector = Of<typeof DeviceSelector>

export const OpaqueDeviceConfiguration = struct(
  'resource.v1.OpaqueDeviceConfiguration',
  'Configuration in a format that only the driver defines.',
  {
    driver: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Name of the driver that the configuration is for.',
    }),
    parameters: json({
      proto: 2,
      always: true,
      required: true,
      doc: 'Parameters for the driver, as a JSON object of at most 10 KiB. The driver validates them.',
    }),
  },
)
export type OpaqueDeviceConfiguration = Of<typeof OpaqueDeviceConfiguration>

export const DeviceConfiguration = struct(
  'resource.v1.DeviceConfiguration',
  'Configuration for devices. Exactly one field must be set.',
  {
    opaque: OpaqueDeviceConfiguration.field({
      proto: 1,
      doc: 'Configuration in a format that only the driver defines.',
    }),
  },
)
export type DeviceConfiguration = Of<typeof DeviceConfiguration>

export const DeviceToleration = struct(
  'resource.v1.DeviceToleration',
  'Allows a request to be allocated devices with matching taints.',
  {
    key: string({
      proto: 1,
      doc: 'Taint key that is tolerated. If empty, operator must be Exists, and all taints are tolerated.',
    }),
    operator: string({
      proto: 2,
      default: 'Equal',
      enum: ['Exists', 'Equal'],
      doc: 'How the value of the taint is compared: Exists ignores it, Equal requires the same value. Defaults to Equal.',
    }),
    value: string({ proto: 3, doc: 'Taint value that is tolerated. Must be empty if operator is Exists.' }),
    effect: string({
      proto: 4,
      enum: ['None', 'NoSchedule', 'NoExecute'],
      doc: 'Taint effect that is tolerated: NoSchedule or NoExecute. If empty, all effects are tolerated.',
    }),
    tolerationSeconds: int64({
      proto: 5,
      optional: true,
      doc: 'Seconds that a pod tolerates a NoExecute taint before it is evicted. 0 and negative values evict it immediately. If unset, the pod is not evicted.',
    }),
  },
)
export type DeviceToleration = Of<typeof DeviceToleration>

export const CapacityRequirements = struct(
  'resource.v1.CapacityRequirements',
  'Amount of each capacity that a request requires.',
  {
    requests: map(quantity({}), {
      proto: 1,
      doc: 'Minimum amount of each capacity, by name. If the device allows several allocations, it is the amount that is consumed, and may be rounded up.',
    }),
  },
)
export type CapacityRequirements = Of<typeof CapacityRequirements>

export const ExactDeviceRequest = struct(
  'resource.v1.ExactDeviceRequest',
  'Request for one or more devices of the same kind.',
  {
    deviceClassName: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Name of the DeviceClass that the devices must belong to. Required.',
    }),
    selectors: list(DeviceSelector, {
      proto: 2,
      doc: 'Selectors that a device must all match, in addition to those of the class. At most 32.',
    }),
    allocationMode: string({
      proto: 3,
      doc: 'ExactCount allocates as many devices as count specifies. All allocates all devices of a pool that match, and fails if one is not available. Defaults to ExactCount.',
    }),
    count: int64({
      proto: 4,
      doc: 'Number of devices to allocate. Only for allocationMode ExactCount. Defaults to 1.',
    }),
    adminAccess: bool({
      proto: 5,
      optional: true,
      doc: 'If true, the devices are allocated for monitoring and administration, even if they are in use. Meant for namespaces with the label resource.kubernetes.io/admin-access. Defaults to false.',
    }),
    tolerations: list(DeviceToleration, { proto: 6, doc: 'Taints of devices that the request tolerates.' }),
    capacity: CapacityRequirements.field({ proto: 7, doc: 'Amount of each capacity that a device must have.' }),
  },
)
export type ExactDeviceRequest = Of<typeof ExactDeviceRequest>

export const DeviceSubRequest = struct('resource.v1.DeviceSubRequest', 'Alternative within a request for devices.', {
  name: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'Name of the alternative, unique within the request. Must be a DNS label.',
  }),
  deviceClassName: string({
    proto: 2,
    always: true,
    required: true,
    doc: 'Name of the DeviceClass that the devices must belong to. Required.',
  }),
  selectors: list(DeviceSelector, {
    proto: 3,
    doc: 'Selectors that a device must all match, in addition to those of the class. At most 32.',
  }),
  allocationMode: string({
    proto: 4,
    doc: 'ExactCount allocates as many devices as count specifies. All allocates all devices of a pool that match, and fails if one is not available. Defaults to ExactCount.',
  }),
  count: int64({ proto: 5, doc: 'Number of devices to allocate. Only for allocationMode ExactCount. Defaults to 1.' }),
  tolerations: list(DeviceToleration, { proto: 6, doc: 'Taints of devices that the request tolerates.' }),
  capacity: CapacityRequirements.field({ proto: 7, doc: 'Amount of each capacity that a device must have.' }),
})
export type DeviceSubRequest = Of<typeof DeviceSubRequest>

export const DeviceRequest = struct(
  'resource.v1.DeviceRequest',
  'Request for devices. Exactly one of exactly and firstAvailable must be set.',
  {
    name: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Name of the request, unique within the claim. Must be a DNS label. Containers refer to it.',
    }),
    exactly: ExactDeviceRequest.field({ proto: 2, doc: 'Devices that must be allocated.' }),
    firstAvailable: list(DeviceSubRequest, {
      proto: 3,
      doc: 'Alternatives in order of preference, of which the first that is available is allocated. At most 8.',
    }),
  },
)
export type DeviceRequest = Of<typeof DeviceRequest>

export const DeviceConstraint = struct(
  'resource.v1.DeviceConstraint',
  'Condition that the devices of several requests must meet together. Exactly one of matchAttribute and distinctAttribute must be set.',
  {
    requests: list(string({}), {
      proto: 1,
      doc: 'Names of the requests that the constraint applies to. If empty, it applies to all of them.',
    }),
    matchAttribute: string({
      proto: 2,
      optional: true,
      doc: 'Fully qualified name of an attribute that must have the same value for all devices, such as dra.example.com/numa.',
    }),
    distinctAttribute: string({
      proto: 3,
      optional: true,
      doc: 'Fully qualified name of an attribute that must have a different value for each device.',
    }),
  },
)
export type DeviceConstraint = Of<typeof DeviceConstraint>

export const DeviceClaimConfiguration = struct(
  'resource.v1.DeviceClaimConfiguration',
  'Configuration for devices of a claim.',
  {
    requests: list(string({}), {
      proto: 1,
      doc: 'Names of the requests that the configuration applies to. If empty, it applies to all of them.',
    }),
    ...inline(DeviceConfiguration, 2),
  },
)
export type DeviceClaimConfiguration = Of<typeof DeviceClaimConfiguration>

export const DeviceClaim = struct(
  'resource.v1.DeviceClaim',
  'Requests for devices, with constraints and configuration.',
  {
    requests: list(DeviceRequest, {
      proto: 1,
      always: true,
      doc: 'Requests for devices, all of which must be satisfied. At most 32.',
    }),
    constraints: list(DeviceConstraint, {
      proto: 2,
      doc: 'Conditions that the devices must meet together. At most 32.',
    }),
    config: list(DeviceClaimConfiguration, {
      proto: 3,
      doc: 'Configuration for the drivers of the devices. At most 32 entries.',
    }),
  },
)
export type DeviceClaim = Of<typeof DeviceClaim>

export const ResourceClaimSpec = struct('resource.v1.ResourceClaimSpec', 'Devices that a claim requests.', {
  devices: DeviceClaim.value({ proto: 1, doc: 'Requests for devices, with constraints and configuration.' }),
})
export type ResourceClaimSpec = Of<typeof ResourceClaimSpec>

export const DeviceTaint = struct(
  'resource.v1.DeviceTaint',
  'Mark on a device that keeps it from requests which do not tolerate it.',
  {
    key: string({ proto: 1, always: true, required: true, doc: 'Key of the taint.' }),
    value: string({ proto: 2, doc: 'Value of the taint.' }),
    effect: string({
      proto: 3,
      always: true,
      required: true,
      enum: ['None', 'NoSchedule', 'NoExecute'],
      doc: 'Effect on pods that do not tolerate the taint: NoSchedule keeps the device from being allocated to them, NoExecute also evicts running pods, None has no effect.',
    }),
    timeAdded: time({ proto: 4, optional: true, doc: 'Time when the taint was added. Toleration periods begin then.' }),
  },
)
export type DeviceTaint = Of<typeof DeviceTaint>
