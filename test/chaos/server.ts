// One server of a cluster under chaos: API server, controllers and scheduler with a clock and a connection to the store of
// its own. It can be paused as by SIGSTOP, killed as by SIGKILL, and have its time set.
import type { Clock } from '../../src/base/clock.ts'
import { StatusError } from '../../src/base/errors.ts'
import type { Log } from '../../src/base/log.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { orAborted } from '../../src/base/waiters.ts'
import type { Operation, Serve, ServedResult, WatchEvent } from '../../src/api/operation.ts'
import { type Client, type Holds, leadWithLease } from '../../src/client/index.ts'
import { type ControlPlane, openControlPlane } from '../../src/cluster/control-plane.ts'
import { startControllers } from '../../src/controllers/index.ts'
import { startScheduler } from '../../src/scheduler/index.ts'
import type { Store } from '../../src/store/index.ts'
import { makeSigningKey } from '../../src/wire/jwt.ts'
import type { StoreConnection } from './medium.ts'
import type { Leading } from './observed.ts'
import { ProcessClock } from './process-clock.ts'

/** What a server has of the world around it. */
export interface Around {
  clock: Clock
  random: Random
  log: Log
  openStore(server: number): Promise<Store>
  /** The connection to the store of a server that runs. */
  link(server: number): StoreConnection | undefined
  /** Receives who leads, and each time that a leader works. */
  leading: Leading[]
}

const tokenKeys = { key: makeSigningKey() }
/** How often a leader notes that it works. */
const workMs = 500

/** One life of the process, from its start to its end. */
interface Life {
  clock: ProcessClock
  plane: ControlPlane
  stop: AbortController
  /** Aborts when the process is gone, for those who wait for an answer. */
  gone: AbortController
}

export class Server {
  readonly index: number
  readonly #around: Around
  #life: Life | undefined
  #starting: Promise<void> | undefined
  #isWanted = false
  /** How often the process was ended: one that was starting then does not run. */
  #kills = 0
  #lives = 0
  /** Resolves when a paused process goes on; undefined while it runs. */
  #paused: { ended: Promise<void>; end(): void } | undefined
  #aheadMs = 0

  constructor(index: number, around: Around) {
    this.index = index
    this.#around = around
  }

  get plane(): ControlPlane | undefined {
    return this.#life?.plane
  }

  get isPaused(): boolean {
    return this.#paused !== undefined
  }

  /** Starts the process, again and again until it runs, as a supervisor does. */
  start(): Promise<void> {
    this.#isWanted = true
    if (this.#life) return Promise.resolve()
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  async #start(): Promise<void> {
    while (this.#isWanted) {
      const kills = this.#kills
      try {
        const life = await this.#begin()
        if (kills === this.#kills) {
          this.#life = life
          return
        }
        this.#bury(life)
      } catch (error) {
        this.#around.log.warn('a server did not start', { server: this.index, why: String(error) })
        await this.#around.clock.sleep(1000)
      }
    }
  }

  async #begin(): Promise<Life> {
    const { random, log } = this.#around
    const clock = new ProcessClock(this.#around.clock)
    clock.set(this.#aheadMs)
    const store = await this.#around.openStore(this.index)
    const own = seededRandom(Math.floor(random.float() * 2 ** 32))
    let plane: ControlPlane
    try {
      plane = await openControlPlane({
        store,
        clock,
        random: own,
        log: log.with({ server: this.index }),
        tokenKeys,
        // Few addresses and ports, so that servers often choose the same.
        serviceCidrs: ['10.96.0.0/26'],
        nodePorts: [30000, 30039],
        advertise: { address: `192.0.2.${this.index + 1}`, port: 6443 },
      })
    } catch (error) {
      await store.close().catch(() => {})
      throw error
    }
    const life: Life = { clock, plane, stop: new AbortController(), gone: new AbortController() }
    const identity = `server-${this.index}-${++this.#lives}`
    this.#run(life, own, identity, 'kube-controller-manager', (client, signal, holds) =>
      startControllers({
        reader: client,
        clientFor: name => plane.accountClient(name).fenced(holds),
        clock,
        random: own,
        log: log.with({ server: this.index, part: 'controllers' }),
        signal,
        kinds: plane.kinds,
        caPem: 'not a real certificate',
        signToken: plane.signToken,
        clusterCidr: '10.244.0.0/16',
      }),
    )
    this.#run(life, own, identity, 'kube-scheduler', async (client, signal) => {
      await startScheduler({ client, clock, random: own, log: log.with({ server: this.index }), signal })
    })
    return life
  }

  /** Runs a part while this server leads, and notes when it does. A part that fails ends the process. */
  #run(
    life: Life,
    random: Random,
    identity: string,
    name: string,
    lead: (client: Client, signal: AbortSignal, holds: Holds) => Promise<void>,
  ): void {
    const { clock, plane, stop } = life
    const client = plane.client(`system:${name}`)
    const works = async (signal: AbortSignal, holds: Holds) => {
      const term: Leading = { lease: name, holder: identity, from: clock.steady(), to: clock.steady() }
      this.#around.leading.push(term)
      while (!signal.aborted) {
        if (holds()) term.to = clock.steady()
        await clock.sleep(workMs, signal).catch(() => {})
      }
    }
    leadWithLease({ client, name, identity, random, signal: stop.signal }, async (signal, holds) => {
      void works(signal, holds)
      await lead(client.fenced(holds), signal, holds)
    }).catch((error: unknown) => {
      if (life.gone.signal.aborted) return
      this.#around.log.warn('a part has failed', { part: name, why: String(error) })
      this.kill()
      void this.start()
    })
  }

  /** Ends the process without a chance to do anything more. */
  kill(): void {
    this.#isWanted = false
    this.#kills++
    const life = this.#life
    if (!life) {
      if (this.#starting) this.#around.link(this.index)?.end()
      return
    }
    this.#life = undefined
    this.#paused?.end()
    this.#paused = undefined
    this.#bury(life)
  }

  /** What is left of the process in this one can reach nothing, and is put away. */
  #bury({ clock, plane, stop, gone }: Life): void {
    this.#around.link(this.index)?.end()
    gone.abort(lost())
    clock.resume()
    stop.abort()
    void plane.core.storage.store.close().catch(() => {})
    void plane.close().catch(() => {})
  }

  /** Ends the process in order. */
  async stop(): Promise<void> {
    this.#isWanted = false
    this.#kills++
    const life = this.#life
    this.#life = undefined
    if (!life) return
    life.stop.abort()
    life.gone.abort(lost())
    await life.plane.close().catch(() => {})
  }

  pause(): void {
    if (!this.#life || this.#paused) return
    let end = () => {}
    const ended = new Promise<void>(resolve => (end = resolve))
    this.#paused = { ended, end }
    this.#life.clock.pause()
    this.#around.link(this.index)?.set('stalled')
  }

  resume(): void {
    const paused = this.#paused
    this.#paused = undefined
    // Timers first, as the event loop has it; then what came over connections.
    this.#life?.clock.resume()
    if (this.#life) this.#around.link(this.index)?.set('open')
    paused?.end()
  }

  /** Sets the time of this server on or back. */
  setTime(ms: number): void {
    this.#aheadMs += ms
    this.#life?.clock.set(ms)
  }

  /** What a connection of a client reaches: operations wait while the process is paused, and break when it is gone. */
  readonly serve: Serve = async operation => {
    const life = this.#life
    if (!life) throw lost()
    const { gone } = life
    return orAborted(this.#answer(life, operation), gone.signal)
  }

  async #answer(life: Life, operation: Operation): Promise<ServedResult> {
    await this.#paused?.ended
    if (life.gone.signal.aborted) throw lost()
    const result = await life.plane.serve(operation)
    await this.#paused?.ended
    if (result.type !== 'watch') return result
    return { ...result, events: this.#events(life, result.events) }
  }

  async *#events(
    life: Life,
    events: AsyncIterable<readonly WatchEvent[]>,
  ): AsyncGenerator<readonly WatchEvent[], void, undefined> {
    const iterator = events[Symbol.asyncIterator]()
    try {
      for (;;) {
        const { done, value } = await orAborted(iterator.next(), life.gone.signal)
        await this.#paused?.ended
        life.gone.signal.throwIfAborted()
        if (done) return
        yield value
      }
    } finally {
      void iterator.return?.().catch(() => {})
    }
  }
}

export const lost = () => new StatusError('ServiceUnavailable', 'the connection to the server is lost')
