// Webhooks that may refuse objects on their way in.
import { defineKind, type Of } from '../../api/kind.ts'
import { listByKey } from '../../api/schema/build.ts'
import { defaultWebhooks, validateWebhooks } from './webhook-rules.ts'
import { ValidatingWebhook } from './validatingwebhook.ts'

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
