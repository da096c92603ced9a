// Webhooks that may refuse objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey, struct } from '../../api/schema/build.ts'
import { MatchCondition, webhookFields } from './types.ts'
import { defaultWebhooks, validateWebhooks } from './webhook-rules.ts'

export const ValidatingWebhook = struct(
  'admissionregistration.v1.ValidatingWebhook',
  'Webhook that can reject requests during admission.',
  {
    ...webhookFields(10),
    matchConditions: listByKey('name', MatchCondition, {
      proto: 11,
      mergeKey: 'name',
      doc: 'CEL conditions that a request must all meet for the webhook to be called. At most 64.',
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
  conditionalUpdate: true,
  categories: ['api-extensions'],
  doc: 'ValidatingWebhookConfiguration registers webhooks that can reject requests during admission.',
  generation: true,
  columns: [{ name: 'Webhooks', type: 'integer', value: o => o.webhooks?.length ?? 0 }],
  explicit: true,
  finalizers: 'any',
  defaults: ({ webhooks }) => defaultWebhooks(webhooks),
  validate: ({ webhooks }, at) => validateWebhooks(webhooks, at.field('webhooks')),
  fields: {
    webhooks: listByKey('name', ValidatingWebhook, {
      proto: 2,
      mergeKey: 'name',
      doc: 'Webhooks to call, and the requests to call them for.',
    }),
  },
})
export type ValidatingWebhookConfiguration = Of<typeof ValidatingWebhookConfiguration>
