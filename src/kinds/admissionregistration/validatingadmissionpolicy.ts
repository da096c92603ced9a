// A policy in CEL that refuses objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { int64, list, listByKey, string, struct } from '../../api/schema/build.ts'
import { MatchCondition, MatchResources, ParamKind, Variable } from './types.ts'

export const Validation = struct('admissionregistration.v1.Validation', '', {
  expression: string({ proto: 1, always: true }),
  message: string({ proto: 2 }),
  reason: string({ proto: 3, optional: true }),
  messageExpression: string({ proto: 4 }),
})
export type Validation = Of<typeof Validation>

export const AuditAnnotation = struct('admissionregistration.v1.AuditAnnotation', '', {
  key: string({ proto: 1, always: true }),
  valueExpression: string({ proto: 2, always: true }),
})
export type AuditAnnotation = Of<typeof AuditAnnotation>

export const ValidatingAdmissionPolicySpec = struct('admissionregistration.v1.ValidatingAdmissionPolicySpec', '', {
  paramKind: ParamKind.field({ proto: 1 }),
  matchConstraints: MatchResources.field({ proto: 2 }),
  validations: list(Validation, { proto: 3 }),
  failurePolicy: string({ proto: 4, optional: true, enum: ['Ignore', 'Fail'] }),
  auditAnnotations: list(AuditAnnotation, { proto: 5 }),
  matchConditions: listByKey('name', MatchCondition, { proto: 6, mergeKey: 'name' }),
  variables: listByKey('name', Variable, { proto: 7, mergeKey: 'name' }),
})
export type ValidatingAdmissionPolicySpec = Of<typeof ValidatingAdmissionPolicySpec>

export const ExpressionWarning = struct('admissionregistration.v1.ExpressionWarning', '', {
  fieldRef: string({ proto: 2, always: true }),
  warning: string({ proto: 3, always: true }),
})
export type ExpressionWarning = Of<typeof ExpressionWarning>

export const TypeChecking = struct('admissionregistration.v1.TypeChecking', '', {
  expressionWarnings: list(ExpressionWarning, { proto: 1 }),
})
export type TypeChecking = Of<typeof TypeChecking>

export const ValidatingAdmissionPolicyStatus = struct('admissionregistration.v1.ValidatingAdmissionPolicyStatus', '', {
  observedGeneration: int64({ proto: 1 }),
  typeChecking: TypeChecking.field({ proto: 2 }),
  conditions: listByKey('type', Condition, { proto: 3 }),
})
export type ValidatingAdmissionPolicyStatus = Of<typeof ValidatingAdmissionPolicyStatus>

export const ValidatingAdmissionPolicy = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  scope: 'Cluster',
  status: true,
  doc: 'A policy in CEL that refuses objects on their way in.',
  fields: {
    spec: ValidatingAdmissionPolicySpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: ValidatingAdmissionPolicyStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type ValidatingAdmissionPolicy = Of<typeof ValidatingAdmissionPolicy>
