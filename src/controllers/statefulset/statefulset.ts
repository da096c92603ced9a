// The StatefulSet controller: numbered pods that keep their names and volumes when they are replaced. plan.ts decides;
// this file carries the plan out.
import { isReason, messageOf } from '../../base/errors.ts'
import { ControllerRevision } from '../../kinds/apps/controllerrevision.ts'
import { StatefulSet } from '../../kinds/apps/statefulset.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import type { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import type { Context } from '../context.ts'
import { defineController } from '../harness.ts'
import { currentRevision, expiredRevisions, hashLabel, revisionLabel } from '../history.ts'
import { claim, orphansOf } from '../owners.ts'
import { nextAvailable, slowStart } from '../replicas.ts'
import { reported } from '../reported.ts'
import { createClaims, hasStaleClaim, keepClaimOwners } from './claims.ts'
import { lostLabels, ordinalOf, ordinals, podName, podOf } from './identity.ts'
import { planStateful, type StatefulPlan } from './plan.ts'

export const statefulSetController = defineController({
  name: 'statefulset-controller',
  reconciles: StatefulSet,
  owns: [Pod, ControllerRevision],
  reads: [PersistentVolumeClaim],
  watches: [orphansOf(Pod, StatefulSet, set => set.spec.selector)],
  async reconcile(set, ctx) {
    const isMine = (pod: Pod) => ordinalOf(set, pod) !== undefined
    const pods = await claim(ctx, Pod, StatefulSet, set, set.spec.selector, isMine)
    const history = await currentRevision(ctx, StatefulSet, set, hashLabel)
    const { old, collisionCount } = history
    const update = nameOf(history.current)
    const current = old.some(revision => nameOf(revision) === set.status.currentRevision)
      ? set.status.currentRevision!
      : update
    const plan = planStateful(set, pods, { current, update }, ctx.now())
    await reported(
      () => carryOut(set, pods, plan, [...old, history.current], ctx),
      () => ctx.writeStatus(StatefulSet, set, { ...plan.status, collisionCount }),
    )
    const used = new Set([current, update, ...pods.map(pod => pod.metadata.labels?.[revisionLabel] ?? '')])
    for (const revision of expiredRevisions(old, set.spec.revisionHistoryLimit, r => used.has(nameOf(r))))
      await ctx.delete(ControllerRevision, revision)
    const again = nextAvailable(pods, set.spec.minReadySeconds ?? 0, ctx.now())
    return again === undefined ? undefined : { again }
  },
})

const nameOf = (revision: ControllerRevision) => revision.metadata.name ?? ''

async function carryOut(
  set: StatefulSet,
  pods: readonly Pod[],
  plan: StatefulPlan,
  revisions: readonly ControllerRevision[],
  ctx: Context,
): Promise<void> {
  if (set.metadata.deletionTimestamp) return
  const queue = [...plan.create]
  await slowStart(queue.length, 1, () => {
    const { ordinal, revision } = queue.shift()!
    return create(set, ordinal, templateAt(set, revisions, revision), revision, ctx)
  })
  await Promise.all(pods.map(pod => repair(set, pod, ctx)))
  await Promise.all(plan.remove.map(pod => remove(set, pod, ctx)))
}

/** The template as it was at a revision. */
function templateAt(set: StatefulSet, revisions: readonly ControllerRevision[], name: string): PodTemplateSpec {
  const data = revisions.find(revision => nameOf(revision) === name)?.data as
    | { spec?: { template?: PodTemplateSpec & { $patch?: string } } }
    | undefined
  if (!data?.spec?.template) return set.spec.template
  const { $patch: _patch, ...template } = data.spec.template
  return template
}

async function create(
  set: StatefulSet,
  ordinal: number,
  template: PodTemplateSpec,
  revision: string,
  ctx: Context,
): Promise<void> {
  const name = podName(set, ordinal)
  const what = `Pod ${name} in StatefulSet ${set.metadata.name}`
  if (hasStaleClaim(set, ordinal, name, ctx))
    throw new Error(`a volume claim of ${name} is still owned by the previous pod and will be deleted with it`)
  try {
    await createClaims(set, ordinal, name, ctx)
    const pod = await ctx.create(Pod, podOf(set, ordinal, template, revision), { owner: set })
    ctx.event(set, 'Normal', 'SuccessfulCreate', `create ${what} successful`)
    await keepClaimOwners(set, ordinal, pod, ctx)
  } catch (error) {
    // A pod of this name exists, perhaps one of another owner, so there is no event.
    if (isReason(error, 'AlreadyExists')) throw error
    ctx.event(set, 'Warning', 'FailedCreate', `create ${what} failed error: ${messageOf(error)}`)
    throw error
  }
}

/** Restores removed identity labels, missing claims of a pending pod, and owner references of claims. */
async function repair(set: StatefulSet, pod: Pod, ctx: Context): Promise<void> {
  const ordinal = ordinalOf(set, pod)!
  const [start, end] = ordinals(set)
  if (isTerminal(pod)) return
  if (ordinal >= start && ordinal < end) {
    if (pod.status.phase === 'Pending' && !pod.metadata.deletionTimestamp)
      await createClaims(set, ordinal, podName(set, ordinal), ctx)
    const labels = lostLabels(set, ordinal, pod)
    if (labels && !pod.metadata.deletionTimestamp)
      await ctx.patch(Pod, pod, 'merge', { metadata: { uid: pod.metadata.uid, labels } })
  }
  await keepClaimOwners(set, ordinal, pod, ctx)
}

async function remove(set: StatefulSet, pod: Pod, ctx: Context): Promise<void> {
  const what = `Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`
  try {
    if (await ctx.delete(Pod, pod)) ctx.event(set, 'Normal', 'SuccessfulDelete', `delete ${what} successful`)
  } catch (error) {
    ctx.event(set, 'Warning', 'FailedDelete', `delete ${what} failed error: ${messageOf(error)}`)
    throw error
  }
}
