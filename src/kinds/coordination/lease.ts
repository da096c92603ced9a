// A lease: who holds something, and until when. Nodes and leaders keep theirs alive.
import { defineKind, type Of } from '../../api/kind.ts'
import { int32, microTime, string, struct } from '../../api/schema/build.ts'

export const LeaseSpec = struct('coordination.v1.LeaseSpec', 'Who holds a lease, and for how long.', {
  holderIdentity: string({ proto: 1, optional: true, doc: 'Who holds it.' }),
  leaseDurationSeconds: int32({
    proto: 2,
    optional: true,
    doc: 'Seconds after renewTime at which others may take it.',
  }),
  acquireTime: microTime({ proto: 3, optional: true, doc: 'When the holder took it.' }),
  renewTime: microTime({ proto: 4, optional: true, doc: 'When the holder last renewed it.' }),
  leaseTransitions: int32({ proto: 5, optional: true, doc: 'How often it went to another holder.' }),
  strategy: string({ proto: 6, optional: true, doc: 'How the next holder is chosen, such as OldestEmulationVersion.' }),
  preferredHolder: string({ proto: 7, optional: true, doc: 'Who should have it next.' }),
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
  doc: 'A lease: who holds something, and until when. Nodes and leaders keep theirs alive.',
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
    spec: LeaseSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type Lease = Of<typeof Lease>
