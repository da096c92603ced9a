// Webhooks that may change objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'
import { MatchCondition, webhookFields } from './types.ts'
import { defaultWebhooks, validateWebhooks } from './webhook-rules.ts'

export const MutatingWebhook = struct(
  'admissionregistration.v1.MutatingWebhook',
  'Webhook that can change objects during admission.',
  {
    ...webhookFields(11),
    reinvocationPolicy: string({
      proto: 10,
      optional: true,
      enum: ['Never', 'IfNeeded'],
      doc: 'Whether the webhook is called once more if the object is changed afterwards: Never or IfNeeded. Defaults to Never.',
    }),
    matchConditions: listByKey('name', MatchCondition, {
      proto: 12,
      mergeKey: 'name',
      doc: 'CEL conditions that a request must all meet for the webhook to be called. At most 64.',
    }),
  },
)
export type MutatingWebhook = Of<typeof MutatingWebhook>

export const MutatingWebhookConfiguration = defineKind({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  scope: 'Cluster',
  conditionalUpdate: true,
  categories: ['api-extensions'],
  doc: 'MutatingWebhookConfiguration registers webhooks that can change objects during admission.',
  generation: true,
  columns: [{ name: 'Webhooks', type: 'integer', value: o => o.webhooks?.length ?? 0 }],
  explicit: true,
  finalizers: 'any',
  defaults: ({ webhooks }) => {
    defaultWebhooks(webhooks)
    for (const webhook of webhooks ?? []) webhook.reinvocationPolicy ??= 'Never'
  },
  validate: ({ webhooks }, at) => validateWebhooks(webhooks, at.field('webhooks')),
  fields: {
    webhooks: listByKey('name', MutatingWebhook, {
      proto: 2,
      mergeKey: 'name',
      doc: 'Webhooks to call, and the requests to call them for.',
    }),
  },
})
export type MutatingWebhookConfiguration = Of<typeof MutatingWebhookConfiguration>
