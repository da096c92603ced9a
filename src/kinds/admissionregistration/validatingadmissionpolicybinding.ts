// Puts a validating admission policy into force.
import { paramText } from './columns.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { list, string, struct } from '../../api/schema/build.ts'
import { validateActions, validateBinding } from './policy-rules.ts'
import { defaultMatch } from './request-rules.ts'
import { MatchResources, ParamRef } from './types.ts'

export const ValidatingAdmissionPolicyBindingSpec = struct(
  'admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec',
  'Where a policy is in force.',
  {
    policyName: string({ proto: 1, required: true, doc: 'Name of the policy.' }),
    paramRef: ParamRef.field({ proto: 2, doc: 'Objects with its parameters.' }),
    matchResources: MatchResources.field({ proto: 3, doc: 'Requests it is in force for, among those of the policy.' }),
    validationActions: list(string({}), {
      proto: 4,
      required: true,
      listType: 'set',
      doc: 'What a failed check does: Deny, Warn, Audit.',
    }),
  },
)
export type ValidatingAdmissionPolicyBindingSpec = Of<typeof ValidatingAdmissionPolicyBindingSpec>

export const ValidatingAdmissionPolicyBinding = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  scope: 'Cluster',
  conditionalUpdate: true,
  categories: ['api-extensions'],
  doc: 'Puts a validating admission policy into force.',
  generation: true,
  columns: [
    { name: 'PolicyName', type: 'string', value: o => o.spec.policyName ?? '' },
    { name: 'ParamRef', type: 'string', value: o => paramText(o.spec.paramRef) },
  ],
  explicit: true,
  finalizers: 'any',
  defaults: ({ spec }) => defaultMatch(spec.matchResources),
  *validate({ spec }, at) {
    yield* validateBinding(spec, at.field('spec'))
    yield* validateActions(spec.validationActions ?? [], at.field('spec', 'validationActions'))
  },
  fields: {
    spec: ValidatingAdmissionPolicyBindingSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
  },
})
export type ValidatingAdmissionPolicyBinding = Of<typeof ValidatingAdmissionPolicyBinding>
