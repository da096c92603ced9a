// The DaemonSet controller: one pod on every suitable node. plan.ts decides; this file carries the plan out.
import { allEnded } from '../../base/waiters.ts'
import { ControllerRevision } from '../../kinds/apps/controllerrevision.ts'
import { DaemonSet } from '../../kinds/apps/daemonset.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import type { Context } from '../context.ts'
import { type Controller, defineController, keyOf, type Watch } from '../harness.ts'
import { currentRevision, expiredRevisions, revisionLabel } from '../history.ts'
import { claim, orphansOf } from '../owners.ts'
import { reported } from '../reported.ts'
import { createPod, nextAvailable, removePod, slowStart } from '../replicas.ts'
import { FailureBackoff } from './backoff.ts'
import { type DaemonPlan, daemonTemplate, planDaemons, planDaemonStatus, suits } from './plan.ts'

/** The most pods that one reconcile creates, and the most that it deletes. Source: BurstReplicas upstream. */
const burst = 250

const hashOf = (revision: ControllerRevision): string => revision.metadata.labels?.[revisionLabel] ?? ''

export function daemonSetController(): Controller {
  const backoff = new FailureBackoff()
  return defineController({
    name: 'daemonset-controller',
    identity: 'daemon-set-controller',
    reconciles: DaemonSet,
    owns: [Pod, ControllerRevision],
    watches: [orphansOf(Pod, DaemonSet, set => set.spec.selector), nodes],
    async reconcile(set, ctx) {
      if (set.metadata.deletionTimestamp) return
      const pods = await claim(ctx, Pod, DaemonSet, set, set.spec.selector)
      const { current, old, collisionCount } = await currentRevision(ctx, DaemonSet, set, revisionLabel)
      const hash = hashOf(current)
      const all = ctx.cache(Node).list()
      const now = ctx.now()
      const plan = planDaemons(set, all, pods, hash, now)
      const waitMs = replaceEnded(set, plan, backoff, ctx)
      const status = planDaemonStatus(set, all, pods, hash, now)
      await reported(
        () => carryOut(set, plan, hash, ctx),
        () => ctx.writeStatus(DaemonSet, set, { ...status, ...(collisionCount && { collisionCount }) }),
      )
      const used = new Set([hash, ...pods.map(pod => pod.metadata.labels?.[revisionLabel] ?? '')])
      for (const revision of expiredRevisions(old, set.spec.revisionHistoryLimit, r => used.has(hashOf(r))))
        await ctx.delete(ControllerRevision, revision)
      const waits = [waitMs, nextAvailable(pods, set.spec.minReadySeconds ?? 0, now)].filter(ms => ms !== undefined)
      return waits.length ? { again: Math.min(...waits) } : undefined
    },
  })
}

/** A change of a node wakes only the sets for which the node became suitable or unsuitable. */
const nodes: Watch = {
  kind: Node,
  *keys({ type, item, before }, caches) {
    const [node, old] = [item.object, before?.object] as [Node, Node | undefined]
    if (type === 'MODIFIED' && old && placing(node) === placing(old)) return
    const concerned = caches(DaemonSet).matching('daemonset-controller', set => {
      const text = (of: Node | undefined) => JSON.stringify(of ? suits(set, of) : { run: false })
      return type === 'MODIFIED' ? text(node) !== text(old) : type === 'DELETED' || suits(set, node).run
    })
    for (const { metadata } of concerned) yield keyOf(metadata.namespace ?? '', metadata.name ?? '')
  },
}

/** The fields of a node on which `suits` depends. */
const placing = ({ metadata, spec }: Node) => JSON.stringify([metadata.labels, spec.taints])

/** Moves ended pods whose back-off is over to `plan.remove`. Returns the milliseconds until the next one is due. */
function replaceEnded(set: DaemonSet, plan: DaemonPlan, backoff: FailureBackoff, ctx: Context): number | undefined {
  let wait: number | undefined
  const now = ctx.steady()
  for (const pod of plan.ended) {
    const isFailed = pod.status.phase === 'Failed'
    const node = pod.spec.nodeName ?? ''
    const key = `${set.metadata.uid}/${set.status.observedGeneration}/${node}`
    const remaining = isFailed ? backoff.remaining(key, now) : 0
    if (remaining > 0) {
      wait = Math.min(wait ?? remaining, remaining)
      continue
    }
    if (isFailed) backoff.failed(key, now)
    plan.remove.push(pod)
    reportEnded(set, pod, ctx)
  }
  return wait
}

function reportEnded(set: DaemonSet, pod: Pod, ctx: Context): void {
  const what = `${pod.metadata.namespace}/${pod.metadata.name} on node ${pod.spec.nodeName}`
  if (pod.status.phase === 'Failed')
    ctx.event(set, 'Warning', 'FailedDaemonPod', `Found failed daemon pod ${what}, will try to kill it`)
  else ctx.event(set, 'Normal', 'SucceededDaemonPod', `Found succeeded daemon pod ${what}, will try to delete it`)
}

async function carryOut(set: DaemonSet, plan: DaemonPlan, hash: string, ctx: Context): Promise<void> {
  const queue = plan.create.slice(0, burst)
  const created = slowStart(queue.length, 1, () => {
    const template = daemonTemplate(set, hash, queue.shift()!) as PodTemplateSpec
    return createPod(ctx, set, template)
  })
  const removed = Promise.all(plan.remove.slice(0, burst).map(pod => removePod(ctx, set, pod)))
  await allEnded<unknown>([created, removed])
}
