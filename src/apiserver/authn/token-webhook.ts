// Tokens that a server decides about, as `--authentication-token-webhook-config-file` has it: it gets a TokenReview, and
// answers with the user. Answers are kept for a while, refusals for a shorter one. Failures that may pass are tried again
// a few times.
// Source: apiserver plugin/pkg/authenticator/token/webhook, pkg/authentication/token/cache.
import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { User } from '../../api/operation.ts'
import type { JsonPoster } from '../post-json.ts'
import { askPatiently } from '../retries.ts'
import type { TokenSource } from './token-source.ts'

const timeoutMs = 10_000
const refusedMs = 10_000
/** Limits of answers that are kept, and of the length of a token that is sent on. */
const maxKept = 4096
const maxTokenBytes = 16 << 10

interface TokenWebhookOptions {
  readonly poster: JsonPoster
  /** The audiences of this API server, of which a token must have one. */
  readonly audiences: readonly string[]
  readonly keptMs: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signal: AbortSignal
}

/** What the server may answer; nothing of it is trusted. */
interface Answer {
  status?: {
    authenticated?: unknown
    audiences?: unknown
    user?: { username?: unknown; uid?: unknown; groups?: unknown; extra?: unknown }
  }
}

export class TokenWebhook implements TokenSource {
  readonly #options: TokenWebhookOptions
  readonly #kept = new Map<string, { user: Promise<User | undefined>; until: number }>()

  constructor(options: TokenWebhookOptions) {
    this.#options = options
  }

  /** Requests with the same token share one question. */
  userOf(token: string): Promise<User | undefined> {
    if (token.length > maxTokenBytes) return Promise.resolve(undefined)
    const { clock, keptMs } = this.#options
    const key = createHash('sha256').update(token).digest('base64')
    const kept = this.#kept.get(key)
    if (kept && kept.until > clock.steady()) return kept.user
    const user = this.#ask(token)
    // While it is asked, which ends by itself, everyone waits for the same answer.
    const entry = { user, until: Infinity }
    this.#kept.delete(key)
    this.#kept.set(key, entry)
    if (this.#kept.size > maxKept) this.#kept.delete(this.#kept.keys().next().value!)
    user.then(
      found => (entry.until = clock.steady() + (found ? keptMs : refusedMs)),
      // A failure is not an answer.
      () => this.#kept.get(key) === entry && this.#kept.delete(key),
    )
    return user
  }

  async #ask(token: string): Promise<User | undefined> {
    const { poster, audiences, log } = this.#options
    const spec = { token, ...(audiences.length && { audiences }) }
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec }
    try {
      const answer = await askPatiently(ms => poster.post(review, ms), timeoutMs, this.#options)
      return userIn(answer as Answer | undefined, audiences)
    } catch (error) {
      log.warn('the webhook for tokens does not answer', { why: messageOf(error) })
      throw error
    }
  }
}

/** The user of an answer. Names of the cluster's own parts are accepted, since the administrator chose the server. */
function userIn(answer: Answer | undefined, audiences: readonly string[]): User | undefined {
  const { authenticated, user, audiences: theirs } = answer?.status ?? {}
  if (authenticated !== true || typeof user?.username !== 'string' || !user.username) return undefined
  // A server that names no audiences does not check them, and its answer is for this server alone.
  const named = strings(theirs)
  if (named.length && audiences.length && !named.some(one => audiences.includes(one))) return undefined
  const { uid, extra } = user
  return {
    name: user.username,
    groups: strings(user.groups),
    ...(typeof uid === 'string' && uid && { uid }),
    ...(isObject(extra) && {
      extra: Object.fromEntries(Object.entries(extra).map(([key, value]) => [key, strings(value)])),
    }),
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const strings = (value: unknown): string[] => (Array.isArray(value) ? value.filter(one => typeof one === 'string') : [])
