// For which audiences a node may request tokens of a pod: those that the pod's volumes name, and those of the CSI
// drivers that provide its volumes. For any other audience the node needs a right of its own.
// Source: plugin/pkg/admission/noderestriction (validateNodeServiceAccountAudience).
import type { User } from '../../api/operation.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { CSIDriver } from '../../kinds/storage/csidriver.ts'
import type { Authorizer } from '../authz/authorizer.ts'
import type { Storage } from '../storage.ts'

interface AudienceRequest {
  storage: Storage
  authorizer: Authorizer
  user: User
  pod: Pod
  /** '' for the API server itself. */
  audience: string
}

export async function mayRequestAudience(request: AudienceRequest): Promise<boolean> {
  const { storage, authorizer, user, pod, audience } = request
  for (const volume of pod.spec.volumes ?? []) {
    const tokens = (volume.projected?.sources ?? []).flatMap(source => source.serviceAccountToken ?? [])
    if (tokens.some(token => (token.audience ?? '') === audience)) return true
  }
  if (driversOf(storage, pod).some(name => audiencesOf(storage, name).includes(audience))) return true
  const decision = await authorizer.authorize({
    user,
    verb: 'request-serviceaccounts-token-audience',
    group: '',
    resource: audience,
    subresource: '',
    namespace: pod.metadata.namespace ?? '',
    name: pod.spec.serviceAccountName ?? '',
  })
  return decision.allowed
}

/** The CSI drivers of a pod's volumes, named by the pod or by the volumes to which its claims are bound. */
function driversOf(storage: Storage, { metadata, spec }: Pod): string[] {
  return (spec.volumes ?? []).flatMap(({ name, csi, persistentVolumeClaim, ephemeral }) => {
    if (csi) return [csi.driver]
    const claimName = persistentVolumeClaim?.claimName ?? (ephemeral ? `${metadata.name}-${name}` : undefined)
    if (claimName === undefined) return []
    const claim = storage.mirror(PersistentVolumeClaim).get(metadata.namespace, claimName)
    const volume = claim?.spec.volumeName && storage.mirror(PersistentVolume).get(undefined, claim.spec.volumeName)
    return volume && volume.spec.csi ? [volume.spec.csi.driver] : []
  })
}

const audiencesOf = (storage: Storage, driver: string): string[] =>
  (storage.mirror(CSIDriver).get(undefined, driver)?.spec.tokenRequests ?? []).map(request => request.audience ?? '')
