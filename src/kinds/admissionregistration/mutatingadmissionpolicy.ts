// A policy in CEL that changes objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { validateMutatingPolicy } from './policy-rules.ts'
import { defaultMatch } from './request-rules.ts'
import { MutatingAdmissionPolicySpec } from './mutatingadmissionpolicyspec.ts'

export const MutatingAdmissionPolicy = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  scope: 'Cluster',
  conditionalUpdate: true,
  categories: ['api-extensions'],
  doc: 'MutatingAdmissionPolicy changes objects during admission by CEL expressions. It takes effect through a MutatingAdmissionPolicyBinding.',
  generation: true,
  columns: [
    { name: 'Mutations', type: 'integer', value: o => o.spec.mutations?.length ?? 0 },
    {
      name: 'ParamKind',
      type: 'string',
      value: o => (o.spec.paramKind ? `${o.spec.paramKind.apiVersion}/${o.spec.paramKind.kind}` : '<unset>'),
    },
  ],
  explicit: true,
  finalizers: 'any',
  defaults: ({ spec }) => {
    spec.failurePolicy ??= 'Fail'
    defaultMatch(spec.matchConstraints)
  },
  validate: ({ spec }, at) => validateMutatingPolicy(spec, at.field('spec')),
  fields: {
    spec: MutatingAdmissionPolicySpec.value({
      proto: 2,
      doc: 'Requests that the policy applies to, and the mutations that it makes.',
    }),
  },
})
export type MutatingAdmissionPolicy = Of<typeof MutatingAdmissionPolicy>
