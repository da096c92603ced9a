// Trying again what a busy server or network let fail, and nothing else: what is wrong stays wrong, and is better said
// at once.
import type { Clock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'

const tries = 4
const pauseMs = { first: 500, most: 4_000 }

/** Does `work`, a few times if need be. Throws what its last try threw. */
export async function patiently<T>(
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  for (let left = tries, waitMs = pauseMs.first; ; left--, waitMs = Math.min(waitMs * 2, pauseMs.most)) {
    try {
      return await work()
    } catch (error) {
      if (left <= 1 || !passes(error)) throw error
      log.warn('trying again', { why: messageOf(error) })
    }
    await clock.sleep(waitMs, signal)
  }
}

const passing = new Set(['ETIMEDOUT', 'ECONNRESET', 'EPIPE'])

/** Whether it may be over the next time. A connection that is refused is a wrong address. */
export function passes(error: unknown): boolean {
  if (isReason(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests')) return true
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (passing.has((cause as NodeJS.ErrnoException).code ?? '')) return true
  return false
}
