// A range that service addresses come from. Source: pkg/apis/networking/validation (ValidateServiceCIDR).
import { defineKind, type Of } from '../../api/kind.ts'
import { type Problems, validateCIDR } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { parseCidr } from '../../api/ip.ts'
import { Condition } from '../../api/meta.ts'
import type { Path } from '../../api/path.ts'
import { unchanged } from '../unchanged.ts'
import { list, listByKey, string, struct } from '../../api/schema/build.ts'

export const ServiceCIDRSpec = struct('networking.v1.ServiceCIDRSpec', 'Ranges of IP addresses for services.', {
  cidrs: list(string({}), {
    proto: 1,
    doc: 'One range, or one for each IP family, such as 10.96.0.0/16. Cannot be changed.',
  }),
})
export type ServiceCIDRSpec = Of<typeof ServiceCIDRSpec>

export const ServiceCIDRStatus = struct(
  'networking.v1.ServiceCIDRStatus',
  'Most recently observed state of a ServiceCIDR.',
  {
    conditions: listByKey('type', Condition, {
      proto: 1,
      mergeKey: 'type',
      doc: 'Current conditions of the ServiceCIDR, such as Ready.',
    }),
  },
)
export type ServiceCIDRStatus = Of<typeof ServiceCIDRStatus>

function* validateRanges(spec: ServiceCIDRSpec, at: Path): Problems {
  const cidrs = spec.cidrs ?? []
  if (!cidrs.length) return yield at.required('at least one CIDR required')
  if (cidrs.length > 2) return yield at.invalid(goStruct(ServiceCIDRSpec, spec), 'may only hold up to 2 values')
  const families = cidrs.map(cidr => parseCidr(cidr)?.family)
  if (families[0] && families[0] === families[1])
    return yield at.invalid(
      cidrs,
      'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
    )
  for (const [i, cidr] of cidrs.entries()) yield* validateCIDR(cidr, at.index(i))
}

export const ServiceCIDR = defineKind({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  scope: 'Cluster',
  status: true,
  columns: [{ name: 'CIDRs', type: 'string', value: o => (o.spec.cidrs ?? []).join(',') || '<none>' }],
  explicit: true,
  *validate({ spec }, at) {
    yield* validateRanges(spec, at.field('spec', 'cidrs'))
  },
  *validateUpdate(next, old, at) {
    yield* unchanged(next.spec, old.spec, ['cidrs'], at.field('spec'))
  },
  doc: 'ServiceCIDR defines a range of IP addresses that the addresses of services are allocated from.',
  fields: {
    spec: ServiceCIDRSpec.value({ proto: 2, doc: 'Ranges of IP addresses.' }),
    status: ServiceCIDRStatus.value({ proto: 3, doc: 'Most recently observed state of the ServiceCIDR.' }),
  },
})
export type ServiceCIDR = Of<typeof ServiceCIDR>
