// Which requests belong to which priority level.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, int32, list, listByKey, string, struct, time } from '../../api/schema/build.ts'

export const PriorityLevelConfigurationReference = struct('flowcontrol.v1.PriorityLevelConfigurationReference', '', {
  name: string({ proto: 1, always: true, required: true }),
})
export type PriorityLevelConfigurationReference = Of<typeof PriorityLevelConfigurationReference>

export const FlowDistinguisherMethod = struct('flowcontrol.v1.FlowDistinguisherMethod', '', {
  type: string({ proto: 1, always: true, required: true }),
})
export type FlowDistinguisherMethod = Of<typeof FlowDistinguisherMethod>

export const UserSubject = struct('flowcontrol.v1.UserSubject', '', {
  name: string({ proto: 1, always: true, required: true }),
})
export type UserSubject = Of<typeof UserSubject>

export const GroupSubject = struct('flowcontrol.v1.GroupSubject', '', {
  name: string({ proto: 1, always: true, required: true }),
})
export type GroupSubject = Of<typeof GroupSubject>

export const ServiceAccountSubject = struct('flowcontrol.v1.ServiceAccountSubject', '', {
  namespace: string({ proto: 1, always: true, required: true }),
  name: string({ proto: 2, always: true, required: true }),
})
export type ServiceAccountSubject = Of<typeof ServiceAccountSubject>

export const Subject = struct('flowcontrol.v1.Subject', '', {
  kind: string({ proto: 1, always: true, required: true }),
  user: UserSubject.field({ proto: 2 }),
  group: GroupSubject.field({ proto: 3 }),
  serviceAccount: ServiceAccountSubject.field({ proto: 4 }),
})
export type Subject = Of<typeof Subject>

export const ResourcePolicyRule = struct('flowcontrol.v1.ResourcePolicyRule', '', {
  verbs: list(string({}), { proto: 1, always: true, required: true, listType: 'set' }),
  apiGroups: list(string({}), { proto: 2, always: true, required: true, listType: 'set' }),
  resources: list(string({}), { proto: 3, always: true, required: true, listType: 'set' }),
  clusterScope: bool({ proto: 4 }),
  namespaces: list(string({}), { proto: 5, always: true, listType: 'set' }),
})
export type ResourcePolicyRule = Of<typeof ResourcePolicyRule>

export const NonResourcePolicyRule = struct('flowcontrol.v1.NonResourcePolicyRule', '', {
  verbs: list(string({}), { proto: 1, always: true, required: true, listType: 'set' }),
  nonResourceURLs: list(string({}), { proto: 6, always: true, required: true, listType: 'set' }),
})
export type NonResourcePolicyRule = Of<typeof NonResourcePolicyRule>

export const PolicyRulesWithSubjects = struct('flowcontrol.v1.PolicyRulesWithSubjects', '', {
  subjects: list(Subject, { proto: 1, always: true, required: true }),
  resourceRules: list(ResourcePolicyRule, { proto: 2 }),
  nonResourceRules: list(NonResourcePolicyRule, { proto: 3 }),
})
export type PolicyRulesWithSubjects = Of<typeof PolicyRulesWithSubjects>

export const FlowSchemaSpec = struct('flowcontrol.v1.FlowSchemaSpec', '', {
  priorityLevelConfiguration: PriorityLevelConfigurationReference.value({ proto: 1, required: true }),
  matchingPrecedence: int32({ proto: 2, always: true }),
  distinguisherMethod: FlowDistinguisherMethod.field({ proto: 3 }),
  rules: list(PolicyRulesWithSubjects, { proto: 4 }),
})
export type FlowSchemaSpec = Of<typeof FlowSchemaSpec>

export const FlowSchemaCondition = struct('flowcontrol.v1.FlowSchemaCondition', '', {
  type: string({ proto: 1, required: true }),
  status: string({ proto: 2 }),
  lastTransitionTime: time({ proto: 3, always: true }),
  reason: string({ proto: 4 }),
  message: string({ proto: 5 }),
})
export type FlowSchemaCondition = Of<typeof FlowSchemaCondition>

export const FlowSchemaStatus = struct('flowcontrol.v1.FlowSchemaStatus', '', {
  conditions: listByKey('type', FlowSchemaCondition, { proto: 1, mergeKey: 'type' }),
})
export type FlowSchemaStatus = Of<typeof FlowSchemaStatus>

export const FlowSchema = defineKind({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  plural: 'flowschemas',
  scope: 'Cluster',
  status: true,
  doc: 'Which requests belong to which priority level.',
  fields: {
    spec: FlowSchemaSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: FlowSchemaStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type FlowSchema = Of<typeof FlowSchema>
