// What admission policies and webhooks share: rules that match requests, parameters, where a webhook is.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { bytes, inline, int32, list, string, struct } from '../../api/schema/build.ts'

export const ParamKind = struct(
  'admissionregistration.v1.ParamKind',
  'Kind of the objects that hold the parameters of a policy.',
  {
    apiVersion: string({ proto: 1, doc: 'API group and version of the kind, such as rules.example.com/v1.' }),
    kind: string({ proto: 2, doc: 'Kind of the objects.' }),
  },
  { atomic: true },
)
export type ParamKind = Of<typeof ParamKind>

export const Rule = struct(
  'admissionregistration.v1.Rule',
  'Resources that a rule matches, by group, version and name.',
  {
    apiGroups: list(string({}), {
      proto: 1,
      doc: 'API groups of the resources. * matches all groups, and must be the only entry.',
    }),
    apiVersions: list(string({}), {
      proto: 2,
      doc: 'API versions of the resources. * matches all versions, and must be the only entry.',
    }),
    resources: list(string({}), {
      proto: 3,
      doc: 'Resources, such as pods, pods/log or pods/* for all subresources. * matches all resources but no subresources, */* both.',
    }),
    scope: string({
      proto: 4,
      optional: true,
      enum: ['Cluster', 'Namespaced', '*'],
      doc: 'Scope of the resources: Cluster, Namespaced, or * for both. Defaults to *.',
    }),
  },
)
export type Rule = Of<typeof Rule>

export const RuleWithOperations = struct(
  'admissionregistration.v1.RuleWithOperations',
  'Operations and resources of the requests that a rule matches.',
  {
    operations: list(string({}), {
      proto: 1,
      doc: 'Operations of the requests: CREATE, UPDATE, DELETE, CONNECT, or * for all.',
    }),
    ...inline(Rule, 2),
  },
)
export type RuleWithOperations = Of<typeof RuleWithOperations>

export const NamedRuleWithOperations = struct(
  'admissionregistration.v1.NamedRuleWithOperations',
  'Operations, resources and object names of the requests that a rule matches.',
  {
    resourceNames: list(string({}), { proto: 1, doc: 'Names of the objects. If empty, all objects match.' }),
    ...inline(RuleWithOperations, 2),
  },
  { atomic: true },
)
export type NamedRuleWithOperations = Of<typeof NamedRuleWithOperations>

export const MatchResources = struct(
  'admissionregistration.v1.MatchResources',
  'Requests that a policy applies to. All fields must match, and excludeResourceRules must not.',
  {
    namespaceSelector: LabelSelector.field({
      proto: 1,
      doc: 'Selects requests by the labels of their namespace. Cluster-scoped objects other than namespaces always match. Defaults to an empty selector, which matches all.',
    }),
    objectSelector: LabelSelector.field({
      proto: 2,
      doc: 'Selects requests by the labels of the object or the old object. Users can evade it by the labels that they set. Defaults to an empty selector, which matches all.',
    }),
    resourceRules: list(NamedRuleWithOperations, {
      proto: 3,
      doc: 'Rules of which a request must match at least one.',
    }),
    excludeResourceRules: list(NamedRuleWithOperations, {
      proto: 4,
      doc: 'Rules that exclude requests. They take precedence over resourceRules.',
    }),
    matchPolicy: string({
      proto: 7,
      optional: true,
      enum: ['Exact', 'Equivalent'],
      doc: 'Whether a rule also matches requests in other versions of a resource: Equivalent matches them after conversion, Exact does not. Defaults to Equivalent.',
    }),
  },
  { atomic: true },
)
export type MatchResources = Of<typeof MatchResources>

export const Variable = struct(
  'admissionregistration.v1.Variable',
  'Named CEL expression that other expressions can use.',
  {
    name: string({
      proto: 1,
      always: true,
      doc: 'Name of the variable, which is a CEL identifier. Expressions use it as variables.<name>.',
    }),
    expression: string({ proto: 2, always: true, doc: 'CEL expression that evaluates to the value of the variable.' }),
  },
  { atomic: true },
)
export type Variable = Of<typeof Variable>

export const MatchCondition = struct(
  'admissionregistration.v1.MatchCondition',
  'CEL condition that a request must meet.',
  {
    name: string({
      proto: 1,
      always: true,
      doc: 'Name of the condition, unique within the list. It identifies the condition in errors and logs.',
    }),
    expression: string({
      proto: 2,
      always: true,
      doc: 'CEL expression that must evaluate to true. It can use object, oldObject, request and authorizer.',
    }),
  },
)
export type MatchCondition = Of<typeof MatchCondition>

export const ParamRef = struct(
  'admissionregistration.v1.ParamRef',
  'Selects the objects with the parameters of a policy. Exactly one of name and selector must be set.',
  {
    name: string({ proto: 1, doc: 'Name of the object with parameters.' }),
    namespace: string({
      proto: 2,
      doc: 'Namespace of the objects with parameters, if their kind is namespaced. Defaults to the namespace of the request.',
    }),
    selector: LabelSelector.field({
      proto: 3,
      doc: 'Selects the objects with parameters by their labels. An empty selector selects all of them.',
    }),
    parameterNotFoundAction: string({
      proto: 4,
      optional: true,
      doc: 'What happens if no parameters are found: Allow skips the binding, Deny applies the failurePolicy of the policy. Required.',
    }),
  },
  { atomic: true },
)
export type ParamRef = Of<typeof ParamRef>

export const ServiceReference = struct(
  'admissionregistration.v1.ServiceReference',
  'Reference to a service and a path on it.',
  {
    namespace: string({ proto: 1, always: true, doc: 'Namespace of the service.' }),
    name: string({ proto: 2, always: true, doc: 'Name of the service.' }),
    path: string({ proto: 3, optional: true, doc: 'URL path of requests to the service.' }),
    port: int32({ proto: 4, optional: true, doc: 'Port of the service, from 1 to 65535. Defaults to 443.' }),
  },
)
export type ServiceReference = Of<typeof ServiceReference>

export const WebhookClientConfig = struct(
  'admissionregistration.v1.WebhookClientConfig',
  'How to connect to a webhook. Exactly one of url and service must be set.',
  {
    url: string({
      proto: 3,
      optional: true,
      doc: 'URL of the webhook. The scheme must be https, and there must be no user, query or fragment.',
    }),
    service: ServiceReference.field({ proto: 1, doc: 'Service that implements the webhook.' }),
    caBundle: bytes({
      proto: 2,
      doc: 'CA certificates in PEM format, encoded as base64, that the certificate of the webhook is verified with. Defaults to the system’s trust roots.',
    }),
  },
)
export type WebhookClientConfig = Of<typeof WebhookClientConfig>

/**
 * What webhooks of both kinds begin with.
 * @param objectSelectorProto the one number in which the two messages differ here
 */
export const webhookFields = (objectSelectorProto: number) =>
  ({
    name: string({
      proto: 1,
      always: true,
      doc: 'Name of the webhook as a domain with at least three parts, such as check.example.com. Unique within the configuration.',
    }),
    clientConfig: WebhookClientConfig.value({ proto: 2, doc: 'How to connect to the webhook.' }),
    rules: list(RuleWithOperations, {
      proto: 3,
      doc: 'Requests that the webhook is called for. One matching rule is sufficient. Requests for webhook configurations and admission policies are never sent.',
    }),
    failurePolicy: string({
      proto: 4,
      optional: true,
      enum: ['Ignore', 'Fail'],
      doc: 'What happens if the webhook cannot be reached or returns an error: Fail rejects the request, Ignore skips the webhook. Defaults to Fail.',
    }),
    matchPolicy: string({
      proto: 9,
      optional: true,
      enum: ['Exact', 'Equivalent'],
      doc: 'Whether the webhook is also called for requests in other versions of a resource: Equivalent calls it with the converted object, Exact does not. Defaults to Equivalent.',
    }),
    namespaceSelector: LabelSelector.field({
      proto: 5,
      doc: 'Selects requests by the labels of their namespace. Cluster-scoped objects other than namespaces always match. Defaults to an empty selector, which matches all.',
    }),
    objectSelector: LabelSelector.field({
      proto: objectSelectorProto,
      doc: 'Selects requests by the labels of the object or the old object. Users can evade it by the labels that they set. Defaults to an empty selector, which matches all.',
    }),
    sideEffects: string({
      proto: 6,
      optional: true,
      enum: ['Unknown', 'None', 'Some', 'NoneOnDryRun'],
      doc: 'Whether calls of the webhook have side effects: None, or NoneOnDryRun if it has none for dry runs. Required.',
    }),
    timeoutSeconds: int32({
      proto: 7,
      optional: true,
      doc: 'Seconds to wait for the response of the webhook, from 1 to 30. After that, failurePolicy applies. Defaults to 10.',
    }),
    admissionReviewVersions: list(string({}), {
      proto: 8,
      always: true,
      doc: 'Versions of AdmissionReview that the webhook supports, in order of preference. Must contain v1 or v1beta1.',
    }),
  }) as const
