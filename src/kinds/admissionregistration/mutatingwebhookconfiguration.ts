// Webhooks that may change objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { LabelSelector } from '../../api/meta.ts'
import { int32, list, listByKey, string, struct } from '../../api/schema/build.ts'
import { MatchCondition, RuleWithOperations, WebhookClientConfig } from './types.ts'

export const MutatingWebhook = struct('admissionregistration.v1.MutatingWebhook', '', {
  name: string({ proto: 1, always: true }),
  clientConfig: WebhookClientConfig.value({ proto: 2 }),
  rules: list(RuleWithOperations, { proto: 3 }),
  failurePolicy: string({ proto: 4, optional: true, enum: ['Ignore', 'Fail'] }),
  matchPolicy: string({ proto: 9, optional: true, enum: ['Exact', 'Equivalent'] }),
  namespaceSelector: LabelSelector.field({ proto: 5 }),
  objectSelector: LabelSelector.field({ proto: 11 }),
  sideEffects: string({ proto: 6, optional: true, enum: ['Unknown', 'None', 'Some', 'NoneOnDryRun'] }),
  timeoutSeconds: int32({ proto: 7, optional: true }),
  admissionReviewVersions: list(string({}), { proto: 8, always: true }),
  reinvocationPolicy: string({ proto: 10, optional: true, enum: ['Never', 'IfNeeded'] }),
  matchConditions: listByKey('name', MatchCondition, { proto: 12, mergeKey: 'name' }),
})
export type MutatingWebhook = Of<typeof MutatingWebhook>

export const MutatingWebhookConfiguration = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  scope: 'Cluster',
  doc: 'Webhooks that may change objects on their way in.',
  fields: {
    webhooks: listByKey('name', MutatingWebhook, { proto: 2, mergeKey: 'name' }),
  },
})
export type MutatingWebhookConfiguration = Of<typeof MutatingWebhookConfiguration>
