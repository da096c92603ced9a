// Which other nodes are alive, by their Leases: each renews its own every second.
//
// Clocks of machines are never compared: what counts is when this node sees a Lease change. And a silence counts only
// while this node sees its own renewals come back, since then the way to the API server and back is open:
//
//   own renewals seen   |    |    |    |                      |    |    |
//   time that counts    ─────────────────╴ (API server away)  ──────────────
//   silence of a peer   |    |                                             ╴ lost after `silenceMs` of it
//
// So when the API server is away nobody counts as lost, and nothing moves. When it comes back the others have
// `settleMs` to be seen, since not all of them find it again at the same time.

/** How often a node renews its Lease. */
export const renewMs = 1_000
/** The silence after which a node counts as lost. */
const silenceMs = 2_400
/** How long after the last own renewal time counts. With a renewal's period it is no more than `silenceMs`. */
const allowanceMs = 1_200
/** The patience with a node that has not been seen yet. */
const firstMs = 5_000
/** A pause of own renewals that is an outage, and the patience with the others after it. */
const outageMs = 3_000
const settleMs = 12_000

interface Peer {
  /** The Lease as it was seen last; undefined before the first time. */
  seen: string | undefined
  /** When, in time that counts. */
  at: number
  patienceMs: number
  /** Whether it has been seen to change, which only a node that is alive does. */
  isCertain: boolean
}

export class Heartbeats {
  readonly #self: string
  readonly #peers = new Map<string, Peer>()
  #own: { seen: string; at: number } | undefined
  #counted = 0
  #returns = 0
  /** Whether Leases that were there before have been taken in. */
  #hasBegun = false

  constructor(self: string) {
    this.#self = self
  }

  /** Whether the own Lease has been seen. */
  get isShown(): boolean {
    return this.#own !== undefined
  }

  /** How often others have begun to see this node, at first and after outages. Meanwhile they may have replaced it. */
  get returns(): number {
    return this.#returns
  }

  /** Begins from scratch, when this node starts to renew its Lease. */
  reset(): void {
    this.#own = undefined
    this.#counted = 0
    this.#hasBegun = false
    this.#peers.clear()
  }

  /**
   * Takes in the Leases as they are now.
   * @param leases what is in them, by node; it differs after each renewal
   * @param now the time of this machine, in milliseconds
   */
  observe(leases: ReadonlyMap<string, string>, now: number): void {
    const own = leases.get(this.#self)
    if (own !== undefined && own !== this.#own?.seen) this.#count(own, now)
    const at = this.#time(now)
    for (const [node, seen] of leases)
      if (node !== this.#self && this.#peers.get(node)?.seen !== seen)
        this.#peers.set(node, { seen, at, patienceMs: silenceMs, isCertain: this.#hasBegun })
    this.#hasBegun = true
    // A node that ends removes its Lease.
    for (const [node, peer] of this.#peers)
      if (peer.seen !== undefined && !leases.has(node)) this.#peers.set(node, { ...peer, at: -Infinity })
  }

  /** Forgets all nodes but these. */
  keepOnly(nodes: ReadonlySet<string>): void {
    for (const node of this.#peers.keys()) if (!nodes.has(node)) this.#peers.delete(node)
  }

  /** Whether a node is alive and has been seen to be, rather than not given up yet. */
  isCertain(node: string, now: number): boolean {
    return node === this.#self || (this.isAlive(node, now) && this.#peers.get(node)!.isCertain)
  }

  isAlive(node: string, now: number): boolean {
    if (node === this.#self) return true
    const time = this.#time(now)
    const peer = this.#peers.get(node) ?? { seen: undefined, at: time, patienceMs: firstMs, isCertain: false }
    this.#peers.set(node, peer)
    return time - peer.at <= peer.patienceMs
  }

  #count(seen: string, now: number): void {
    const time = this.#time(now)
    const isOutage = this.#own !== undefined && now - this.#own.at > outageMs
    if (isOutage || !this.#own) this.#returns++
    this.#counted = time
    this.#own = { seen, at: now }
    if (!isOutage) return
    for (const [node, peer] of this.#peers)
      this.#peers.set(node, { ...peer, at: time, patienceMs: settleMs, isCertain: false })
  }

  /** Time that counts: it goes on for `allowanceMs` after each own renewal. */
  #time(now: number): number {
    return this.#counted + (this.#own ? Math.min(now - this.#own.at, allowanceMs) : 0)
  }
}
