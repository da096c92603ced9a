// One address of a service range that is taken.
import { defineKind, type Of } from '../../api/kind.ts'
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

export const IPAddress = defineKind({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  plural: 'ipaddresses',
  scope: 'Cluster',
  shortNames: ['ip'],
  doc: 'One address of a service range that is taken.',
  fields: {
    spec: IPAddressSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
  },
})
export type IPAddress = Of<typeof IPAddress>
