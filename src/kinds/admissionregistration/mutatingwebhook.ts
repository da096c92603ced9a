// A webhook that may change objects: one entry of a MutatingWebhookConfiguration.
import type { Of } from '../../api/kind.ts'
import { listByKey, string, struct } from '../../api/schema/build.ts'
import { MatchCondition, webhookFields } from './types.ts'

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
