// Asks other resolvers for names outside of the cluster, and keeps their answers for a while.
//
// Which resolvers: those of the stub domain that the name is in, the longest such domain if there are several; otherwise
// the upstream servers of the settings (settings.ts), or if those name none, the resolvers of the machine, whose file is
// read again every 5 s.
//
// Limits: 10,000 answers with 16 MiB are kept, for as long as they say and 30 s at most; the oldest go first. Errors and
// what is cut off are not kept. At most 1,000 questions are under way; clients that ask the same at the same time share
// one, and 5,000 of them may wait. A resolver has 2 s to answer, a question 5 s in all.
import { readFile } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { exchange, type Question, type Resolver } from './exchange.ts'
import { type Foreign, recordsOf, wireOf } from './foreign.ts'
import { endsWith, labelsOf, lowerCase, rcodes } from './message.ts'
import type { DnsMetrics } from './metrics.ts'
import type { Record } from './records.ts'
import { Resolvers } from './resolvers.ts'
import type { Settings } from './settings.ts'

const maxKept = 10_000
const maxKeptBytes = 16 * 2 ** 20
/** What an answer takes beside its bytes. */
const overheadBytes = 500
const maxUnderWay = 1_000
const maxWaiting = 5_000
const tryMs = 2_000
const totalMs = 5_000
const rereadMs = 5_000
/** Further resolvers of the machine are not asked. */
const maxResolvers = 15

/** An answer, and for how many seconds it still holds. */
export interface Kept {
  readonly foreign: Foreign
  readonly ttl: number
}

/** Undefined when no resolver answers; `full` when too many questions are under way. */
type Outcome = Kept | 'full' | undefined

interface Options {
  /** Path of a resolv.conf with the resolvers of the machine. */
  readonly file: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: DnsMetrics
}

export class Upstream {
  readonly #options: Options
  readonly #machine: Resolvers
  #fileReadAt = -Infinity
  #upstreams: Resolvers | undefined
  #stubs: readonly { labels: readonly string[]; domain: string; resolvers: Resolvers }[] = []
  readonly #kept = new Map<string, { foreign: Foreign; until: number }>()
  #keptBytes = 0
  readonly #underWay = new Map<string, Promise<Outcome>>()
  #waiting = 0

  constructor(options: Options) {
    this.#options = options
    this.#machine = new Resolvers(options)
    options.metrics.kept = () => this.#counts()
  }

  /** Takes other settings into use. Answers that were kept under the former ones are dropped. */
  use({ stubDomains, upstreamNameservers }: Settings): void {
    const resolvers = (list: readonly Resolver[]) => {
      const all = new Resolvers(this.#options)
      all.set(list)
      return all
    }
    this.#upstreams = upstreamNameservers && resolvers(upstreamNameservers)
    this.#stubs = Object.entries(stubDomains)
      .map(([domain, list]) => ({ domain, labels: domain.split('.'), resolvers: resolvers(list) }))
      .sort((a, b) => b.labels.length - a.labels.length)
    this.#kept.clear()
    this.#keptBytes = 0
  }

  /** The stub domain that a name is in; undefined if in none. */
  stubOf(labels: readonly string[]): string | undefined {
    return this.#stubs.find(stub => endsWith(labels, stub.labels))?.domain
  }

  /** Whether a resolver led this question of the server itself back to it. */
  findsLoop(name: string, type: number): boolean {
    return [this.#machine, this.#upstreams, ...this.#stubs.map(stub => stub.resolvers)].some(all =>
      all?.findsLoop(name, type),
    )
  }

  /** An answer that is kept; undefined if there is none. */
  cached(question: Question): Kept | undefined {
    const key = keyOf(question)
    const kept = this.#kept.get(key)
    const leftMs = kept ? kept.until - this.#options.clock.steady() : 0
    this.#options.metrics.cacheAsked(kept && leftMs > 0 ? (isDenial(kept.foreign) ? 'denial' : 'success') : undefined)
    if (kept && leftMs > 0) return { foreign: kept.foreign, ttl: Math.ceil(leftMs / 1000) }
    if (kept) this.#forget(key, kept.foreign)
    return undefined
  }

  /** Asks the resolvers. Over TCP an answer that is cut off over UDP is asked for again. Never rejects. */
  async ask(question: Question, over: 'udp' | 'tcp'): Promise<Outcome> {
    const key = `${over} ${question.edns ? 'edns' : ''} ${keyOf(question)}`
    let asking = this.#underWay.get(key)
    if (this.#waiting >= maxWaiting || (!asking && this.#underWay.size >= maxUnderWay)) {
      this.#options.metrics.rejected()
      return 'full'
    }
    if (!asking) {
      asking = this.#ask(question, over).finally(() => this.#underWay.delete(key))
      this.#underWay.set(key, asking)
    }
    this.#waiting++
    try {
      return await asking
    } finally {
      this.#waiting--
    }
  }

  /** The records of a name, for an answer of this server, and whether it exists; undefined if nobody answers. */
  async resolve(name: string, type: number): Promise<{ rcode: number; records: readonly Record[] } | undefined> {
    const question = { name: wireOf(lowerCase(name)), type, edns: true, dnssec: false, unchecked: false }
    const outcome = this.cached(question) ?? (await this.ask(question, 'tcp'))
    if (outcome === undefined || outcome === 'full') return undefined
    const { foreign, ttl } = outcome
    return { rcode: foreign.rcode, records: recordsOf(foreign).map(record => ({ ...record, ttl })) }
  }

  async #ask(question: Question, over: 'udp' | 'tcp'): Promise<Outcome> {
    const { clock, metrics } = this.#options
    const all = await this.#resolversFor(question)
    const { resolvers, broken } = all.order()
    if (broken) metrics.broken()
    const endsAt = clock.steady() + totalMs
    let failed: Foreign | undefined
    for (const resolver of resolvers) {
      const leftMs = Math.min(tryMs, endsAt - clock.steady())
      if (leftMs <= 0) break
      const began = clock.steady()
      let foreign = await exchange(resolver, question, 'udp', clock, leftMs)
      if (foreign?.truncated && over === 'tcp') foreign = await exchange(resolver, question, 'tcp', clock, tryMs)
      if (all.note(resolver, foreign !== undefined)) metrics.unhealthy(resolver.name)
      metrics.forwarded(resolver.name, foreign?.rcode, clock.steady() - began)
      // Another resolver may do better than one that fails.
      if (foreign && foreign.rcode !== rcodes.NOERROR && foreign.rcode !== rcodes.NXDOMAIN) failed ??= foreign
      else if (foreign) return this.#keep(question, foreign)
    }
    return failed && { foreign: failed, ttl: 0 }
  }

  async #resolversFor({ name }: Question): Promise<Resolvers> {
    const labels = labelsOf(name)
    const stub = this.#stubs.find(({ labels: domain }) => endsWith(labels, domain))
    const set = stub?.resolvers ?? this.#upstreams
    if (set) return set
    const { clock, file } = this.#options
    if (clock.steady() - this.#fileReadAt >= rereadMs) {
      this.#fileReadAt = clock.steady()
      const text = await readFile(file, 'utf8').catch(() => '')
      const found = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].slice(0, maxResolvers)
      this.#machine.set(found.map(match => ({ address: match[1]!, port: 53 })))
    }
    return this.#machine
  }

  #keep(question: Question, foreign: Foreign): Kept {
    if (foreign.ttl > 0) {
      const key = keyOf(question)
      const former = this.#kept.get(key)
      if (former) this.#forget(key, former.foreign)
      this.#kept.set(key, { foreign, until: this.#options.clock.steady() + foreign.ttl * 1000 })
      this.#keptBytes += foreign.message.length + overheadBytes
      for (const [oldest, { foreign: old }] of this.#kept) {
        if (this.#kept.size <= maxKept && this.#keptBytes <= maxKeptBytes) break
        this.#forget(oldest, old)
      }
    }
    return { foreign, ttl: foreign.ttl }
  }

  #forget(key: string, { message }: Foreign): void {
    this.#kept.delete(key)
    this.#keptBytes -= message.length + overheadBytes
  }

  #counts(): { success: number; denial: number } {
    let denial = 0
    for (const { foreign } of this.#kept.values()) if (isDenial(foreign)) denial++
    return { success: this.#kept.size - denial, denial }
  }
}

/** Whether an answer says that there is nothing. */
const isDenial = ({ answers }: Foreign) => answers === 0

/** Answers differ by whether signatures are wanted, and whether they are to be checked. */
const keyOf = ({ name, type, dnssec, unchecked }: Question) => `${type} ${dnssec ? 1 : 0}${unchecked ? 1 : 0} ${name}`
