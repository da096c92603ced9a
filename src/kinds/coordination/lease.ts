// A lease: who holds something, and until when. Nodes and leaders keep theirs alive.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, microTime, string, struct } from '../../api/schema/build.ts'

export const LeaseSpec = struct('coordination.v1.LeaseSpec', 'Holder of a lease, and how long it is held.', {
  holderIdentity: string({ proto: 1, optional: true, doc: 'Identity of the current holder. Empty if there is none.' }),
  leaseDurationSeconds: int32({
    proto: 2,
    optional: true,
    doc: 'Seconds after renewTime that other candidates must wait before they acquire the lease. Must be positive.',
  }),
  acquireTime: microTime({ proto: 3, optional: true, doc: 'Time when the current holder acquired the lease.' }),
  renewTime: microTime({ proto: 4, optional: true, doc: 'Time when the current holder last renewed the lease.' }),
  leaseTransitions: int32({
    proto: 5,
    optional: true,
    doc: 'Number of times that the lease has passed to another holder.',
  }),
  strategy: string({
    proto: 6,
    optional: true,
    doc: 'Strategy by which the leader is chosen in coordinated leader election, such as OldestEmulationVersion.',
  }),
  preferredHolder: string({
    proto: 7,
    optional: true,
    doc: 'Identity that the current holder should yield the lease to. Requires strategy.',
  }),
})
export type LeaseSpec = Of<typeof LeaseSpec>

export const Lease = defineKind({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  scope: 'Namespaced',
  conditionalUpdate: true,
  createOnUpdate: true,
  doc: 'Lease records who holds a resource and until when. It is used for leader election and for the heartbeats of nodes.',
  columns: [{ name: 'Holder', type: 'string', value: o => o.spec.holderIdentity ?? '' }],
  explicit: true,
  *validate({ spec }, at) {
    const path = at.field('spec')
    if (spec.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0)
      yield path.field('leaseDurationSeconds').invalid(spec.leaseDurationSeconds, 'must be greater than 0')
    if (spec.leaseTransitions !== undefined && spec.leaseTransitions < 0)
      yield path.field('leaseTransitions').invalid(spec.leaseTransitions, 'must be greater than or equal to 0')
  },
  fields: {
    spec: LeaseSpec.value({ proto: 2, doc: 'Holder of the lease, and how long it is held.' }),
  },
})
export type Lease = Of<typeof Lease>
