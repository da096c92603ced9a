// Webhooks that may refuse objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, list, listByKey, string, struct } from '../../api/schema/build.ts'
import { MatchCondition, RuleWithOperations, WebhookClientConfig } from './types.ts'

export const ValidatingWebhook = struct('admissionregistration.v1.ValidatingWebhook', '', {
  name: string({ proto: 1, always: true }),
  clientConfig: WebhookClientConfig.value({ proto: 2 }),
  rules: list(RuleWithOperations, { proto: 3 }),
  failurePolicy: string({ proto: 4, optional: true, enum: ['Ignore', 'Fail'] }),
  matchPolicy: string({ proto: 9, optional: true, enum: ['Exact', 'Equivalent'] }),
  namespaceSelector: LabelSelector.field({ proto: 5 }),
  objectSelector: LabelSelector.field({ proto: 10 }),
  sideEffects: string({ proto: 6, optional: true, enum: ['Unknown', 'None', 'Some', 'NoneOnDryRun'] }),
  timeoutSeconds: int32({ proto: 7, optional: true }),
  admissionReviewVersions: list(string({}), { proto: 8, always: true }),
  matchConditions: listByKey('name', MatchCondition, { proto: 11, mergeKey: 'name' }),
})
export type ValidatingWebhook = Of<typeof ValidatingWebhook>

export const ValidatingWebhookConfiguration = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  scope: 'Cluster',
  doc: 'Webhooks that may refuse objects on their way in.',
  fields: {
    webhooks: listByKey('name', ValidatingWebhook, { proto: 2, mergeKey: 'name' }),
  },
})
export type ValidatingWebhookConfiguration = Of<typeof ValidatingWebhookConfiguration>
