// Candidates for one Lease over connections that break and hang, in any order: never two leaders, and one as soon as
// possible.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fc } from '../base/testing.ts'
import { VirtualClock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import type { Serve } from '../api/operation.ts'
import { openTestServer } from '../apiserver/testing.ts'
import { Lease } from '../kinds/coordination/lease.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Client } from './client.ts'
import { leadWithLease } from './leader.ts'

/** `late`: what is written is written at once, and the answer comes after some seconds. */
type Health = 'well' | 'broken' | 'hung' | 'late'
const lateMs = 9000

class Candidate {
  readonly name: string
  readonly #stop = new AbortController()
  readonly #clock: VirtualClock
  readonly ended: Promise<void>
  health: Health = 'well'

  constructor(name: string, clock: VirtualClock, lease: string, serve: Serve, leaders: Set<string>, seed: number) {
    this.name = name
    this.#clock = clock
    const client = new Client({
      serve: operation => this.#through(serve, operation),
      user: { name, groups: ['system:masters'] },
      userAgent: name,
      clock,
      log: silentLog,
    })
    this.ended = leadWithLease(
      { client, name: lease, identity: name, random: seededRandom(seed), signal: this.#stop.signal },
      async signal => {
        ok(leaders.size === 0, `${name} leads beside ${[...leaders].join()}`)
        leaders.add(name)
        signal.addEventListener('abort', () => leaders.delete(name), { once: true })
      },
    )
  }

  async #through(serve: Serve, operation: Parameters<Serve>[0]): ReturnType<Serve> {
    if (this.health === 'broken') throw new StatusError('ServiceUnavailable', 'broken')
    const { signal } = operation
    if (this.health === 'hung')
      await new Promise((_, reject) => {
        if (signal?.aborted) reject(signal.reason)
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    const answer = await serve(operation)
    if (this.health === 'late' && operation.verb !== 'get') await this.#clock.sleep(lateMs, signal)
    return answer
  }

  stop(): void {
    this.#stop.abort()
  }
}

async function open(t: TestContext) {
  const { admin, serve, clock } = await openTestServer(t)
  await admin.create(Namespace, { metadata: { name: 'kube-system' } })
  let runs = 0
  const start = (count: number) => {
    const lease = `lease-${runs++}`
    const leaders = new Set<string>()
    const candidates = Array.from(
      { length: count },
      (_, i) => new Candidate(`c${i}`, clock, lease, serve, leaders, runs * 10 + i),
    )
    const holder = async () => (await admin.get(Lease, `kube-system/${lease}`)).spec.holderIdentity
    const stop = async () => {
      for (const candidate of candidates) {
        candidate.health = 'well'
        candidate.stop()
      }
      await clock.forward(20_000)
      await Promise.all(candidates.map(candidate => candidate.ended))
    }
    return { leaders, candidates, holder, stop }
  }
  return { clock, start }
}

const step = fc.oneof(
  fc.record({
    which: fc.nat({ max: 2 }),
    health: fc.constantFrom<Health[]>('well', 'well', 'broken', 'hung', 'late'),
  }),
  fc.record({ ms: fc.oneof(fc.nat({ max: 3000 }), fc.nat({ max: 30_000 })) }),
)

test('whichever connections break and hang, there are never two leaders, and soon one when one is possible', async t => {
  const { clock, start } = await open(t)
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
      const { leaders, candidates, holder, stop } = start(3)
      try {
        for (const s of steps) {
          if ('ms' in s) await clock.forward(s.ms)
          else candidates[s.which]!.health = s.health
        }
        // A single candidate with a connection takes over when the Lease of any other has expired.
        candidates[0]!.health = 'well'
        candidates[1]!.health = 'broken'
        candidates[2]!.health = 'hung'
        await clock.forward(40_000)
        deepStrictEqual([...leaders], ['c0'])
        strictEqual(await holder(), 'c0')
      } finally {
        await stop()
      }
      strictEqual(leaders.size, 0)
      strictEqual(await holder(), '', 'one that stops in order gives the Lease up')
    }),
    { numRuns: 60 },
  )
})

test('a leader whose connection is broken stops before another may begin', async t => {
  const { clock, start } = await open(t)
  const { leaders, candidates, stop } = start(2)
  await clock.forward(1000)
  const [first] = leaders
  const dead = candidates.find(c => c.name === first)!
  const times: [string, number][] = []
  const began = clock.now()
  dead.health = 'broken'
  let before = first
  while (clock.now() - began < 30_000) {
    await clock.forward(100)
    const [now] = leaders
    if (now !== before) times.push([now ?? 'none', Math.round((clock.now() - began) / 1000)])
    before = now
  }
  const [[none, lost], [next, taken]] = times as [[string, number], [string, number]]
  deepStrictEqual([none, next], ['none', candidates.find(c => c !== dead)!.name])
  // It renews every two seconds and tries for ten; others wait for fifteen.
  ok(lost >= 8 && lost <= 13, `lost after ${lost} s`)
  ok(taken > lost && taken <= 20, `taken after ${taken} s`)
  await stop()
})

test('a leader whose first answer was late stops before another may begin', async t => {
  const { clock, start } = await open(t)
  const { leaders, candidates, stop } = start(2)
  const [first, other] = candidates as [Candidate, Candidate]
  first.health = 'late'
  other.health = 'broken'
  await clock.forward(1000)
  other.health = 'well'
  while (!leaders.size) await clock.forward(100)
  deepStrictEqual([...leaders], [first.name])
  first.health = 'broken'
  // The work of each candidate fails where another one leads.
  await clock.forward(30_000)
  deepStrictEqual([...leaders], [other.name])
  await stop()
})

test('a candidate whose work fails gives up leading and reports why', async t => {
  const { admin, serve, clock } = await openTestServer(t)
  await admin.create(Namespace, { metadata: { name: 'kube-system' } })
  const client = new Client({
    serve,
    user: { name: 'c', groups: ['system:masters'] },
    userAgent: 'c',
    clock,
    log: silentLog,
  })
  const led = leadWithLease(
    { client, name: 'lease', identity: 'c', random: seededRandom(1), signal: new AbortController().signal },
    async () => {
      throw new Error('cannot work')
    },
  )
  const failed = led.then(
    () => 'ended',
    (error: Error) => error.message,
  )
  await clock.forward(5000)
  strictEqual(await failed, 'cannot work')
})
