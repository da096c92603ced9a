// Lists what the caller may do in a namespace.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, list, string, struct } from '../../api/schema/build.ts'

export const SelfSubjectRulesReviewSpec = struct(
  'authorization.v1.SelfSubjectRulesReviewSpec',
  'Where the client asks what it may.',
  {
    namespace: string({ proto: 1, doc: 'The namespace.' }),
  },
)
export type SelfSubjectRulesReviewSpec = Of<typeof SelfSubjectRulesReviewSpec>

export const ResourceRule = struct('authorization.v1.ResourceRule', 'Verbs allowed on resources.', {
  verbs: list(string({}), { proto: 1, always: true, doc: 'The verbs; * for all.' }),
  apiGroups: list(string({}), { proto: 2, doc: 'Groups of the resources; * for all.' }),
  resources: list(string({}), { proto: 3, doc: 'The resources; * for all.' }),
  resourceNames: list(string({}), { proto: 4, doc: 'Names of objects; otherwise all.' }),
})
export type ResourceRule = Of<typeof ResourceRule>

export const NonResourceRule = struct('authorization.v1.NonResourceRule', 'Verbs allowed on paths.', {
  verbs: list(string({}), { proto: 1, always: true, doc: 'The verbs; * for all.' }),
  nonResourceURLs: list(string({}), { proto: 2, doc: 'The paths; * at the end for all below.' }),
})
export type NonResourceRule = Of<typeof NonResourceRule>

export const SubjectRulesReviewStatus = struct('authorization.v1.SubjectRulesReviewStatus', 'What the client may do.', {
  resourceRules: list(ResourceRule, { proto: 1, always: true, doc: 'What it may do with resources.' }),
  nonResourceRules: list(NonResourceRule, { proto: 2, always: true, doc: 'What it may do with other paths.' }),
  incomplete: bool({ proto: 3, always: true, doc: 'True if it may be allowed more than is listed.' }),
  evaluationError: string({ proto: 4, doc: 'Why something could not be found out.' }),
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
