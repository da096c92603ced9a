// Three servers over three members of etcd, with clients that write and read while members are killed and hang,
// connections are cut and stall, servers start again, and history is compacted. Everything that clients have seen must be
// that of one log (history.ts), and all servers must have the same.
//
// Rounds and seed: KUTTER_CHAOS_ROUNDS, KUTTER_SEED. A failure names its seed; the faults and operations of a seed are
// the same in every run, their interleaving is the machine's.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { Change, Store } from '../../src/store/store.ts'
import { openEtcdStore } from '../../src/store/index.ts'
import { type EtcdCluster, noEtcd, startEtcd } from '../../src/store/etcd/testing.ts'
import { below, rounds, runClient, seed } from './clients.ts'
import { type Operation, violations } from './history.ts'
import { Link } from './link.ts'

/** In each round every server has so many clients. */
const clients = 3

test('servers, members and connections fail, and nothing is lost, doubled or seen out of order', {
  skip: noEtcd,
}, async () => {
  const etcd = await startEtcd(3, ['--heartbeat-interval', '50', '--election-timeout', '300'])
  const random = seededRandom(seed)
  const chaos = await Chaos.open(etcd, random)
  try {
    for (let round = 0; round < rounds; round++) await chaos.round(round)
    const log = await chaos.log()
    const found = violations(log, chaos.operations)
    deepStrictEqual(found.slice(0, 10), [], `with seed ${seed}`)
    const writes = chaos.operations.filter(op => op.type === 'put' && typeof op.outcome === 'number').length
    ok(writes > rounds * 10, `only ${writes} writes in ${rounds} rounds`)
    await chaos.sameEverywhere(log)
    if (process.env.KUTTER_CHAOS_ROUNDS)
      console.log(JSON.stringify({ rounds, seed, operations: chaos.operations.length, writes, ...chaos.faults }))
  } finally {
    await chaos.close()
    etcd.stop()
  }
})

class Chaos {
  readonly operations: Operation[] = []
  readonly faults: Record<string, number> = {}
  readonly #etcd: EtcdCluster
  readonly #random: Random
  /** The connections of each server to each member. */
  readonly #links: Link[][]
  #stores: Store[] = []
  #watching: { changes: Change[]; stop: AbortController; ended: Promise<void> } | undefined

  private constructor(etcd: EtcdCluster, random: Random, links: Link[][]) {
    this.#etcd = etcd
    this.#random = random
    this.#links = links
  }

  static async open(etcd: EtcdCluster, random: Random): Promise<Chaos> {
    const links = await Promise.all(
      [0, 1, 2].map(server =>
        Promise.all(etcd.endpoints.map((_, i) => Link.to(etcd.endpoints[(i + server) % etcd.endpoints.length]!))),
      ),
    )
    const chaos = new Chaos(etcd, random, links)
    chaos.#stores = await Promise.all(links.map(one => chaos.#open(one)))
    // One watch sees everything from the beginning, so it is at a server that goes on.
    chaos.#watching = follow(chaos.#stores[0]!)
    return chaos
  }

  #open(links: readonly Link[]): Promise<Store> {
    return openEtcdStore({ endpoints: links.map(link => link.endpoint), prefix: '/kutter', log: silentLog })
  }

  async round(round: number): Promise<void> {
    const work = this.#stores.flatMap((_, server) =>
      Array.from({ length: clients }, (_, client) =>
        runClient(() => this.#stores[server]!, `${round}-${server}-${client}`, this.#random, this.operations),
      ),
    )
    const mend = await this.#fault()
    await realClock.sleep(this.#below(250))
    await mend()
    await Promise.all(work)
  }

  /** Makes one fault, and returns what ends it. */
  async #fault(): Promise<() => Promise<void> | void> {
    const member = this.#etcd.members[this.#below(3)]!
    const link = this.#links[this.#below(3)]![this.#below(3)]!
    // The first server has the watch of the whole run.
    const server = 1 + this.#below(2)
    const faults: [string, () => Promise<() => Promise<void> | void> | (() => Promise<void> | void)][] = [
      ['none', () => () => {}],
      ['member killed', () => (member.kill(), () => member.start())],
      ['member hangs', () => (member.pause(), () => member.resume())],
      ['connection cut', () => (link.cut(), () => link.mend())],
      ['connection stalls', () => (link.stall(), () => (link.cut(), link.mend()))],
      ['all connections of a server cut', () => this.#cutAll(server)],
      ['server starts again', () => this.#restart(server)],
      ['history compacted', () => this.#compact()],
    ]
    const [name, make] = faults[this.#below(faults.length)]!
    this.faults[name] = (this.faults[name] ?? 0) + 1
    return make()
  }

  #cutAll(server: number): () => void {
    for (const link of this.#links[server]!) link.cut()
    return () => {
      for (const link of this.#links[server]!) link.mend()
    }
  }

  async #restart(server: number): Promise<() => Promise<void>> {
    await this.#stores[server]!.close()
    return async () => {
      this.#stores[server] = await this.#open(this.#links[server]!)
    }
  }

  /** Leaves enough for servers whose connection was cut. */
  async #compact(): Promise<() => void> {
    const revision = this.#watching!.changes.at(-1)?.revision ?? 0
    if (revision > 500) await this.#stores[0]!.compact(revision - 500).catch(() => {})
    return () => {}
  }

  /** The whole log, once the watch has all that was written. */
  async log(): Promise<Change[]> {
    const newest = await this.#stores[0]!.revision()
    const { changes } = this.#watching!
    while ((changes.at(-1)?.revision ?? 0) < newest) await realClock.sleep(10)
    return changes
  }

  /** Every server has the same values, and the same past as far as it has one. */
  async sameEverywhere(log: readonly Change[]): Promise<void> {
    const expected = (await this.#stores[0]!.list('')).entries.map(({ key, revision }) => `${key}@${revision}`)
    for (const store of this.#stores) {
      deepStrictEqual(
        (await store.list('')).entries.map(({ key, revision }) => `${key}@${revision}`),
        expected,
      )
      const after = Math.max(store.stats().compacted, log.length - 200)
      const changes = await store.changes('', { after, upTo: log.length, limit: log.length })
      deepStrictEqual(
        changes.map(({ type, key, revision }) => `${type} ${key}@${revision}`),
        log.slice(after).map(({ type, key, revision }) => `${type} ${key}@${revision}`),
      )
    }
  }

  async close(): Promise<void> {
    this.#watching?.stop.abort()
    await this.#watching?.ended.catch(() => {})
    for (const member of this.#etcd.members) member.resume()
    for (const store of this.#stores) await store.close()
    for (const links of this.#links) for (const link of links) link.close()
  }

  #below(limit: number): number {
    return below(this.#random, limit)
  }
}

function follow(store: Store) {
  const stop = new AbortController()
  const changes: Change[] = []
  const ended = (async () => {
    for await (const batch of store.watch('', { after: 0, signal: stop.signal })) changes.push(...batch)
  })()
  return { changes, stop, ended }
}
