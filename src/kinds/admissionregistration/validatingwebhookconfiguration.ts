// Webhooks that may refuse objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, list, listByKey, string, struct } from '../../api/schema/build.ts'
import { MatchCondition, RuleWithOperations, WebhookClientConfig } from './types.ts'

export const ValidatingWebhook = struct(
  'admissionregistration.v1.ValidatingWebhook',
  'A webhook that may refuse requests.',
  {
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
    objectSelector: LabelSelector.field({ proto: 10, doc: 'Objects that it is for.' }),
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
    matchConditions: listByKey('name', MatchCondition, {
      proto: 11,
      mergeKey: 'name',
      doc: 'Further conditions on the request, in CEL.',
    }),
  },
)
export type ValidatingWebhook = Of<typeof ValidatingWebhook>

export const ValidatingWebhookConfiguration = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  scope: 'Cluster',
  doc: 'Webhooks that may refuse objects on their way in.',
  fields: {
    webhooks: listByKey('name', ValidatingWebhook, { proto: 2, mergeKey: 'name', doc: 'The webhooks.' }),
  },
})
export type ValidatingWebhookConfiguration = Of<typeof ValidatingWebhookConfiguration>
