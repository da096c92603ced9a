// A webhook that may refuse objects: one entry of a ValidatingWebhookConfiguration.
import type { Of } from '../../api/kind.ts'
import { listByKey, struct } from '../../api/schema/build.ts'
import { MatchCondition, webhookFields } from './types.ts'

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
