// Who uses a ResourceClaim: which claims a pod has, by name or made for it from a template, and for which pods a claim
// is reserved. Source: dynamic-resource-allocation resourceclaim/claim.go.
import type { Pod } from '../core/pod.ts'
import { maxReservations } from './claim-status-rules.ts'
import type { ResourceClaim } from './resourceclaim.ts'

/** Keeps an allocated claim until its devices are not in use any more. */
export const claimFinalizer = 'resource.kubernetes.io/delete-protection'
/** On a claim made from a template: the entry of the pod's spec.resourceClaims. */
export const podClaimAnnotation = 'resource.kubernetes.io/pod-claim-name'
/** On a claim made for the extended resources of a pod. */
export const extendedClaimAnnotation = 'resource.kubernetes.io/extended-resource-claim'
export type PodClaim = NonNullable<Pod['spec']['resourceClaims']>[number]

/** As much of a pod as these questions are about. */
type Consumer = Pick<Pod, 'metadata' | 'spec' | 'status'>

/**
 * The name of the claim behind an entry of spec.resourceClaims. `owned` says that the claim must have been made for the
 * pod. Undefined while a claim that is made from a template is not there yet; 'none' where none is needed.
 */
export function claimNameOf(
  { status }: Consumer,
  entry: PodClaim,
): { name: string; owned: boolean } | 'none' | undefined {
  if (entry.resourceClaimName) return { name: entry.resourceClaimName, owned: false }
  if (!entry.resourceClaimTemplateName) return undefined
  const made = status.resourceClaimStatuses?.find(({ name }) => name === entry.name)
  if (!made) return undefined
  return made.resourceClaimName === undefined ? 'none' : { name: made.resourceClaimName, owned: true }
}

/** The names of all claims of a pod that are there, with that for its extended resources. */
export function claimNamesOf(pod: Consumer): string[] {
  const names = new Set<string>()
  for (const entry of pod.spec.resourceClaims ?? []) {
    const found = claimNameOf(pod, entry)
    if (found && found !== 'none') names.add(found.name)
  }
  const extended = pod.status.extendedResourceClaimStatus?.resourceClaimName
  if (extended) names.add(extended)
  return [...names]
}

/** Whether the claim was made for this very pod. */
export const isMadeFor = ({ metadata }: ResourceClaim, pod: Pick<Pod, 'metadata'>): boolean =>
  metadata.namespace === pod.metadata.namespace &&
  (metadata.ownerReferences?.some(owner => owner.controller === true && owner.uid === pod.metadata.uid) ?? false)

/** The pod for which a claim was made; undefined for a claim of its own. */
export function podOfClaim({ metadata }: ResourceClaim): { name: string; uid: string } | undefined {
  const owner = metadata.ownerReferences?.find(one => one.controller && one.kind === 'Pod' && one.apiVersion === 'v1')
  return owner && { name: owner.name, uid: owner.uid }
}

export const isReservedFor = ({ status }: ResourceClaim, uid: string): boolean =>
  status.reservedFor?.some(consumer => consumer.uid === uid) ?? false

/** Whether another consumer has room in status.reservedFor. */
export const canBeReserved = ({ status }: ResourceClaim): boolean => (status.reservedFor?.length ?? 0) < maxReservations
