// Which requests get which priority level: the parts of a flow schema's spec.
import type { Of } from '../../api/kind.ts'
import { bool, int32, list, string, struct } from '../../api/schema/build.ts'

export const PriorityLevelConfigurationReference = struct(
  'flowcontrol.v1.PriorityLevelConfigurationReference',
  'Points to a priority level.',
  {
    name: string({ proto: 1, always: true, required: true, doc: 'Its name.' }),
  },
)
export type PriorityLevelConfigurationReference = Of<typeof PriorityLevelConfigurationReference>

export const FlowDistinguisherMethod = struct(
  'flowcontrol.v1.FlowDistinguisherMethod',
  'How requests are told apart.',
  {
    type: string({ proto: 1, always: true, required: true, doc: 'ByUser or ByNamespace.' }),
  },
)
export type FlowDistinguisherMethod = Of<typeof FlowDistinguisherMethod>

export const UserSubject = struct('flowcontrol.v1.UserSubject', 'A user.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name of the user; * for all.' }),
})
export type UserSubject = Of<typeof UserSubject>

export const GroupSubject = struct('flowcontrol.v1.GroupSubject', 'A group of users.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name of the group; * for all.' }),
})
export type GroupSubject = Of<typeof GroupSubject>

export const ServiceAccountSubject = struct('flowcontrol.v1.ServiceAccountSubject', 'A service account.', {
  namespace: string({ proto: 1, always: true, required: true, doc: 'Its namespace.' }),
  name: string({ proto: 2, always: true, required: true, doc: 'Its name; * for all of the namespace.' }),
})
export type ServiceAccountSubject = Of<typeof ServiceAccountSubject>

export const Subject = struct('flowcontrol.v1.Subject', 'Somebody who sends requests.', {
  kind: string({ proto: 1, always: true, required: true, doc: 'User, Group or ServiceAccount.' }),
  user: UserSubject.field({ proto: 2, doc: 'The user.' }),
  group: GroupSubject.field({ proto: 3, doc: 'The group.' }),
  serviceAccount: ServiceAccountSubject.field({ proto: 4, doc: 'The service account.' }),
})
export type Subject = Of<typeof Subject>

export const ResourcePolicyRule = struct('flowcontrol.v1.ResourcePolicyRule', 'Requests for resources.', {
  verbs: list(string({}), { proto: 1, always: true, required: true, listType: 'set', doc: 'Verbs; * for all.' }),
  apiGroups: list(string({}), { proto: 2, always: true, required: true, listType: 'set', doc: 'Groups; * for all.' }),
  resources: list(string({}), {
    proto: 3,
    always: true,
    required: true,
    listType: 'set',
    doc: 'Resources; * for all.',
  }),
  clusterScope: bool({ proto: 4, doc: 'True to mean requests without a namespace too.' }),
  namespaces: list(string({}), { proto: 5, always: true, listType: 'set', doc: 'Namespaces; * for all.' }),
})
export type ResourcePolicyRule = Of<typeof ResourcePolicyRule>

export const NonResourcePolicyRule = struct('flowcontrol.v1.NonResourcePolicyRule', 'Requests for other paths.', {
  verbs: list(string({}), { proto: 1, always: true, required: true, listType: 'set', doc: 'Verbs; * for all.' }),
  nonResourceURLs: list(string({}), {
    proto: 6,
    always: true,
    required: true,
    listType: 'set',
    doc: 'Paths; * at the end for all below.',
  }),
})
export type NonResourcePolicyRule = Of<typeof NonResourcePolicyRule>

export const PolicyRulesWithSubjects = struct('flowcontrol.v1.PolicyRulesWithSubjects', 'Requests of somebody.', {
  subjects: list(Subject, { proto: 1, always: true, required: true, doc: 'Who sends them.' }),
  resourceRules: list(ResourcePolicyRule, { proto: 2, doc: 'Requests for resources.' }),
  nonResourceRules: list(NonResourcePolicyRule, { proto: 3, doc: 'Requests for other paths.' }),
})
export type PolicyRulesWithSubjects = Of<typeof PolicyRulesWithSubjects>

export const FlowSchemaSpec = struct('flowcontrol.v1.FlowSchemaSpec', 'Which requests get which priority level.', {
  priorityLevelConfiguration: PriorityLevelConfigurationReference.value({
    proto: 1,
    required: true,
    doc: 'The priority level.',
  }),
  matchingPrecedence: int32({
    proto: 2,
    default: 1000,
    always: true,
    min: 1,
    max: 10000,
    doc: 'Among schemas that fit, the lowest number counts; 1 to 10000.',
  }),
  distinguisherMethod: FlowDistinguisherMethod.field({
    proto: 3,
    doc: 'How requests are told apart into flows; otherwise they are one.',
  }),
  rules: list(PolicyRulesWithSubjects, { proto: 4, doc: 'The requests; one rule is enough.' }),
})
export type FlowSchemaSpec = Of<typeof FlowSchemaSpec>
