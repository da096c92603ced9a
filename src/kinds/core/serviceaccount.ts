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
  doc: 'ServiceAccount is an identity that processes in pods use to access the API server.',
  returnsDeleted: true,
  fields: {
    secrets: listByKey('name', ObjectReference, {
      proto: 2,
      mergeKey: 'name',
      doc: 'Deprecated: Secrets that pods with this account may use. They are not limited to these Secrets, unless the annotation kubernetes.io/enforce-mountable-secrets is true.',
    }),
    imagePullSecrets: list(LocalObjectReference, {
      proto: 3,
      doc: 'Secrets in the same namespace for pulling images. They are added to pods with this account that have none.',
    }),
    automountServiceAccountToken: bool({
      proto: 4,
      optional: true,
      doc: 'Whether a token of the account is mounted into the containers of its pods. A pod can override it. Defaults to true.',
    }),
  },
})
export type ServiceAccount = Of<typeof ServiceAccount>
