// Which requests get which priority level: the parts of a flow schema's spec.
import type { Of } from '../../api/kind.ts'
import { bool, int32, list, string, struct } from '../../api/schema/build.ts'

export const PriorityLevelConfigurationReference = struct(
  'flowcontrol.v1.PriorityLevelConfigurationReference',
  'Reference to a PriorityLevelConfiguration.',
  {
    name: string({ proto: 1, always: true, required: true, doc: 'Name of the PriorityLevelConfiguration.' }),
  },
)
export type PriorityLevelConfigurationReference = Of<typeof PriorityLevelConfigurationReference>

export const FlowDistinguisherMethod = struct(
  'flowcontrol.v1.FlowDistinguisherMethod',
  'Method by which requests are grouped into flows.',
  {
    type: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Attribute of a request that determines its flow: ByUser or ByNamespace.',
    }),
  },
)
export type FlowDistinguisherMethod = Of<typeof FlowDistinguisherMethod>

export const UserSubject = struct('flowcontrol.v1.UserSubject', 'User that sends requests.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name of the user. * matches all users.' }),
})
export type UserSubject = Of<typeof UserSubject>

export const GroupSubject = struct('flowcontrol.v1.GroupSubject', 'Group whose members send requests.', {
  name: string({ proto: 1, always: true, required: true, doc: 'Name of the group. * matches all groups.' }),
})
export type GroupSubject = Of<typeof GroupSubject>

export const ServiceAccountSubject = struct(
  'flowcontrol.v1.ServiceAccountSubject',
  'Service account that sends requests.',
  {
    namespace: string({ proto: 1, always: true, required: true, doc: 'Namespace of the service account.' }),
    name: string({
      proto: 2,
      always: true,
      required: true,
      doc: 'Name of the service account. * matches all service accounts of the namespace.',
    }),
  },
)
export type ServiceAccountSubject = Of<typeof ServiceAccountSubject>

export const Subject = struct(
  'flowcontrol.v1.Subject',
  'Sender of requests. Exactly the field for its kind must be set.',
  {
    kind: string({ proto: 1, always: true, required: true, doc: 'Kind of the sender: User, Group or ServiceAccount.' }),
    user: UserSubject.field({ proto: 2, doc: 'User that sends the requests. Only for kind User.' }),
    group: GroupSubject.field({ proto: 3, doc: 'Group whose members send the requests. Only for kind Group.' }),
    serviceAccount: ServiceAccountSubject.field({
      proto: 4,
      doc: 'Service account that sends the requests. Only for kind ServiceAccount.',
    }),
  },
)
export type Subject = Of<typeof Subject>

export const ResourcePolicyRule = struct(
  'flowcontrol.v1.ResourcePolicyRule',
  'Matches requests for resources. A request must match all fields.',
  {
    verbs: list(string({}), {
      proto: 1,
      always: true,
      required: true,
      listType: 'set',
      doc: 'Verbs of the requests. * matches all verbs, and must be the only entry.',
    }),
    apiGroups: list(string({}), {
      proto: 2,
      always: true,
      required: true,
      listType: 'set',
      doc: 'API groups of the resources. * matches all groups, and must be the only entry.',
    }),
    resources: list(string({}), {
      proto: 3,
      always: true,
      required: true,
      listType: 'set',
      doc: 'Resources and subresources, such as services and nodes/status. * matches all resources, and must be the only entry.',
    }),
    clusterScope: bool({
      proto: 4,
      doc: 'Whether requests without a namespace match, which are those for cluster-scoped resources or for all namespaces. Defaults to false.',
    }),
    namespaces: list(string({}), {
      proto: 5,
      always: true,
      listType: 'set',
      doc: 'Namespaces of the requests. * matches all namespaces, and must be the only entry. Required unless clusterScope is true.',
    }),
  },
)
export type ResourcePolicyRule = Of<typeof ResourcePolicyRule>

export const NonResourcePolicyRule = struct(
  'flowcontrol.v1.NonResourcePolicyRule',
  'Matches requests for URL paths that are not resources. A request must match both fields.',
  {
    verbs: list(string({}), {
      proto: 1,
      always: true,
      required: true,
      listType: 'set',
      doc: 'Verbs of the requests. * matches all verbs, and must be the only entry.',
    }),
    nonResourceURLs: list(string({}), {
      proto: 6,
      always: true,
      required: true,
      listType: 'set',
      doc: 'URL paths of the requests, such as /healthz or /healthz/*. * matches all paths, and must be the only entry.',
    }),
  },
)
export type NonResourcePolicyRule = Of<typeof NonResourcePolicyRule>

export const PolicyRulesWithSubjects = struct(
  'flowcontrol.v1.PolicyRulesWithSubjects',
  'Matches requests by sender and action. A request must match one of the subjects, and one of the rules.',
  {
    subjects: list(Subject, {
      proto: 1,
      always: true,
      required: true,
      doc: 'Senders of the requests. At least one is required.',
    }),
    resourceRules: list(ResourcePolicyRule, {
      proto: 2,
      doc: 'Rules for requests for resources. At least one rule of either kind is required.',
    }),
    nonResourceRules: list(NonResourcePolicyRule, {
      proto: 3,
      doc: 'Rules for requests for URL paths that are not resources.',
    }),
  },
)
export type PolicyRulesWithSubjects = Of<typeof PolicyRulesWithSubjects>

export const FlowSchemaSpec = struct(
  'flowcontrol.v1.FlowSchemaSpec',
  'Requests that a FlowSchema matches, and their priority level.',
  {
    priorityLevelConfiguration: PriorityLevelConfigurationReference.value({
      proto: 1,
      required: true,
      doc: 'PriorityLevelConfiguration that the requests are assigned to. If it does not exist, the FlowSchema is ignored.',
    }),
    matchingPrecedence: int32({
      proto: 2,
      default: 1000,
      always: true,
      min: 1,
      max: 10000,
      doc: 'Precedence of the FlowSchema, from 1 to 10000. If several match a request, the one with the lowest value is used. Defaults to 1000.',
    }),
    distinguisherMethod: FlowDistinguisherMethod.field({
      proto: 3,
      doc: 'Method by which requests are grouped into flows. If unset, all requests are one flow.',
    }),
    rules: list(PolicyRulesWithSubjects, {
      proto: 4,
      doc: 'Rules of which a request must match at least one. If there are none, no requests match.',
    }),
  },
)
export type FlowSchemaSpec = Of<typeof FlowSchemaSpec>
