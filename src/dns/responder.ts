// Answers a query, whichever way it came. Names of the cluster are answered at once, from bytes that are kept where
// possible; all others wait for other resolvers. A query never fails without an answer: an error is logged, counted, and
// answered as SERVFAIL, and so is a name outside of the cluster when no resolver answers.
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { answer, type Reply } from './answer.ts'
import { maxEdnsBytes, prepare, rcodeOf, writeEdns, writeEmpty, writeError, writeReply } from './encode.ts'
import type { Question } from './exchange.ts'
import { flags, headBytes, labelsOf, rcodes, types } from './message.ts'
import type { DnsMetrics, Plugin, Way } from './metrics.ts'
import type { PreparedAnswers } from './prepared.ts'
import { type Query, readQuery } from './query.ts'
import { type Names, type Record, ttl } from './records.ts'
import type { Kept, Upstream } from './upstream.ts'

const minUdpBytes = 512
const maxTcpBytes = 65_535
const ednsBytes = 11

interface Options {
  readonly names: Names
  readonly prepared: PreparedAnswers
  readonly upstream: Pick<Upstream, 'ask' | 'cached' | 'resolve' | 'stubOf' | 'findsLoop'>
  readonly metrics: DnsMetrics
  readonly random: Random
  readonly log: Log
}

/** What is known of a query while it is answered. */
interface Task {
  readonly query: Query
  readonly way: Way
  /** How many bytes the answer may have. */
  readonly limit: number
  readonly began: number
}

export class Responder {
  readonly #options: Options

  constructor(options: Options) {
    this.#options = options
  }

  /** The bytes that answer a query; undefined for what gets no answer. Never throws or rejects. */
  answer(bytes: Buffer, way: Way): Buffer | undefined | Promise<Buffer | undefined> {
    const began = performance.now()
    const received = readQuery(bytes)
    if (received.kind === 'nothing') return undefined
    if (received.kind === 'error') {
      const { query, rcode } = received
      const reply = query ? writeEmpty(query, rcode) : writeError(bytes, rcode)
      this.#count(way, query?.type ?? 0, bytes.length, { reply, rcode, plugin: '', began })
      return reply
    }
    const { query } = received
    const task: Task = { query, way, limit: way.proto === 'tcp' ? maxTcpBytes : limitOf(query), began }
    try {
      const kept = this.#options.prepared.get(query.name, query.type)
      if (kept) return this.#finish(task, writeReply(query, kept, task.limit, this.#options.random), 'kubernetes')
      const reply = this.#answer(task)
      return reply instanceof Promise ? reply.catch(error => this.#failed(task, error)) : reply
    } catch (error) {
      return this.#failed(task, error)
    }
  }

  #answer(task: Task): Buffer | Promise<Buffer> {
    const { query } = task
    const { names, prepared, upstream, random } = this.#options
    // A copy of a whole zone: there is nobody here to give it to.
    if (query.type === types.AXFR || query.type === types.IXFR) return this.#empty(task, rcodes.REFUSED, '')
    const labels = labelsOf(query.name)
    // A stub domain inside the cluster's own goes first, since it is the longer one.
    const stub = upstream.stubOf(labels)
    const isStub = stub !== undefined && stub.endsWith(`.${names.domain}`)
    const found = isStub ? undefined : answer(names, labels, query.type)
    if (!found) return this.#forward(task, labels)
    if (found.outside !== undefined) return this.#chase(task, labels, found.reply, found.outside)
    const ready = prepared.prepare(query.name, labels, query.type, found.reply, found.service)
    return this.#finish(task, writeReply(query, ready, task.limit, random), 'kubernetes')
  }

  /** Completes an answer whose aliases lead out of the cluster. */
  async #chase(task: Task, labels: readonly string[], reply: Reply, target: string): Promise<Buffer> {
    const { upstream, random } = this.#options
    const outside = await upstream.resolve(target, task.query.type)
    // The client may ask again when nobody has answered. It has the alias all the same.
    const rcode = outside?.rcode ?? rcodes.SERVFAIL
    const answers = [...reply.answers, ...(outside?.records ?? [])]
    const ready = prepare({ ...reply, rcode, answers }, labels)
    return this.#finish(task, writeReply(task.query, ready, task.limit, random), 'kubernetes')
  }

  #forward(task: Task, labels: readonly string[]): Buffer | Promise<Buffer> {
    const { query, way } = task
    const { upstream } = this.#options
    if (upstream.findsLoop(query.name, query.type)) return this.#empty(task, rcodes.REFUSED, 'forward')
    const question = questionOf(query)
    const kept = upstream.cached(question)
    if (kept) return this.#pass(task, labels, kept, 'cache')
    return upstream.ask(question, way.proto).then(outcome => {
      if (outcome === 'full') return this.#empty(task, rcodes.REFUSED, 'forward')
      return this.#pass(task, labels, outcome, 'forward')
    })
  }

  /** Passes on what another resolver has answered, unless the name is one of the cluster without its domain. */
  #pass(task: Task, labels: readonly string[], kept: Kept | undefined, plugin: Plugin): Buffer {
    const { query, limit } = task
    const short = kept?.foreign.rcode === rcodes.NOERROR ? undefined : this.#short(task, labels)
    if (short) return short
    if (!kept) return this.#empty(task, rcodes.SERVFAIL, plugin)
    const { foreign } = kept
    if (foreign.rcode !== rcodes.NOERROR && foreign.rcode !== rcodes.NXDOMAIN)
      return this.#empty(task, foreign.rcode, plugin)
    const edns = query.edns ? ednsBytes : 0
    if (foreign.truncated || foreign.message.length + edns > limit)
      return this.#empty(task, foreign.rcode, plugin, flags.truncated)
    const out = Buffer.allocUnsafe(foreign.message.length + edns)
    foreign.message.copy(out)
    // The id and the spelling of this client.
    query.bytes.copy(out, 0, 0, 2)
    query.bytes.copy(out, headBytes, headBytes, query.end)
    const asked = flags.recursionDesired | flags.checkingDisabled
    const mine = (foreign.message.readUInt16BE(2) & ~(asked | flags.authoritative)) | flags.recursionAvailable
    out.writeUInt16BE(mine | (query.flags & asked), 2)
    for (const at of foreign.ttlAt) out.writeUInt32BE(kept.ttl, at)
    if (edns) {
      out.writeUInt16BE(out.readUInt16BE(10) + 1, 10)
      writeEdns(out, query, 0)
    }
    return this.#finish(task, out, plugin)
  }

  // Some resolvers do not try their search domains on a name with a dot. So when no other resolver has such a name, it
  // is looked up as SERVICE.NAMESPACE of the cluster.
  #short(task: Task, labels: readonly string[]): Buffer | undefined {
    const { names, random } = this.#options
    const { query } = task
    if (labels.length !== 2 || !labels.every(label => /^[a-z0-9-]+$/.test(label))) return undefined
    const whole = [...labels, 'svc', ...names.domainLabels]
    const found = answer(names, whole, query.type)
    // The answer may be without records: the name exists, even if it has no address of this family.
    if (found?.reply.rcode !== rcodes.NOERROR || found.outside !== undefined) return undefined
    const target = whole.join('.')
    const alias: Record = { type: 'CNAME', ttl, target }
    const answers = [alias, ...found.reply.answers.map(record => ({ ...record, name: record.name ?? target }))]
    const ready = prepare({ ...found.reply, answers }, labels)
    return this.#finish(task, writeReply(query, ready, task.limit, random), 'kubernetes')
  }

  #empty(task: Task, rcode: number, plugin: Plugin, more = 0): Buffer {
    return this.#finish(task, writeEmpty(task.query, rcode, more), plugin)
  }

  #finish({ query, way, began }: Task, reply: Buffer, plugin: Plugin): Buffer {
    this.#count(way, query.type, query.bytes.length, { reply, rcode: rcodeOf(reply), plugin, began })
    return reply
  }

  #failed(task: Task, error: unknown): Buffer {
    const { log, metrics } = this.#options
    log.warn('cannot answer a DNS query', { name: labelsOf(task.query.name).join('.'), why: messageOf(error), error })
    metrics.panicked()
    return this.#empty(task, rcodes.SERVFAIL, '')
  }

  #count(way: Way, type: number, requestBytes: number, { reply, rcode, plugin, began }: Counted): void {
    const tookMs = performance.now() - began
    this.#options.metrics.answered(way, type, requestBytes, { rcode, plugin, bytes: reply.length, tookMs })
  }
}

interface Counted {
  readonly reply: Buffer
  readonly rcode: number
  readonly plugin: Plugin
  readonly began: number
}

/** How many bytes a UDP answer may have: 512, or what the client offers by EDNS. Source: RFC 6891. */
const limitOf = ({ edns }: Query) => (edns ? Math.min(Math.max(edns.size, minUdpBytes), maxEdnsBytes) : minUdpBytes)

const questionOf = ({ name, type, edns, flags: head }: Query): Question => ({
  name,
  type,
  edns: edns !== undefined,
  dnssec: edns?.dnssec ?? false,
  unchecked: (head & flags.checkingDisabled) !== 0,
})
