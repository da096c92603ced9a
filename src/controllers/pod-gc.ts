// Pod garbage collection: deletes the pods that no kubelet will. These are pods of nodes that do not exist or are out
// of service, pods in deletion that were never bound, and the oldest of too many ended pods.
// Source: pkg/controller/podgc.
import { parseTime, timeText } from '../api/time.ts'
import { Node } from '../kinds/core/node.ts'
import { isNodeReady } from '../kinds/core/node-ready.ts'
import { Pod } from '../kinds/core/pod.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'
import type { Context } from './context.ts'
import { type Controller, defineController, keyOf, watch } from './harness.ts'

/** How long a node must be missing: it may be recreated, or be too new for the mirror. */
const quarantineMs = 40_000
const defaultMaxTerminated = 12_500
const outOfService = 'node.kubernetes.io/out-of-service'

export const podsOfNodeIndex = (pod: Pod): readonly string[] => (pod.spec.nodeName ? [pod.spec.nodeName] : [])
const terminatedIndex = (pod: Pod): readonly string[] => (isTerminal(pod) ? ['yes'] : [])

export function podGcController(maxTerminated = defaultMaxTerminated): Controller {
  /** Since when each missing node has been missing, in ms of the steady clock. */
  const missed = new Map<string, number>()
  return defineController({
    name: 'pod-garbage-collector',
    reconciles: Pod,
    when: (pod, before, caches) => {
      const { nodeName } = pod.spec
      const node = nodeName ? caches(Node).get(undefined, nodeName) : undefined
      const isDeleted = pod.metadata.deletionTimestamp !== undefined
      if (isTerminal(pod) && !(before && isTerminal(before))) return true
      return nodeName ? !node || (isDeleted && isOutOfService(node)) : isDeleted
    },
    watches: [
      watch(
        Node,
        (node, caches) =>
          caches(Pod)
            .byIndex('node', podsOfNodeIndex, node.metadata.name ?? '')
            .map(pod => keyOf(pod.metadata.namespace ?? '', pod.metadata.name ?? '')),
        (node, before) => isOutOfService(node) && !(before && isOutOfService(before)),
      ),
    ],
    async reconcile(pod, ctx) {
      const { nodeName } = pod.spec
      if (!nodeName) return pod.metadata.deletionTimestamp ? fail(ctx, pod) : undefined
      const node = ctx.cache(Node).get(undefined, nodeName)
      if (!node) {
        const before = missed.get(nodeName)
        // An entry that is older is of a time before the node came back, when it had no pods that would show it.
        const since = before !== undefined && ctx.steady() - before < 2 * quarantineMs ? before : ctx.steady()
        missed.set(nodeName, since)
        const again = since + quarantineMs - ctx.steady()
        if (again > 0) return { again }
        // The mirror may be behind, so the API server is asked before pods are deleted.
        if (!(await ctx.client.find(Node, { name: nodeName }))) return fail(ctx, pod, nodeGone(ctx))
      }
      missed.delete(nodeName)
      if (node && isOutOfService(node) && pod.metadata.deletionTimestamp) return fail(ctx, pod)
      if (!isTerminal(pod)) return
      const surplus = planSurplus(ctx.cache(Pod).byIndex('terminated', terminatedIndex, 'yes'), maxTerminated)
      for (const old of surplus) await remove(ctx, old)
    },
  })
}

/** An administrator declared the node out of service. This counts only while it is not ready. */
const isOutOfService = (node: Node): boolean =>
  (node.spec.taints?.some(taint => taint.key === outOfService) ?? false) && !isNodeReady(node)

/** The ended pods beyond the limit: evicted ones first, then the oldest. */
export function planSurplus(terminated: readonly Pod[], limit: number): Pod[] {
  const surplus = terminated.length - limit
  if (surplus <= 0) return []
  const age = (pod: Pod) => parseTime(pod.metadata.creationTimestamp) ?? 0
  const isEvicted = ({ status }: Pod) => Number(status.phase === 'Failed' && status.reason === 'Evicted')
  return [...terminated].sort((a, b) => isEvicted(b) - isEvicted(a) || age(a) - age(b)).slice(0, surplus)
}

const nodeGone = (ctx: Context) => ({
  type: 'DisruptionTarget',
  status: 'True',
  reason: 'DeletionByPodGC',
  message: 'PodGC: node no longer exists',
  lastTransitionTime: timeText(ctx.now()),
})

/** Deletes a pod, which counts as Failed first if it had not ended: no kubelet will report its end. */
async function fail(ctx: Context, pod: Pod, condition?: object): Promise<void> {
  if (!isTerminal(pod)) {
    const status = { phase: 'Failed', ...(condition && { conditions: [condition] }) }
    await ctx.patch(Pod, pod, 'strategic', { status }, { subresource: 'status' })
  }
  await remove(ctx, pod)
}

async function remove(ctx: Context, pod: Pod): Promise<void> {
  await ctx.delete(Pod, pod, { gracePeriodSeconds: 0 })
}
