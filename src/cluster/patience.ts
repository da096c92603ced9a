// Retries calls that failed because a server or the network was busy. Any other failure is reported at once: it would
// only be repeated.
import type { Clock } from '../base/clock.ts'
import { isReason, messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'

const tries = 4
const pauseMs = { first: 500, most: 4_000 }

/** Does `work`, up to four times. Throws the error of the last try. */
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

/** Whether the next try may succeed. A refused connection means a wrong address or port. */
export function passes(error: unknown): boolean {
  if (isReason(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests')) return true
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (passing.has((cause as NodeJS.ErrnoException).code ?? '')) return true
  return false
}
