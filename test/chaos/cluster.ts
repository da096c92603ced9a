// A whole cluster whose parts fail, from a seed: three servers over one store, two nodes, and clients that write, watch,
// want a Lease and change workloads. All that is observed is kept, for the checks of observed.ts and history.ts.
import { VirtualClock } from '../../src/base/clock.ts'
import { type Log, makeLog, silentLog } from '../../src/base/log.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { Client } from '../../src/client/index.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { StatefulSet } from '../../src/kinds/apps/statefulset.ts'
import { Lease } from '../../src/kinds/coordination/lease.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import type { Store } from '../../src/store/store.ts'
import { below } from './clients.ts'
import { type Operation, violations } from './history.ts'
import { ChaosNode, Connection } from './node.ts'
import { logOf, namespace, runCandidate, runWatcher, runWriter, Ticks, withRevisions, writesOf } from './objects.ts'
import {
  givenTwice,
  type Leading,
  type Running,
  runsTwice,
  twoHolders,
  type Watched,
  wrongWatches,
} from './observed.ts'
import { ProcessClock } from './process-clock.ts'
import { Server } from './server.ts'
import { SharedMemory, StoreLink } from './shared-log.ts'
import { claimsOf, createWorkloads, disturb, kept } from './workloads.ts'

const [servers, nodes, candidates] = [3, 2, 3]
const second = 1000
const minute = 60 * second
const hour = 60 * minute
const leaseMs = 15 * second
/** In which time a cluster without faults has become what it should be. */
const convergesMs = 15 * minute

type Mend = () => void

export class ChaosCluster {
  readonly clock = new VirtualClock()
  readonly faults: Record<string, number> = {}
  readonly operations: Operation[] = []
  readonly #random: Random
  readonly #log: Log
  readonly #memory: SharedMemory
  readonly #links: StoreLink[]
  readonly #servers: Server[]
  readonly #nodes: ChaosNode[]
  readonly #users: Connection
  readonly #candidates: { clock: ProcessClock; connection: Connection }[] = []
  readonly #leading: Leading[] = []
  readonly #running: Running[] = []
  readonly #watches: Watched[] = []
  readonly #stop = new AbortController()
  #changes = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    const began = this.clock.steady()
    const sinceBegin = () => Math.round(this.clock.steady() - began)
    this.#log = process.env.KUTTER_LOG
      ? makeLog(line => process.stderr.write(`${sinceBegin()} ${line}\n`), 'info')
      : silentLog
    this.#memory = new SharedMemory(this.clock, seededRandom(seed + 1))
    this.#links = Array.from({ length: servers }, () => new StoreLink(this.#memory))
    const around = {
      clock: this.clock,
      random: seededRandom(seed + 2),
      log: this.#log,
      openStore: (server: number): Promise<Store> => this.#openStore(server),
      store: (server: number) => {
        const link = this.#links[server]!
        return { cut: () => link.set('cut'), stall: () => link.set('stalled'), mend: () => link.set('open') }
      },
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

  /** Each life of a server has a connection of its own, so that what is left of a former one reaches nothing. */
  #openStore(server: number): Promise<Store> {
    const link = new StoreLink(this.#memory)
    this.#links[server] = link
    return this.#memory.open(link)
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
    const around = { clock, ticks: new Ticks(), operations: this.operations, watches: this.#watches, signal }
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
    await this.clock.forward(second + this.#random.float() * (this.#random.float() < 0.15 ? 3 * minute : 30 * second))
    for (const mend of mends) mend()
    await this.clock.forward(this.#random.float() * 15 * second)
    client.close()
  }

  /** Makes one fault, and returns what ends it. */
  #fault(): Mend {
    const server = this.#servers[below(this.#random, servers)]!
    const leader = this.#leader() ?? server
    const node = this.#nodes[below(this.#random, nodes)]!
    const candidate = this.#candidates[below(this.#random, candidates)]!
    const faults: [string, () => Mend][] = [
      ['none', () => () => {}],
      ['server killed', () => (server.kill(), () => void server.start())],
      ['leader killed', () => (leader.kill(), () => void leader.start())],
      ['server starts again', () => (server.kill(), void server.start(), () => {})],
      ['server paused', () => (server.pause(), () => server.resume())],
      ['leader paused for just longer than its lease', () => this.#pauseLeader(leader)],
      ['store of a server cut', () => this.#link(server, 'cut')],
      ['store of a server stalls', () => this.#link(server, 'stalled')],
      ['store of the leader cut', () => this.#link(leader, 'cut')],
      ['store of the leader stalls', () => this.#link(leader, 'stalled')],
      ['store of the leader is deaf', () => this.#link(leader, 'deaf')],
      ['store of a server is deaf', () => this.#link(server, 'deaf')],
      ['answers of the store lost', () => this.#loseAnswers(server)],
      ['node cut', () => (node.connection.cut(), () => node.connection.mend())],
      ['kubelet killed', () => (void node.kill(), () => node.start())],
      ['node boots', () => (node.reboot(), () => {})],
      ['time set', () => (server.setTime(this.#random.float() < 0.5 ? hour : -hour), () => {})],
      ['candidate paused', () => (candidate.clock.pause(), () => candidate.clock.resume())],
      ['candidate cut', () => (candidate.connection.cut(), () => candidate.connection.mend())],
      ['history compacted', () => (void this.#compact(server).catch(() => {}), () => {})],
    ]
    const [name, make] = faults[below(this.#random, faults.length)]!
    this.faults[name] = (this.faults[name] ?? 0) + 1
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

  #pauseLeader(leader: Server): Mend {
    leader.pause()
    this.clock.after(leaseMs + this.#random.float() * 4 * second, () => leader.resume())
    return () => {}
  }

  #link(server: Server, mode: StoreLink['mode']): Mend {
    const link = this.#links[server.index]!
    link.set(mode)
    return () => link.set('open')
  }

  #loseAnswers({ index }: Server): Mend {
    const link = this.#links[index]!
    link.losesAnswers = true
    return () => void (link.losesAnswers = false)
  }

  /** Leaves enough for watches that have not seen all yet, or little, after which they begin again. */
  async #compact(server: Server): Promise<void> {
    const { store } = server.plane?.core.storage ?? {}
    const left = this.#random.float() < 0.5 ? 500 : 5
    await store?.compact(Math.max(0, store.stats().revision - left))
  }

  /** Ends all faults, and waits until the cluster is what it should be. */
  async calm(): Promise<void> {
    for (const link of this.#links) {
      link.losesAnswers = false
      link.set('open')
    }
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
    } finally {
      client.close()
    }
  }

  /** Every workload has its pods, of the newest template, and all of them run and are ready. */
  async #converged(client: Client): Promise<boolean> {
    return (await this.lacks(client)).length === 0
  }

  /** What a cluster lacks. */
  async lacks(client = this.#users.client('admin', silentLog)): Promise<string[]> {
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
    } catch (error) {
      lacks.push(String(error))
    }
    return lacks
  }

  /** Everything that is wrong with what has been observed. */
  violations(): string[] {
    const changes = this.#memory.changes()
    const log = logOf(changes)
    return [
      ...violations(log, withRevisions(log, this.operations)),
      ...wrongWatches(writesOf(changes), this.#watches),
      ...twoHolders(this.#leading),
      ...runsTwice(this.#running.map(({ at, pods }) => ({ at, pods }))),
      ...givenTwice(claimsOf(changes)),
    ]
  }

  get figures() {
    return {
      operations: this.operations.length,
      writes: this.operations.filter(op => op.type === 'put' && typeof op.outcome === 'number').length,
      events: this.#watches.reduce((sum, { events }) => sum + events.length, 0),
      watches: this.#watches.length,
      terms: this.#leading.length,
      starts: this.#running.length,
      revisions: this.#memory.head,
      hours: Math.round((this.clock.steady() - Date.UTC(2026, 0, 1)) / 36_000) / 100,
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
      while (answer === undefined) await this.clock.forward(500)
      if (answer) return
      if (this.clock.steady() > until) throw new Error(`not in time: ${what}`)
      await this.clock.forward(1000)
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
    while (!isOver) await this.clock.forward(second)
  }
}
