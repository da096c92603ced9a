// The TTL controller: an annotation of each node has the number of seconds for which its kubelet may use a copy of a
// Secret or ConfigMap. The number grows with the size of the cluster. Source: pkg/controller/ttl.
import { Node } from '../../kinds/core/node.ts'
import { type Controller, defineController } from '../harness.ts'

const annotation = 'node.alpha.kubernetes.io/ttl'

// The ranges of sizes overlap, so that a cluster whose size swings around a bound does not write every node each time.
const steps = [
  { from: 0, to: 100, seconds: 0 },
  { from: 90, to: 500, seconds: 15 },
  { from: 450, to: 1000, seconds: 30 },
  { from: 900, to: 2000, seconds: 60 },
  { from: 1800, to: Number.POSITIVE_INFINITY, seconds: 300 },
] as const

/** The step for a number of nodes, given the present step `now`. */
export function ttlStep(nodes: number, now: number): number {
  let step = now
  while (nodes > steps[step]!.to) step++
  while (nodes < steps[step]!.from) step--
  return step
}

export function nodeTtlController(): Controller {
  let step = 0
  return defineController({
    name: 'ttl-controller',
    reconciles: Node,
    when: (node, before) =>
      !before || node.metadata.annotations?.[annotation] !== before.metadata.annotations?.[annotation],
    async reconcile(node, ctx) {
      step = ttlStep(ctx.cache(Node).size, step)
      const wanted = String(steps[step]!.seconds)
      if (node.metadata.annotations?.[annotation] === wanted || node.metadata.deletionTimestamp) return
      await ctx.patch(Node, node, 'merge', { metadata: { annotations: { [annotation]: wanted } } })
    },
  })
}
