// Fairness on a clock of its own: clients that flood a level and clients that ask now and then.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Entrant, type Place, Queues } from './queues.ts'
import { Dealer } from './shuffle.ts'
import { listWork, oneSeat, WatchCounts, widest, writeWork } from './work.ts'

const queuing = { queues: 64, handSize: 6, queueLengthLimit: 50 }
const entrant = (distinguisher: string, more: Partial<Entrant> = {}): Entrant => ({
  schema: 'test',
  distinguisher,
  ...oneSeat,
  started: () => {},
  ...more,
})
const placed = (place: ReturnType<Queues['offer']>): Place => {
  assert.ok(typeof place !== 'string', `refused: ${String(place)}`)
  return place
}

test('requests start while there are seats, and then as others leave', () => {
  const queues = new Queues(queuing, 2, 0)
  const [a, b, c] = ['a', 'b', 'c'].map(name => placed(queues.offer(entrant(name), 0)))
  assert.deepEqual([a!.state, b!.state, c!.state], ['executing', 'executing', 'waiting'])
  queues.leave(a!, 10)
  assert.equal(c!.state, 'executing')
  queues.leave(a!, 11)
  queues.leave(b!, 12)
  queues.leave(c!, 13)
  assert.ok(queues.isIdle)
  assert.deepEqual(queues.dump(), [])
})

test('a level without queues refuses what it has no seat for', () => {
  const queues = new Queues(undefined, 1, 0)
  const first = placed(queues.offer(entrant('a'), 0))
  assert.equal(queues.offer(entrant('b'), 0), 'concurrency-limit')
  queues.leave(first, 1)
  assert.equal(placed(queues.offer(entrant('b'), 1)).state, 'executing')
})

test('a flow can wait only in its own hand of queues, and is refused when these are full', () => {
  const queues = new Queues({ queues: 64, handSize: 2, queueLengthLimit: 5 }, 1, 0)
  queues.offer(entrant('somebody'), 0)
  const flood = Array.from({ length: 30 }, () => queues.offer(entrant('flood'), 0))
  assert.equal(flood.filter(place => place === 'queue-full').length, 20)
  assert.notEqual(queues.offer(entrant('another'), 0), 'queue-full')
})

test('a request that is wider than the level starts when it is alone', () => {
  const queues = new Queues(queuing, 4, 0)
  const small = placed(queues.offer(entrant('a'), 0))
  const wide = placed(queues.offer(entrant('b', { seats: 10 }), 0))
  assert.equal(wide.state, 'waiting')
  queues.leave(small, 1)
  assert.equal(wide.state, 'executing')
})

test('small requests do not overtake a wide one for ever', () => {
  const queues = new Queues(queuing, 4, 0)
  const small = Array.from({ length: 4 }, (_, i) => placed(queues.offer(entrant(`s${i}`), 0)))
  const wide = placed(queues.offer(entrant('wide', { seats: 4 }), 0))
  let now = 0
  for (let i = 0; i < 100 && wide.state === 'waiting'; i++) {
    now += 5
    queues.leave(small.shift()!, now)
    small.push(placed(queues.offer(entrant(`n${i}`), now)))
  }
  assert.notEqual(wide.state, 'waiting')
})

test('what a write keeps after its end is free when the time is over', () => {
  const queues = new Queues(queuing, 2, 0)
  const write = placed(queues.offer(entrant('a', { finalSeats: 2, extraMs: 5 }), 0))
  queues.leave(write, 3)
  const next = placed(queues.offer(entrant('b'), 4))
  assert.equal(next.state, 'waiting')
  queues.release(write, 8)
  assert.equal(next.state, 'executing')
  queues.leave(next, 9)
  assert.ok(queues.isIdle)
})

test('a request that gives up leaves its queue', () => {
  const queues = new Queues(queuing, 1, 0)
  const first = placed(queues.offer(entrant('a'), 0))
  const gone = placed(queues.offer(entrant('b'), 0))
  queues.leave(gone, 5)
  assert.equal(queues.waiting, 0)
  queues.leave(first, 6)
  assert.equal(gone.state, 'gone')
  assert.ok(queues.isIdle)
})

/** Serves flows of closed loops, each request `serveMs` long, and returns how long each flow's requests waited. */
function simulate(flows: Readonly<Record<string, { clients: number; pauseMs: number }>>, limit: number, forMs: number) {
  const serveMs = 10
  const queues = new Queues(queuing, limit, 0)
  const waits: Record<string, number[]> = {}
  const events: { at: number; run: (now: number) => void }[] = []
  const at = (time: number, run: (now: number) => void) => void events.push({ at: time, run })
  const ask = (name: string, pauseMs: number) => (now: number) => {
    let clock = now
    const begin = () => {
      waits[name]!.push(clock - now)
      at(clock + serveMs, end => {
        queuesNow = end
        queues.leave(place, end)
        at(end + pauseMs, ask(name, pauseMs))
      })
    }
    const started = () => ((clock = queuesNow), begin())
    queuesNow = now
    const place = placed(queues.offer(entrant(name, { started }), now))
    if (place.state === 'executing') begin()
  }
  let queuesNow = 0
  for (const [name, { clients, pauseMs }] of Object.entries(flows)) {
    waits[name] = []
    for (let i = 0; i < clients; i++) at(i * 0.01, ask(name, pauseMs))
  }
  for (;;) {
    events.sort((a, b) => a.at - b.at)
    const next = events.shift()
    if (!next || next.at > forMs) return waits
    next.run(next.at)
  }
}

test('a client that floods the level with 200 requests at once leaves the others their turn', () => {
  const flood = { clients: 200, pauseMs: 0 }
  const waits = simulate({ flood, calm: { clients: 1, pauseMs: 20 } }, 4, 3_000)
  const calm = waits.calm!.toSorted((a, b) => a - b)
  // A request of 10 ms waits for one that executes, not for 200 others, which would be half a second.
  assert.ok(calm.length > 60, `${calm.length} requests were served`)
  assert.ok(calm.at(-1)! <= 20, `one waited ${calm.at(-1)} ms`)
  assert.ok(waits.flood!.length > 1_000)
})

test('two clients that ask for all they can get are served alike', () => {
  const waits = simulate({ a: { clients: 100, pauseMs: 0 }, b: { clients: 20, pauseMs: 0 } }, 4, 3_000)
  // Each flow has six queues of its own: the one with fewer requests still fills its share.
  const part = waits.b!.length / (waits.a!.length + waits.b!.length)
  assert.ok(part > 0.4 && part < 0.6, `one had ${part} of the requests`)
})

test('hands are dealt without repetition, the same each time, and differ between flows', () => {
  const dealer = new Dealer(128, 6)
  const hands = Array.from({ length: 500 }, (_, i) => dealer.hand('schema', `user-${i}`))
  for (const hand of hands) {
    assert.equal(new Set(hand).size, 6)
    assert.ok(hand.every(card => card >= 0 && card < 128))
  }
  assert.deepEqual(new Dealer(128, 6).hand('schema', 'user-7'), hands[7])
  const same = hands.filter(hand => hand.every(card => hands[0]!.includes(card)))
  assert.equal(same.length, 1)
  const seen = new Set(hands.flat())
  assert.equal(seen.size, 128)
})

test('a list is worth the bytes that it reads, within a part of its level', () => {
  const stats = { objects: 5_000, meanBytes: 1_000 }
  assert.equal(listWork(stats, 0, widest(245)).seats, 10)
  assert.equal(listWork(stats, 0, widest(13)).seats, 2)
  assert.equal(listWork(stats, 250, widest(245)).seats, 3)
  assert.equal(listWork({ objects: 0, meanBytes: 0 }, 0, 5).seats, 1)
})

test('a write is worth the watches that it concerns', () => {
  const counts = new WatchCounts()
  const pods = { group: '', plural: 'pods', subresource: '', namespace: '', name: '' }
  const close = Array.from({ length: 40 }, () => counts.add(pods))
  counts.add({ ...pods, namespace: 'a' })
  assert.equal(counts.concernedBy({ ...pods, namespace: 'a', name: 'x' }), 41)
  assert.equal(counts.concernedBy({ ...pods, namespace: 'b', name: 'x' }), 40)
  assert.deepEqual(writeWork(41, 10), { seats: 1, finalSeats: 5, extraMs: 5 })
  assert.deepEqual(writeWork(400, 10), { seats: 1, finalSeats: 10, extraMs: 20 })
  assert.deepEqual(writeWork(9, 10), oneSeat)
  for (const one of close) one()
  close[0]!()
  assert.equal(counts.concernedBy({ ...pods, namespace: 'b', name: 'x' }), 0)
})
