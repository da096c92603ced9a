// The taints of devices: their own and those that rules put on them, and which of them a request tolerates.
// Source: dynamic-resource-allocation resourceclaim/devicetoleration.go, resourceslice/tracker.
import type { DeviceTaintRule } from './devicetaintrule.ts'
import type { Device } from './resourceslicespec.ts'
import type { DeviceTaint, DeviceToleration } from './types.ts'

/** Where a device is. */
export interface DeviceId {
  readonly driver: string
  readonly pool: string
  readonly device: string
}

/** An empty key tolerates every taint, an empty effect every effect. */
export const toleratesDevice = (toleration: DeviceToleration, taint: DeviceTaint): boolean =>
  (!toleration.effect || toleration.effect === taint.effect) &&
  (!toleration.key || toleration.key === taint.key) &&
  (toleration.operator === 'Exists' || (toleration.value ?? '') === (taint.value ?? ''))

/** Whether a rule taints a device. A rule without a selector taints none, an empty selector all. */
export function isSelected({ spec }: DeviceTaintRule, id: DeviceId): boolean {
  const selector = spec.deviceSelector
  if (!selector) return false
  return (['driver', 'pool', 'device'] as const).every(
    field => selector[field] === undefined || selector[field] === id[field],
  )
}

/** All taints of a device. */
export function taintsOf(
  id: DeviceId,
  device: Pick<Device, 'taints'> | undefined,
  rules: readonly DeviceTaintRule[],
): readonly DeviceTaint[] {
  const own = device?.taints ?? []
  const ruled = rules.filter(rule => isSelected(rule, id)).map(rule => rule.spec.taint)
  return ruled.length ? [...own, ...ruled] : own
}
