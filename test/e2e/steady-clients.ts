// Clients that write, read and watch all the time while servers end and start again. Each goes on at the next server when
// its own sends it away or is gone, as a client with several addresses does. What no client would try again is a failure.
import { type ClientHttp2Session, connect } from 'node:http2'
import { Agent, request } from 'node:https'
import { realClock } from '../../src/base/clock.ts'
import type { Credentials } from '../../src/client/index.ts'

const configMaps = '/api/v1/namespaces/default/configmaps'
const pauseMs = 20
const patienceMs = 30_000
const connectMs = 2_000

interface Answer {
  status: number
  retryAfterMs?: number
  body: string
}

/** A connection broke, or none could be made, before an answer came. */
class Broken extends Error {}

/** What has happened, for the assertions. */
export class Record {
  /** Names of ConfigMaps whose creation was acknowledged, and those of which it is not certain. */
  readonly acknowledged = new Map<string, number>()
  readonly uncertain = new Set<string>()
  readonly failures: string[] = []
  /** How often something was tried again, by the reason. */
  readonly retries: { [why: string]: number } = {}
  requests = 0

  retried(why: string): void {
    this.retries[why] = (this.retries[why] ?? 0) + 1
  }
}

type Tls = Pick<Credentials, 'ca' | 'cert' | 'key'>

/** One HTTP/2 connection at a time, to one of several servers. */
class Rotating {
  readonly #servers: readonly string[]
  readonly #tls: Tls
  #at: number
  #session: ClientHttp2Session | undefined

  constructor(servers: readonly string[], first: number, tls: Tls) {
    this.#servers = servers
    this.#tls = tls
    this.#at = first
  }

  next(): void {
    this.#at++
    this.close()
  }

  close(): void {
    this.#session?.close()
    this.#session = undefined
  }

  stream(method: string, path: string, body?: object) {
    if (!this.#session || this.#session.closed || this.#session.destroyed) {
      const session = connect(this.#servers[this.#at % this.#servers.length]!, { ...this.#tls, timeout: connectMs })
      session.on('error', () => {})
      session.setTimeout(patienceMs, () => session.destroy())
      this.#session = session
    }
    const type = body && { 'content-type': 'application/json' }
    const stream = this.#session.request({ ':method': method, ':path': path, accept: 'application/json', ...type })
    stream.end(body && JSON.stringify(body))
    return stream
  }

  /** Throws Broken when there is no answer. One that breaks off is a failure of its own. */
  ask(method: string, path: string, body?: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const stream = this.stream(method, path, body)
      const chunks: Buffer[] = []
      let answer: Omit<Answer, 'body'> | undefined
      let ended = false
      stream.on('response', headers => {
        const after = Number(headers['retry-after'])
        answer = { status: headers[':status'] ?? 0, ...(after && { retryAfterMs: after * 1000 }) }
      })
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => (ended = true))
      stream.on('error', () => {})
      stream.on('close', () => {
        if (answer && ended) return resolve({ ...answer, body: Buffer.concat(chunks).toString() })
        reject(answer ? new Error(`the answer ${answer.status} broke off`) : new Broken('no answer'))
      })
    })
  }
}

/** Asks until there is an answer that no client would try again. */
async function persist(record: Record, at: Rotating, method: string, path: string, body?: object) {
  const deadline = realClock.now() + patienceMs
  let isRepeated = false
  for (;;) {
    try {
      record.requests++
      const answer = await at.ask(method, path, body)
      if ((answer.status !== 429 && answer.status !== 503) || !answer.retryAfterMs) return { answer, isRepeated }
      record.retried(String(answer.status))
    } catch (error) {
      if (!(error instanceof Broken)) throw error
      isRepeated = true
      record.retried('broken')
    }
    at.next()
    if (realClock.now() > deadline) throw new Error(`${method} ${path}: no answer for ${patienceMs / 1000} s`)
    await realClock.sleep(pauseMs)
  }
}

export interface Steady {
  record: Record
  servers: readonly string[]
  tls: Tls
  signal: AbortSignal
}

/** Creates ConfigMaps, and reads each at another server: it must be there at once. */
export async function write({ record, servers, tls, signal }: Steady, writer: number): Promise<void> {
  const [own, other] = [new Rotating(servers, writer, tls), new Rotating(servers, writer + 1, tls)]
  for (let i = 0; !signal.aborted; i++) {
    const name = `steady-${writer}-${i}`
    try {
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { steady: '' } } }
      const { answer, isRepeated } = await persist(record, own, 'POST', configMaps, object)
      // An earlier try may have been carried out, and only its answer is lost.
      const isDone = answer.status === 201 || (answer.status === 409 && isRepeated)
      if (!isDone) throw new Error(`create ${name}: ${answer.status} ${answer.body}`)
      const read = await persist(record, other, 'GET', `${configMaps}/${name}`)
      if (read.answer.status !== 200) throw new Error(`${name} is lost: ${read.answer.status} ${read.answer.body}`)
      const { metadata } = JSON.parse(read.answer.body) as { metadata: { resourceVersion: string } }
      record.acknowledged.set(name, Number(metadata.resourceVersion))
    } catch (error) {
      record.failures.push(`${name}: ${String(error)}`)
    }
    await realClock.sleep(pauseMs)
  }
  own.close()
  other.close()
}

interface Seen {
  name: string
  revision: number
}

/** The ConfigMap with which watches end. */
export const lastName = 'steady-last'

/**
 * Watches from a revision on, and goes on at another server from where it was. Returns all that was added, in order, when
 * the last one is.
 */
export async function watch({ record, servers, tls, signal }: Steady, first: number, from: string): Promise<Seen[]> {
  const at = new Rotating(servers, first, tls)
  signal.addEventListener('abort', () => at.close(), { once: true })
  const seen: Seen[] = []
  let revision = from
  while (!signal.aborted) {
    const query = `watch=true&labelSelector=steady&allowWatchBookmarks=true&resourceVersion=${revision}`
    try {
      record.requests++
      for await (const line of lines(at, `${configMaps}?${query}`, signal)) {
        const { type, object } = JSON.parse(line) as Event
        if (type === 'ERROR') throw new Error(`a watch from ${revision}: ${line}`)
        if (type === 'ADDED')
          seen.push({ name: object.metadata.name, revision: Number(object.metadata.resourceVersion) })
        revision = object.metadata.resourceVersion
        if (object.metadata.name === lastName) return seen
      }
      record.retried('watch ended')
    } catch (error) {
      if (error instanceof Broken) record.retried('watch broken')
      else record.failures.push(String(error))
    }
    at.next()
    await realClock.sleep(pauseMs)
  }
  return seen
}

interface Event {
  type: string
  object: { metadata: { name: string; resourceVersion: string } }
}

/** The lines of a watch. Returns when it ends in order, and throws Broken when it does not. */
async function* lines(at: Rotating, path: string, signal: AbortSignal): AsyncGenerator<string> {
  const stream = at.stream('GET', path)
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  let status = 0
  stream.on('response', headers => (status = headers[':status'] ?? 0))
  let rest = ''
  let isWhole = false
  stream.on('end', () => (isWhole = true))
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      rest += chunk.toString()
      if (status !== 200) continue
      const parts = rest.split('\n')
      rest = parts.pop()!
      yield* parts
    }
  } catch (error) {
    if (!signal.aborted) throw new Broken(String(error))
  } finally {
    signal.removeEventListener('abort', stop)
    stream.destroy()
  }
  if (signal.aborted) return
  if (status === 429 || status === 503 || !isWhole) throw new Broken(`${status}`)
  if (status !== 200) throw new Error(`a watch is refused: ${status} ${rest}`)
  if (rest) throw new Error(`a watch has ended within an event: ${rest}`)
}

/** Reads over HTTP/1.1 at one address that moves, by connections that are kept. */
export async function readMoving({ record, tls, signal }: Steady, server: string): Promise<void> {
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 2, timeout: connectMs })
  while (!signal.aborted) {
    try {
      record.requests++
      const answer = await get(agent, `${server}${configMaps}?limit=1`)
      if (answer.status === 429 && answer.retryAfterMs) {
        record.retried('429')
        await realClock.sleep(answer.retryAfterMs)
      } else if (answer.status !== 200) record.failures.push(`at ${server}: ${answer.status} ${answer.body}`)
    } catch (error) {
      if (error instanceof Broken) record.retried(`address: ${error.message}`)
      else record.failures.push(`at ${server}: ${String(error)}`)
    }
    await realClock.sleep(pauseMs)
  }
  agent.destroy()
}

const get = (agent: Agent, url: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const asked = request(url, { agent, timeout: connectMs }, response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => reject(new Error('an answer broke off')))
      response.on('end', () => {
        const after = Number(response.headers['retry-after'])
        const body = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, ...(after && { retryAfterMs: after * 1000 }), body })
      })
    })
    asked.on('timeout', () => asked.destroy(new Broken('silent')))
    asked.on('error', (error: NodeJS.ErrnoException) =>
      reject(error instanceof Broken ? error : new Broken(error.code ?? error.message)),
    )
    asked.end()
  })
