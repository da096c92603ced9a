// What admission policies and webhooks share: rules that match requests, parameters, where a webhook is.
import type { Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { bytes, inline, int32, list, string, struct } from '../../api/schema/build.ts'

export const ParamKind = struct(
  'admissionregistration.v1.ParamKind',
  'Kind of the objects that carry parameters.',
  {
    apiVersion: string({ proto: 1, doc: 'Group and version of the kind.' }),
    kind: string({ proto: 2, doc: 'The kind.' }),
  },
  { atomic: true },
)
export type ParamKind = Of<typeof ParamKind>

export const Rule = struct('admissionregistration.v1.Rule', 'Resources that are meant.', {
  apiGroups: list(string({}), { proto: 1, doc: 'Groups of the resources; * for all.' }),
  apiVersions: list(string({}), { proto: 2, doc: 'Versions of the resources; * for all.' }),
  resources: list(string({}), {
    proto: 3,
    doc: 'Resources, with subresources as pods/log; * for all but subresources.',
  }),
  scope: string({
    proto: 4,
    optional: true,
    enum: ['Cluster', 'Namespaced', '*'],
    doc: 'Cluster, Namespaced, or * for both.',
  }),
})
export type Rule = Of<typeof Rule>

export const RuleWithOperations = struct('admissionregistration.v1.RuleWithOperations', 'Requests that are meant.', {
  operations: list(string({}), { proto: 1, doc: 'CREATE, UPDATE, DELETE, CONNECT, or * for all.' }),
  ...inline(Rule, 2),
})
export type RuleWithOperations = Of<typeof RuleWithOperations>

export const NamedRuleWithOperations = struct(
  'admissionregistration.v1.NamedRuleWithOperations',
  'Requests that are meant, for some objects only.',
  {
    resourceNames: list(string({}), { proto: 1, doc: 'Names of the objects; otherwise all.' }),
    ...inline(RuleWithOperations, 2),
  },
  { atomic: true },
)
export type NamedRuleWithOperations = Of<typeof NamedRuleWithOperations>

export const MatchResources = struct(
  'admissionregistration.v1.MatchResources',
  'Requests that a policy is for.',
  {
    namespaceSelector: LabelSelector.field({ proto: 1, doc: 'Namespaces meant.' }),
    objectSelector: LabelSelector.field({ proto: 2, doc: 'Objects meant.' }),
    resourceRules: list(NamedRuleWithOperations, { proto: 3, doc: 'Requests meant.' }),
    excludeResourceRules: list(NamedRuleWithOperations, { proto: 4, doc: 'Requests not meant after all.' }),
    matchPolicy: string({
      proto: 7,
      optional: true,
      enum: ['Exact', 'Equivalent'],
      doc: 'Equivalent means other versions of a resource too, Exact does not.',
    }),
  },
  { atomic: true },
)
export type MatchResources = Of<typeof MatchResources>

export const Variable = struct(
  'admissionregistration.v1.Variable',
  'An expression with a name.',
  {
    name: string({ proto: 1, always: true, doc: 'Its name; others write variables.name.' }),
    expression: string({ proto: 2, always: true, doc: 'The CEL expression.' }),
  },
  { atomic: true },
)
export type Variable = Of<typeof Variable>

export const MatchCondition = struct('admissionregistration.v1.MatchCondition', 'A condition on the request.', {
  name: string({ proto: 1, always: true, doc: 'Its name.' }),
  expression: string({ proto: 2, always: true, doc: 'CEL expression that must be true.' }),
})
export type MatchCondition = Of<typeof MatchCondition>

export const ParamRef = struct(
  'admissionregistration.v1.ParamRef',
  'Selects the objects with a policy’s parameters.',
  {
    name: string({ proto: 1, doc: 'Name of one object.' }),
    namespace: string({ proto: 2, doc: 'Namespace of the objects; otherwise that of the request.' }),
    selector: LabelSelector.field({ proto: 3, doc: 'Labels of several objects.' }),
    parameterNotFoundAction: string({ proto: 4, optional: true, doc: 'Allow or Deny when there is none.' }),
  },
  { atomic: true },
)
export type ParamRef = Of<typeof ParamRef>

export const ServiceReference = struct('admissionregistration.v1.ServiceReference', 'Points to a service.', {
  namespace: string({ proto: 1, always: true, doc: 'Namespace of the service.' }),
  name: string({ proto: 2, always: true, doc: 'Name of the service.' }),
  path: string({ proto: 3, optional: true, doc: 'Path to ask for.' }),
  port: int32({ proto: 4, optional: true, doc: 'Port of the service; 443 unless set.' }),
})
export type ServiceReference = Of<typeof ServiceReference>

export const WebhookClientConfig = struct(
  'admissionregistration.v1.WebhookClientConfig',
  'How to reach a webhook; by URL or by service.',
  {
    url: string({ proto: 3, optional: true, doc: 'The URL; must be HTTPS.' }),
    service: ServiceReference.field({ proto: 1, doc: 'The service.' }),
    caBundle: bytes({ proto: 2, doc: 'Certificates in PEM, as base64, that its certificate is checked against.' }),
  },
)
export type WebhookClientConfig = Of<typeof WebhookClientConfig>

/**
 * What webhooks of both kinds begin with.
 * @param objectSelectorProto the one number in which the two messages differ here
 */
export const webhookFields = (objectSelectorProto: number) =>
  ({
    name: string({ proto: 1, always: true, doc: 'Name, as a domain with at least three parts.' }),
    clientConfig: WebhookClientConfig.value({ proto: 2, doc: 'How to reach it.' }),
    rules: list(RuleWithOperations, { proto: 3, doc: 'Requests that it is asked about.' }),
    failurePolicy: string({
      proto: 4,
      optional: true,
      enum: ['Ignore', 'Fail'],
      doc: 'Whether a webhook that does not answer makes the request Fail, or is ignored.',
    }),
    matchPolicy: string({
      proto: 9,
      optional: true,
      enum: ['Exact', 'Equivalent'],
      doc: 'Equivalent asks about other versions of a resource too, Exact does not.',
    }),
    namespaceSelector: LabelSelector.field({ proto: 5, doc: 'Namespaces that it is for.' }),
    objectSelector: LabelSelector.field({ proto: objectSelectorProto, doc: 'Objects that it is for.' }),
    sideEffects: string({
      proto: 6,
      optional: true,
      enum: ['Unknown', 'None', 'Some', 'NoneOnDryRun'],
      doc: 'Whether asking it has effects; None or NoneOnDryRun.',
    }),
    timeoutSeconds: int32({ proto: 7, optional: true, doc: 'Seconds to wait for its answer; 1 to 30.' }),
    admissionReviewVersions: list(string({}), {
      proto: 8,
      always: true,
      doc: 'Versions of AdmissionReview that it understands.',
    }),
  }) as const
