// Lists what the caller may do in a namespace.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, list, string, struct } from '../../api/schema/build.ts'

export const SelfSubjectRulesReviewSpec = struct(
  'authorization.v1.SelfSubjectRulesReviewSpec',
  'Namespace to list permissions for.',
  {
    namespace: string({ proto: 1, doc: 'Namespace to list permissions for. Required.' }),
  },
)
export type SelfSubjectRulesReviewSpec = Of<typeof SelfSubjectRulesReviewSpec>

export const ResourceRule = struct('authorization.v1.ResourceRule', 'Permission to use some verbs on some resources.', {
  verbs: list(string({}), {
    proto: 1,
    always: true,
    doc: 'Verbs that are allowed, such as get, list or create. * is all verbs.',
  }),
  apiGroups: list(string({}), { proto: 2, doc: 'API groups of the resources. * is all groups.' }),
  resources: list(string({}), {
    proto: 3,
    doc: 'Resources that the rule applies to. * is all resources, */foo the subresource foo of all resources.',
  }),
  resourceNames: list(string({}), {
    proto: 4,
    doc: 'Names of the objects that the rule applies to. If empty, it applies to all of them.',
  }),
})
export type ResourceRule = Of<typeof ResourceRule>

export const NonResourceRule = struct(
  'authorization.v1.NonResourceRule',
  'Permission to use some verbs on some URL paths.',
  {
    verbs: list(string({}), {
      proto: 1,
      always: true,
      doc: 'Verbs that are allowed, such as get or post. * is all verbs.',
    }),
    nonResourceURLs: list(string({}), {
      proto: 2,
      doc: 'URL paths that the rule applies to. A * is only allowed as the last element.',
    }),
  },
)
export type NonResourceRule = Of<typeof NonResourceRule>

export const SubjectRulesReviewStatus = struct(
  'authorization.v1.SubjectRulesReviewStatus',
  'Permissions of a user in a namespace.',
  {
    resourceRules: list(ResourceRule, {
      proto: 1,
      always: true,
      doc: 'Permissions for resources. The order is not significant, and there may be duplicates.',
    }),
    nonResourceRules: list(NonResourceRule, {
      proto: 2,
      always: true,
      doc: 'Permissions for URL paths that are not resources.',
    }),
    incomplete: bool({
      proto: 3,
      always: true,
      doc: 'Whether the list is incomplete, for example because an authorizer cannot list its rules.',
    }),
    evaluationError: string({
      proto: 4,
      doc: 'Error that occurred while the rules were listed. The list may then be incomplete.',
    }),
  },
)
export type SubjectRulesReviewStatus = Of<typeof SubjectRulesReviewStatus>

export const SelfSubjectRulesReview = defineKind({
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SelfSubjectRulesReview',
  plural: 'selfsubjectrulesreviews',
  scope: 'Cluster',
  verbs: ['create'],
  doc: 'SelfSubjectRulesReview lists what the user who makes the request may do in a namespace. It is meant for user interfaces, not for access decisions.',
  fields: {
    spec: SelfSubjectRulesReviewSpec.value({ proto: 2, doc: 'Namespace to list permissions for.' }),
    status: SubjectRulesReviewStatus.value({ proto: 3, doc: 'Permissions of the user. Filled in by the server.' }),
  },
})
export type SelfSubjectRulesReview = Of<typeof SelfSubjectRulesReview>
