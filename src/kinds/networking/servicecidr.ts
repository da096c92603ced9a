// A range that service addresses come from.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { list, listByKey, string, struct } from '../../api/schema/build.ts'

export const ServiceCIDRSpec = struct(
  'networking.v1.ServiceCIDRSpec',
  'A range that services get their addresses from.',
  {
    cidrs: list(string({}), { proto: 1, doc: 'One range, or one per family; cannot change.' }),
  },
)
export type ServiceCIDRSpec = Of<typeof ServiceCIDRSpec>

export const ServiceCIDRStatus = struct('networking.v1.ServiceCIDRStatus', 'The state of a range.', {
  conditions: listByKey('type', Condition, {
    proto: 1,
    mergeKey: 'type',
    doc: 'What can be said about the state, one entry per aspect.',
  }),
})
export type ServiceCIDRStatus = Of<typeof ServiceCIDRStatus>

export const ServiceCIDR = defineKind({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  scope: 'Cluster',
  status: true,
  doc: 'A range that service addresses come from.',
  fields: {
    spec: ServiceCIDRSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ServiceCIDRStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ServiceCIDR = Of<typeof ServiceCIDR>
