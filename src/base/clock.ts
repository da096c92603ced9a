// Time as an argument. Everything that waits or stamps takes a Clock, so that a test can run a whole
// cluster on a virtual one: hours pass in milliseconds and every run with the same seed is the same run.

/** Milliseconds since the epoch, timers and sleeps. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
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
  after(delayMs, fn) {
    // setTimeout wraps beyond 2^31-1 ms (24 days): cap the step and re-arm.
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

type Timer = { at: number; seq: number; fn: () => void }

/**
 * A clock that moves only when told. `forward` fires timers in order of time (then of creation) and lets
 * promises settle between them, so code under test sees the same interleaving every run.
 */
export class VirtualClock implements Clock {
  #now: number
  #seq = 0
  #timers = new Set<Timer>()

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  after(delayMs: number, fn: () => void): () => void {
    // Whole milliseconds, as the machine's clock gives them.
    const timer = { at: this.#now + Math.max(0, Math.ceil(delayMs)), seq: this.#seq++, fn }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal)
  }

  /** Moves time on by `ms`, firing what falls due on the way. */
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

/** Lets every promise and immediate that is ready run: simulated work never waits for anything else. */
export async function settle(turns = 3): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>(resolve => setImmediate(resolve))
}
