// Two candidates for one Lease: there is never more than one leader, and never none for long.
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { Client, type Holds, leadWithLease } from '../../src/client/index.ts'
import { Lease } from '../../src/kinds/coordination/lease.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { ProcessClock } from '../chaos/process-clock.ts'
import { type Sim, simulate } from './cluster.ts'

const ref = { namespace: 'kube-system', name: 'worker' }

function candidate(sim: Sim, identity: string, leaders: Set<string>) {
  const abort = new AbortController()
  const client = sim.plane.client(`user-${identity}`, ['system:masters'])
  let cut = false
  let hung = false
  const guarded = new Proxy(client, {
    get(target, property) {
      const value = Reflect.get(target, property, target) as unknown
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (cut) throw new Error('cut off')
        if (hung) return noAnswer(args)
        return (value as (...args: unknown[]) => unknown).apply(target, args)
      }
    },
  })
  const ended = leadWithLease(
    { client: guarded, name: 'worker', identity, random: sim.random, signal: abort.signal },
    async signal => {
      ok(leaders.size === 0, `${identity} leads beside ${[...leaders].join()}`)
      leaders.add(identity)
      signal.addEventListener('abort', () => leaders.delete(identity), { once: true })
    },
  )
  return {
    cut: (value: boolean) => void (cut = value),
    /** From then on, no call is answered. */
    hang: () => void (hung = true),
    stop: async () => {
      abort.abort()
      await sim.clock.forward(1)
      await ended
    },
  }
}

const noAnswer = (args: readonly unknown[]) =>
  new Promise((_, reject) => {
    for (const { signal } of args as { signal?: AbortSignal }[])
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

test('one candidate leads, and another takes over when it stops or does not renew its lease', () =>
  simulate({ controllers: false, scheduler: false }, async sim => {
    const leaders = new Set<string>()
    const lease = async () => (await sim.client.get(Lease, ref)).spec
    const a = candidate(sim, 'a', leaders)
    await sim.until('a leads', () => leaders.has('a'))
    const b = candidate(sim, 'b', leaders)
    await sim.clock.forward(60_000)
    deepStrictEqual([...leaders], ['a'])
    strictEqual((await lease()).leaseTransitions, 0)
    // When a is cut off, it stops by itself before b may begin.
    a.cut(true)
    await sim.until('b leads', () => leaders.has('b'), 30_000)
    strictEqual((await lease()).holderIdentity, 'b')
    strictEqual((await lease()).leaseTransitions, 1)
    a.cut(false)
    await sim.clock.forward(60_000)
    deepStrictEqual([...leaders], ['b'])
    // A leader that is stopped releases the Lease, so the next one need not wait until it expires.
    await b.stop()
    await sim.until('a leads again', () => leaders.has('a'), 5000)
    await a.stop()
    strictEqual((await lease()).holderIdentity, '')
    await sim.clock.forward(10_000)
    const { items } = await sim.client.list(Event, { namespace: 'kube-system' })
    const told = new Set(items.filter(e => e.reason === 'LeaderElection').map(e => e.message))
    deepStrictEqual([...told].sort(), ['a became leader', 'b became leader'])
  }))

test('a leader that comes back under its name leads again at once', () =>
  simulate({ controllers: false, scheduler: false }, async sim => {
    const leaders = new Set<string>()
    const dead = candidate(sim, 'a', leaders)
    await sim.until('a leads', () => leaders.has('a'))
    dead.cut(true)
    leaders.clear()
    const again = candidate(sim, 'a', leaders)
    await sim.until('it leads again', () => leaders.has('a'), 1000)
    await again.stop()
    await dead.stop()
  }))

test('a leader whose work fails stops renewing, and another takes over', () =>
  simulate({ controllers: false, scheduler: false }, async sim => {
    const leaders = new Set<string>()
    const client = sim.plane.client('user-a', ['system:masters'])
    const failed = leadWithLease(
      { client, name: 'worker', identity: 'a', random: sim.random, signal: new AbortController().signal },
      async () => {
        throw new Error('cannot work')
      },
    )
    await rejects(failed, /cannot work/)
    strictEqual((await sim.client.get(Lease, ref)).spec.holderIdentity, 'a')
    const b = candidate(sim, 'b', leaders)
    await sim.until('b leads', () => leaders.has('b'), 30_000)
    await b.stop()
  }))

test('a leader whose calls are not answered stops before its lease ends', () =>
  simulate({ controllers: false, scheduler: false }, async sim => {
    const leaders = new Set<string>()
    const a = candidate(sim, 'a', leaders)
    await sim.until('a leads', () => leaders.has('a'))
    const b = candidate(sim, 'b', leaders)
    await sim.clock.forward(10_000)
    a.hang()
    await sim.until('b leads', () => leaders.has('b'), 30_000)
    await b.stop()
  }))

test('a leader that was stopped for longer than its lease writes nothing when it goes on', () =>
  simulate({ controllers: false, scheduler: false }, async sim => {
    const leaders = new Set<string>()
    const clock = new ProcessClock(sim.clock)
    const user = { name: 'a', groups: ['system:masters'] }
    const client = new Client({ serve: sim.plane.serve, user, userAgent: 'a', clock, log: sim.client.log })
    const stop = new AbortController()
    let holds: Holds = () => false
    const election = { client, name: 'worker', identity: 'a', random: sim.random, signal: stop.signal }
    const ended = leadWithLease(election, async (_, asked) => void (holds = asked))
    await sim.until('a leads', () => holds())
    const fenced = client.fenced(holds)
    await fenced.create(ConfigMap, { metadata: { name: 'first', namespace: 'default' } })
    clock.pause()
    const b = candidate(sim, 'b', leaders)
    await sim.until('b leads', () => leaders.has('b'), 30_000)
    // No timer of the first one has run yet.
    await rejects(fenced.delete(ConfigMap, { name: 'first', namespace: 'default' }), /must not write any more/)
    strictEqual((await fenced.get(ConfigMap, { name: 'first', namespace: 'default' })).metadata.name, 'first')
    clock.resume()
    await sim.clock.forward(10_000)
    ok(!holds())
    stop.abort()
    await sim.clock.forward(1000)
    await ended
    await b.stop()
  }))
