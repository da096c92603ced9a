// Time as an argument. Everything that waits, or writes the time down, takes a Clock. So a test can run a whole cluster
// on a virtual one: hours pass in milliseconds, and every run with the same seed is the same run.

/** Milliseconds since the epoch, timers and sleeps. */
export interface Clock {
  /** Milliseconds since the Unix epoch. They may be set on or back at any moment; timers do not depend on them. */
  now(): number
  /** Milliseconds since some moment, by which timers go. Nobody sets them; while a machine is suspended they stand still. */
  steady(): number
  /** Calls `fn` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, fn: () => void): () => void
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      cancel()
      reject(signal!.reason)
    }
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** The machine's clock. */
export const realClock: Clock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  after(delayMs, fn) {
    // setTimeout fires at once for more than 2^31-1 ms (24 days), so a longer wait is made of steps.
    const maxStepMs = 2 ** 31 - 1
    let timer: NodeJS.Timeout
    const arm = (leftMs: number) => {
      const stepMs = Math.min(leftMs, maxStepMs)
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : fn()), Math.max(0, stepMs))
    }
    arm(delayMs)
    return () => clearTimeout(timer)
  },
  sleep: (delayMs, signal) => sleepOn(realClock, delayMs, signal),
}

/**
 * Calls `fn` once after `delayMs` of the machine's clock, if the process still runs then: unlike other timers it does not
 * keep one that has nothing else to do. The returned function cancels it.
 */
export function afterIdle(delayMs: number, fn: () => void): () => void {
  const timer = setTimeout(fn, delayMs).unref()
  return () => clearTimeout(timer)
}

type Timer = { at: number; seq: number; fn: () => void }

/**
 * A clock that moves only by `forward`, which fires timers in the order of their time and then of their creation, and
 * lets promises settle after each. So the code under test is interleaved in the same way in every run.
 */
export class VirtualClock implements Clock {
  /** The time by which timers go, from 0, so that no test passes where it is taken for the time of day. */
  #now = 0
  /** How far the time that is shown is ahead of it. */
  #ahead: number
  #seq = 0
  #timers = new Set<Timer>()

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#ahead = startMs
  }

  now(): number {
    return this.#now + this.#ahead
  }

  steady(): number {
    return this.#now
  }

  /** Sets the time on or back, as an administrator or a suspended machine does. Timers take as long as before. */
  jump(ms: number): void {
    this.#ahead += ms
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.size
  }

  after(delayMs: number, fn: () => void): () => void {
    // Rounded up to whole milliseconds, as the machine's clock has them.
    const timer = { at: this.#now + Math.max(0, Math.ceil(delayMs)), seq: this.#seq++, fn }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal)
  }

  /** Moves the time on by `ms` and fires the timers that become due, also those that are created meanwhile. */
  async forward(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (let next = this.#earliest(end); next; next = this.#earliest(end)) {
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.fn()
      await settle()
    }
    this.#now = end
  }

  #earliest(end: number): Timer | undefined {
    let best: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.at > end) continue
      if (!best || timer.at < best.at || (timer.at === best.at && timer.seq < best.seq)) best = timer
    }
    return best
  }
}

/** Lets promises and immediates run for some turns of the event loop. Simulated work waits for nothing else. */
export async function settle(turns = 3): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>(resolve => setImmediate(resolve))
}

/** Differences up to this are those of clocks that are adjusted, and of timers that are late. */
const jumpMs = 30_000

/** Notices when the time is set, between two looks. */
export class JumpDetector {
  readonly #clock: Clock
  #ahead: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#ahead = clock.now() - clock.steady()
  }

  /** By how many milliseconds the time has been set since the last look; 0 for less than half a minute. */
  look(): number {
    const ahead = this.#clock.now() - this.#clock.steady()
    const by = ahead - this.#ahead
    this.#ahead = ahead
    return Math.abs(by) < jumpMs ? 0 : by
  }
}
