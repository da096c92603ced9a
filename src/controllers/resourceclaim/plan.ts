// What is to be done about a ResourceClaim: who of its users still needs it, whether its devices are given back, and
// whether a claim that was made for a pod goes. Source: pkg/controller/resourceclaim/controller.go (syncClaim).
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import { claimFinalizer, podOfClaim } from '../../kinds/resource/claim-use.ts'
import type { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import type { ResourceClaimConsumerReference } from '../../kinds/resource/resourceclaimstatus.ts'

type Consumer = ResourceClaimConsumerReference

/** Whether a pod does not need its claims any more: it has ended, or was deleted before it had a node. */
export const isDone = (pod: Pod): boolean =>
  isTerminal(pod) || (pod.metadata.deletionTimestamp !== undefined && !pod.spec.nodeName)

/** Whether a consumer is gone: its pod does not exist, is another one of the name, or does not need the claim. */
export const isGone = ({ uid }: Consumer, pod: Pod | undefined): boolean =>
  !pod || pod.metadata.uid !== uid || isDone(pod)

export interface ClaimPlan {
  /** The status to write. With it, a claim without consumers has no devices any more. */
  status: ResourceClaim['status'] | undefined
  /** Whether the finalizer goes, which keeps the claim while it has devices. */
  unprotect: boolean
  /** Whether the claim is deleted, since it was made for a pod that does not need it. */
  remove: boolean
}

/**
 * @param valid the consumers that still need the claim
 * @param owner the pod for which the claim was made, or undefined if it is not there
 */
export function planClaim(claim: ResourceClaim, valid: readonly Consumer[], owner: Pod | undefined): ClaimPlan {
  const { status, metadata } = claim
  const { reservedFor = [], allocation, devices: _, ...rest } = status
  const isProtected = metadata.finalizers?.includes(claimFinalizer) ?? false
  const hasLost = valid.length < reservedFor.length
  // A claim that nobody uses keeps its devices for the next pod, unless the last one has just left or it is deleted.
  const releases = !valid.length && isProtected && (hasLost || metadata.deletionTimestamp !== undefined)
  const made = podOfClaim(claim)
  return {
    status: releases && (allocation || hasLost) ? rest : hasLost ? { ...status, reservedFor: valid } : undefined,
    unprotect: releases,
    remove:
      !valid.length &&
      made !== undefined &&
      metadata.deletionTimestamp === undefined &&
      // A pod that is not there may be one that the mirror does not have yet; the garbage collector finds out.
      owner !== undefined &&
      (owner.metadata.uid !== made.uid || isDone(owner)),
  }
}
