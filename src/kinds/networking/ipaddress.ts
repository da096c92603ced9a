// One address of a service range that is taken. Source: pkg/apis/networking/validation (ValidateIPAddress).
import { sameJson } from '../../api/equal.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { immutable, named, requiredName } from '../../api/checks.ts'
import { goStruct } from '../../api/go-value.ts'
import { formatIP, parseIP } from '../../api/ip.ts'
import { dnsSubdomainErrors, pathSegmentErrors } from '../../api/names.ts'
import { string, struct } from '../../api/schema/build.ts'

export const ParentReference = struct(
  'networking.v1.ParentReference',
  'Reference to the object that uses an IP address.',
  {
    group: string({ proto: 1, doc: 'API group of the referenced object. Empty for the core group.' }),
    resource: string({ proto: 2, required: true, doc: 'Resource of the referenced object, such as services.' }),
    namespace: string({ proto: 3, doc: 'Namespace of the referenced object.' }),
    name: string({ proto: 4, required: true, doc: 'Name of the referenced object.' }),
  },
)
export type ParentReference = Of<typeof ParentReference>

export const IPAddressSpec = struct('networking.v1.IPAddressSpec', 'Owner of an IP address.', {
  parentRef: ParentReference.field({
    proto: 1,
    required: true,
    doc: 'Object that uses the IP address. Cannot be changed.',
  }),
})
export type IPAddressSpec = Of<typeof IPAddressSpec>

/** Labels of addresses that belong to Services, and who manages those. */
export const familyLabel = 'ipaddress.kubernetes.io/ip-family'
export const managedByLabel = 'ipaddress.kubernetes.io/managed-by'
export const serviceAllocator = 'ipallocator.k8s.io'

/** The name is the address, in its one spelling. */
function addressErrors(name: string): string[] {
  const ip = parseIP(name)
  if (!ip) return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']
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
  doc: 'IPAddress represents one IP address that is allocated, usually to a service. Its name is the address in canonical form.',
  age: false,
  columns: [{ name: 'ParentRef', type: 'string', value: o => parentText(o.spec.parentRef) }],
  validateName: addressErrors,
  bareGenerateName: true,
  explicit: true,
  *validate({ spec: { parentRef } }, at) {
    const path = at.field('spec', 'parentRef')
    if (!parentRef) return yield path.required()
    const { group, resource, name, namespace } = parentRef
    if (group) yield* named(dnsSubdomainErrors, group, path.field('group'))
    yield* requiredName(pathSegmentErrors, resource, path.field('resource'))
    yield* requiredName(pathSegmentErrors, name, path.field('name'))
    if (namespace) yield* named(pathSegmentErrors, namespace, path.field('namespace'))
  },
  *validateUpdate(next, old, at) {
    const { parentRef } = next.spec
    if (!sameJson(parentRef, old.spec.parentRef))
      yield at.field('spec', 'parentRef').invalid(goStruct(ParentReference, parentRef), immutable)
  },
  fields: {
    spec: IPAddressSpec.value({ proto: 2, required: true, doc: 'Owner of the IP address.' }),
  },
})
export type IPAddress = Of<typeof IPAddress>
