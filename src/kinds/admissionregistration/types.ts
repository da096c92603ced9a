// What admission policies and webhooks share: rules that match requests, parameters, where a webhook is.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { bytes, inline, int32, list, string, struct } from '../../api/schema/build.ts'

export const ParamKind = struct('admissionregistration.v1.ParamKind', '', {
  apiVersion: string({ proto: 1 }),
  kind: string({ proto: 2 }),
})
export type ParamKind = Of<typeof ParamKind>

export const Rule = struct('admissionregistration.v1.Rule', '', {
  apiGroups: list(string({}), { proto: 1 }),
  apiVersions: list(string({}), { proto: 2 }),
  resources: list(string({}), { proto: 3 }),
  scope: string({ proto: 4, optional: true, enum: ['Cluster', 'Namespaced', '*'] }),
})
export type Rule = Of<typeof Rule>

export const RuleWithOperations = struct('admissionregistration.v1.RuleWithOperations', '', {
  operations: list(string({}), { proto: 1 }),
  ...inline(Rule, 2),
})
export type RuleWithOperations = Of<typeof RuleWithOperations>

export const NamedRuleWithOperations = struct('admissionregistration.v1.NamedRuleWithOperations', '', {
  resourceNames: list(string({}), { proto: 1 }),
  ...inline(RuleWithOperations, 2),
})
export type NamedRuleWithOperations = Of<typeof NamedRuleWithOperations>

export const MatchResources = struct('admissionregistration.v1.MatchResources', '', {
  namespaceSelector: LabelSelector.field({ proto: 1 }),
  objectSelector: LabelSelector.field({ proto: 2 }),
  resourceRules: list(NamedRuleWithOperations, { proto: 3 }),
  excludeResourceRules: list(NamedRuleWithOperations, { proto: 4 }),
  matchPolicy: string({ proto: 7, optional: true, enum: ['Exact', 'Equivalent'] }),
})
export type MatchResources = Of<typeof MatchResources>

export const Variable = struct('admissionregistration.v1.Variable', '', {
  name: string({ proto: 1, always: true }),
  expression: string({ proto: 2, always: true }),
})
export type Variable = Of<typeof Variable>

export const MatchCondition = struct('admissionregistration.v1.MatchCondition', '', {
  name: string({ proto: 1, always: true }),
  expression: string({ proto: 2, always: true }),
})
export type MatchCondition = Of<typeof MatchCondition>

export const ParamRef = struct('admissionregistration.v1.ParamRef', '', {
  name: string({ proto: 1 }),
  namespace: string({ proto: 2 }),
  selector: LabelSelector.field({ proto: 3 }),
  parameterNotFoundAction: string({ proto: 4, optional: true }),
})
export type ParamRef = Of<typeof ParamRef>

export const ServiceReference = struct('admissionregistration.v1.ServiceReference', '', {
  namespace: string({ proto: 1, always: true }),
  name: string({ proto: 2, always: true }),
  path: string({ proto: 3, optional: true }),
  port: int32({ proto: 4, optional: true }),
})
export type ServiceReference = Of<typeof ServiceReference>

export const WebhookClientConfig = struct('admissionregistration.v1.WebhookClientConfig', '', {
  url: string({ proto: 3, optional: true }),
  service: ServiceReference.field({ proto: 1 }),
  caBundle: bytes({ proto: 2 }),
})
export type WebhookClientConfig = Of<typeof WebhookClientConfig>
