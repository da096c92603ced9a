// Plays recorded conversations: each in a namespace of its own, many at once, and cleans up after each.
import type { Json } from '../../src/api/schema/node.ts'
import { build, type Case, type Corpus, fill, type RecordedAnswer, type Step } from './corpus.ts'
import { dig, Normal } from './normal.ts'
import type { Answer, InProcessServer } from './server.ts'

const parallel = 16
const userAgent = 'oracle/1.0'
const writes = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])
const review = /(reviews|\/token|\/binding|\/eviction|\/bindings)$/

/** Plays every case; `done` gets the answers of each as it ends. */
export async function playAll(
  server: InProcessServer,
  { cases, fixtures }: Pick<Corpus, 'cases' | 'fixtures'>,
  done: (one: Case, answers: RecordedAnswer[]) => void,
): Promise<void> {
  const left = [...cases].reverse()
  const spaces = new Namespaces(server)
  const worker = async () => {
    for (let one = left.pop(); one; one = left.pop())
      done(one, await new Play(server, spaces, fixtures, one).run().catch(broken))
  }
  await Promise.all(Array.from({ length: parallel }, worker))
}

/** A conversation that cannot be played, such as one that changes what its fixture lacks; recorded in the same way. */
const broken = (error: unknown): RecordedAnswer[] => [{ s: 0, t: `broken: ${String(error)}` }]

let counter = 0
const word = (prefix: string) => `${prefix}${(++counter).toString(36).padStart(6, '0')}k`

const nextTurn = () => new Promise(resolve => setImmediate(resolve))
const sleep = (seconds: number) => new Promise(resolve => setTimeout(resolve, seconds * 1000))

function call(server: InProcessServer, method: string, path: string, body?: Json): Promise<Answer> {
  const sent = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
  const headers = { 'user-agent': userAgent, accept: 'application/json', 'content-type': 'application/json' }
  return server.ask({ method, path, headers, body: sent })
}

/** Namespaces ready for use. One that nothing was written to serves the next case as well. */
class Namespaces {
  readonly #server: InProcessServer
  readonly #ready: string[] = []

  constructor(server: InProcessServer) {
    this.#server = server
  }

  async take(): Promise<string> {
    const ready = this.#ready.pop()
    if (ready) return ready
    const name = word('ns-')
    await call(this.#server, 'POST', '/api/v1/namespaces', { metadata: { name } })
    for (const what of ['serviceaccounts/default', 'configmaps/kube-root-ca.crt'])
      for (let i = 0; i < 250; i++) {
        if ((await call(this.#server, 'GET', `/api/v1/namespaces/${name}/${what}`)).status === 200) break
        await sleep(0.02)
      }
    return name
  }

  give(name: string): void {
    this.#ready.push(name)
  }
}

/** One conversation. */
class Play {
  readonly #server: InProcessServer
  readonly #spaces: Namespaces
  readonly #fixtures: Corpus['fixtures']
  readonly #case: Case
  readonly #variables: Record<string, string> = {}
  #normal: Normal
  /** Whether anything was written to the namespace. */
  #dirty = false
  readonly #made = new Set<string>()
  readonly #held = new Set<string>()

  constructor(server: InProcessServer, spaces: Namespaces, fixtures: Corpus['fixtures'], one: Case) {
    this.#server = server
    this.#spaces = spaces
    this.#fixtures = fixtures
    this.#case = one
    this.#normal = new Normal({}, server.host)
  }

  async run(): Promise<RecordedAnswer[]> {
    this.#variables.u = word('q')
    const own = JSON.stringify(this.#case.steps).includes('${ns}')
    if (own) this.#variables.ns = await this.#spaces.take()
    this.#normal = new Normal(this.#variables, this.#server.host)
    const answers: RecordedAnswer[] = []
    for (const step of this.#case.steps) {
      const answer = await this.#step(step)
      // Nothing here waits for a socket: what waits for a thread must have its turn.
      await nextTurn()
      if (!step.quiet) answers.push(this.#normal.answer(step, answer))
      if (step.sleep) await sleep(step.sleep)
    }
    await this.#cleanUp(own)
    return answers
  }

  async #step(step: Step): Promise<Answer> {
    const method = step.method ?? 'GET'
    const path = this.#target(step)
    const { headers, body } = this.#request(step)
    if (body) this.#normal.sent += body.toString()
    const soFar = this.#normal.sent
    this.#normal.sent += path
    let answer: Answer
    for (let tries = step.tries ?? 1; ; tries--) {
      answer = await this.#server.ask({ method, path, headers, body, anonymous: step.anonymous })
      if (tries <= 1 || step.until === undefined || answer.status === step.until) break
      await sleep(0.1)
    }
    this.#note(method, path, answer)
    if (step.capture) this.#capture(step.capture, answer)
    // The path counts for this answer alone.
    if (step.quiet) this.#normal.sent = soFar
    return answer
  }

  #target({ path, query }: Step): string {
    const target = fill(path, this.#variables) as string
    if (!query || !Object.keys(query).length) return target
    const filled = fill(query, this.#variables)
    if (typeof filled === 'string') return `${target}?${filled}`
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(filled as Record<string, Json>))
      for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one))
    return `${target}?${search}`
  }

  #request(step: Step): { headers: Record<string, string>; body: Buffer | undefined } {
    const headers: Record<string, string> = { 'user-agent': userAgent, accept: 'application/json' }
    let body: Buffer | undefined
    if (step.raw !== undefined) body = Buffer.from(fill(step.raw, this.#variables) as string)
    else if (step.b64 !== undefined) body = Buffer.from(step.b64, 'base64')
    else if (step.body !== undefined)
      body = Buffer.from(JSON.stringify(fill(build(step.body, this.#fixtures), this.#variables)))
    if (body) headers['content-type'] = 'application/json'
    for (const [name, value] of Object.entries(step.headers ?? {})) {
      if (value === null) delete headers[name.toLowerCase()]
      else headers[name.toLowerCase()] = fill(value, this.#variables) as string
    }
    return { headers, body }
  }

  /** Notes what a write left behind. One whose answer nobody accepts may have been stored all the same. */
  #note(method: string, path: string, { status, body }: Answer): void {
    if (status === 406 && writes.has(method)) this.#dirty = true
    if (!writes.has(method) || ![200, 201, 202].includes(status) || path.includes('dryRun=All')) return
    const bare = path.split('?')[0]!
    const named = () => {
      const name = parsed(body, 'metadata.name')
      return method === 'POST' ? `${bare}/${name}` : bare
    }
    if (this.#variables.ns && bare.includes(`/namespaces/${this.#variables.ns}`)) {
      if (bare.endsWith('reviews')) return
      this.#dirty = true
      if (method !== 'DELETE' && body.includes('"finalizers":[')) this.#held.add(named())
    } else if (!bare.includes('/namespaces/') && !review.test(bare) && method !== 'DELETE') this.#made.add(named())
  }

  #capture(wanted: Record<string, string>, { body }: Answer): void {
    for (const [name, path] of Object.entries(wanted)) this.#variables[name] = parsed(body, path)
  }

  async #cleanUp(own: boolean): Promise<void> {
    const release = async (target: string) => {
      const headers = { 'user-agent': userAgent, 'content-type': 'application/merge-patch+json' }
      const body = Buffer.from('{"metadata":{"finalizers":null}}')
      await this.#server.ask({ method: 'PATCH', path: target, headers, body })
    }
    for (const target of [...this.#made].reverse()) {
      if (this.#case.leave || !target.includes(this.#variables.u!)) continue
      const { status, body } = await call(this.#server, 'GET', target)
      if (status !== 200) continue
      if (parsed(body, 'metadata.finalizers')) await release(target)
      await call(this.#server, 'DELETE', `${target}?gracePeriodSeconds=0`)
    }
    if (!own) return
    if (!this.#dirty) return this.#spaces.give(this.#variables.ns!)
    for (const target of this.#held) await release(target)
    await call(this.#server, 'DELETE', `/api/v1/namespaces/${this.#variables.ns}`)
  }
}

/** What stands at a path of a JSON body, as text; '' for nothing. */
function parsed(body: Buffer, path: string): string {
  try {
    return String(dig(JSON.parse(body.toString()) as Json, path))
  } catch {
    return ''
  }
}
