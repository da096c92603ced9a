// Asks a server that decides about users or requests again after failures that pass: an error of the server (500, 504),
// too many requests (429), a connection that breaks, and whatever comes with Retry-After. A server that hangs, cannot be
// reached or answers something else is not asked again.
//
//   attempt ─0.5 s─► attempt ─0.75 s─► attempt ─1.1 s─► attempt ─1.7 s─► attempt       each wait up to a fifth longer
//
// A wait is as long as Retry-After if that is more; one that is longer than the server has for an answer is not waited
// for. All attempts together end after a minute, as a request does.
// Source: apiserver pkg/util/webhook/webhook.go (DefaultShouldRetry, DefaultRetryBackoffWithInitialDelay).
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { Refused } from './exchange.ts'

const maxAttempts = 5
const firstWaitMs = 500
const factor = 1.5
const jitter = 0.2
/** How long all attempts may take together. */
export const longestQuestionMs = 60_000

interface Around {
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

/**
 * What the first attempt that does not fail answers. Rejects with the last failure, and between attempts when the signal
 * aborts.
 * @param attempt asks once, for at most the given time
 * @param timeoutMs how long one attempt may take
 */
export async function askPatiently<T>(
  attempt: (timeoutMs: number) => Promise<T>,
  timeoutMs: number,
  { clock, random, signal }: Around,
): Promise<T> {
  const end = clock.steady() + longestQuestionMs
  let waitMs = firstWaitMs
  for (let left = maxAttempts - 1; ; left--) {
    try {
      return await attempt(Math.max(1, Math.min(timeoutMs, end - clock.steady())))
    } catch (error) {
      const askedMs = left > 0 ? retryAfterMs(error, timeoutMs) : undefined
      if (askedMs === undefined) throw error
      const pauseMs = Math.max(waitMs * (1 + jitter * random.float()), askedMs)
      if (clock.steady() + pauseMs >= end) throw error
      await clock.sleep(pauseMs, signal)
      waitMs *= factor
    }
  }
}

/** After which time at least a failed attempt may be repeated; undefined if not at all. */
function retryAfterMs(error: unknown, longestMs: number): number | undefined {
  const cause = error instanceof Error ? error.cause : undefined
  if (!(cause instanceof Refused))
    return (cause as { code?: unknown } | undefined)?.code === 'ECONNRESET' ? 0 : undefined
  const { code, retryAfterSeconds } = cause
  if (retryAfterSeconds !== undefined && (code === 429 || code >= 500))
    return retryAfterSeconds * 1000 <= longestMs ? retryAfterSeconds * 1000 : undefined
  return code === 500 || code === 504 || code === 429 ? 0 : undefined
}
