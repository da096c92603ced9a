// Lists what the caller may do in a namespace.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, list, string, struct } from '../../api/schema/build.ts'

export const SelfSubjectRulesReviewSpec = struct('authorization.v1.SelfSubjectRulesReviewSpec', '', {
  namespace: string({ proto: 1 }),
})
export type SelfSubjectRulesReviewSpec = Of<typeof SelfSubjectRulesReviewSpec>

export const ResourceRule = struct('authorization.v1.ResourceRule', '', {
  verbs: list(string({}), { proto: 1, always: true }),
  apiGroups: list(string({}), { proto: 2 }),
  resources: list(string({}), { proto: 3 }),
  resourceNames: list(string({}), { proto: 4 }),
})
export type ResourceRule = Of<typeof ResourceRule>

export const NonResourceRule = struct('authorization.v1.NonResourceRule', '', {
  verbs: list(string({}), { proto: 1, always: true }),
  nonResourceURLs: list(string({}), { proto: 2 }),
})
export type NonResourceRule = Of<typeof NonResourceRule>

export const SubjectRulesReviewStatus = struct('authorization.v1.SubjectRulesReviewStatus', '', {
  resourceRules: list(ResourceRule, { proto: 1, always: true }),
  nonResourceRules: list(NonResourceRule, { proto: 2, always: true }),
  incomplete: bool({ proto: 3, always: true }),
  evaluationError: string({ proto: 4 }),
})
export type SubjectRulesReviewStatus = Of<typeof SubjectRulesReviewStatus>

export const SelfSubjectRulesReview = defineKind({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  scope: 'Cluster',
  verbs: ['create'],
  doc: 'Lists what the caller may do in a namespace.',
  fields: {
    spec: SelfSubjectRulesReviewSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: SubjectRulesReviewStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type SelfSubjectRulesReview = Of<typeof SelfSubjectRulesReview>
