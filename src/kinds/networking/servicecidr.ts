// A range that service addresses come from. Source: pkg/apis/networking/validation (ValidateServiceCIDR).
import { defineKind, type Of } from '../../api/kind.ts'
import { formatIP, parseCidr } from '../../api/ip.ts'
import { Condition } from '../../api/meta.ts'
import type { Path, Problem } from '../../api/path.ts'
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

function* validateRanges(cidrs: readonly string[], at: Path): Iterable<Problem> {
  if (!cidrs.length) return yield at.required('at least one CIDR required')
  if (cidrs.length > 2) return yield at.invalid(cidrs, 'may only hold up to 2 values')
  const ranges = cidrs.map(parseCidr)
  if (ranges.length === 2 && ranges[0]?.family === ranges[1]?.family)
    yield at.invalid(cidrs, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64')
  for (const [i, range] of ranges.entries()) {
    const where = at.index(i)
    if (!range) {
      yield where.invalid(cidrs[i], 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')
      continue
    }
    const canonical = `${formatIP(range.family, range.base)}/${range.bits}`
    if (canonical !== cidrs[i])
      yield where.invalid(cidrs[i], `must be in canonical form (${JSON.stringify(canonical)})`)
  }
}

export const ServiceCIDR = defineKind({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  scope: 'Cluster',
  status: true,
  columns: [{ name: 'CIDRs', type: 'string', value: o => (o.spec.cidrs ?? []).join(',') || '<none>' }],
  *validate({ spec }, at) {
    yield* validateRanges(spec.cidrs ?? [], at.field('spec', 'cidrs'))
  },
  *validateUpdate(next, old, at) {
    if (JSON.stringify(next.spec.cidrs) !== JSON.stringify(old.spec.cidrs))
      yield at.field('spec', 'cidrs').invalid(next.spec.cidrs, 'field is immutable')
  },
  doc: 'A range that service addresses come from.',
  fields: {
    spec: ServiceCIDRSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ServiceCIDRStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ServiceCIDR = Of<typeof ServiceCIDR>
