// A whole cluster whose parts fail, from a seed: three servers over one store, two nodes, and clients that write, watch,
// want a Lease and change workloads. All that is observed is kept, for the checks of observed.ts and history.ts.
import type { VirtualClock } from '../../src/base/clock.ts'
import { assert } from '../../src/base/errors.ts'
import { type Log, makeLog, silentLog } from '../../src/base/log.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { Client } from '../../src/client/index.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { StatefulSet } from '../../src/kinds/apps/statefulset.ts'
import { Lease } from '../../src/kinds/coordination/lease.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import type { Store } from '../../src/store/store.ts'
import { below } from './clients.ts'
import { type Beginning, wrongEras } from './eras.ts'
import { faultsOf, type Mend } from './faults.ts'
import type { Operation } from './history.ts'
import type { Medium } from './medium.ts'
import { ChaosNode, Connection } from './node.ts'
import { namespace, runCandidate, runWatcher, runWriter, Ticks } from './objects.ts'
import { type Leading, type Running, twoHolders, type Watched } from './observed.ts'
import { ProcessClock } from './process-clock.ts'
import { Server } from './server.ts'
import { SavedSnapshots } from './saved.ts'
import { SharedMemory } from './shared-log.ts'
import { Traps } from './trap.ts'
import { createWorkloads, disturb, halfDone, kept, takeAllAddresses } from './workloads.ts'

const [servers, nodes, candidates] = [3, 2, 3]
const second = 1000
const minute = 60 * second
const leaseMs = 15 * second
/** For so long a snapshot may wait for its revision. */
const snapshotMs = 10 * second
/** Of the range of Services, see server.ts. */
const usableAddresses = 62
/** In which time a cluster without faults has become what it should be. */
const convergesMs = 15 * minute

export class ChaosCluster {
  readonly clock: VirtualClock
  readonly faults: Record<string, number> = {}
  readonly operations: Operation[] = []
  /** What the cluster lacked when that was last looked at. */
  lacking: readonly string[] = []
  readonly #random: Random
  readonly #log: Log
  readonly #medium: Medium
  readonly #traps = new Traps()
  readonly #saved = new SavedSnapshots()
  readonly #servers: Server[]
  readonly #nodes: ChaosNode[]
  readonly #users: Connection
  readonly #candidates: { clock: ProcessClock; connection: Connection }[] = []
  readonly #leading: Leading[] = []
  readonly #running: Running[] = []
  readonly #watches: Watched[] = []
  readonly #ticks = new Ticks()
  /** Of the time from one restore to the next. */
  readonly #beginnings: Beginning[] = [{ at: 0, tick: 0 }]
  readonly #stop = new AbortController()
  #changes = 0
  /** Whether the store is being restored. */
  #isDown = false

  /** @param medium where the store is; it moves the clock */
  constructor(seed: number, clock: VirtualClock, medium: Medium = new SharedMemory(clock, seededRandom(seed + 1))) {
    this.clock = clock
    this.#medium = medium
    this.#random = seededRandom(seed)
    const began = this.clock.steady()
    const sinceBegin = () => Math.round(this.clock.steady() - began)
    this.#log = process.env.KUTTER_LOG
      ? makeLog(line => process.stderr.write(`${sinceBegin()} ${line}\n`), 'info')
      : silentLog
    const around = {
      clock: this.clock,
      random: seededRandom(seed + 2),
      log: this.#log,
      openStore: (server: number): Promise<Store> => this.#openStore(server),
      link: (server: number) => this.#medium.link(server),
      leading: this.#leading,
    }
    this.#servers = Array.from({ length: servers }, (_, i) => new Server(i, around))
    this.#users = new Connection(this.#servers, this.clock)
    this.#nodes = Array.from(
      { length: nodes },
      (_, i) =>
        new ChaosNode(
          {
            name: `node-${i}`,
            servers: this.#servers,
            clock: this.clock,
            random: seededRandom(seed + 3 + i),
            log: this.#log,
            onStart: () => this.#look(),
          },
          i,
        ),
    )
  }

  async #openStore(server: number): Promise<Store> {
    if (this.#isDown) throw new Error('the store is being restored')
    return this.#traps.around(await this.#medium.open(server), server)
  }

  async open(): Promise<void> {
    const started = Promise.all(this.#servers.map(server => server.start()))
    await this.#until(
      'the servers run',
      async () => {
        return this.#servers.every(({ plane }) => plane)
      },
      minute,
    )
    await started
    for (const node of this.#nodes) node.start()
    const client = this.#users.client('admin', this.#log)
    const created = createWorkloads(client)
    await this.#until('workloads run', () => this.#converged(client), convergesMs)
    await created
    this.#startClients()
  }

  #startClients(): void {
    const { clock } = this
    const { signal } = this.#stop
    const around = { clock, ticks: this.#ticks, operations: this.operations, watches: this.#watches, signal }
    for (const [i, server] of this.#servers.entries()) {
      const direct = new Connection([server], clock)
      const roaming = new Connection(this.#servers, clock, i)
      for (const [kind, connection] of [
        ['direct', direct],
        ['roaming', roaming],
      ] as const) {
        const client = connection.client(`${kind}-${i}`, silentLog)
        const seed = Math.floor(this.#random.float() * 2 ** 32)
        void runWriter(() => client, `${kind}-${i}`, seededRandom(seed), around)
        void runWatcher(() => connection.serve, `${kind}-${i}`, around)
      }
    }
    for (let i = 0; i < candidates; i++) {
      const own = new ProcessClock(clock)
      const connection = new Connection(this.#servers, own, i)
      this.#candidates.push({ clock: own, connection })
      const client = connection.client(`candidate-${i}`, this.#log, own)
      const random = seededRandom(i)
      void runCandidate(client, `candidate-${i}`, { random, leading: this.#leading, signal })
    }
  }

  /** Notes what runs at this moment. */
  async #look(): Promise<void> {
    const pods = (await Promise.all(this.#nodes.map(node => node.running()))).flat()
    this.#running.push({ at: this.clock.steady(), pods })
  }

  /** Some faults at once, while people change things; then some time without. */
  async round(): Promise<void> {
    const mends: Mend[] = []
    const count = 1 + below(this.#random, 3)
    for (let i = 0; i < count; i++) mends.push(this.#fault())
    const changes = below(this.#random, 8)
    const client = this.#users.client('user', silentLog)
    for (let i = 0; i < changes; i++)
      void this.clock
        .sleep(this.#random.float() * 20 * second)
        .then(() => disturb(client, this.#random, ++this.#changes))
        .then(
          () => this.#count('changes'),
          () => this.#count('changes refused'),
        )
    // Most rounds are over before others have noticed; some last until a lost node's pods are elsewhere.
    const lastsMs = second + this.#random.float() * (this.#random.float() < 0.15 ? 3 * minute : 30 * second)
    const part = this.#random.float()
    await this.#medium.pass(lastsMs * part)
    if (this.#random.float() < 0.3) await this.#snapshot()
    await this.#medium.pass(lastsMs * (1 - part))
    for (const mend of mends) mend()
    await this.#medium.pass(this.#random.float() * 15 * second)
    if (this.#saved.count && this.#random.float() < 0.15) await this.#restore()
    client.close()
  }

  /** Makes one fault, and returns what ends it. */
  #fault(): Mend {
    const random = this.#random
    const server = this.#servers[below(random, servers)]!
    const leader = this.#leader() ?? server
    const node = this.#nodes[below(random, nodes)]!
    const faults = faultsOf({
      random,
      medium: this.#medium,
      server,
      leader,
      servers: this.#servers,
      node,
      candidate: this.#candidates[below(random, candidates)]!,
      traps: this.#traps,
      after: (ms, run) => void this.clock.after(ms, run),
      count: what => this.#count(what),
    })
    const [name, make] = faults[below(random, faults.length)]!
    this.#count(name)
    this.#log.info('fault', { name, server: server.index, node: node.name, leader: leader.index })
    return make()
  }

  #count(what: string): void {
    this.faults[what] = (this.faults[what] ?? 0) + 1
  }

  #leader(): Server | undefined {
    const term = this.#leading.findLast(({ lease }) => lease === 'kube-controller-manager')
    return this.#servers[Number(term?.holder.split('-')[1])]
  }

  /** Takes a snapshot by a server that runs. One that fails is none. */
  async #snapshot(): Promise<void> {
    const store = this.#servers.find(({ plane, isPaused }) => plane && !isPaused)?.plane?.core.storage.store
    if (!store) return
    const start = this.#ticks.next()
    const until = this.clock.steady() + snapshotMs
    let isOver = false
    const taken = this.#saved.take(store, this.#beginnings.length - 1, () => {
      if (isOver) throw new Error('it took too long')
      isOver = true
    })
    taken.catch(() => (isOver = true))
    while (!isOver && this.clock.steady() < until) await this.#medium.pass(5)
    if (!isOver) {
      isOver = true
      return this.#count('snapshots that failed')
    }
    try {
      const { revision, entries } = await taken
      const seen = new Map(entries.map(({ key, revision }) => [key, revision]))
      this.operations.push({ type: 'list', start, end: this.#ticks.next(), at: revision, seen })
      this.#count('snapshots')
    } catch (error) {
      this.#log.info('no snapshot', { why: String(error) })
      this.#count('snapshots that failed')
    }
  }

  /**
   * Stops all servers, restores a snapshot, and starts them again, as an operator does. The servers are down for longer
   * than Leases last: else who holds one by the lost state, and who does by the restored one, could do so at once.
   */
  async #restore(): Promise<void> {
    const random = this.#random
    const [kills, boots] = [random.float() < 0.5, random.float() < 0.5]
    this.#count(boots ? 'restores with nodes that boot' : 'restores')
    this.#log.info('fault', { name: 'restore' })
    this.#isDown = true
    for (let tries = 0; this.#medium.isOpen || this.#servers.some(({ plane }) => plane); tries++) {
      assert(tries < 6000, 'servers do not stop')
      for (const server of this.#servers)
        if (kills) server.kill()
        else void server.stop()
      await this.#medium.pass(500)
    }
    await this.#medium.pass(leaseMs + random.float() * 25 * second)
    const { entries, restore } = await this.#saved.restore(random.float(), await this.#medium.newest())
    await this.#medium.replace(entries, restore)
    this.#beginnings.push({ at: this.clock.steady(), tick: this.#ticks.next() })
    this.#isDown = false
    if (boots) for (const node of this.#nodes) node.reboot()
    for (const server of this.#servers) void server.start()
  }

  /** Ends all faults, and waits until the cluster is what it should be. */
  async calm(): Promise<void> {
    for (const { index } of this.#servers) {
      const link = this.#medium.link(index)
      if (!link) continue
      link.losesAnswers = false
      link.set('open')
    }
    this.#traps.clear()
    for (const server of this.#servers) server.resume()
    for (const node of this.#nodes) {
      node.connection.mend()
      node.start()
    }
    for (const { clock, connection } of this.#candidates) {
      clock.resume()
      connection.mend()
    }
    for (const server of this.#servers) if (!server.plane) void server.start()
    const client = this.#users.client('admin', silentLog)
    try {
      await this.#until('the cluster converges', () => this.#converged(client), convergesMs)
      let taken = 0
      const takeAll = async () => (taken = await takeAllAddresses(client)) === usableAddresses
      await this.#until('every address can be given', takeAll, minute).catch((error: unknown) => {
        throw new Error(`${taken} of ${usableAddresses} addresses are given`, { cause: error })
      })
    } finally {
      client.close()
    }
  }

  /** Every workload has its pods, of the newest template, and all of them run and are ready. */
  async #converged(client: Client): Promise<boolean> {
    this.lacking = await this.#lacks(client)
    return this.lacking.length === 0
  }

  async #lacks(client: Client): Promise<string[]> {
    const lacks: string[] = []
    if (this.#servers.some(({ plane }) => !plane)) return ['a server']
    try {
      const pods = (await client.list(Pod, { namespace })).items
      for (const { kind, name } of kept) {
        const { metadata, spec, status } =
          kind === StatefulSet
            ? await client.get(StatefulSet, { namespace, name })
            : await client.get(Deployment, { namespace, name })
        const wanted = spec.replicas ?? 1
        const own = pods.filter(pod => pod.metadata.labels?.app === name)
        const image = spec.template.spec?.containers[0]?.image
        const good = own.filter(
          pod =>
            !pod.metadata.deletionTimestamp &&
            pod.spec.containers[0]!.image === image &&
            pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
        )
        if (own.length !== wanted || good.length !== wanted)
          lacks.push(`${name} has ${own.length} pods, ${good.length} good, and wants ${wanted}`)
        if ((status.readyReplicas ?? 0) !== wanted || status.observedGeneration !== metadata.generation)
          lacks.push(`the status of ${name}`)
      }
      const lease = await client.find(Lease, { namespace: 'kube-system', name: 'fought' })
      if (this.#candidates.length && !lease?.spec.holderIdentity) lacks.push('a holder of the lease')
      await this.#look()
      const ran = this.#running.at(-1)!.pods.filter(({ name }) => name.startsWith(`${namespace}/`)).length
      const live = pods.filter(pod => !pod.metadata.deletionTimestamp).length
      if (ran !== live) lacks.push(`${ran} pods run, and there should be ${live}`)
      lacks.push(...(await halfDone(client)))
    } catch (error) {
      lacks.push(String(error))
    }
    return lacks
  }

  /** Everything that is wrong with what has been observed. */
  async violations(): Promise<string[]> {
    const seen = { operations: this.operations, watches: this.#watches, running: this.#running }
    const eras = await this.#medium.eras()
    return [...twoHolders(this.#leading), ...wrongEras(eras, this.#beginnings, seen)]
  }

  get figures() {
    return {
      operations: this.operations.length,
      writes: this.operations.filter(op => op.type === 'put' && typeof op.outcome === 'number').length,
      events: this.#watches.reduce((sum, { events }) => sum + events.length, 0),
      watches: this.#watches.length,
      terms: this.#leading.length,
      starts: this.#running.length,
      eras: this.#beginnings.length,
      hours: Math.round(this.clock.steady() / 36_000) / 100,
    }
  }

  async #until(what: string, holds: () => Promise<boolean>, limitMs: number): Promise<void> {
    const until = this.clock.steady() + limitMs
    for (;;) {
      let answer: boolean | undefined
      void holds().then(
        held => (answer = held),
        () => (answer = false),
      )
      while (answer === undefined) await this.#medium.pass(500)
      if (answer) return
      if (this.clock.steady() > until) throw new Error(`not in time: ${what}`)
      await this.#medium.pass(1000)
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    const ended = (async () => {
      await Promise.all(this.#nodes.map(node => node.kill().catch(() => {})))
      await Promise.all(this.#servers.map(server => server.stop()))
    })()
    let isOver = false
    void ended.then(() => (isOver = true))
    while (!isOver) await this.#medium.pass(second)
    this.#saved.close()
    await this.#medium.close()
  }
}
