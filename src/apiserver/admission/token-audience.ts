// For whom a node may ask for tokens of a pod: the audiences the pod's volumes name, and those of the CSI drivers that
// provide its volumes; any other is a right of its own.
// Source: plugin/pkg/admission/noderestriction (validateNodeServiceAccountAudience).
import type { User } from '../../api/operation.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { CSIDriver } from '../../kinds/storage/csidriver.ts'
import type { Authorizer } from '../authz/authorizer.ts'
import type { Storage } from '../storage.ts'

interface AudienceQuestion {
  storage: Storage
  authorizer: Authorizer
  user: User
  pod: Pod
  /** '' is the API server itself. */
  audience: string
}

export function mayRequestAudience(question: AudienceQuestion): boolean {
  const { storage, authorizer, user, pod, audience } = question
  for (const volume of pod.spec.volumes ?? []) {
    const tokens = (volume.projected?.sources ?? []).flatMap(source => source.serviceAccountToken ?? [])
    if (tokens.some(token => (token.audience ?? '') === audience)) return true
  }
  if (driversOf(storage, pod).some(name => audiencesOf(storage, name).includes(audience))) return true
  return authorizer.authorize({
    user,
    verb: 'request-serviceaccounts-token-audience',
    group: '',
    resource: audience,
    subresource: '',
    namespace: pod.metadata.namespace ?? '',
    name: pod.spec.serviceAccountName ?? '',
  }).allowed
}

/** The CSI drivers of a pod's volumes: named by the pod, or by the volumes its claims are bound to. */
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
