// A wait for something that mirrors will show: a pod in preBind waits for what controllers and drivers do for it.
import type { Handle } from '../framework.ts'

interface Wait {
  /** Whether the wait is over. Is asked at once and after each change; throws if it never will be. */
  condition(): boolean
  mirrors: readonly { subscribe(listener: () => void, name: string): () => void }[]
  /** The name of the listener. */
  name: string
  timeoutMs: number
  /** The message when the time is over. */
  late: string
}

/** Resolves when the condition holds. Rejects with its error, at the end of the time, or when the scheduler ends. */
export function untilSeen({ clock, signal }: Pick<Handle, 'clock' | 'signal'>, wait: Wait): Promise<void> {
  return new Promise((resolve, reject) => {
    const ends: (() => void)[] = []
    const end = (finish: () => void) => {
      for (const one of ends) one()
      finish()
    }
    const look = () => {
      try {
        if (wait.condition()) end(resolve)
      } catch (error) {
        end(() => reject(error as Error))
      }
    }
    const fail = (why: unknown) => end(() => reject(why as Error))
    const onAbort = () => fail(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    ends.push(
      () => signal.removeEventListener('abort', onAbort),
      clock.after(wait.timeoutMs, () => fail(new Error(wait.late))),
      ...wait.mirrors.map(mirror => mirror.subscribe(look, wait.name)),
    )
    look()
  })
}
