// The DaemonSet controller: one pod on every node that suits. plan.ts decides; this file carries out.
import type { DeepReadonly } from '../../api/schema/node.ts'
import { parseTime } from '../../api/time.ts'
import { ControllerRevision } from '../../kinds/apps/controllerrevision.ts'
import { DaemonSet } from '../../kinds/apps/daemonset.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import { defineController, keyOf, watch } from '../harness.ts'
import { currentRevision, expiredRevisions, hashOf, revisionLabel } from '../history.ts'
import { claim, orphansOf } from '../owners.ts'
import { createPod, nextAvailable, removePod, slowStart } from '../replicas.ts'
import { sameValue } from '../same.ts'
import { daemonTemplate, planDaemons, planDaemonStatus } from './plan.ts'

const burst = 250
/** A pod that fails at once is not replaced at once. */
const minLifeMs = 10_000

export const daemonSetController = defineController({
  name: 'daemonset-controller',
  identity: 'daemon-set-controller',
  reconciles: DaemonSet,
  owns: [Pod, ControllerRevision],
  watches: [
    orphansOf(Pod, DaemonSet, set => set.spec.selector),
    watch(
      Node,
      (_node, caches) =>
        caches(DaemonSet)
          .list()
          .map(set => keyOf(set.metadata.namespace ?? '', set.metadata.name ?? '')),
      (node, before) =>
        !before ||
        !sameValue(node.metadata.labels, before.metadata.labels) ||
        !sameValue(node.spec.taints, before.spec.taints),
    ),
  ],
  async reconcile(set, ctx) {
    if (set.metadata.deletionTimestamp) return
    const pods = await claim(ctx, Pod, DaemonSet, set, set.spec.selector)
    const { current, old } = await currentRevision(ctx, DaemonSet, set)
    const hash = hashOf(current)
    const nodes = ctx.cache(Node).list()
    const plan = planDaemons(set, nodes, pods, hash, ctx.now())
    const hasty = plan.ended.filter(pod => (parseTime(pod.metadata.creationTimestamp) ?? 0) + minLifeMs > ctx.now())
    for (const pod of plan.ended) {
      if (hasty.includes(pod)) continue
      const failed = pod.status.phase === 'Failed'
      const what = `${pod.metadata.namespace}/${pod.metadata.name} on node ${pod.spec.nodeName}`
      if (failed) ctx.event(set, 'Warning', 'FailedDaemonPod', `Found failed daemon pod ${what}, will try to kill it`)
      else ctx.event(set, 'Normal', 'SucceededDaemonPod', `Found succeeded daemon pod ${what}, will try to delete it`)
    }
    const queue = plan.create.slice(0, burst)
    await slowStart(queue.length, 1, () => {
      const template = daemonTemplate(set, hash, queue.shift()!) as DeepReadonly<PodTemplateSpec>
      return createPod(ctx, set, template)
    })
    const remove = plan.remove.filter(pod => !hasty.includes(pod)).slice(0, burst)
    await Promise.all(remove.map(pod => removePod(ctx, set, pod)))
    const inUse = new Set([hash, ...pods.map(pod => pod.metadata.labels?.[revisionLabel] ?? '')])
    for (const revision of expiredRevisions(old, set.spec.revisionHistoryLimit, inUse))
      await ctx.delete(ControllerRevision, revision)
    await ctx.writeStatus(DaemonSet, set, planDaemonStatus(set, nodes, pods, hash, ctx.now()))
    const again = nextAvailable(pods, set.spec.minReadySeconds ?? 0, ctx.now())
    if (hasty.length) return { again: Math.min(minLifeMs, again ?? minLifeMs) }
    return again === undefined ? undefined : { again }
  },
})
