// The claims of a pod that is to be scheduled, and why it has to wait for them.
// Source: plugins/dynamicresources/dynamicresources.go (foreachPodResourceClaim, PreFilter).
import type { Pod } from '../../kinds/core/pod.ts'
import { canBeReserved, claimNameOf, isMadeFor, isReservedFor } from '../../kinds/resource/claim-use.ts'
import type { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import type { Ledger } from './ledger.ts'

/** The message of a pod that waits for a claim. */
interface Waits {
  waits: string
}

export const claimKey = ({ metadata }: ResourceClaim): string => `${metadata.namespace}/${metadata.name}`

/** The claims that the pod names or that were made for it. Waits while one of them is not there. */
export function claimsOf(pod: Pod, claims: Ledger['claims']): readonly ResourceClaim[] | Waits {
  const { namespace = '', name: podName } = pod.metadata
  const found: ResourceClaim[] = []
  for (const entry of pod.spec.resourceClaims ?? []) {
    const named = claimNameOf(pod, entry)
    if (named === 'none') continue
    if (!named) return { waits: `pod "${namespace}/${podName}": ResourceClaim not created yet` }
    const claim = claims.get(namespace, named.name)
    if (!claim) return { waits: `resourceclaim.resource.k8s.io ${JSON.stringify(named.name)} not found` }
    if (claim.metadata.deletionTimestamp)
      return { waits: `resourceclaim ${JSON.stringify(named.name)} is being deleted` }
    if (named.owned && !isMadeFor(claim, pod))
      return {
        waits: `ResourceClaim ${claimKey(claim)} was not created for Pod ${namespace}/${podName} (Pod is not owner)`,
      }
    // Two entries may name one claim.
    if (!found.includes(claim)) found.push(claim)
  }
  return found
}

/** Why a pod cannot use a claim of its own now, whatever the node. */
export function obstacle(claim: ResourceClaim, pod: Pod, ledger: Ledger): string | undefined {
  if (ledger.allocationOf(claim)) {
    return canBeReserved(claim) || isReservedFor(claim, pod.metadata.uid ?? '') ? undefined : 'resourceclaim in use'
  }
  if (ledger.isHeld(claim.metadata.uid ?? ''))
    return `resource claim ${claimKey(claim)} is in the process of being allocated`
  for (const { name, exactly, firstAvailable = [] } of claim.spec.devices.requests ?? []) {
    const asked = exactly
      ? [{ ...exactly, name }]
      : firstAvailable.map(part => ({ ...part, name: `${name}/${part.name}` }))
    if (!asked.length) return `resource claim ${claimKey(claim)}, request ${name}: unknown request type`
    for (const one of asked)
      if (!ledger.classes.get(undefined, one.deviceClassName))
        return `request ${one.name}: device class ${one.deviceClassName} does not exist`
  }
  return undefined
}
