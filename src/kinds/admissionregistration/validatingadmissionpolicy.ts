// A policy in CEL that refuses objects on their way in.
import { keptByStatus } from '../status-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { int64, list, listByKey, string, struct } from '../../api/schema/build.ts'
import { validateValidatingPolicy } from './policy-rules.ts'
import { defaultMatch } from './request-rules.ts'
import { ValidatingAdmissionPolicySpec } from './validatingadmissionpolicyspec.ts'

export const ExpressionWarning = struct(
  'admissionregistration.v1.ExpressionWarning',
  'Warning about the types in an expression.',
  {
    fieldRef: string({
      proto: 2,
      always: true,
      doc: 'Path of the field with the expression, such as spec.validations[0].expression.',
    }),
    warning: string({ proto: 3, always: true, doc: 'Human-readable result of the type check.' }),
  },
)
export type ExpressionWarning = Of<typeof ExpressionWarning>

export const TypeChecking = struct(
  'admissionregistration.v1.TypeChecking',
  'Results of the type check of the expressions in a policy.',
  {
    expressionWarnings: list(ExpressionWarning, { proto: 1, doc: 'Warnings about expressions.' }),
  },
)
export type TypeChecking = Of<typeof TypeChecking>

export const ValidatingAdmissionPolicyStatus = struct(
  'admissionregistration.v1.ValidatingAdmissionPolicyStatus',
  'Most recently observed state of a ValidatingAdmissionPolicy.',
  {
    observedGeneration: int64({ proto: 1, doc: 'Generation that the controller has most recently processed.' }),
    typeChecking: TypeChecking.field({
      proto: 2,
      doc: 'Results of the type check of the expressions. Set once the check is complete.',
    }),
    conditions: listByKey('type', Condition, {
      proto: 3,
      doc: 'Current conditions of the policy.',
    }),
  },
)
export type ValidatingAdmissionPolicyStatus = Of<typeof ValidatingAdmissionPolicyStatus>

export const ValidatingAdmissionPolicy = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  scope: 'Cluster',
  conditionalUpdate: true,
  categories: ['api-extensions'],
  status: true,
  statusKeeps: keptByStatus,
  doc: 'ValidatingAdmissionPolicy validates requests during admission by CEL expressions. It takes effect through a ValidatingAdmissionPolicyBinding.',
  generation: true,
  columns: [
    { name: 'Validations', type: 'integer', value: o => o.spec.validations?.length ?? 0 },
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
  validate: ({ metadata, spec }, at) => validateValidatingPolicy(metadata.name ?? '', spec, at.field('spec')),
  fields: {
    spec: ValidatingAdmissionPolicySpec.value({
      proto: 2,
      doc: 'Requests that the policy applies to, and the validations that they must pass.',
    }),
    status: ValidatingAdmissionPolicyStatus.value({ proto: 3, doc: 'Most recently observed state of the policy.' }),
  },
})
export type ValidatingAdmissionPolicy = Of<typeof ValidatingAdmissionPolicy>
