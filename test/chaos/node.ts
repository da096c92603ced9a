// One node of a cluster under chaos: a kubelet over the simulated runtime, with a connection of its own to the servers,
// which can be cut. The kubelet may be killed and started; the node may lose all that ran.
import type { Clock } from '../../src/base/clock.ts'
import { isReason, StatusError } from '../../src/base/errors.ts'
import type { Log } from '../../src/base/log.ts'
import type { Random } from '../../src/base/random.ts'
import { orAborted } from '../../src/base/waiters.ts'
import type { Operation, Serve, WatchEvent } from '../../src/api/operation.ts'
import { Client } from '../../src/client/index.ts'
import { type Kubelet, type Runtime, SimulatedRuntime, startKubelet } from '../../src/kubelet/index.ts'
import type { Running } from './observed.ts'
import { lost, type Server } from './server.ts'

/** For so long a client waits for an answer, and for an event of a watch, in which bookmarks come every minute. */
const [answerMs, eventMs] = [30_000, 90_000]

/** A connection to one server at a time. When it is lost, the next one is asked. */
export class Connection {
  readonly #servers: readonly Server[]
  readonly #clock: Clock
  #at: number
  #cut = new AbortController()

  constructor(servers: readonly Server[], clock: Clock, first = 0) {
    this.#servers = servers
    this.#clock = clock
    this.#at = first
  }

  cut(): void {
    this.#cut.abort(lost())
  }

  mend(): void {
    this.#cut = new AbortController()
  }

  readonly serve: Serve = async operation => {
    const at = this.#at
    try {
      const result = await this.#within(answerMs, this.#servers[at]!.serve(operation), operation)
      return result.type === 'watch' ? { ...result, events: this.#events(result.events, operation, at) } : result
    } catch (error) {
      this.#leave(at, error)
      throw error
    }
  }

  async *#events(
    events: AsyncIterable<readonly WatchEvent[]>,
    operation: Operation,
    at: number,
  ): AsyncGenerator<readonly WatchEvent[], void, undefined> {
    const iterator = events[Symbol.asyncIterator]()
    try {
      for (;;) {
        const { done, value } = await this.#within(eventMs, iterator.next(), operation)
        if (done) return
        yield value
      }
    } catch (error) {
      this.#leave(at, error)
      throw error
    } finally {
      void iterator.return?.().catch(() => {})
    }
  }

  async #within<T>(limitMs: number, work: Promise<T>, { signal }: Operation): Promise<T> {
    const limit = new AbortController()
    const cancel = this.#clock.after(limitMs, () => limit.abort(new StatusError('Timeout', 'no answer')))
    try {
      const cuttable = orAborted(orAborted(work, this.#cut.signal), limit.signal)
      return await (signal ? orAborted(cuttable, signal) : cuttable)
    } finally {
      cancel()
    }
  }

  #leave(at: number, error: unknown): void {
    if (at === this.#at && isReason(error, 'ServiceUnavailable', 'Timeout')) this.#at = (at + 1) % this.#servers.length
  }

  client(name: string, log: Log, clock = this.#clock): Client {
    const user = { name, groups: ['system:masters', 'system:authenticated'] }
    return new Client({ serve: this.serve, user, userAgent: name, clock, log })
  }
}

interface NodeOptions {
  name: string
  servers: readonly Server[]
  clock: Clock
  random: Random
  log: Log
  /** Called when a container has started. */
  onStart(): Promise<void>
}

export class ChaosNode {
  readonly name: string
  readonly connection: Connection
  readonly #options: NodeOptions
  #runtime: SimulatedRuntime
  #range = ''
  /** The name of each pod by its uid. */
  readonly #names = new Map<string, string>()
  #life: { kubelet: Promise<Kubelet>; stop: AbortController; client: Client } | undefined

  constructor(options: NodeOptions, index: number) {
    this.name = options.name
    this.#options = options
    this.connection = new Connection(options.servers, options.clock, index % options.servers.length)
    this.#runtime = this.#newRuntime()
  }

  #newRuntime(): SimulatedRuntime {
    const { clock, random } = this.#options
    // Pods take their time to start and to end, so that others may come in between.
    const behave = () => ({ startMs: random.float() * 2000, stopMs: random.float() * 4000 })
    return new SimulatedRuntime({ clock, behave })
  }

  start(): void {
    if (this.#life) return
    const { clock, random, log } = this.#options
    const stop = new AbortController()
    const client = this.connection.client(`system:node:${this.name}`, log.with({ node: this.name }))
    const kubelet = startKubelet({
      client,
      nodeName: this.name,
      nodeIPs: [this.name === 'node-0' ? '10.0.0.1' : '10.0.0.2'],
      rootDir: '/nonexistent',
      clusterDNS: '10.96.0.10',
      clusterDomain: 'cluster.local',
      clock,
      random,
      log: log.with({ node: this.name }),
      runtime: this.#watched(this.#runtime),
      onPodCIDR: ([range = '']) => {
        this.#range = range
        void this.#runtime.setPodCidr(range)
      },
      signal: stop.signal,
    })
    this.#life = { kubelet, stop, client }
  }

  /** Ends the kubelet. What runs goes on. */
  async kill(): Promise<void> {
    const life = this.#life
    this.#life = undefined
    if (!life) return
    life.stop.abort()
    life.client.close()
    await (await life.kubelet).close()
  }

  /** Everything that ran is gone, and the kubelet starts. */
  reboot(): void {
    void this.kill()
    this.#runtime = this.#newRuntime()
    if (this.#range) void this.#runtime.setPodCidr(this.#range)
    this.start()
  }

  /** The pods of which a container runs now. */
  async running(): Promise<Running['pods']> {
    const pods = await this.#runtime.outline()
    return pods.flatMap(({ uid, sandboxes, containers }) => {
      if (!containers.some(({ state }) => state === 'running')) return []
      return [{ name: this.#names.get(uid) ?? '', uid, node: this.name, ip: sandboxes[0]?.ips[0] ?? '' }]
    })
  }

  #watched(runtime: SimulatedRuntime): Runtime {
    const { onStart } = this.#options
    const others: Partial<Runtime> = {
      createSandbox: config => {
        const { namespace = '', name = '', uid = '' } = config.metadata ?? {}
        this.#names.set(uid, `${namespace}/${name}`)
        return runtime.createSandbox(config)
      },
      startContainer: async id => {
        await runtime.startContainer(id)
        await onStart()
      },
      info: async () => ({
        ...(await runtime.info()),
        networkProblem: this.#range ? '' : 'the node has no range of pod addresses',
      }),
    }
    return new Proxy<Runtime>(runtime, {
      get(target, name) {
        if (name in others) return others[name as keyof Runtime]
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}
