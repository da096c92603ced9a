// One address of a service range that is taken. Source: pkg/apis/networking/validation (ValidateIPAddress).
import { defineKind, type Of } from '../../api/kind.ts'
import { formatIP, parseIP } from '../../api/ip.ts'
import { string, struct } from '../../api/schema/build.ts'

export const ParentReference = struct('networking.v1.ParentReference', 'The object that an address belongs to.', {
  group: string({ proto: 1, doc: 'Group of the object; empty for the core group.' }),
  resource: string({ proto: 2, required: true, doc: 'Resource of the object, such as services.' }),
  namespace: string({ proto: 3, doc: 'Namespace of the object.' }),
  name: string({ proto: 4, required: true, doc: 'Name of the object.' }),
})
export type ParentReference = Of<typeof ParentReference>

export const IPAddressSpec = struct('networking.v1.IPAddressSpec', 'Whose an address is.', {
  parentRef: ParentReference.field({ proto: 1, required: true, doc: 'Object that the address belongs to.' }),
})
export type IPAddressSpec = Of<typeof IPAddressSpec>

/** Labels of addresses that belong to Services, and who manages those. */
export const familyLabel = 'ipaddress.kubernetes.io/ip-family'
export const managedByLabel = 'ipaddress.kubernetes.io/managed-by'
export const serviceAllocator = 'ipallocator.k8s.io'

/** The name is the address, in its one spelling. */
function addressErrors(name: string): string[] {
  const ip = parseIP(name)
  if (!ip) return ['must be a valid IP address']
  const canonical = formatIP(ip.family, ip.value)
  return canonical === name ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`]
}

const parentText = (parent: ParentReference | undefined) =>
  parent
    ? [`${parent.resource}${parent.group ? `.${parent.group}` : ''}`, parent.namespace, parent.name]
        .filter(Boolean)
        .join('/')
    : ''

export const IPAddress = defineKind({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  scope: 'Cluster',
  shortNames: ['ip'],
  doc: 'One address of a service range that is taken.',
  columns: [{ name: 'ParentRef', type: 'string', value: o => parentText(o.spec.parentRef) }],
  validateName: addressErrors,
  *validateUpdate(next, old, at) {
    if (JSON.stringify(next.spec.parentRef) !== JSON.stringify(old.spec.parentRef))
      yield at.field('spec', 'parentRef').invalid(next.spec.parentRef, 'field is immutable')
  },
  fields: {
    spec: IPAddressSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
  },
})
export type IPAddress = Of<typeof IPAddress>
