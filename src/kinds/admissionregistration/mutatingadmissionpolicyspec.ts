// What a policy that changes objects is: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import { list, listByKey, string, struct } from '../../api/schema/build.ts'
import { MatchCondition, MatchResources, ParamKind, Variable } from './types.ts'

export const ApplyConfiguration = struct(
  'admissionregistration.v1.ApplyConfiguration',
  'Mutation that merges a partial object into the object, in the manner of server-side apply.',
  {
    expression: string({ proto: 1, doc: 'CEL expression that evaluates to the partial object to merge.' }),
  },
)
export type ApplyConfiguration = Of<typeof ApplyConfiguration>

export const JSONPatch = struct(
  'admissionregistration.v1.JSONPatch',
  'Mutation that applies a JSON patch to the object.',
  {
    expression: string({ proto: 1, doc: 'CEL expression that evaluates to a list of JSON patch operations.' }),
  },
)
export type JSONPatch = Of<typeof JSONPatch>

export const Mutation = struct(
  'admissionregistration.v1.Mutation',
  'Single change of an object. The field that patchType names must be set.',
  {
    patchType: string({
      proto: 2,
      always: true,
      enum: ['ApplyConfiguration', 'JSONPatch'],
      doc: 'Type of the mutation: ApplyConfiguration or JSONPatch.',
    }),
    applyConfiguration: ApplyConfiguration.field({
      proto: 3,
      doc: 'Partial object to merge. Only for patchType ApplyConfiguration.',
    }),
    jsonPatch: JSONPatch.field({ proto: 4, doc: 'JSON patch to apply. Only for patchType JSONPatch.' }),
  },
)
export type Mutation = Of<typeof Mutation>

export const MutatingAdmissionPolicySpec = struct(
  'admissionregistration.v1.MutatingAdmissionPolicySpec',
  'Requests that a policy applies to, and the mutations that it makes.',
  {
    paramKind: ParamKind.field({
      proto: 1,
      doc: 'Kind of the objects with parameters for the policy. If unset, the policy has no parameters.',
    }),
    matchConstraints: MatchResources.field({
      proto: 2,
      doc: 'Requests that the policy applies to. Required. The operation DELETE is not allowed.',
    }),
    variables: list(Variable, {
      proto: 3,
      doc: 'Named expressions that other expressions can use, as variables.<name>. Each can use those before it.',
    }),
    mutations: list(Mutation, {
      proto: 4,
      doc: 'Mutations of the object, applied in order. At least one is required.',
    }),
    failurePolicy: string({
      proto: 5,
      optional: true,
      enum: ['Ignore', 'Fail'],
      doc: 'What happens if the policy cannot be evaluated: Fail rejects the request, Ignore skips the policy. Defaults to Fail.',
    }),
    matchConditions: listByKey('name', MatchCondition, {
      proto: 6,
      mergeKey: 'name',
      doc: 'CEL conditions that a request must all meet, in addition to matchConstraints. At most 64.',
    }),
    reinvocationPolicy: string({
      proto: 7,
      enum: ['Never', 'IfNeeded'],
      doc: 'Whether the policy is evaluated once more if the object is changed afterwards: Never or IfNeeded.',
    }),
  },
)
export type MutatingAdmissionPolicySpec = Of<typeof MutatingAdmissionPolicySpec>
