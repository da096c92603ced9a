// The store of a cluster under chaos in a real etcd of three members, which are killed and hang. The cluster's clock goes
// on some times as fast as that of the machine, so that what takes etcd a while takes the cluster a while, too.
import { realClock, type VirtualClock } from '../../src/base/clock.ts'
import { assert } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { type EtcdCluster, startEtcd } from '../../src/store/etcd/testing.ts'
import { copyToEtcd, openEtcdStore } from '../../src/store/index.ts'
import type { Change, Entry, Revision, Store } from '../../src/store/store.ts'
import { below } from './clients.ts'
import type { Era } from './eras.ts'
import { Link } from './link.ts'
import type { LinkMode, Medium, Restore, StoreConnection } from './medium.ts'

type EtcdMember = EtcdCluster['members'][number]

const prefix = '/kutter'
/** So much faster goes the cluster's clock, and in such steps. */
const [speed, stepMs] = [40, 100]

export class EtcdMedium implements Medium {
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #etcd: EtcdCluster
  readonly #links = new Map<number, EtcdLinks>()
  readonly #open = new Set<EtcdLinks>()
  readonly #eras: (Omit<Era, 'changes'> & { changes: Change[] })[] = []
  /** By how much the cluster's clock is ahead of what the machine's allows. */
  #owedMs = 0
  readonly #killed = new Set<EtcdMember>()
  #starting: Promise<unknown> = Promise.resolve()
  /** Why what is written is not seen any more. */
  #blind: unknown
  /** Sees everything that is written, over connections that do not fail. */
  #watching: { store: Store; stop: AbortController; ended: Promise<void> }

  private constructor(clock: VirtualClock, random: Random, etcd: EtcdCluster, store: Store) {
    this.#clock = clock
    this.#random = random
    this.#etcd = etcd
    this.#watching = this.#watch(store, { from: 0, kept: 0, begins: 0, entries: [], changes: [] })
  }

  static async start(clock: VirtualClock, seed: number): Promise<EtcdMedium> {
    const etcd = await startEtcd(3, ['--heartbeat-interval', '50', '--election-timeout', '300'])
    const store = await openEtcdStore({ endpoints: etcd.endpoints, prefix, log: silentLog })
    return new EtcdMedium(clock, seededRandom(seed), etcd, store)
  }

  #watch(store: Store, era: Omit<Era, 'changes'> & { changes: Change[] }) {
    this.#eras.push(era)
    const stop = new AbortController()
    const follow = async () => {
      for await (const batch of store.watch('', { after: era.begins, signal: stop.signal })) era.changes.push(...batch)
    }
    const ended = follow().catch((error: unknown) => {
      if (!stop.signal.aborted) this.#blind = error
    })
    return { store, stop, ended }
  }

  /** Each life of a server asks the members in its own order. */
  async open(server: number): Promise<Store> {
    const { endpoints } = this.#etcd
    const links = await Promise.all(endpoints.map((_, i) => Link.to(endpoints[(i + server) % endpoints.length]!)))
    const own = new EtcdLinks(links)
    this.#links.set(server, own)
    this.#open.add(own)
    const members = links.map(({ endpoint }) => endpoint)
    const store = await openEtcdStore({ endpoints: members, prefix, log: silentLog }).catch((error: unknown) => {
      own.end()
      this.#open.delete(own)
      throw error
    })
    const close = async () => {
      await store.close()
      own.end()
      this.#open.delete(own)
    }
    return new Proxy(store, {
      get(target, name) {
        if (name === 'close') return close
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  link(server: number): StoreConnection | undefined {
    return this.#links.get(server)
  }

  get isOpen(): boolean {
    return this.#open.size > 0
  }

  newest(): Promise<Revision> {
    return this.#watching.store.revision()
  }

  async replace(entries: readonly Entry[], restore: Restore): Promise<void> {
    await this.#seen()
    await this.#unwatch()
    const { endpoints } = this.#etcd
    await copyToEtcd({ endpoints, prefix }, entries, restore.begins)
    const store = await openEtcdStore({ endpoints, prefix, log: silentLog })
    this.#watching = this.#watch(store, { ...restore, entries, changes: [] })
  }

  async eras(): Promise<Era[]> {
    await this.#seen()
    return this.#eras
  }

  /** Waits until everything that has been written was seen. */
  async #seen(): Promise<void> {
    const newest = await this.newest()
    const { begins, changes } = this.#eras.at(-1)!
    while ((changes.at(-1)?.revision ?? begins) < newest) {
      if (this.#blind) throw new Error('what was written is not seen any more', { cause: this.#blind })
      await realClock.sleep(5)
    }
  }

  async #unwatch(): Promise<void> {
    const { store, stop, ended } = this.#watching
    stop.abort()
    await ended
    await store.close()
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      const step = Math.min(left, stepMs)
      const began = realClock.steady()
      await this.#clock.forward(step)
      this.#owedMs = Math.max(0, this.#owedMs + step / speed - (realClock.steady() - began))
      if (this.#owedMs < 1) continue
      await realClock.sleep(this.#owedMs)
      this.#owedMs = 0
    }
  }

  /** What follows over a member that hangs is not to be left behind. */
  readonly leastHistory = 500

  readonly faults = [
    ['member of etcd killed', () => this.#killMember()],
    ['member of etcd killed', () => this.#killMember()],
    ['two members of etcd killed', () => this.#killTwo()],
    ['member of etcd hangs', () => this.#hang()],
    ['member of etcd hangs', () => this.#hang()],
    ['all members of etcd hang', () => this.#hangAll()],
  ] as const

  get #member() {
    return this.#etcd.members[below(this.#random, this.#etcd.members.length)]!
  }

  #killMember(member = this.#member): () => void {
    member.kill()
    this.#killed.add(member)
    return () => this.#start(member)
  }

  #killTwo(): () => void {
    const [one, two] = this.#etcd.members
    assert(one && two, 'there are three members')
    const mends = [this.#killMember(one), this.#killMember(two)]
    return () => mends.forEach(mend => mend())
  }

  /** A member that two faults have killed is started by the first that ends. */
  #start(member: EtcdMember): void {
    if (this.#killed.delete(member)) this.#starting = Promise.all([this.#starting, member.start()])
  }

  #hang(): () => void {
    const member = this.#member
    member.pause()
    return () => member.resume()
  }

  #hangAll(): () => void {
    for (const member of this.#etcd.members) member.pause()
    return () => this.#etcd.members.forEach(member => member.resume())
  }

  async close(): Promise<void> {
    for (const member of this.#etcd.members) member.resume()
    await this.#starting
    await this.#unwatch()
    for (const links of this.#links.values()) links.end()
    this.#etcd.stop()
  }
}

/** The connections of one life of a server to all members. */
class EtcdLinks implements StoreConnection {
  readonly #links: readonly Link[]
  #isOver = false

  constructor(links: readonly Link[]) {
    this.#links = links
  }

  set(mode: LinkMode): void {
    if (this.#isOver) return
    for (const link of this.#links)
      if (mode === 'cut') link.cut()
      else if (mode === 'stalled') link.stall()
      else if (mode === 'deaf') link.deafen()
      else link.mend()
  }

  end(): void {
    this.#isOver = true
    for (const link of this.#links) link.close()
  }

  /** A connection that is deaf and then cut loses answers. */
  set losesAnswers(loses: boolean) {
    this.set(loses ? 'deaf' : 'cut')
    if (!loses) this.set('open')
  }

  get losesAnswers(): boolean {
    return false
  }
}
