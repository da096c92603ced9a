// A claim for devices.
import { keptByStatus } from '../status-rules.ts'
import { sameJson } from '../../api/equal.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { immutable } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { defaultClaim, validateClaim } from './claim-rules.ts'
import { dropDeallocated, validateClaimStatus } from './claim-status-rules.ts'
import { ResourceClaimStatus } from './resourceclaimstatus.ts'
import { ResourceClaimSpec } from './types.ts'

export const ResourceClaim = defineKind({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaim',
  plural: 'resourceclaims',
  scope: 'Namespaced',
  returnsDeleted: true,
  status: true,
  statusKeeps: keptByStatus,
  doc: 'ResourceClaim requests devices, such as GPUs, for use by pods.',
  explicit: true,
  defaults: ({ spec }) => defaultClaim(spec),
  prepare: (next, old) => old && dropDeallocated(next, old),
  // A claim cannot change, so that all there is to say about a change is that.
  validate: ({ spec }, at, old) => (old ? [] : validateClaim(spec, at.field('spec'))),
  *validateUpdate(next, old, at) {
    if (!sameJson(next.spec, old.spec))
      yield at.field('spec').invalid(goStruct(ResourceClaimSpec, next.spec), immutable)
  },
  validateStatus: validateClaimStatus,
  columns: [{ name: 'State', type: 'string', value: o => claimState(o.status, o.metadata.deletionTimestamp) }],
  fields: {
    spec: ResourceClaimSpec.value({ proto: 2, doc: 'Requested devices. Cannot be changed.' }),
    status: ResourceClaimStatus.value({ proto: 3, doc: 'Allocation of the claim, and the objects that use it.' }),
  },
})
export type ResourceClaim = Of<typeof ResourceClaim>

/** The state in words. Source: printResourceClaim. */
function claimState({ allocation, reservedFor }: ResourceClaimStatus, deleted: string | undefined): string {
  const states = [deleted && 'deleted', allocation ? 'allocated' : 'pending', reservedFor?.length && 'reserved']
  return states.filter(Boolean).join(',')
}
