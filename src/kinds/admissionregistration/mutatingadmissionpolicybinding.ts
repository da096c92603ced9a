// Puts a mutating admission policy into force, with parameters and for chosen objects.
import { paramText } from './columns.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { string, struct } from '../../api/schema/build.ts'
import { validateBinding, validateMutable } from './policy-rules.ts'
import { defaultMatch } from './request-rules.ts'
import { MatchResources, ParamRef } from './types.ts'

export const MutatingAdmissionPolicyBindingSpec = struct(
  'admissionregistration.v1.MutatingAdmissionPolicyBindingSpec',
  'Policy that is bound, and its parameters and scope.',
  {
    policyName: string({
      proto: 1,
      doc: 'Name of the MutatingAdmissionPolicy. If it does not exist, the binding has no effect.',
    }),
    paramRef: ParamRef.field({
      proto: 2,
      doc: 'Objects with parameters, of the kind that the policy’s paramKind names. If several are selected, the policy is evaluated for each.',
    }),
    matchResources: MatchResources.field({
      proto: 3,
      doc: 'Requests that the binding applies to, out of those that the policy matches. If unset, it applies to all of them.',
    }),
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
  doc: 'MutatingAdmissionPolicyBinding puts a MutatingAdmissionPolicy into effect, with parameters and for selected requests.',
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
    spec: MutatingAdmissionPolicyBindingSpec.value({
      proto: 2,
      doc: 'Policy that is bound, and its parameters and scope.',
    }),
  },
})
export type MutatingAdmissionPolicyBinding = Of<typeof MutatingAdmissionPolicyBinding>
