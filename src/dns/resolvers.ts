// The resolvers that one part of all names is asked of: which of them are asked, in which order, and which have failed
// and rest. After two failures in a row a resolver rests for 5 s; when all rest, they are asked all the same, since a
// resolver that may be there is better than none.
//
// A resolver that leads back here would be asked for ever. So before a resolver is used, it is asked for a random name
// that nobody else has any reason to ask for; if that question comes back, the resolver is left out for a minute.
// Source: CoreDNS plugin/forward (random, max_fails 2) and plugin/loop.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { type Random, secretBytes } from '../base/random.ts'
import { exchange, type Resolver } from './exchange.ts'
import { wireOf } from './foreign.ts'
import { types } from './message.ts'

const maxFailures = 2
const restMs = 5_000
const loopMs = 60_000
const probeMs = 2_000

interface State extends Resolver {
  readonly name: string
  failures: number
  restsUntil: number
  loopsUntil: number
  /** The name that it was asked for to find out whether it leads back here. */
  probe: string | undefined
}

export class Resolvers {
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  #states: State[] = []

  constructor({ clock, random, log }: { clock: Clock; random: Random; log: Log }) {
    this.#clock = clock
    this.#random = random
    this.#log = log
  }

  /** Sets which resolvers there are. Those that were there before keep what is known of them. */
  set(resolvers: readonly Resolver[]): void {
    this.#states = resolvers.map(({ address, port }) => {
      const name = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
      const fresh = { address, port, name, failures: 0, restsUntil: 0, loopsUntil: 0, probe: undefined }
      return this.#states.find(state => state.name === name) ?? fresh
    })
  }

  /** The resolvers in the order in which they are to be asked. `broken` says that all of them rest. */
  order(): { resolvers: readonly State[]; broken: boolean } {
    const now = this.#clock.steady()
    const usable = this.#states.filter(state => state.loopsUntil <= now)
    const awake = usable.filter(state => state.restsUntil <= now)
    const resolvers = this.#shuffled(awake.length ? awake : usable)
    for (const state of resolvers) if (state.probe === undefined) this.#probe(state)
    return { resolvers, broken: usable.length > 0 && awake.length === 0 }
  }

  /** Notes whether a resolver has answered. Returns whether it begins to rest. */
  note(state: State, answered: boolean): boolean {
    state.failures = answered ? 0 : state.failures + 1
    if (answered) state.restsUntil = 0
    else if (state.failures >= maxFailures) state.restsUntil = this.#clock.steady() + restMs
    return state.failures === maxFailures
  }

  /** Whether a question is one by which a resolver was tried, so that the resolver leads back here. */
  findsLoop(name: string, type: number): boolean {
    if (type !== types.HINFO) return false
    const looping = this.#states.find(state => state.probe === name)
    if (!looping) return false
    looping.loopsUntil = this.#clock.steady() + loopMs
    looping.probe = undefined
    this.#log.error('a resolver leads back to this DNS server and is left out', { resolver: looping.name })
    return true
  }

  #probe(state: State): void {
    state.probe = wireOf(`${secretBytes(8).readBigUInt64BE()}.${secretBytes(8).readBigUInt64BE()}`)
    const question = { name: state.probe, type: types.HINFO, edns: false, dnssec: false, unchecked: false }
    void exchange(state, question, 'udp', this.#clock, probeMs)
  }

  #shuffled(states: readonly State[]): State[] {
    const left = [...states]
    const order: State[] = []
    while (left.length) order.push(...left.splice(Math.floor(this.#random.float() * left.length), 1))
    return order
  }
}
