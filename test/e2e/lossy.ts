// A relay of TCP connections that delays what it forwards, stalls for a while, and cuts connections, all from a seed.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { realClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'

interface Harm {
  /** The longest delay of a piece of data. */
  delayMs: number
  /** How often a piece of data is followed by a stall, and how long that is. */
  stalls: number
  stallMs: number
  /** How often a piece of data ends its connection, without being forwarded. */
  cuts: number
}

export class LossyRelay {
  readonly #random
  readonly #server: Server
  readonly #open = new Set<Socket>()
  readonly #harm: Harm
  /** What it has done. */
  readonly counts = { connections: 0, cuts: 0, stalls: 0 }

  private constructor(seed: number, harm: Harm, to: { host: string; port: number }) {
    this.#random = seededRandom(seed)
    this.#harm = harm
    this.#server = createServer(client => {
      this.counts.connections++
      const server = connect(to)
      for (const [from, other] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#open.add(from)
        from.setNoDelay(true)
        from.on('error', () => other.destroy())
        from.on('close', () => (this.#open.delete(from), other.destroy()))
        void this.#forward(from, other)
      }
    })
  }

  static async start(seed: number, harm: Harm, to: { host: string; port: number }, host: string): Promise<LossyRelay> {
    const relay = new LossyRelay(seed, harm, to)
    relay.#server.listen(0, host)
    await once(relay.#server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async #forward(from: Socket, to: Socket): Promise<void> {
    const { delayMs, stalls, stallMs, cuts } = this.#harm
    try {
      for await (const piece of from) {
        if (this.#random.float() < cuts) {
          this.counts.cuts++
          break
        }
        const isStall = this.#random.float() < stalls
        if (isStall) this.counts.stalls++
        await realClock.sleep(isStall ? stallMs : this.#random.float() * delayMs)
        to.write(piece as Buffer)
      }
    } catch {
      // The connection has broken, which both ends find out.
    }
    from.destroy()
    to.destroy()
  }

  /** Ends all connections; new ones are accepted until `stop`. */
  cutAll(): void {
    this.counts.cuts += this.#open.size
    for (const socket of this.#open) socket.destroy()
  }

  stop(): void {
    this.#server.close()
    this.cutAll()
  }
}
