// What is counted of admission: how long each plugin and each step takes, and what webhooks answer.
// Source: apiserver pkg/admission/metrics.
import { counter, histogram } from '../../base/metrics.ts'
import type { AdmissionRequest } from './request.ts'

const seconds = [0.005, 0.025, 0.1, 0.5, 1, 2.5]
const of = (name: string) => `apiserver_admission_${name}`

const plugins = histogram(of('controller_admission_duration_seconds'), 'Time of admission plugins.', seconds)
const steps = histogram(of('step_admission_duration_seconds'), 'Time of all plugins together.', seconds)
const webhooks = histogram(of('webhook_admission_duration_seconds'), 'Time of webhooks.', [...seconds, 10, 25])
const webhookRequests = counter(of('webhook_request_total'), 'Calls of webhooks, by their answers.')
const rejections = counter(of('webhook_rejection_count'), 'Requests that a webhook, or its failure, refused.')
const failOpen = counter(of('webhook_fail_open_count'), 'Webhooks that were skipped because they failed.')

type Step = 'admit' | 'validate'
type Operation = AdmissionRequest['type']
const operations: readonly Operation[] = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT']

/** Observes how many ms something took, by the request's type and whether it was refused. */
export type Observe = (operation: Operation, rejected: boolean, tookMs: number) => void

function observer(family: typeof plugins, labels: Readonly<Record<string, string>>): Observe {
  const series = (rejected: boolean) =>
    Object.fromEntries(
      operations.map(operation => [operation, family.with({ ...labels, operation, rejected: String(rejected) })]),
    )
  const [accepted, refused] = [series(false), series(true)]
  return (operation, rejected, tookMs) => (rejected ? refused : accepted)[operation]!(tookMs / 1000)
}

export const pluginObserver = (name: string, type: Step): Observe => observer(plugins, { name, type })
export const stepObserver = (type: Step): Observe => observer(steps, { type })

interface WebhookCall {
  readonly name: string
  readonly type: 'admit' | 'validating'
  readonly operation: Operation
  readonly tookMs: number
}

/** Counts the call of a webhook. `code` is that of the refusal, 200 without one, or 0 if the call failed. */
export function countWebhook({ name, type, operation, tookMs }: WebhookCall, code: number): void {
  const rejected = String(code !== ok)
  webhooks.observe(tookMs / 1000, { name, type, operation, rejected })
  webhookRequests.add({ name, type, operation, code: String(Math.min(code, maxCode)), rejected })
  if (code !== ok && code !== 0) countRejection({ name, type, operation }, 'no_error', code)
}

/** Counts a request that was refused. */
export function countRejection(
  { name, type, operation }: Pick<WebhookCall, 'name' | 'type' | 'operation'>,
  error_type: 'no_error' | 'calling_webhook_error',
  code: number,
): void {
  rejections.add({ name, type, operation, error_type, rejection_code: String(Math.min(code, maxCode)) })
}

export const countFailOpen = (name: string, type: WebhookCall['type']): void => failOpen.add({ name, type })

const ok = 200
/** Codes above are counted as this one, as upstream does, so that labels stay few. */
const maxCode = 600
