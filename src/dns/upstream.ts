// Forwards questions about names outside of the cluster to the machine's resolvers, and keeps their answers for a
// while.
import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { decode, encode, type Answer } from 'dns-packet'
import type { Clock } from '../base/clock.ts'

const timeoutMs = 2_000
const maxCached = 10_000
const cacheMs = 30_000

export class Upstream {
  readonly #file: string
  readonly #clock: Clock
  readonly #cache = new Map<string, { reply: Buffer; until: number }>()

  constructor(file: string, clock: Clock) {
    this.#file = file
    this.#clock = clock
  }

  /**
   * Forwards the bytes of a query to the resolvers, one after the other, until one answers. Returns the bytes of its
   * answer, with the id of this query; undefined when none answered in time.
   */
  async forward(query: Buffer): Promise<Buffer | undefined> {
    const key = query.subarray(2).toString('latin1')
    const cached = this.#cache.get(key)
    if (cached && cached.until > this.#clock.now()) return withId(cached.reply, query)
    for (const server of await this.#servers()) {
      const reply = await exchange(server, query)
      if (!reply) continue
      if (lasts(reply)) {
        if (this.#cache.size >= maxCached) this.#cache.clear()
        this.#cache.set(key, { reply, until: this.#clock.now() + cacheMs })
      }
      return withId(reply, query)
    }
    return undefined
  }

  /** The records that answer a question of this server itself; none when no resolver answers. */
  async resolve(name: string, type: string): Promise<Answer[]> {
    const reply = await this.forward(
      encode({ type: 'query', id: 1, flags: 1 << 8, questions: [{ name, type: type as 'A' }] }),
    )
    return reply ? (decode(reply).answers ?? []) : []
  }

  async #servers(): Promise<string[]> {
    const text = await readFile(this.#file, 'utf8').catch(() => '')
    return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(match => match[1]!)
  }
}

const headBytes = 12
const noName = 3

/** Whether an answer may be kept: it is whole, and the name exists or does not. Errors of a resolver may pass soon. */
export function lasts(reply: Buffer): boolean {
  const flags = reply.readUInt16BE(2)
  const isCut = (flags & 0x200) !== 0
  const code = flags & 15
  return !isCut && (code === 0 || code === noName)
}

function withId(reply: Buffer, query: Buffer): Buffer {
  const out = Buffer.from(reply)
  query.copy(out, 0, 0, 2)
  return out
}

function exchange(server: string, query: Buffer): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4')
    const timer = AbortSignal.timeout(timeoutMs)
    let done = false
    const finish = (reply?: Buffer) => {
      if (done) return
      done = true
      socket.close()
      resolve(reply)
    }
    timer.addEventListener('abort', () => finish())
    socket.on('error', () => finish())
    // A connected socket receives only from this resolver.
    socket.connect(53, server, () => {
      socket.on('message', message => {
        if (message.length >= headBytes && message.readUInt16BE(0) === query.readUInt16BE(0)) finish(message)
      })
      socket.send(query)
    })
  })
}
