// Taint eviction: deletes the pods of a node that do not tolerate its NoExecute taints. A pod that tolerates a taint
// for a limited time is deleted when that time has passed since the taint was added.
// Source: pkg/controller/tainteviction.
import { sameJson } from '../../api/equal.ts'
import { parseTime, timeText } from '../../api/time.ts'
import { Node } from '../../kinds/core/node.ts'
import type { Taint } from '../../kinds/core/nodespec.ts'
import { tolerates } from '../../kinds/core/tolerations.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { defineController, keyOf, watch } from '../harness.ts'
import { podsOfNodeIndex } from '../pod-gc.ts'

const noExecute = (node: Node | undefined): Taint[] =>
  node?.spec.taints?.filter(taint => taint.effect === 'NoExecute') ?? []

export const taintEvictionController = defineController({
  name: 'taint-eviction-controller',
  identity: 'node-controller',
  reconciles: Pod,
  workers: 8,
  when: (pod, _before, caches) =>
    !!pod.spec.nodeName && noExecute(caches(Node).get(undefined, pod.spec.nodeName)).length > 0,
  watches: [
    watch(
      Node,
      (node, caches) =>
        caches(Pod)
          .byIndex('node', podsOfNodeIndex, node.metadata.name ?? '')
          .map(pod => keyOf(pod.metadata.namespace ?? '', pod.metadata.name ?? '')),
      (node, before) => noExecute(node).length > 0 && !sameJson(noExecute(node), noExecute(before)),
    ),
  ],
  async reconcile(pod, ctx) {
    if (!pod.spec.nodeName || pod.metadata.deletionTimestamp) return
    const taints = noExecute(ctx.cache(Node).get(undefined, pod.spec.nodeName))
    const at = evictionTime(pod, taints, ctx.now())
    if (at === undefined) return
    const again = at - ctx.now()
    if (again > 0) return { again }
    const { namespace = '', name = '' } = pod.metadata
    ctx.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${keyOf(namespace, name)}`)
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
      lastTransitionTime: timeText(ctx.now()),
    }
    await ctx.patch(Pod, pod, 'strategic', { status: { conditions: [condition] } }, { subresource: 'status' })
    await ctx.delete(Pod, pod)
  },
})

/** When a pod is evicted, in ms since the epoch: `now` if it does not tolerate a taint, undefined for never. */
export function evictionTime(pod: Pod, taints: readonly Taint[], now: number): number | undefined {
  let earliest: number | undefined
  for (const taint of taints) {
    const tolerations = (pod.spec.tolerations ?? []).filter(toleration => tolerates(toleration, taint))
    if (!tolerations.length) return now
    const seconds = tolerations.map(toleration => toleration.tolerationSeconds).filter(s => s !== undefined)
    if (!seconds.length) continue
    const at = (parseTime(taint.timeAdded) ?? now) + Math.max(0, Math.min(...seconds)) * 1000
    earliest = Math.min(earliest ?? at, at)
  }
  return earliest
}
