// What access reviews share: the question and the answer.
import type { Of } from '../../api/kind.ts'
import { FieldSelectorRequirement, LabelSelectorRequirement } from '../../api/meta.ts'
import { bool, list, map, string, struct } from '../../api/schema/build.ts'

export const FieldSelectorAttributes = struct(
  'authorization.v1.FieldSelectorAttributes',
  'The field selector of a request.',
  {
    rawSelector: string({ proto: 1, doc: 'The selector as text; not looked at with requirements.' }),
    requirements: list(FieldSelectorRequirement, { proto: 2, doc: 'The selector’s conditions.' }),
  },
)
export type FieldSelectorAttributes = Of<typeof FieldSelectorAttributes>

export const LabelSelectorAttributes = struct(
  'authorization.v1.LabelSelectorAttributes',
  'The label selector of a request.',
  {
    rawSelector: string({ proto: 1, doc: 'The selector as text; not looked at with requirements.' }),
    requirements: list(LabelSelectorRequirement, { proto: 2, doc: 'The selector’s conditions.' }),
  },
)
export type LabelSelectorAttributes = Of<typeof LabelSelectorAttributes>

export const ResourceAttributes = struct('authorization.v1.ResourceAttributes', 'A request for a resource.', {
  namespace: string({ proto: 1, doc: 'Namespace; empty for all, or for cluster-scoped resources.' }),
  verb: string({ proto: 2, doc: 'Verb such as get, list or create.' }),
  group: string({ proto: 3, doc: 'Group of the resource; * for all.' }),
  version: string({ proto: 4, doc: 'Version of the resource; * for all.' }),
  resource: string({ proto: 5, doc: 'The resource; * for all.' }),
  subresource: string({ proto: 6, doc: 'The subresource, if any.' }),
  name: string({ proto: 7, doc: 'Name of the object; empty for all.' }),
  fieldSelector: FieldSelectorAttributes.field({ proto: 8, doc: 'Fields that a list is narrowed down to.' }),
  labelSelector: LabelSelectorAttributes.field({ proto: 9, doc: 'Labels that a list is narrowed down to.' }),
})
export type ResourceAttributes = Of<typeof ResourceAttributes>

export const NonResourceAttributes = struct(
  'authorization.v1.NonResourceAttributes',
  'A request for a path that is no resource.',
  {
    path: string({ proto: 1, doc: 'The path.' }),
    verb: string({ proto: 2, doc: 'The HTTP method in small letters.' }),
  },
)
export type NonResourceAttributes = Of<typeof NonResourceAttributes>

export const SubjectAccessReviewSpec = struct('authorization.v1.SubjectAccessReviewSpec', 'Who asks for what.', {
  resourceAttributes: ResourceAttributes.field({ proto: 1, doc: 'A request for a resource.' }),
  nonResourceAttributes: NonResourceAttributes.field({ proto: 2, doc: 'A request for another path.' }),
  user: string({ proto: 3, doc: 'Name of the user.' }),
  groups: list(string({}), { proto: 4, doc: 'Groups of the user.' }),
  extra: map(list(string({}), { wrapped: true }), { proto: 5, doc: 'Further values of the user.' }),
  uid: string({ proto: 6, doc: 'UID of the user.' }),
})
export type SubjectAccessReviewSpec = Of<typeof SubjectAccessReviewSpec>

export const SubjectAccessReviewStatus = struct(
  'authorization.v1.SubjectAccessReviewStatus',
  'Whether a request is allowed.',
  {
    allowed: bool({ proto: 1, always: true, doc: 'True if it is.' }),
    denied: bool({ proto: 4, doc: 'True if it is forbidden, whatever others say.' }),
    reason: string({ proto: 2, doc: 'Why.' }),
    evaluationError: string({ proto: 3, doc: 'Why something could not be found out.' }),
  },
)
export type SubjectAccessReviewStatus = Of<typeof SubjectAccessReviewStatus>
