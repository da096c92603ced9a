// The ResourceClaims of a pod, whether it may use them, and which of their devices each container gets. Pure.
// Source: staging dynamic-resource-allocation/resourceclaim (Name, IsForPod, IsReservedForPod),
// pkg/kubelet/cm/dra/manager.go (GetResources).
import { quantityValue } from '../../api/quantity.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isExtended } from '../../kinds/core/resource-rules.ts'
import { claimNameOf, isMadeFor, isReservedFor, type PodClaim as EntryOfPod } from '../../kinds/resource/claim-use.ts'
import type { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import { nameOf, namespaceOf, type ReadContainer, uidOf } from '../pod/spec.ts'

/** A claim of a pod, by its name in the API. */
interface PodClaim {
  readonly name: string
  /** Whether it was made for the pod, which must own it then. */
  readonly isOwned: boolean
}

/** A part of a claim that a container uses. */
interface ClaimUse {
  readonly claim: string
  /** '' for all of it, or `REQUEST` or `REQUEST/SUBREQUEST`. */
  readonly request: string
  /** As the status of the pod names it; undefined for the claim of extended resources. */
  readonly shownAs: string | undefined
}

export const hasClaims = ({ spec, status }: Pod): boolean =>
  (spec.resourceClaims?.length ?? 0) > 0 || status.extendedResourceClaimStatus !== undefined

/**
 * The claim that an entry of the pod's resourceClaims stands for. Undefined if it needs none. Throws an error while it is
 * not made yet.
 */
function claimOf(pod: Pod, entry: EntryOfPod): PodClaim | undefined {
  const shown = `pod "${namespaceOf(pod)}/${nameOf(pod)}"`
  if (entry.resourceClaimName === undefined && entry.resourceClaimTemplateName === undefined)
    throw new Error(`${shown}, spec.resourceClaim ${JSON.stringify(entry.name)}: none of the supported fields are set`)
  const found = claimNameOf(pod, entry)
  if (!found) throw new Error(`${shown}: ResourceClaim not created yet`)
  return found === 'none' ? undefined : { name: found.name, isOwned: found.owned }
}

/** The claims of a pod, each once. Throws an error while one is not made yet. */
export function claimsOf(pod: Pod): PodClaim[] {
  const claims = new Map<string, PodClaim>()
  for (const entry of pod.spec.resourceClaims ?? []) {
    const claim = claimOf(pod, entry)
    if (claim) claims.set(claim.name, { ...claim, isOwned: claim.isOwned || claims.get(claim.name)?.isOwned === true })
  }
  const extended = pod.status.extendedResourceClaimStatus?.resourceClaimName
  if (extended && !claims.has(extended)) claims.set(extended, { name: extended, isOwned: false })
  return [...claims.values()]
}

/** The drivers of the devices that a claim has. Throws an error that says why the pod may not use it. */
export function driversFor(pod: Pod, claim: ResourceClaim, isOwned: boolean): string[] {
  const { name, namespace, uid } = claim.metadata
  if (isOwned && !isMadeFor(claim, pod))
    throw new Error(
      `ResourceClaim ${namespace}/${name} was not created for pod ${namespaceOf(pod)}/${nameOf(pod)} (pod is not owner)`,
    )
  if (!isReservedFor(claim, uidOf(pod)))
    throw new Error(`pod ${nameOf(pod)} (${uidOf(pod)}) is not allowed to use ResourceClaim ${name} (${uid})`)
  if (!claim.status.allocation) throw new Error(`ResourceClaim ${name}: not allocated`)
  return [...new Set((claim.status.allocation.devices.results ?? []).map(({ driver }) => driver))]
}

/** What a container uses of the pod's claims. Throws as `claimsOf`. */
export function usesOf(pod: Pod, container: ReadContainer): ClaimUse[] {
  const { claims = [], requests = {} } = ('resources' in container ? container.resources : undefined) ?? {}
  const uses = claims.flatMap(({ name, request = '' }): ClaimUse[] => {
    const entry = pod.spec.resourceClaims?.find(item => item.name === name)
    const claim = entry && claimOf(pod, entry)
    return claim ? [{ claim: claim.name, request, shownAs: `claim:${name}${request && `/${request}`}` }] : []
  })
  const extended = pod.status.extendedResourceClaimStatus
  for (const { containerName, resourceName, requestName } of extended?.requestMappings ?? []) {
    const amount = requests[resourceName]
    const isAsked = amount !== undefined && isByClaims(resourceName) && quantityValue(amount) > 0
    if (containerName === container.name && isAsked)
      uses.push({ claim: extended!.resourceClaimName, request: requestName, shownAs: undefined })
  }
  return uses
}

/** Whether a resource may be one that devices of a class stand for. Source: scheduler/util IsDRAExtendedResourceName. */
const isByClaims = (resource: string) =>
  isExtended(resource) || resource.startsWith('deviceclass.resource.kubernetes.io/')

/**
 * Whether a device that the driver prepared for some requests is one of a request. A driver may name subrequests or only
 * the requests that they belong to. A device without requests belongs to all.
 */
export function isForRequest(requestNames: readonly string[], request: string): boolean {
  const base = (name: string) => name.split('/')[0]!
  if (request === '' || !requestNames.length) return true
  return requestNames.some(name => name === request || name === base(request) || base(name) === request)
}
