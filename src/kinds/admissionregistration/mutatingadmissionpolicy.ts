// A policy in CEL that changes objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { list, listByKey, string, struct } from '../../api/schema/build.ts'
import { MatchCondition, MatchResources, ParamKind, Variable } from './types.ts'

export const ApplyConfiguration = struct('admissionregistration.v1.ApplyConfiguration', '', {
  expression: string({ proto: 1 }),
})
export type ApplyConfiguration = Of<typeof ApplyConfiguration>

export const JSONPatch = struct('admissionregistration.v1.JSONPatch', '', {
  expression: string({ proto: 1 }),
})
export type JSONPatch = Of<typeof JSONPatch>

export const Mutation = struct('admissionregistration.v1.Mutation', '', {
  patchType: string({ proto: 2, always: true, enum: ['ApplyConfiguration', 'JSONPatch'] }),
  applyConfiguration: ApplyConfiguration.field({ proto: 3 }),
  jsonPatch: JSONPatch.field({ proto: 4 }),
})
export type Mutation = Of<typeof Mutation>

export const MutatingAdmissionPolicySpec = struct('admissionregistration.v1.MutatingAdmissionPolicySpec', '', {
  paramKind: ParamKind.field({ proto: 1 }),
  matchConstraints: MatchResources.field({ proto: 2 }),
  variables: list(Variable, { proto: 3 }),
  mutations: list(Mutation, { proto: 4 }),
  failurePolicy: string({ proto: 5, optional: true, enum: ['Ignore', 'Fail'] }),
  matchConditions: listByKey('name', MatchCondition, { proto: 6, mergeKey: 'name' }),
  reinvocationPolicy: string({ proto: 7, enum: ['Never', 'IfNeeded'] }),
})
export type MutatingAdmissionPolicySpec = Of<typeof MutatingAdmissionPolicySpec>

export const MutatingAdmissionPolicy = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  scope: 'Cluster',
  doc: 'A policy in CEL that changes objects on their way in.',
  fields: {
    spec: MutatingAdmissionPolicySpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type MutatingAdmissionPolicy = Of<typeof MutatingAdmissionPolicy>
