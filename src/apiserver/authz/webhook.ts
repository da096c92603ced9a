// An authorizer that asks a server with a SubjectAccessReview. Its answers are kept for a while, and requests that ask
// the same at the same time share one question. Failures that may pass are tried again a few times; then, and while it
// does not answer, its failure policy decides.
// Source: apiserver plugin/pkg/authorizer/webhook/webhook.go.
import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { counter, histogram } from '../../base/metrics.ts'
import type { Random } from '../../base/random.ts'
import type { JsonPoster } from '../post-json.ts'
import { askPatiently } from '../retries.ts'
import { reviewSpec } from './access-review.ts'
import type { AccessRequest, Authorizer, Decision } from './authorizer.ts'
import { type MatchCondition, meets } from './match-conditions.ts'

/** Limits of answers that are kept, and of the length of a question whose answer is. */
const maxKept = 8192
const maxKeptQuestion = 10_000

/** How a server is asked. */
export interface WebhookSettings {
  readonly name: string
  /** How long one attempt may take. */
  readonly timeoutMs: number
  /** For how long answers are kept; 0 for those that are not. */
  readonly allowedMs: number
  readonly refusedMs: number
  readonly version: 'v1' | 'v1beta1'
  readonly onFailure: 'NoOpinion' | 'Deny'
  readonly conditions: readonly MatchCondition[]
}

interface Around {
  readonly poster: Pick<JsonPoster, 'post'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signal: AbortSignal
}

const evaluations = counter('apiserver_authorization_webhook_evaluations_total', 'Questions to webhooks, by result.')
const seconds = histogram(
  'apiserver_authorization_webhook_duration_seconds',
  'Time until webhooks answer, by result.',
  [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
)
const failOpen = counter(
  'apiserver_authorization_webhook_evaluations_fail_open_total',
  'Questions to webhooks that failed, and were left to other authorizers.',
)

export class WebhookAuthorizer implements Authorizer {
  readonly #settings: WebhookSettings
  readonly #around: Around
  readonly #kept = new Map<string, { readonly decision: Promise<Decision>; until: number }>()

  constructor(settings: WebhookSettings, around: Around) {
    this.#settings = settings
    this.#around = around
  }

  authorize(request: AccessRequest): Decision | Promise<Decision> {
    const { conditions, name } = this.#settings
    const isMet = conditions.length ? meets(conditions, request, name) : true
    if (isMet instanceof Error) {
      this.#around.log.warn('the conditions of a webhook cannot be evaluated', { name, why: isMet.message })
      return this.#failure
    }
    return isMet ? this.#answer(request) : { allowed: false, reason: '' }
  }

  get #failure(): Decision {
    return { allowed: false, reason: '', ...(this.#settings.onFailure === 'Deny' && { denied: true }) }
  }

  #answer(request: AccessRequest): Promise<Decision> {
    const { clock } = this.#around
    const spec = reviewSpec(request)
    const question = JSON.stringify(spec)
    const key = createHash('sha256').update(question).digest('base64')
    const kept = this.#kept.get(key)
    if (kept && clock.steady() < kept.until) return kept.decision
    this.#kept.delete(key)
    const asked = this.#ask(spec)
    const decision = asked.then(found => found ?? this.#failure)
    const { allowedMs, refusedMs } = this.#settings
    // While it is asked, which ends by itself, everyone waits for the same answer.
    const entry = { decision, until: Infinity }
    this.#kept.set(key, entry)
    if (this.#kept.size > maxKept) this.#kept.delete(this.#kept.keys().next().value!)
    // Neither a failure nor what a client has made long is kept.
    void asked.then(found => {
      const keptMs = !found || question.length > maxKeptQuestion ? 0 : found.allowed ? allowedMs : refusedMs
      entry.until = clock.steady() + keptMs
      if (!keptMs && this.#kept.get(key) === entry) this.#kept.delete(key)
    })
    return decision
  }

  /** What the server decides; undefined if it does not. */
  async #ask(spec: object): Promise<Decision | undefined> {
    const { name, timeoutMs, version, onFailure } = this.#settings
    const review = { apiVersion: `authorization.k8s.io/${version}`, kind: 'SubjectAccessReview', metadata: {} }
    // The groups of a user have another name in the older version.
    const { groups, ...rest } = spec as { groups?: readonly string[] }
    const asked = version === 'v1' ? spec : { ...rest, ...(groups && { group: groups }) }
    let result = 'error'
    try {
      return await askPatiently(
        async ms => {
          const started = performance.now()
          const posted = this.#around.poster.post({ ...review, spec: asked }, ms).then(decisionIn)
          result = await posted.then(() => 'success', resultOf)
          evaluations.add({ name, result })
          seconds.observe((performance.now() - started) / 1000, { name, result })
          return posted
        },
        timeoutMs,
        this.#around,
      )
    } catch (error) {
      if (onFailure === 'NoOpinion') failOpen.add({ name, result })
      this.#around.log.warn('a webhook for authorization does not decide', { name, why: messageOf(error) })
      return undefined
    }
  }
}

const resultOf = (error: unknown) => (/no answer within|status code 504/.test(messageOf(error)) ? 'timeout' : 'error')

/** The decision in an answer, of which nothing is trusted. Throws if there is none. */
function decisionIn(answer: unknown): Decision {
  const status = isObject(answer) && isObject(answer.status) ? answer.status : undefined
  if (!status || typeof status.allowed !== 'boolean') throw new Error('the answer has no status.allowed')
  const reason = typeof status.reason === 'string' ? status.reason : ''
  // A server that says both has made a mistake, and refuses.
  if (status.denied === true) return { allowed: false, denied: true, reason }
  return { allowed: status.allowed, reason }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
