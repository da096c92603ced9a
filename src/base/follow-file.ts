// Follows a configuration file while the program runs.
import { readFile } from 'node:fs/promises'
import type { Clock } from './clock.ts'
import { messageOf } from './errors.ts'
import type { Log } from './log.ts'

const pollMs = 5_000

/**
 * Calls `use` with each new text of a file until the signal aborts. A text that `use` refuses is logged, and the one
 * before stays in effect.
 * @param current the text that is in effect
 */
export async function followFile(
  file: string,
  current: string,
  use: (text: string) => void | Promise<void>,
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<void> {
  let seen = current
  while (!signal.aborted) {
    // The sleep rejects when the signal aborts, which the condition of the loop then sees.
    await clock.sleep(pollMs, signal).catch(() => {})
    if (signal.aborted) return
    try {
      const text = await readFile(file, 'utf8')
      if (text === seen) continue
      seen = text
      await use(text)
      log.info('a configuration file was read again', { file })
    } catch (error) {
      log.error('a configuration file cannot be used, and the one before stays in effect', {
        file,
        why: messageOf(error),
      })
    }
  }
}
