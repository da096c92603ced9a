// Puts a validating admission policy into force.
import { paramText } from './columns.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { list, string, struct } from '../../api/schema/build.ts'
import { validateActions, validateBinding } from './policy-rules.ts'
import { defaultMatch } from './request-rules.ts'
import { MatchResources, ParamRef } from './types.ts'

export const ValidatingAdmissionPolicyBindingSpec = struct(
  'admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec',
  'Policy that is bound, and its parameters, scope and actions.',
  {
    policyName: string({
      proto: 1,
      required: true,
      doc: 'Name of the ValidatingAdmissionPolicy. If it does not exist, the binding has no effect.',
    }),
    paramRef: ParamRef.field({
      proto: 2,
      doc: 'Objects with parameters, of the kind that the policy’s paramKind names. If several are selected, the policy is evaluated for each.',
    }),
    matchResources: MatchResources.field({
      proto: 3,
      doc: 'Requests that the binding applies to, out of those that the policy matches. If unset, it applies to all of them.',
    }),
    validationActions: list(string({}), {
      proto: 4,
      required: true,
      listType: 'set',
      doc: 'Actions if a validation fails: Deny rejects the request, Warn returns a warning to the client, Audit adds an annotation to the audit event. Deny and Warn cannot be combined.',
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
  doc: 'ValidatingAdmissionPolicyBinding puts a ValidatingAdmissionPolicy into effect, with parameters and for selected requests.',
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
    spec: ValidatingAdmissionPolicyBindingSpec.value({
      proto: 2,
      required: true,
      doc: 'Policy that is bound, and its parameters, scope and actions.',
    }),
  },
})
export type ValidatingAdmissionPolicyBinding = Of<typeof ValidatingAdmissionPolicyBinding>
