// Puts a mutating admission policy into force, with parameters and for chosen objects.
import { paramText } from './columns.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { string, struct } from '../../api/schema/build.ts'
import { validateBinding, validateMutable } from './policy-rules.ts'
import { defaultMatch } from './request-rules.ts'
import { MatchResources, ParamRef } from './types.ts'

export const MutatingAdmissionPolicyBindingSpec = struct(
  'admissionregistration.v1.MutatingAdmissionPolicyBindingSpec',
  'Where a policy is in force.',
  {
    policyName: string({ proto: 1, doc: 'Name of the policy.' }),
    paramRef: ParamRef.field({ proto: 2, doc: 'Objects with its parameters.' }),
    matchResources: MatchResources.field({ proto: 3, doc: 'Requests it is in force for, among those of the policy.' }),
  },
)
export type MutatingAdmissionPolicyBindingSpec = Of<typeof MutatingAdmissionPolicyBindingSpec>

export const MutatingAdmissionPolicyBinding = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicyBinding',
  plural: 'mutatingadmissionpolicybindings',
  scope: 'Cluster',
  conditionalUpdate: true,
  categories: ['api-extensions'],
  doc: 'Puts a mutating admission policy into force, with parameters and for chosen objects.',
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
    yield* validateMutable(spec.matchResources, at.field('spec', 'matchResources'))
  },
  fields: {
    spec: MutatingAdmissionPolicyBindingSpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type MutatingAdmissionPolicyBinding = Of<typeof MutatingAdmissionPolicyBinding>
