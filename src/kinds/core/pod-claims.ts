// The claims of a pod. Source: component-helpers/storage/ephemeral (VolumeClaimName).
import type { Pod } from './pod.ts'

interface ClaimName {
  name: string
  /** Whether the claim belongs to an ephemeral volume and is created for the pod. */
  ephemeral: boolean
}

/** The names of a pod's claims. The claim of an ephemeral volume is named after the pod and the volume. */
export const claimNames = ({ metadata, spec }: Pick<Pod, 'metadata' | 'spec'>): ClaimName[] =>
  (spec.volumes ?? []).flatMap((volume): ClaimName[] => {
    if (volume.persistentVolumeClaim) return [{ name: volume.persistentVolumeClaim.claimName, ephemeral: false }]
    return volume.ephemeral ? [{ name: `${metadata.name}-${volume.name}`, ephemeral: true }] : []
  })

/** The keys of a pod's claims, such as `default/data`. */
export const claimsOf = (pod: Pick<Pod, 'metadata' | 'spec'>): string[] =>
  claimNames(pod).map(({ name }) => `${pod.metadata.namespace ?? ''}/${name}`)
