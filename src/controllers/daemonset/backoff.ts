// How long a node waits before its failed daemon pod is replaced: longer with each failure, so that a pod a kubelet
// refuses is not made hundreds of times. Source: pkg/controller/daemon (failedPodsBackoff), client-go flowcontrol.
const firstMs = 1000
const maxMs = 15 * 60_000

interface Entry {
  waitMs: number
  /** When the last failed pod was let go. */
  at: number
}

export class FailureBackoff {
  readonly #entries = new Map<string, Entry>()

  /** Milliseconds until the failed pod of `key` may be replaced; 0 is now. */
  remaining(key: string, now: number): number {
    const entry = this.#entries.get(key)
    return entry ? Math.max(0, entry.at + entry.waitMs - now) : 0
  }

  /** Notes that it was; the next one waits twice as long, unless all went well for long. */
  failed(key: string, now: number): void {
    const entry = this.#entries.get(key)
    const isForgotten = !entry || now - entry.at > 2 * maxMs
    this.#entries.set(key, { waitMs: isForgotten ? firstMs : Math.min(entry.waitMs * 2, maxMs), at: now })
    this.#forget(now)
  }

  /** What has been well for long is no longer kept. */
  #forget(now: number): void {
    for (const [key, { at }] of this.#entries) if (now - at > 2 * maxMs) this.#entries.delete(key)
  }
}
