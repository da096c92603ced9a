// Devices that have to be made ready for a node, as those that are attached to it: their drivers report conditions in
// the status of the claim, for which a pod waits before it is bound.
// Source: plugins/dynamicresources/dynamicresources.go (isClaimReadyForBinding, isClaimTimeout).
import { parseTime } from '../../api/time.ts'
import type { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import type { DeviceRequestAllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'

type Readiness = 'ready' | 'waiting' | { failed: string }

export const waitsForConditions = ({ status }: ResourceClaim): boolean =>
  (status.allocation?.devices.results ?? []).some(result => result.bindingConditions?.length)

/** Whether all devices of a claim are ready, or one of them never will be. */
export function readinessOf(claim: ResourceClaim): Readiness {
  const { allocation } = claim.status
  if (!allocation) return 'waiting'
  let isReady = true
  for (const result of allocation.devices.results ?? []) {
    if (!result.bindingConditions?.length) continue
    const conditions = conditionsOf(claim, result)
    const isTrue = (type: string) =>
      conditions.find(condition => condition.type === type && condition.status === 'True')
    const failure = (result.bindingFailureConditions ?? []).map(isTrue).find(condition => condition !== undefined)
    if (failure) {
      const { reason = '', message = '' } = failure
      return {
        failed: `claim ${claim.metadata.name} binding failed: reason=${reason}, message=${JSON.stringify(message)}`,
      }
    }
    isReady &&= result.bindingConditions.every(isTrue)
  }
  return isReady ? 'ready' : 'waiting'
}

const conditionsOf = ({ status }: ResourceClaim, result: DeviceRequestAllocationResult) =>
  status.devices?.find(
    device =>
      device.driver === result.driver &&
      device.pool === result.pool &&
      device.device === result.device &&
      device.shareID === result.shareID,
  )?.conditions ?? []

/** Whether a claim has waited for its conditions for longer than `patienceMs`. */
export function isOverdue(claim: ResourceClaim, now: number, patienceMs: number): boolean {
  const since = parseTime(claim.status.allocation?.allocationTimestamp)
  return since !== undefined && waitsForConditions(claim) && since + patienceMs < now
}
