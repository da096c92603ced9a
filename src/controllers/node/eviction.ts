// Taint eviction: deletes the pods of a node that do not tolerate its NoExecute taints. A pod that tolerates a taint
// for a limited time is deleted when that time has passed since the taint was added, or since the pod came.
// Source: pkg/controller/tainteviction.
import { sameJson } from '../../api/equal.ts'
import { parseTime, timeText } from '../../api/time.ts'
import { Node } from '../../kinds/core/node.ts'
import type { Taint } from '../../kinds/core/nodespec.ts'
import { tolerates } from '../../kinds/core/tolerations.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { type Controller, defineController, keyOf, watch } from '../harness.ts'
import { podsOfNodeIndex } from '../pod-gc.ts'

const noExecute = (node: Node | undefined): Taint[] =>
  node?.spec.taints?.filter(taint => taint.effect === 'NoExecute') ?? []

export function taintEvictionController(): Controller {
  /** Since when this controller has seen each taint of a node that does not say when it was added, in ms. */
  const seen = new Map<string, ReadonlyMap<string, number>>()
  const textOf = ({ key, value = '', timeAdded = '' }: Taint) => JSON.stringify([key, value, timeAdded])
  /** Notes the taints of a node, and drops those that it does not have any more. */
  const note = (node: string, taints: readonly Taint[], now: number) => {
    const before = seen.get(node)
    if (taints.length) seen.set(node, new Map(taints.map(t => [textOf(t), before?.get(textOf(t)) ?? now])))
    else seen.delete(node)
  }
  return defineController({
    name: 'taint-eviction-controller',
    identity: 'node-controller',
    reconciles: Pod,
    workers: 8,
    when: (pod, _before, caches) =>
      !!pod.spec.nodeName && noExecute(caches(Node).get(undefined, pod.spec.nodeName)).length > 0,
    watches: [
      // Pods are woken by the last taint that goes, too: the same one may come again, and its time begins then.
      watch(
        Node,
        (node, caches) =>
          caches(Pod)
            .byIndex('node', podsOfNodeIndex, node.metadata.name ?? '')
            .map(pod => keyOf(pod.metadata.namespace ?? '', pod.metadata.name ?? '')),
        (node, before) => !sameJson(noExecute(node), noExecute(before)),
      ),
    ],
    async reconcile(pod, ctx) {
      const { nodeName } = pod.spec
      if (!nodeName) return
      const taints = noExecute(ctx.cache(Node).get(undefined, nodeName))
      note(nodeName, taints, ctx.now())
      if (pod.metadata.deletionTimestamp) return
      const addedAt = (taint: Taint) => parseTime(taint.timeAdded) ?? seen.get(nodeName)!.get(textOf(taint))!
      const at = evictionTime(pod, taints, addedAt, ctx.now())
      if (at === undefined) return
      const again = at - ctx.now()
      if (again > 0) return { again }
      await evict(pod, ctx)
    },
  })
}

async function evict(pod: Pod, ctx: Context): Promise<void> {
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
}

/**
 * When a pod is evicted, in ms since the epoch: `now` if it does not tolerate a taint, undefined for never. The time
 * for which it tolerates one begins when the taint was added, or when the pod came to the node if that was later.
 */
export function evictionTime(
  pod: Pod,
  taints: readonly Taint[],
  addedAt: (taint: Taint) => number,
  now: number,
): number | undefined {
  let earliest: number | undefined
  for (const taint of taints) {
    const tolerations = (pod.spec.tolerations ?? []).filter(toleration => tolerates(toleration, taint))
    if (!tolerations.length) return now
    const seconds = tolerations.map(toleration => toleration.tolerationSeconds).filter(s => s !== undefined)
    if (!seconds.length) continue
    const at = Math.max(addedAt(taint), boundAt(pod)) + Math.max(0, Math.min(...seconds)) * 1000
    earliest = Math.min(earliest ?? at, at)
  }
  return earliest
}

function boundAt({ metadata, status }: Pod): number {
  const scheduled = status.conditions?.find(c => c.type === 'PodScheduled' && c.status === 'True')
  return parseTime(scheduled?.lastTransitionTime ?? metadata.creationTimestamp) ?? 0
}
