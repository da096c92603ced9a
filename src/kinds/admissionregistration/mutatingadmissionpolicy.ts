// A policy in CEL that changes objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { list, listByKey, string, struct } from '../../api/schema/build.ts'
import { validateMutatingPolicy } from './policy-rules.ts'
import { defaultMatch } from './request-rules.ts'
import { MatchCondition, MatchResources, ParamKind, Variable } from './types.ts'

export const ApplyConfiguration = struct(
  'admissionregistration.v1.ApplyConfiguration',
  'Changes an object by applying another to it.',
  {
    expression: string({ proto: 1, doc: 'CEL expression that gives the object to apply.' }),
  },
)
export type ApplyConfiguration = Of<typeof ApplyConfiguration>

export const JSONPatch = struct('admissionregistration.v1.JSONPatch', 'Changes an object by a JSON patch.', {
  expression: string({ proto: 1, doc: 'CEL expression that gives the list of patch operations.' }),
})
export type JSONPatch = Of<typeof JSONPatch>

export const Mutation = struct('admissionregistration.v1.Mutation', 'One change of an object.', {
  patchType: string({
    proto: 2,
    always: true,
    enum: ['ApplyConfiguration', 'JSONPatch'],
    doc: 'ApplyConfiguration or JSONPatch.',
  }),
  applyConfiguration: ApplyConfiguration.field({ proto: 3, doc: 'The object to apply.' }),
  jsonPatch: JSONPatch.field({ proto: 4, doc: 'The patch.' }),
})
export type Mutation = Of<typeof Mutation>

export const MutatingAdmissionPolicySpec = struct(
  'admissionregistration.v1.MutatingAdmissionPolicySpec',
  'Which requests are changed, and how.',
  {
    paramKind: ParamKind.field({ proto: 1, doc: 'Kind of the objects that carry parameters.' }),
    matchConstraints: MatchResources.field({ proto: 2, doc: 'Requests that the policy is for.' }),
    variables: list(Variable, { proto: 3, doc: 'Expressions that others can refer to by name.' }),
    mutations: list(Mutation, { proto: 4, doc: 'The changes, in order.' }),
    failurePolicy: string({
      proto: 5,
      optional: true,
      enum: ['Ignore', 'Fail'],
      doc: 'Whether a policy that cannot be evaluated makes the request Fail, or is ignored.',
    }),
    matchConditions: listByKey('name', MatchCondition, {
      proto: 6,
      mergeKey: 'name',
      doc: 'Further conditions on the request.',
    }),
    reinvocationPolicy: string({
      proto: 7,
      enum: ['Never', 'IfNeeded'],
      doc: 'Whether it runs again after others changed the object.',
    }),
  },
)
export type MutatingAdmissionPolicySpec = Of<typeof MutatingAdmissionPolicySpec>

export const MutatingAdmissionPolicy = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingAdmissionPolicy',
  plural: 'mutatingadmissionpolicies',
  scope: 'Cluster',
  conditionalUpdate: true,
  categories: ['api-extensions'],
  doc: 'A policy in CEL that changes objects on their way in.',
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
    spec: MutatingAdmissionPolicySpec.value({ proto: 2, doc: 'What is wanted.' }),
  },
})
export type MutatingAdmissionPolicy = Of<typeof MutatingAdmissionPolicy>
