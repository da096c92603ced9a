// What access reviews share: the question and the answer.
import type { Of } from '../../api/kind.ts'
import { FieldSelectorRequirement, LabelSelectorRequirement } from '../../api/meta.ts'
import { bool, list, map, string, struct } from '../../api/schema/build.ts'

export const FieldSelectorAttributes = struct(
  'authorization.v1.FieldSelectorAttributes',
  'Field selector of a request. At most one of rawSelector and requirements can be set.',
  {
    rawSelector: string({
      proto: 1,
      doc: 'Field selector in its serialized form. Meant for webhooks: the API server parses it, and ignores it if that fails.',
    }),
    requirements: list(FieldSelectorRequirement, {
      proto: 2,
      doc: 'Parsed conditions of the field selector, which must all be met.',
    }),
  },
)
export type FieldSelectorAttributes = Of<typeof FieldSelectorAttributes>

export const LabelSelectorAttributes = struct(
  'authorization.v1.LabelSelectorAttributes',
  'Label selector of a request. At most one of rawSelector and requirements can be set.',
  {
    rawSelector: string({
      proto: 1,
      doc: 'Label selector in its serialized form. Meant for webhooks: the API server parses it, and ignores it if that fails.',
    }),
    requirements: list(LabelSelectorRequirement, {
      proto: 2,
      doc: 'Parsed conditions of the label selector, which must all be met.',
    }),
  },
)
export type LabelSelectorAttributes = Of<typeof LabelSelectorAttributes>

export const ResourceAttributes = struct(
  'authorization.v1.ResourceAttributes',
  'Attributes of a request for a resource.',
  {
    namespace: string({
      proto: 1,
      doc: 'Namespace of the request. Empty for cluster-scoped resources, or for all namespaces.',
    }),
    verb: string({ proto: 2, doc: 'Verb of the request, such as get, list or create. * is all verbs.' }),
    group: string({ proto: 3, doc: 'API group of the resource. * is all groups.' }),
    version: string({ proto: 4, doc: 'API version of the resource. * is all versions.' }),
    resource: string({ proto: 5, doc: 'Name of the resource, such as pods. * is all resources.' }),
    subresource: string({ proto: 6, doc: 'Name of the subresource. Empty for none.' }),
    name: string({ proto: 7, doc: 'Name of the object. Empty for all objects.' }),
    fieldSelector: FieldSelectorAttributes.field({
      proto: 8,
      doc: 'Field selector of a list, watch or deletecollection request, which limits the access that is needed.',
    }),
    labelSelector: LabelSelectorAttributes.field({
      proto: 9,
      doc: 'Label selector of a list, watch or deletecollection request, which limits the access that is needed.',
    }),
  },
)
export type ResourceAttributes = Of<typeof ResourceAttributes>

export const NonResourceAttributes = struct(
  'authorization.v1.NonResourceAttributes',
  'Attributes of a request for a URL path that is not a resource.',
  {
    path: string({ proto: 1, doc: 'URL path of the request.' }),
    verb: string({ proto: 2, doc: 'HTTP method of the request in lowercase.' }),
  },
)
export type NonResourceAttributes = Of<typeof NonResourceAttributes>

export const SubjectAccessReviewSpec = struct(
  'authorization.v1.SubjectAccessReviewSpec',
  'User and action to check. Exactly one of resourceAttributes and nonResourceAttributes must be set.',
  {
    resourceAttributes: ResourceAttributes.field({ proto: 1, doc: 'Attributes of a request for a resource.' }),
    nonResourceAttributes: NonResourceAttributes.field({
      proto: 2,
      doc: 'Attributes of a request for a URL path that is not a resource.',
    }),
    user: string({ proto: 3, doc: 'Name of the user. At least one of user and groups must be set.' }),
    groups: list(string({}), { proto: 4, doc: 'Groups that the user is a member of.' }),
    extra: map(list(string({}), { wrapped: true }), {
      proto: 5,
      doc: 'Additional information about the user, as from an authenticator.',
    }),
    uid: string({ proto: 6, doc: 'Unique identifier of the user.' }),
  },
)
export type SubjectAccessReviewSpec = Of<typeof SubjectAccessReviewSpec>

export const SubjectAccessReviewStatus = struct(
  'authorization.v1.SubjectAccessReviewStatus',
  'Result of checking an action.',
  {
    allowed: bool({ proto: 1, always: true, doc: 'Whether the action is allowed.' }),
    denied: bool({
      proto: 4,
      doc: 'Whether an authorizer has explicitly denied the action. If both allowed and denied are false, no authorizer has an opinion.',
    }),
    reason: string({ proto: 2, doc: 'Human-readable reason for the result.' }),
    evaluationError: string({ proto: 3, doc: 'Error that occurred during the check. The result may still be valid.' }),
  },
)
export type SubjectAccessReviewStatus = Of<typeof SubjectAccessReviewStatus>
