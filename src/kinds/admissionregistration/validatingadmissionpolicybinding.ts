// Puts a validating admission policy into force.
import { defineKind, type Of } from '../../api/kind.ts'
import { list, string, struct } from '../../api/schema/build.ts'
import { MatchResources, ParamRef } from './types.ts'

export const ValidatingAdmissionPolicyBindingSpec = struct(
  'admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec',
  '',
  {
    policyName: string({ proto: 1, required: true }),
    paramRef: ParamRef.field({ proto: 2 }),
    matchResources: MatchResources.field({ proto: 3 }),
    validationActions: list(string({}), { proto: 4, required: true, listType: 'set' }),
  },
)
export type ValidatingAdmissionPolicyBindingSpec = Of<typeof ValidatingAdmissionPolicyBindingSpec>

export const ValidatingAdmissionPolicyBinding = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  scope: 'Cluster',
  doc: 'Puts a validating admission policy into force.',
  fields: {
    spec: ValidatingAdmissionPolicyBindingSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
  },
})
export type ValidatingAdmissionPolicyBinding = Of<typeof ValidatingAdmissionPolicyBinding>
