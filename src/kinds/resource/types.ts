// What the kinds of dynamic resource allocation share.
import type { Of } from '../../api/kind.ts'
import { bool, inline, int64, json, list, map, quantity, string, struct, time } from '../../api/schema/build.ts'

export const CELDeviceSelector = struct('resource.v1.CELDeviceSelector', 'Selects devices by an expression.', {
  expression: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'CEL expression that must be true for the device.',
  }),
})
export type CELDeviceSelector = Of<typeof CELDeviceSelector>

export const DeviceSelector = struct('resource.v1.DeviceSelector', 'Selects devices.', {
  cel: CELDeviceSelector.field({ proto: 1, doc: 'By an expression.' }),
})
export type DeviceSelector = Of<typeof DeviceSelector>

export const OpaqueDeviceConfiguration = struct(
  'resource.v1.OpaqueDeviceConfiguration',
  'Settings that only the driver understands.',
  {
    driver: string({ proto: 1, always: true, required: true, doc: 'Name of the driver.' }),
    parameters: json({ proto: 2, always: true, required: true, doc: 'The settings.' }),
  },
)
export type OpaqueDeviceConfiguration = Of<typeof OpaqueDeviceConfiguration>

export const DeviceConfiguration = struct('resource.v1.DeviceConfiguration', 'Settings for devices.', {
  opaque: OpaqueDeviceConfiguration.field({ proto: 1, doc: 'Settings that only the driver understands.' }),
})
export type DeviceConfiguration = Of<typeof DeviceConfiguration>

export const DeviceToleration = struct(
  'resource.v1.DeviceToleration',
  'Lets a claim have devices with a matching taint.',
  {
    key: string({ proto: 1, doc: 'Key of the taint; empty with Exists for all.' }),
    operator: string({
      proto: 2,
      default: 'Equal',
      enum: ['Exists', 'Equal'],
      doc: 'Exists, or Equal to compare the value too.',
    }),
    value: string({ proto: 3, doc: 'Value of the taint.' }),
    effect: string({ proto: 4, enum: ['None', 'NoSchedule', 'NoExecute'], doc: 'Effect of the taint; empty for all.' }),
    tolerationSeconds: int64({
      proto: 5,
      optional: true,
      doc: 'Seconds a pod may stay once a NoExecute taint appears; otherwise forever.',
    }),
  },
)
export type DeviceToleration = Of<typeof DeviceToleration>

export const CapacityRequirements = struct('resource.v1.CapacityRequirements', 'How much of a device is asked for.', {
  requests: map(quantity({}), { proto: 1, doc: 'How much, by capacity.' }),
})
export type CapacityRequirements = Of<typeof CapacityRequirements>

export const ExactDeviceRequest = struct('resource.v1.ExactDeviceRequest', 'Asks for devices of one kind.', {
  deviceClassName: string({ proto: 1, always: true, required: true, doc: 'Class of the devices.' }),
  selectors: list(DeviceSelector, { proto: 2, doc: 'What a device must be; all must hold.' }),
  allocationMode: string({ proto: 3, doc: 'ExactCount, or All that fit.' }),
  count: int64({ proto: 4, doc: 'How many, for ExactCount.' }),
  adminAccess: bool({ proto: 5, optional: true, doc: 'True to have them for administration, besides their users.' }),
  tolerations: list(DeviceToleration, { proto: 6, doc: 'Taints that are tolerated.' }),
  capacity: CapacityRequirements.field({ proto: 7, doc: 'How much of each device is asked for.' }),
})
export type ExactDeviceRequest = Of<typeof ExactDeviceRequest>

export const DeviceSubRequest = struct('resource.v1.DeviceSubRequest', 'One way to satisfy a request.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name, unique in the request.' }),
  deviceClassName: string({ proto: 2, always: true, required: true, doc: 'Class of the devices.' }),
  selectors: list(DeviceSelector, { proto: 3, doc: 'What a device must be; all must hold.' }),
  allocationMode: string({ proto: 4, doc: 'ExactCount, or All that fit.' }),
  count: int64({ proto: 5, doc: 'How many, for ExactCount.' }),
  tolerations: list(DeviceToleration, { proto: 6, doc: 'Taints that are tolerated.' }),
  capacity: CapacityRequirements.field({ proto: 7, doc: 'How much of each device is asked for.' }),
})
export type DeviceSubRequest = Of<typeof DeviceSubRequest>

export const DeviceRequest = struct('resource.v1.DeviceRequest', 'Asks for devices.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name, unique in the claim.' }),
  exactly: ExactDeviceRequest.field({ proto: 2, doc: 'What is asked for.' }),
  firstAvailable: list(DeviceSubRequest, {
    proto: 3,
    doc: 'Several things that would do; the first that can be had is given.',
  }),
})
export type DeviceRequest = Of<typeof DeviceRequest>

export const DeviceConstraint = struct(
  'resource.v1.DeviceConstraint',
  'What given devices must have in common, or not.',
  {
    requests: list(string({}), { proto: 1, doc: 'Requests whose devices are meant; otherwise all.' }),
    matchAttribute: string({ proto: 2, optional: true, doc: 'Attribute that must be the same for all of them.' }),
    distinctAttribute: string({ proto: 3, optional: true, doc: 'Attribute that must be different for each of them.' }),
  },
)
export type DeviceConstraint = Of<typeof DeviceConstraint>

export const DeviceClaimConfiguration = struct(
  'resource.v1.DeviceClaimConfiguration',
  'Settings for the devices of a claim.',
  {
    requests: list(string({}), { proto: 1, doc: 'Requests that the settings are for; otherwise all.' }),
    ...inline(DeviceConfiguration, 2),
  },
)
export type DeviceClaimConfiguration = Of<typeof DeviceClaimConfiguration>

export const DeviceClaim = struct('resource.v1.DeviceClaim', 'Asks for devices.', {
  requests: list(DeviceRequest, { proto: 1, always: true, doc: 'What is asked for.' }),
  constraints: list(DeviceConstraint, { proto: 2, doc: 'What given devices must have in common, or not.' }),
  config: list(DeviceClaimConfiguration, { proto: 3, doc: 'Settings for the devices.' }),
})
export type DeviceClaim = Of<typeof DeviceClaim>

export const ResourceClaimSpec = struct('resource.v1.ResourceClaimSpec', 'What a claim asks for.', {
  devices: DeviceClaim.value({ proto: 1, doc: 'The devices.' }),
})
export type ResourceClaimSpec = Of<typeof ResourceClaimSpec>

export const DeviceTaint = struct('resource.v1.DeviceTaint', 'Keeps claims off a device unless they tolerate it.', {
  key: string({ proto: 1, always: true, required: true, doc: 'Key of the taint.' }),
  value: string({ proto: 2, doc: 'Value of the taint.' }),
  effect: string({
    proto: 3,
    always: true,
    required: true,
    enum: ['None', 'NoSchedule', 'NoExecute'],
    doc: 'None, NoSchedule, or NoExecute, which also evicts pods that use it.',
  }),
  timeAdded: time({ proto: 4, optional: true, doc: 'When the taint was set.' }),
})
export type DeviceTaint = Of<typeof DeviceTaint>
