// A policy in CEL that refuses objects on their way in.
import { keptByStatus } from '../status-rules.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { int64, list, listByKey, string, struct } from '../../api/schema/build.ts'
import { validateValidatingPolicy } from './policy-rules.ts'
import { defaultMatch } from './request-rules.ts'
import { MatchCondition, MatchResources, ParamKind, Variable } from './types.ts'

export const Validation = struct('admissionregistration.v1.Validation', 'A check of a request.', {
  expression: string({ proto: 1, always: true, doc: 'CEL expression that must be true.' }),
  message: string({ proto: 2, doc: 'What to say if it is not.' }),
  reason: string({ proto: 3, optional: true, doc: 'Reason of the refusal, such as Forbidden or Invalid.' }),
  messageExpression: string({ proto: 4, doc: 'CEL expression that gives the message.' }),
})
export type Validation = Of<typeof Validation>

export const AuditAnnotation = struct('admissionregistration.v1.AuditAnnotation', 'A value for the audit log.', {
  key: string({ proto: 1, always: true, doc: 'Its key.' }),
  valueExpression: string({ proto: 2, always: true, doc: 'CEL expression that gives the value; null for none.' }),
})
export type AuditAnnotation = Of<typeof AuditAnnotation>

export const ValidatingAdmissionPolicySpec = struct(
  'admissionregistration.v1.ValidatingAdmissionPolicySpec',
  'Which requests are checked, and how.',
  {
    paramKind: ParamKind.field({ proto: 1, doc: 'Kind of the objects that carry parameters.' }),
    matchConstraints: MatchResources.field({ proto: 2, doc: 'Requests that the policy is for.' }),
    validations: list(Validation, { proto: 3, doc: 'The checks; all must pass.' }),
    failurePolicy: string({
      proto: 4,
      optional: true,
      enum: ['Ignore', 'Fail'],
      doc: 'Whether a policy that cannot be evaluated makes the request Fail, or is ignored.',
    }),
    auditAnnotations: list(AuditAnnotation, { proto: 5, doc: 'Values for the audit log.' }),
    matchConditions: listByKey('name', MatchCondition, {
      proto: 6,
      mergeKey: 'name',
      doc: 'Further conditions on the request.',
    }),
    variables: listByKey('name', Variable, {
      proto: 7,
      mergeKey: 'name',
      doc: 'Expressions that others can refer to by name.',
    }),
  },
)
export type ValidatingAdmissionPolicySpec = Of<typeof ValidatingAdmissionPolicySpec>

export const ExpressionWarning = struct(
  'admissionregistration.v1.ExpressionWarning',
  'An expression that looks wrong.',
  {
    fieldRef: string({ proto: 2, always: true, doc: 'Path of the expression.' }),
    warning: string({ proto: 3, always: true, doc: 'What looks wrong.' }),
  },
)
export type ExpressionWarning = Of<typeof ExpressionWarning>

export const TypeChecking = struct(
  'admissionregistration.v1.TypeChecking',
  'What checking the types of the expressions found.',
  {
    expressionWarnings: list(ExpressionWarning, { proto: 1, doc: 'Expressions that look wrong.' }),
  },
)
export type TypeChecking = Of<typeof TypeChecking>

export const ValidatingAdmissionPolicyStatus = struct(
  'admissionregistration.v1.ValidatingAdmissionPolicyStatus',
  'The state of a policy.',
  {
    observedGeneration: int64({ proto: 1, doc: 'The generation this was computed for.' }),
    typeChecking: TypeChecking.field({ proto: 2, doc: 'What checking the types of the expressions found.' }),
    conditions: listByKey('type', Condition, {
      proto: 3,
      doc: 'What can be said about the state, one entry per aspect.',
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
  doc: 'A policy in CEL that refuses objects on their way in.',
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
    spec: ValidatingAdmissionPolicySpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ValidatingAdmissionPolicyStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ValidatingAdmissionPolicy = Of<typeof ValidatingAdmissionPolicy>
