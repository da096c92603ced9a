// A policy in CEL that refuses objects on their way in.
import { keptByStatus } from '../status-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { int64, list, listByKey, string, struct } from '../../api/schema/build.ts'
import { validateValidatingPolicy } from './policy-rules.ts'
import { defaultMatch } from './request-rules.ts'
import { MatchCondition, MatchResources, ParamKind, Variable } from './types.ts'

export const Validation = struct('admissionregistration.v1.Validation', 'CEL expression that validates a request.', {
  expression: string({
    proto: 1,
    always: true,
    doc: 'CEL expression that must evaluate to true. It can use object, oldObject, request, params, namespaceObject, variables and authorizer.',
  }),
  message: string({
    proto: 2,
    doc: 'Message for the user if the validation fails. Must not contain line breaks. Required if the expression contains some. Defaults to a message with the expression.',
  }),
  reason: string({
    proto: 3,
    optional: true,
    doc: 'Machine-readable reason for the rejection: Unauthorized, Forbidden, Invalid or RequestEntityTooLarge. Defaults to Invalid.',
  }),
  messageExpression: string({
    proto: 4,
    doc: 'CEL expression that evaluates to the message for the user. Takes precedence over message, which is used if it fails.',
  }),
})
export type Validation = Of<typeof Validation>

export const AuditAnnotation = struct(
  'admissionregistration.v1.AuditAnnotation',
  'Annotation that is added to the audit event of a request.',
  {
    key: string({
      proto: 1,
      always: true,
      doc: 'Key of the annotation, unique within the policy. It is prefixed with the name of the policy.',
    }),
    valueExpression: string({
      proto: 2,
      always: true,
      doc: 'CEL expression that evaluates to the value of the annotation, as a string. If it is null or empty, there is no annotation.',
    }),
  },
)
export type AuditAnnotation = Of<typeof AuditAnnotation>

export const ValidatingAdmissionPolicySpec = struct(
  'admissionregistration.v1.ValidatingAdmissionPolicySpec',
  'Requests that a policy applies to, and the validations that they must pass.',
  {
    paramKind: ParamKind.field({
      proto: 1,
      doc: 'Kind of the objects with parameters for the policy. If unset, the policy has no parameters.',
    }),
    matchConstraints: MatchResources.field({ proto: 2, doc: 'Requests that the policy applies to. Required.' }),
    validations: list(Validation, {
      proto: 3,
      doc: 'Validations that a request must all pass. At least one is required unless auditAnnotations are set.',
    }),
    failurePolicy: string({
      proto: 4,
      optional: true,
      enum: ['Ignore', 'Fail'],
      doc: 'What happens if the policy cannot be evaluated: Fail takes the validationActions of the binding, Ignore skips the policy. Defaults to Fail.',
    }),
    auditAnnotations: list(AuditAnnotation, {
      proto: 5,
      doc: 'Annotations that are added to the audit event of a request. At most 20.',
    }),
    matchConditions: listByKey('name', MatchCondition, {
      proto: 6,
      mergeKey: 'name',
      doc: 'CEL conditions that a request must all meet, in addition to matchConstraints. At most 64.',
    }),
    variables: listByKey('name', Variable, {
      proto: 7,
      mergeKey: 'name',
      doc: 'Named expressions that other expressions can use, as variables.<name>. Each can use those before it.',
    }),
  },
)
export type ValidatingAdmissionPolicySpec = Of<typeof ValidatingAdmissionPolicySpec>

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
