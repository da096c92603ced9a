// Taints with the effect NoExecute: which pods of a node are evicted, and when.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { timeText } from '../../src/api/time.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const key = 'example.com/work'
const tolerating = (tolerationSeconds?: number) => [
  {
    key,
    operator: 'Exists' as const,
    effect: 'NoExecute' as const,
    ...(tolerationSeconds !== undefined && { tolerationSeconds }),
  },
]

const run = async (sim: Sim, name: string, tolerations: ReturnType<typeof tolerating> = []) => {
  await sim.until('the account', () => sim.client.mirror(ServiceAccount).get(namespace, 'default') !== undefined)
  await sim.client.create(Pod, {
    metadata: { name, namespace },
    spec: { tolerations, containers: [{ name: 'c', image: 'x:1' }] },
  })
}
const taint = (sim: Sim, timeAdded?: string) =>
  sim.client.patch(Node, { name: 'node-0' }, 'merge', {
    spec: { taints: [{ key, value: 'repair', effect: 'NoExecute', ...(timeAdded && { timeAdded }) }] },
  })
const untaint = (sim: Sim) => sim.client.patch(Node, { name: 'node-0' }, 'merge', { spec: { taints: [] } })
const names = (sim: Sim) =>
  sim
    .pods(namespace)
    .filter(pod => !pod.metadata.deletionTimestamp)
    .map(pod => pod.metadata.name)
    .sort()
const running = (sim: Sim, count: number) =>
  sim.until('the pods run', () => sim.pods(namespace).filter(pod => pod.status.phase === 'Running').length === count)

test('a taint without a time evicts pods when they have tolerated it for as long as they said', () =>
  simulate({ nodes: 1 }, async sim => {
    await run(sim, 'never', tolerating())
    await run(sim, 'minute', tolerating(60))
    await run(sim, 'hour', tolerating(3600))
    await run(sim, 'not')
    await running(sim, 4)
    await taint(sim)
    await sim.until('the one that tolerates nothing is evicted', () => !names(sim).includes('not'))
    deepStrictEqual(names(sim), ['hour', 'minute', 'never'])
    await sim.clock.forward(50_000)
    deepStrictEqual(names(sim), ['hour', 'minute', 'never'])
    await sim.clock.forward(15_000)
    deepStrictEqual(names(sim), ['hour', 'never'])
    const event = sim.client
      .mirror(Event)
      .list(namespace)
      .find(e => e.involvedObject.name === 'minute' && e.reason === 'TaintManagerEviction')
    strictEqual(event?.message, 'Marking for deletion Pod default/minute')
    await sim.clock.forward(3_600_000)
    deepStrictEqual(names(sim), ['never'])
  }))

test('a taint that is removed in time evicts nobody, and its time begins again when it comes back', () =>
  simulate({ nodes: 1 }, async sim => {
    await run(sim, 'minute', tolerating(60))
    await running(sim, 1)
    await taint(sim)
    await sim.clock.forward(50_000)
    await untaint(sim)
    await sim.clock.forward(100_000)
    deepStrictEqual(names(sim), ['minute'])
    await taint(sim)
    await sim.clock.forward(50_000)
    deepStrictEqual(names(sim), ['minute'])
    await sim.clock.forward(15_000)
    deepStrictEqual(names(sim), [])
  }))

test('a pod that comes to a node with an old taint has its own time', () =>
  simulate({ nodes: 1 }, async sim => {
    await taint(sim, timeText(sim.clock.now() - 3_600_000))
    await run(sim, 'minute', tolerating(60))
    await running(sim, 1)
    await sim.clock.forward(45_000)
    deepStrictEqual(names(sim), ['minute'])
    await sim.clock.forward(20_000)
    deepStrictEqual(names(sim), [])
  }))
