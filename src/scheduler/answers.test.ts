// Cached answers are the same as those of the plugins, whatever happens to nodes and pods in between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '../base/random.ts'
import type { Decision } from './decide.ts'
import { PodInfo } from './info.ts'
import { openOffline } from './offline.ts'
import type { Node } from '../kinds/core/node.ts'
import { nodeOf, podOf } from '../kinds/testing.ts'

const nodes = 60
const steps = 600

test('decisions with cached answers are those without them', () => {
  const seed = Number(process.env.KUTTER_SEED ?? 1)
  const random = seededRandom(seed)
  const live = openOffline()
  const current = new Map<string, Node>()
  const placed = new Map<string, { info: PodInfo; node: string }>()
  const setNode = (name: string) => {
    current.set(name, randomNode(name, random))
    live.snapshot.setNode(current.get(name)!)
  }
  for (let i = 0; i < nodes; i++) setNode(`n${i}`)
  let chosen = 0
  for (let step = 0; step < steps; step++) {
    const name = `n${Math.floor(random.float() * nodes)}`
    const what = random.float()
    if (what < 0.1) setNode(name)
    else if (what < 0.15 && current.delete(name)) live.snapshot.removeNode(name)
    else if (what < 0.3) {
      const [first] = placed
      if (first && placed.delete(first[0])) live.snapshot.removePod(first[0])
    }
    const info = randomPod(`p${step}`, random)
    const anew = openOffline()
    // The nodes are in the same order as in the live snapshot. Only the node from which the search starts may differ.
    for (const node of current.values()) anew.snapshot.setNode(node)
    for (const { info: other, node } of placed.values()) anew.snapshot.setPod(other, node)
    const decision = live.decide(info)
    assert.deepEqual(told(decision), told(anew.decide(info)), `seed ${seed}, step ${step}`)
    if (decision.outcome.type !== 'node') continue
    chosen++
    const { node } = decision.outcome
    placed.set(info.uid, { info, node: node.name })
    live.snapshot.setPod(info, node.name, true)
  }
  assert.ok(chosen > steps / 2, `${chosen} of ${steps} found a node`)
})

/** The parts of a decision that do not depend on the order of the nodes. */
function told({ outcome, refusals, scored }: Decision) {
  const feasible = outcome.type === 'node' ? outcome.feasible : []
  const scores = feasible.map(({ name }, i) => [name, scored.map(s => [s.plugin, s.scores[i]])] as const)
  const sorted = <T extends readonly [string, unknown]>(list: T[]) => list.sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    scores: sorted(scores),
    refused: sorted(refusals.map(({ node, plugin, no }) => [node.name, { plugin, no }] as const)),
    blockedBy: outcome.type === 'none' ? [...outcome.blockedBy].sort() : [],
  }
}

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random.float() * list.length)]!

function randomNode(name: string, random: Random): Node {
  const effect = pick(random, ['NoSchedule', 'PreferNoSchedule'] as const)
  return nodeOf({
    metadata: { name, labels: { 'kubernetes.io/hostname': name, zone: pick(random, ['z1', 'z2', 'z3']) } },
    spec: {
      ...(random.float() < 0.2 && { taints: [{ key: 'k', effect }] }),
      ...(random.float() < 0.1 && { unschedulable: true }),
    },
    status: { allocatable: { cpu: pick(random, ['1', '2', '4']), memory: '4Gi', pods: '10' } },
  })
}

/** There are few different pods, so that the answers for most of them are in the cache. */
function randomPod(name: string, random: Random): PodInfo {
  const app = pick(random, ['a', 'b'])
  const like = { labelSelector: { matchLabels: { app } } }
  const extra = pick<object>(random, [
    {},
    {},
    { nodeSelector: { zone: 'z1' } },
    { tolerations: [{ key: 'k', operator: 'Exists' }] },
    {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', ...like }],
        },
      },
    },
    { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', ...like }] },
    { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', ...like }] },
  ])
  const requests = pick(random, [{ cpu: '200m' }, { cpu: '700m', memory: '1Gi' }])
  return new PodInfo(
    podOf({
      metadata: { name, namespace: 'ns', uid: name, labels: { app } },
      spec: { containers: [{ name: 'c', image: 'i', resources: { requests } }], ...extra },
    }),
  )
}
