// A resource quota: how much all objects of a namespace may use together.
import { defineKind, type Of } from '../../api/kind.ts'
import { map, quantity, struct } from '../../api/schema/build.ts'
import { validateQuota, validateQuotaUpdate } from './quota-rules.ts'
import { ResourceQuotaSpec } from './resourcequotaspec.ts'

export const ResourceQuotaStatus = struct(
  'core.v1.ResourceQuotaStatus',
  'Enforced limits of a quota and their current use.',
  {
    hard: map(quantity({}), { proto: 1, doc: 'Limit that is enforced for each resource.' }),
    used: map(quantity({}), { proto: 2, doc: 'Amount of each resource that is currently used in the namespace.' }),
  },
)
export type ResourceQuotaStatus = Of<typeof ResourceQuotaStatus>

export const ResourceQuota = defineKind({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  scope: 'Namespaced',
  shortNames: ['quota'],
  status: true,
  doc: 'ResourceQuota limits the total resources that the objects in a namespace may use.',
  returnsDeleted: true,
  columns: [
    { name: 'Request', type: 'string', value: o => usageText(o.status, name => !name.startsWith('limits.')) },
    { name: 'Limit', type: 'string', value: o => usageText(o.status, name => name.startsWith('limits.')) },
  ],
  explicit: true,
  *validate({ spec }, at) {
    yield* validateQuota(spec, at.field('spec'))
  },
  *validateUpdate(next, old, at) {
    yield* validateQuotaUpdate(next.spec, old.spec, at.field('spec'))
  },
  fields: {
    spec: ResourceQuotaSpec.value({ proto: 2, doc: 'Desired limits of the quota.' }),
    status: ResourceQuotaStatus.value({ proto: 3, doc: 'Enforced limits and their current use.' }),
  },
})
export type ResourceQuota = Of<typeof ResourceQuota>

/** `pods: 1/5, services: 0/2` of the resources that are meant. Source: printResourceQuota. */
function usageText({ hard = {}, used = {} }: ResourceQuotaStatus, isMeant: (name: string) => boolean): string {
  return Object.keys(hard)
    .filter(isMeant)
    .sort()
    .map(name => `${name}: ${used[name] ?? '0'}/${hard[name]}`)
    .join(', ')
}
