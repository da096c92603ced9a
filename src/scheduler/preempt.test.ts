// What always holds of an eviction, on random clusters: it makes room, takes only pods of lower priority and none that
// could stay, spares what budgets guard, and leaves the snapshot as it was.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../base/testing.ts'
import { Item, Mirror } from '../api/mirror.ts'
import { PodDisruptionBudget } from '../kinds/policy/poddisruptionbudget.ts'
import { nodeOf, objectOf, podOf } from '../kinds/testing.ts'
import type { Eviction } from './framework.ts'
import { PodInfo } from './info.ts'
import { openOffline } from './offline.ts'
import { leastHarm } from './preempt.ts'

interface Given {
  name: string
  node: string
  priority: number
  cpu: number
  app: string
}

const infoOf = ({ name, priority, cpu, app }: Omit<Given, 'node'>) =>
  new PodInfo(
    podOf({
      metadata: { name, namespace: 'ns', uid: name, labels: { app } },
      spec: { priority, containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: String(cpu) } } }] },
    }),
  )

function open(sizes: readonly number[], pods: readonly Given[], allowed: number) {
  const budgets = new Mirror()
  const budget = objectOf(PodDisruptionBudget, {
    metadata: { name: 'b', namespace: 'ns' },
    spec: { selector: { matchLabels: { app: 'guarded' } } },
    status: { disruptionsAllowed: allowed },
  })
  budgets.reset([new Item(budget, 1)], 1)
  const offline = openOffline({ mirror: ({ kind }) => (kind === 'PodDisruptionBudget' ? budgets : undefined) })
  sizes.forEach((cpu, i) =>
    offline.snapshot.setNode(
      nodeOf({
        metadata: { name: `n${i}` },
        status: { allocatable: { cpu: String(cpu), memory: '64Gi', pods: '20' } },
      }),
    ),
  )
  for (const pod of pods) offline.snapshot.setPod(infoOf(pod), pod.node)
  return offline
}

const size = fc.integer({ min: 1, max: 5 })
const cluster = fc
  .record({
    sizes: fc.array(size, { minLength: 1, maxLength: 4 }),
    allowed: fc.nat({ max: 1 }),
    wanted: fc.integer({ min: 1, max: 4 }),
    pods: fc.array(
      fc.record({
        at: fc.nat({ max: 3 }),
        priority: fc.constantFrom(-5, 0, 10, 50, 100, 200),
        cpu: fc.integer({ min: 1, max: 3 }),
        app: fc.constantFrom('free', 'guarded'),
      }),
      { maxLength: 12 },
    ),
  })
  .map(({ sizes, allowed, wanted, pods }) => {
    // A node has no more pods than fit.
    const left = [...sizes]
    const placed: Given[] = []
    for (const { at, ...pod } of pods) {
      const i = at % sizes.length
      if (left[i]! < pod.cpu) continue
      left[i]! -= pod.cpu
      placed.push({ ...pod, name: `p${placed.length}`, node: `n${i}` })
    }
    return { sizes, allowed, wanted, pods: placed }
  })

test('an eviction makes room by pods of lower priority, none of which could stay', () => {
  let evictions = 0
  fc.assert(
    fc.property(cluster, ({ sizes, allowed, wanted, pods }) => {
      const pod = infoOf({ name: 'wanted', priority: 100, cpu: wanted, app: 'wanted' })
      const offline = open(sizes, pods, allowed)
      if (offline.decide(pod).outcome.type === 'node') return
      const { message, made } = offline.makeRoom(pod)
      const eviction = typeof made.nomination === 'object' ? made.nomination : undefined
      const fits = (gone: ReadonlySet<string>) => {
        const { outcome } = open(
          sizes,
          pods.filter(p => !gone.has(p.name)),
          allowed,
        ).decide(pod)
        return outcome.type === 'node' ? outcome.feasible.map(n => n.name) : []
      }
      if (!eviction) {
        // Without all pods of lower priority it would fit nowhere either.
        assert.deepEqual(fits(new Set(pods.filter(p => p.priority < 100).map(p => p.name))), [], message)
        return
      }
      evictions++
      const { node, victims } = eviction
      const names = new Set(victims.map(v => v.uid))
      for (const victim of victims) {
        assert.ok(victim.priority < 100, `${victim.uid} has priority ${victim.priority}`)
        assert.equal(pods.find(p => p.name === victim.uid)?.node, node.name)
      }
      assert.ok(fits(names).includes(node.name), `the pod does not fit on ${node.name}`)
      for (const spared of names) {
        const others = new Set([...names].filter(name => name !== spared))
        assert.ok(!fits(others).includes(node.name), `${spared} could stay`)
      }
      const guarded = victims.filter(v => v.labels.app === 'guarded').length
      // As upstream, violations are counted before pods that can stay are taken out of the list of victims.
      assert.ok(eviction.violations >= guarded - allowed && eviction.violations <= guarded, message)
      // Everything is back: the same question has the same answer.
      assert.equal(offline.makeRoom(pod).message, message)
      assert.deepEqual(
        offline.snapshot.node(node.name)?.requested,
        open(sizes, pods, allowed).snapshot.node(node.name)?.requested,
      )
    }),
    { numRuns: 150 },
  )
  assert.ok(evictions > 20, `${evictions} evictions`)
})

test('of several evictions the one with the least harm is chosen, however they are ordered', () => {
  const { snapshot } = open([1], [], 0)
  const [node] = snapshot.nodes
  const started = (name: string, priority: number, startTime: string) =>
    new PodInfo(podOf({ metadata: { name, uid: name }, spec: { priority }, status: { startTime } }))
  const early = '2026-01-01T10:00:00Z'
  const late = '2026-01-01T12:00:00Z'
  const make = (violations: number, ...victims: [number, string][]): Eviction => ({
    node: node!,
    violations,
    victims: victims.map(([priority, at], i) => started(`v${i}`, priority, at)),
  })
  /** Each harms less than the next. */
  const ranking: [what: string, eviction: Eviction][] = [
    ['one pod of low priority that started late', make(0, [1, late])],
    ['one that started early', make(0, [1, early])],
    ['two pods of low priority', make(0, [1, late], [1, late])],
    ['one of higher priority', make(0, [2, late])],
    ['one of higher and one of low priority', make(0, [2, late], [1, late])],
    ['one against a budget', make(1, [1, late])],
    ['two against a budget', make(2, [0, late])],
  ]
  for (const [i, [what, better]] of ranking.entries())
    for (const [worseWhat, worse] of ranking.slice(i + 1)) {
      assert.equal(leastHarm([better, worse]), better, `${what} before ${worseWhat}`)
      assert.equal(leastHarm([worse, better]), better, `${what} after ${worseWhat}`)
    }
  // Only the start of the victims of the highest priority counts, and of equals the first is taken.
  const a = make(0, [5, late], [1, early])
  const b = make(0, [5, early], [1, late])
  assert.equal(leastHarm([b, a]), a)
  const same = [make(0, [1, late]), make(0, [1, late])]
  assert.equal(leastHarm(same), same[0])
  assert.equal(leastHarm([]), undefined)
})
