// How long a failed daemon pod stays before it is replaced: longer with each failure, so that a pod that a kubelet
// refuses is not created hundreds of times. Source: pkg/controller/daemon (failedPodsBackoff), client-go flowcontrol.
const firstMs = 1000
const maxMs = 15 * 60_000

interface Entry {
  waitMs: number
  /** When the last failed pod was replaced, in ms of the steady clock. */
  at: number
}

/**
 * The back-off by key, where a key is a set, its generation and a node: a changed set starts again at one second. A
 * key without failures for half an hour is dropped, which also limits how many there are.
 */
export class FailureBackoff {
  readonly #entries = new Map<string, Entry>()

  /** Milliseconds until the failed pod of `key` may be replaced, 0 for now. */
  remaining(key: string, now: number): number {
    const entry = this.#entries.get(key)
    return entry ? Math.max(0, entry.at + entry.waitMs - now) : 0
  }

  /** Records that the failed pod of `key` is replaced. The next one waits twice as long, up to 15 minutes. */
  failed(key: string, now: number): void {
    const entry = this.#entries.get(key)
    const isFirst = !entry || now - entry.at > 2 * maxMs
    this.#entries.set(key, { waitMs: isFirst ? firstMs : Math.min(entry.waitMs * 2, maxMs), at: now })
    this.#dropOld(now)
  }

  #dropOld(now: number): void {
    for (const [key, { at }] of this.#entries) if (now - at > 2 * maxMs) this.#entries.delete(key)
  }
}
