// Claims of addresses and ports among servers that share a store. A server claims what it is about to give to a Service
// by a key in the store, which only one of them can create; then it looks again whether a Service has it:
//
//   claim X ──▶ all that was written before the claim is in the mirror ──▶ nobody has X ──▶ store the Service
//
// So of two servers that choose the same, one is refused the claim, or sees the Service of the other. A claim is
// removed when its Service is in the mirror. One that is left behind counts as given up when its time is over, or when a
// server has seen it unchanged for that long: the time of its maker may be ahead. Another server takes it then. Its maker
// may still be about to store its Service, since it was held up. So the write of a Service requires of the store that
// the claims are still those that were made for it.
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { type Store, StoreConflict } from '../../store/index.ts'
import type { Requirements } from '../admission/requirements.ts'
import type { Storage } from '../storage.ts'

const prefix = '/registry/kutter.dev.allocations/'

/** Of so many claims of others it is noted when they were seen. */
const maxOthers = 10_000

interface Claim {
  uid: string
  /** Milliseconds since the epoch. */
  until: number
}

export class AllocationClaims {
  readonly #storage: Storage
  readonly #store: Store
  readonly #clock: Clock
  readonly #log: Log
  readonly #claimMs: number
  /** Claims of others, and since when this server has seen them unchanged, by a clock that nobody sets. */
  readonly #others = new Map<string, { revision: number; since: number }>()
  /** The revisions of the claims that this server has made. */
  readonly #made = new Map<string, number>()

  constructor(storage: Storage, log: Log, claimMs: number) {
    this.#storage = storage
    this.#store = storage.store
    this.#clock = storage.clock
    this.#log = log
    this.#claimMs = claimMs
    this.#sweep().catch((error: unknown) => log.warn('old claims stay', { error: messageOf(error) }))
  }

  /**
   * Claims addresses and ports for a Service. Returns one that another has, with its UID; undefined when all are claimed.
   * @param requires receives what the write of the Service requires
   * @param takenBy the UID of the Service in the mirror that has it
   */
  async take(
    wanted: readonly string[],
    uid: string,
    requires: Requirements,
    takenBy: (what: string) => string | undefined,
  ): Promise<{ what: string; uid: string } | undefined> {
    requires.drop(prefix)
    for (const what of wanted) {
      const claim = await this.#claim(what, uid)
      if ('revision' in claim) requires.add(prefix + what, claim.revision)
      const other = 'uid' in claim ? claim.uid : takenBy(what)
      if (other === undefined || other === uid) continue
      for (const one of wanted) this.release(one)
      return { what, uid: other }
    }
    return undefined
  }

  /** Removes a claim of this server, if there is one. */
  release(what: string): void {
    const revision = this.#made.get(what)
    if (revision === undefined) return
    this.#made.delete(what)
    this.#store.delete(prefix + what, { expect: revision }).catch((error: unknown) => {
      if (!(error instanceof StoreConflict))
        this.#log.debug('a claim stays until its time is over', { what, error: messageOf(error) })
    })
  }

  /** Removes what servers that ended have left behind. */
  async #sweep(): Promise<void> {
    const { entries } = await this.#store.list(prefix)
    for (const { key, value, revision } of entries) {
      const claim = readClaim(value)
      if (claim && claim.until > this.#clock.now()) continue
      await this.#store.delete(key, { expect: revision }).catch((error: unknown) => {
        // Another server has removed it, or has just made a new claim.
        if (!(error instanceof StoreConflict)) throw error
      })
    }
  }

  /** Whether a claim of another server counts no more. */
  #isOver(what: string, { until }: Claim, revision: number): boolean {
    const now = this.#clock.steady()
    const seen = this.#others.get(what)
    if (until <= this.#clock.now() || (seen?.revision === revision && now - seen.since >= this.#claimMs)) {
      this.#others.delete(what)
      return true
    }
    if (seen?.revision !== revision) {
      if (this.#others.size >= maxOthers) this.#others.clear()
      this.#others.set(what, { revision, since: now })
    }
    return false
  }

  /** Returns the UID of another that has a claim, or the revision of that which was made. */
  async #claim(what: string, uid: string): Promise<{ uid: string } | { revision: number }> {
    for (;;) {
      const found = await this.#store.get(prefix + what)
      const held = found && readClaim(found.value)
      if (held && held.uid !== uid && !this.#isOver(what, held, found.revision)) return { uid: held.uid }
      const claim: Claim = { uid, until: this.#clock.now() + this.#claimMs }
      try {
        const expect = found?.revision ?? 'absent'
        const revision = await this.#store.put(prefix + what, Buffer.from(JSON.stringify(claim)), { expect })
        this.#made.set(what, revision)
        this.#clock.after(this.#claimMs, () => {
          if (this.#made.get(what) === revision) this.release(what)
        })
        await this.#storage.waitFor(revision)
        return { revision }
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error
      }
    }
  }
}

function readClaim(value: Uint8Array): Claim | undefined {
  try {
    const { uid, until } = JSON.parse(Buffer.from(value).toString()) as Partial<Claim>
    return typeof uid === 'string' && typeof until === 'number' ? { uid, until } : undefined
  } catch {
    // A claim that cannot be read holds nothing.
    return undefined
  }
}
