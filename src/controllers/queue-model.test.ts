// Compares the queue of the controllers with a simple model of lists and maps, in random sequences of calls.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../base/testing.ts'
import { VirtualClock } from '../base/clock.ts'
import { seededRandom } from '../base/random.ts'
import { KeyQueue } from './queue.ts'

const key = fc.constantFrom('a', 'b')
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), key }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('done' as const), which: fc.nat({ max: 1 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('addAfter' as const), key, ms: fc.integer({ min: -1, max: 40 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('retry' as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forget' as const), key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('forward' as const), ms: fc.nat({ max: 50 }) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** What the queue must hold. */
class Model {
  now = 0
  waiting: { key: string; since: number }[] = []
  running = new Set<string>()
  again = new Set<string>()
  timers = new Map<string, { at: number; order: number }>()
  failures = new Map<string, number>()
  added = 0
  ready = 0
  #order = 0

  add(name: string): void {
    if (this.waiting.some(w => w.key === name) || this.again.has(name)) return
    this.added++
    if (this.running.has(name)) this.again.add(name)
    else this.wait(name)
  }

  wait(name: string): void {
    this.waiting.push({ key: name, since: this.now })
    this.ready++
  }

  addAfter(name: string, ms: number): void {
    if (ms <= 0) return this.add(name)
    const at = this.now + ms
    if ((this.timers.get(name)?.at ?? Number.POSITIVE_INFINITY) > at)
      this.timers.set(name, { at, order: this.#order++ })
  }

  forward(ms: number): void {
    const end = this.now + ms
    // The clock counts whole milliseconds, so a timer fires at the next one.
    const due = [...this.timers].filter(([, { at }]) => Math.ceil(at) <= end)
    due.sort(([, a], [, b]) => Math.ceil(a.at) - Math.ceil(b.at) || a.order - b.order)
    for (const [name, { at }] of due) {
      this.now = Math.ceil(at)
      this.timers.delete(name)
      this.add(name)
    }
    this.now = end
  }
}

class Trial {
  readonly clock = new VirtualClock(0)
  readonly model = new Model()
  added = 0
  ready = 0
  readonly queue = new KeyQueue(
    this.clock,
    seededRandom(1),
    () => this.ready++,
    () => this.added++,
  )

  async run(s: Step): Promise<void> {
    const { queue, model } = this
    switch (s.do) {
      case 'add':
        queue.add(s.key)
        return model.add(s.key)
      case 'take': {
        const first = model.waiting.shift()
        if (first) model.running.add(first.key)
        assert.deepEqual(queue.take(), first && { key: first.key, waitedMs: model.now - first.since })
        return
      }
      case 'done': {
        const name = [...model.running][s.which % model.running.size]
        if (name === undefined) return
        queue.done(name)
        model.running.delete(name)
        if (model.again.delete(name)) model.wait(name)
        return
      }
      case 'addAfter':
        queue.addAfter(s.key, s.ms)
        return model.addAfter(s.key, s.ms)
      case 'retry': {
        const failures = model.failures.get(s.key) ?? 0
        model.failures.set(s.key, failures + 1)
        const waitMs = queue.retry(s.key)
        assert.ok(
          Math.abs(waitMs - 5 * 2 ** failures) <= 5 * 2 ** failures * 0.1,
          `failure ${failures} waits ${waitMs}`,
        )
        return model.addAfter(s.key, waitMs)
      }
      case 'forget':
        queue.forget(s.key)
        model.failures.delete(s.key)
        return
      case 'forward':
        await this.clock.forward(s.ms)
        model.forward(s.ms)
    }
  }

  check(): void {
    const { queue, model } = this
    assert.equal(queue.size, model.waiting.length)
    assert.equal(queue.idle, model.waiting.length === 0 && model.running.size === 0)
    assert.deepEqual([this.added, this.ready], [model.added, model.ready])
  }
}

test('in any sequence of calls every added key comes out once, in order, and never while it runs', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const trial = new Trial()
      for (const s of steps) {
        await trial.run(s)
        trial.check()
      }
      // Time passes until every key has come out. Each key comes out once, and its work ends at once.
      for (const ms of [0, 5, 10, 20, 10_000]) {
        await trial.run({ do: 'forward', ms })
        while (trial.model.waiting.length) await trial.run({ do: 'take' })
        while (trial.model.running.size) await trial.run({ do: 'done', which: 0 })
        trial.check()
      }
    }),
    { numRuns: 1000 },
  )
})

test('a closed queue gives out no keys and has no timers, whatever a key that still runs adds', async () => {
  const clock = new VirtualClock()
  let ready = 0
  const queue = new KeyQueue(clock, seededRandom(1), () => ready++)
  for (const key of ['running', 'waiting']) queue.add(key)
  assert.equal(queue.take()?.key, 'running')
  queue.add('running')
  queue.addAfter('later', 10)
  queue.close()
  queue.add('late')
  queue.addAfter('late', 10)
  queue.retry('running')
  queue.done('running')
  await clock.forward(20)
  assert.equal(queue.take(), undefined)
  assert.equal(ready, 2)
  assert.equal(queue.idle, true)
})
