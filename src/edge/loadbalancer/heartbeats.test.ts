// Who counts as alive: examples, and whole elections in which nodes end, come back and lose the API server.
import assert, { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { ownAddresses } from './candidates.ts'
import { Heartbeats, renewMs } from './heartbeats.ts'

/** Lets `seconds` pass in which `me` and the others renew their Leases, beside those that stay as they are. */
function pass(beats: Heartbeats, from: number, seconds: number, others: string[] = [], stale: [string, string][] = []) {
  for (let now = from; now < from + seconds * 1000; now += renewMs)
    beats.observe(new Map([...stale, ...['me', ...others].map((name): [string, string] => [name, `${now}`])]), now)
  return from + seconds * 1000
}

test('a node that renews is alive, and lost when it is silent', () => {
  const beats = new Heartbeats('me')
  const before = pass(beats, 0, 3, ['a'])
  assert(beats.isAlive('a', before))
  const stale: [string, string] = ['a', '2000']
  beats.observe(new Map([['me', 'x'], stale]), before)
  beats.observe(new Map([['me', 'y'], stale]), before + 1000)
  assert(beats.isAlive('a', before + 1300))
  assert(!beats.isAlive('a', before + 1500))
})

test('a Lease that is removed is the end of its node, at once', () => {
  const beats = new Heartbeats('me')
  const now = pass(beats, 0, 2, ['a'])
  beats.observe(new Map([['me', 'x']]), now)
  assert(!beats.isAlive('a', now))
})

test('while own renewals do not come back, nobody is lost', () => {
  const beats = new Heartbeats('me')
  const now = pass(beats, 0, 3, ['a'])
  assert(beats.isAlive('a', now + 3_600_000))
  // The way is open again, but the other has not found it yet.
  const back = now + 60_000
  const stale: [string, string][] = [['a', '2000']]
  pass(beats, back, 8, [], stale)
  assert(beats.isAlive('a', back + 8_000))
  assert(!beats.isCertain('a', back + 8_000))
  pass(beats, back + 8_000, 8, [], stale)
  assert(!beats.isAlive('a', back + 16_000))
})

test('a node without a Lease is waited for, but not certain', () => {
  const beats = new Heartbeats('me')
  assert(beats.isAlive('a', 0))
  const now = pass(beats, 0, 4)
  assert(beats.isAlive('a', now))
  assert(!beats.isCertain('a', now))
  assert(!beats.isAlive('a', pass(beats, now, 3)))
})

test('a Lease that was there before says nothing until it changes', () => {
  const beats = new Heartbeats('me')
  beats.observe(new Map([['a', 'old']]), 0)
  assert(beats.isAlive('a', 0))
  assert(!beats.isCertain('a', 0))
  beats.observe(new Map([['a', 'new']]), 500)
  assert(beats.isCertain('a', 500))
})

test('returns are counted, so that neighbours are shown again who has an address', () => {
  const beats = new Heartbeats('me')
  strictEqual(beats.returns, 0)
  const now = pass(beats, 0, 5)
  strictEqual(beats.returns, 1)
  pass(beats, now + 10_000, 2)
  strictEqual(beats.returns, 2)
})

/** A node of the election. Its Lease and its view are a little late, as on a network. */
class Voter {
  readonly beats: Heartbeats
  readonly name: string
  readonly phase: number
  held = new Set<string>()
  isUp = true
  #renewed: string | undefined

  constructor(name: string, phase: number) {
    this.name = name
    this.phase = phase
    this.beats = new Heartbeats(name)
  }

  step(now: number, api: { isUp: boolean; leases: Map<string, string> }, candidates: Map<string, readonly string[]>) {
    if (!this.isUp) return
    if (api.isUp) {
      if (now % renewMs === this.phase) this.#renewed = `${now}`
      if (this.#renewed) api.leases.set(this.name, this.#renewed)
      this.beats.observe(new Map(api.leases), now)
    }
    this.held = ownAddresses(candidates, this.name, {
      isAlive: name => this.beats.isAlive(name, now),
      isCertain: name => this.beats.isCertain(name, now),
      isShown: this.beats.isShown,
      held: this.held,
    })
  }
}

const stepMs = 100
const happening = fc.record({
  what: fc.constantFrom('kill', 'return', 'outage', 'nothing'),
  who: fc.nat({ max: 2 }),
  forMs: fc.integer({ min: 1, max: 200 }).map(n => n * stepMs),
})

test('after whatever happens each address has one owner, an end is noticed within 3 s, and an outage moves nothing', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 6 }), fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9)), (events, phases) => {
      const names = ['a', 'b', 'c']
      const candidates = new Map<string, readonly string[]>([
        ['x', names],
        ['y', ['b', 'c', 'a']],
        ['z', ['c', 'a', 'b']],
      ])
      const api = { isUp: true, leases: new Map<string, string>() }
      let voters = names.map((name, i) => new Voter(name, phases[i]! * stepMs))
      let now = 0
      const run = (forMs: number) => {
        for (const end = now + forMs; now < end; now += stepMs) for (const one of voters) one.step(now, api, candidates)
      }
      const owners = () =>
        [...candidates.keys()].map(address => voters.filter(v => v.isUp && v.held.has(address)).map(v => v.name))
      const settled = () =>
        [...candidates.values()].map(order =>
          order.filter(name => voters.some(v => v.name === name && v.isUp)).slice(0, 1),
        )
      run(20_000)
      deepStrictEqual(owners(), settled(), 'at first')
      for (const { what, who, forMs } of events) {
        const voter = voters[who]!
        if (what === 'kill' && voters.filter(v => v.isUp).length > 1) {
          voter.isUp = false
          run(3_000)
          deepStrictEqual(owners(), settled(), `${voter.name} has ended`)
        } else if (what === 'return' && !voter.isUp) {
          voters = voters.map(v => (v === voter ? new Voter(v.name, v.phase) : v))
          run(20_000)
          deepStrictEqual(owners(), settled(), `${voter.name} is back`)
        } else if (what === 'outage') {
          const before = owners()
          api.isUp = false
          run(forMs)
          deepStrictEqual(owners(), before, 'while the API server is away')
          api.isUp = true
          for (let i = 0; i < 100; i++) {
            run(stepMs)
            deepStrictEqual(owners(), before, 'when it is back')
          }
        }
      }
      run(20_000)
      deepStrictEqual(owners(), settled(), 'in the end')
    }),
    { numRuns: 60 },
  )
})
