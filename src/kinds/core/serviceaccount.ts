// A service account: the identity that programs in pods act under.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, list, listByKey } from '../../api/schema/build.ts'
import { LocalObjectReference, ObjectReference } from './reference.ts'

export const ServiceAccount = defineKind({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  scope: 'Namespaced',
  shortNames: ['sa'],
  subresources: ['token'],
  doc: 'A service account: the identity that programs in pods act under.',
  returnsDeleted: true,
  fields: {
    secrets: listByKey('name', ObjectReference, {
      proto: 2,
      mergeKey: 'name',
      doc: 'Secrets that pods of this account may use; obsolete.',
    }),
    imagePullSecrets: list(LocalObjectReference, {
      proto: 3,
      doc: 'Secrets for pulling images, added to the account’s pods.',
    }),
    automountServiceAccountToken: bool({
      proto: 4,
      optional: true,
      doc: 'Whether the account’s token is mounted in its pods.',
    }),
  },
})
export type ServiceAccount = Of<typeof ServiceAccount>
