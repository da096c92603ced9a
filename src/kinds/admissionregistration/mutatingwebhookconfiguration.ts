// Webhooks that may change objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'
import { MatchCondition, webhookFields } from './types.ts'
import { defaultWebhooks, validateWebhooks } from './webhook-rules.ts'

export const MutatingWebhook = struct(
  'admissionregistration.v1.MutatingWebhook',
  'A webhook that may change objects.',
  {
    ...webhookFields(11),
    reinvocationPolicy: string({
      proto: 10,
      optional: true,
      enum: ['Never', 'IfNeeded'],
      doc: 'Whether it is asked again after others changed the object.',
    }),
    matchConditions: listByKey('name', MatchCondition, {
      proto: 12,
      mergeKey: 'name',
      doc: 'Further conditions on the request, in CEL.',
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
  doc: 'Webhooks that may change objects on their way in.',
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
    webhooks: listByKey('name', MutatingWebhook, { proto: 2, mergeKey: 'name', doc: 'The webhooks.' }),
  },
})
export type MutatingWebhookConfiguration = Of<typeof MutatingWebhookConfiguration>
