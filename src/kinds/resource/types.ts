// What the kinds of dynamic resource allocation share.
import type { Of } from '../../api/kind.ts'
import { bool, inline, int64, json, list, map, quantity, string, struct, time } from '../../api/schema/build.ts'

export const CELDeviceSelector = struct('resource.v1.CELDeviceSelector', '', {
  expression: string({ proto: 1, always: true, required: true }),
})
export type CELDeviceSelector = Of<typeof CELDeviceSelector>

export const DeviceSelector = struct('resource.v1.DeviceSelector', '', {
  cel: CELDeviceSelector.field({ proto: 1 }),
})
export type DeviceSelector = Of<typeof DeviceSelector>

export const OpaqueDeviceConfiguration = struct('resource.v1.OpaqueDeviceConfiguration', '', {
  driver: string({ proto: 1, always: true, required: true }),
  parameters: json({ proto: 2, always: true, required: true }),
})
export type OpaqueDeviceConfiguration = Of<typeof OpaqueDeviceConfiguration>

export const DeviceConfiguration = struct('resource.v1.DeviceConfiguration', '', {
  opaque: OpaqueDeviceConfiguration.field({ proto: 1 }),
})
export type DeviceConfiguration = Of<typeof DeviceConfiguration>

export const DeviceToleration = struct('resource.v1.DeviceToleration', '', {
  key: string({ proto: 1 }),
  operator: string({ proto: 2, default: 'Equal', enum: ['Exists', 'Equal'] }),
  value: string({ proto: 3 }),
  effect: string({ proto: 4, enum: ['None', 'NoSchedule', 'NoExecute'] }),
  tolerationSeconds: int64({ proto: 5, optional: true }),
})
export type DeviceToleration = Of<typeof DeviceToleration>

export const CapacityRequirements = struct('resource.v1.CapacityRequirements', '', {
  requests: map(quantity({}), { proto: 1 }),
})
export type CapacityRequirements = Of<typeof CapacityRequirements>

export const ExactDeviceRequest = struct('resource.v1.ExactDeviceRequest', '', {
  deviceClassName: string({ proto: 1, always: true, required: true }),
  selectors: list(DeviceSelector, { proto: 2 }),
  allocationMode: string({ proto: 3 }),
  count: int64({ proto: 4 }),
  adminAccess: bool({ proto: 5, optional: true }),
  tolerations: list(DeviceToleration, { proto: 6 }),
  capacity: CapacityRequirements.field({ proto: 7 }),
})
export type ExactDeviceRequest = Of<typeof ExactDeviceRequest>

export const DeviceSubRequest = struct('resource.v1.DeviceSubRequest', '', {
  name: string({ proto: 1, always: true, required: true }),
  deviceClassName: string({ proto: 2, always: true, required: true }),
  selectors: list(DeviceSelector, { proto: 3 }),
  allocationMode: string({ proto: 4 }),
  count: int64({ proto: 5 }),
  tolerations: list(DeviceToleration, { proto: 6 }),
  capacity: CapacityRequirements.field({ proto: 7 }),
})
export type DeviceSubRequest = Of<typeof DeviceSubRequest>

export const DeviceRequest = struct('resource.v1.DeviceRequest', '', {
  name: string({ proto: 1, always: true, required: true }),
  exactly: ExactDeviceRequest.field({ proto: 2 }),
  firstAvailable: list(DeviceSubRequest, { proto: 3 }),
})
export type DeviceRequest = Of<typeof DeviceRequest>

export const DeviceConstraint = struct('resource.v1.DeviceConstraint', '', {
  requests: list(string({}), { proto: 1 }),
  matchAttribute: string({ proto: 2, optional: true }),
  distinctAttribute: string({ proto: 3, optional: true }),
})
export type DeviceConstraint = Of<typeof DeviceConstraint>

export const DeviceClaimConfiguration = struct('resource.v1.DeviceClaimConfiguration', '', {
  requests: list(string({}), { proto: 1 }),
  ...inline(DeviceConfiguration, 2),
})
export type DeviceClaimConfiguration = Of<typeof DeviceClaimConfiguration>

export const DeviceClaim = struct('resource.v1.DeviceClaim', '', {
  requests: list(DeviceRequest, { proto: 1, always: true }),
  constraints: list(DeviceConstraint, { proto: 2 }),
  config: list(DeviceClaimConfiguration, { proto: 3 }),
})
export type DeviceClaim = Of<typeof DeviceClaim>

export const ResourceClaimSpec = struct('resource.v1.ResourceClaimSpec', '', {
  devices: DeviceClaim.value({ proto: 1 }),
})
export type ResourceClaimSpec = Of<typeof ResourceClaimSpec>

export const DeviceTaint = struct('resource.v1.DeviceTaint', '', {
  key: string({ proto: 1, always: true, required: true }),
  value: string({ proto: 2 }),
  effect: string({ proto: 3, always: true, required: true, enum: ['None', 'NoSchedule', 'NoExecute'] }),
  timeAdded: time({ proto: 4, optional: true }),
})
export type DeviceTaint = Of<typeof DeviceTaint>
