// What a policy that refuses objects is: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import { list, listByKey, string, struct } from '../../api/schema/build.ts'
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
