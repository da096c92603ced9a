// The StatefulSet controller: numbered pods with names and volumes that stay theirs. plan.ts decides; this file
// carries out.
import { isReason, messageOf } from '../../base/errors.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { ControllerRevision } from '../../kinds/apps/controllerrevision.ts'
import { StatefulSet as StatefulSetKind } from '../../kinds/apps/statefulset.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod as PodKind } from '../../kinds/core/pod.ts'
import type { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import type { Context } from '../context.ts'
import { defineController } from '../harness.ts'
import { currentRevision, expiredRevisions, hashOf, type Revision, revisionLabel } from '../history.ts'
import { claim, controllerOf, orphansOf } from '../owners.ts'
import type { Pod } from '../pods.ts'
import { nextAvailable } from '../replicas.ts'
import { claimsOf, ordinalOf, podName, podOf, type StatefulSet } from './identity.ts'
import { planStateful } from './plan.ts'

export const statefulSetController = defineController({
  name: 'statefulset-controller',
  reconciles: StatefulSetKind,
  owns: [PodKind, ControllerRevision],
  reads: [PersistentVolumeClaim],
  watches: [orphansOf(PodKind, StatefulSetKind, set => set.spec.selector)],
  async reconcile(set, ctx) {
    const pods = await claim(
      ctx,
      PodKind,
      StatefulSetKind,
      set,
      set.spec.selector,
      pod => ordinalOf(set, pod) !== undefined,
    )
    const { current: newest, old } = await currentRevision(ctx, StatefulSetKind, set)
    const update = hashOf(newest)
    const before = old.find(revision => revision.metadata.name === set.status.currentRevision)
    const current = before ? hashOf(before) : update
    const plan = planStateful(set, pods, { current, update }, ctx.now())
    for (const { ordinal, hash } of plan.create)
      await create(set, ordinal, templateAt(set, [...old, newest], hash), hash, ctx)
    for (const pod of plan.remove) await remove(set, pod, ctx)
    const inUse = new Set([current, update, ...pods.map(pod => pod.metadata.labels?.[revisionLabel] ?? '')])
    for (const revision of expiredRevisions(old, set.spec.revisionHistoryLimit, inUse))
      await ctx.delete(ControllerRevision, revision)
    await releaseClaims(set, pods, ctx)
    await ctx.writeStatus(StatefulSetKind, set, plan.status)
    const again = nextAvailable(pods, set.spec.minReadySeconds ?? 0, ctx.now())
    return again === undefined ? undefined : { again }
  },
})

/** The template as it was at a revision. */
function templateAt(set: StatefulSet, revisions: readonly Revision[], hash: string): DeepReadonly<PodTemplateSpec> {
  const data = revisions.find(revision => hashOf(revision) === hash)?.data as
    | { spec?: { template?: PodTemplateSpec & { $patch?: string } } }
    | undefined
  if (!data?.spec?.template) return set.spec.template
  const { $patch: _patch, ...template } = data.spec.template
  return template
}

async function create(
  set: StatefulSet,
  ordinal: number,
  template: DeepReadonly<PodTemplateSpec>,
  hash: string,
  ctx: Context,
): Promise<void> {
  const name = podName(set, ordinal)
  const namespace = set.metadata.namespace ?? ''
  const what = `Pod ${name} in StatefulSet ${set.metadata.name}`
  try {
    for (const volume of claimsOf(set, ordinal)) {
      const claimed = volume.metadata!.name!
      if (ctx.cache(PersistentVolumeClaim).get(namespace, claimed)) continue
      await ctx.create(PersistentVolumeClaim, volume)
      const text = `create Claim ${claimed} Pod ${name} in StatefulSet ${set.metadata.name} success`
      ctx.event(set, 'Normal', 'SuccessfulCreate', text)
    }
    await ctx.create(PodKind, podOf(set, ordinal, template, hash), { owner: set })
    ctx.event(set, 'Normal', 'SuccessfulCreate', `create ${what} successful`)
  } catch (error) {
    // A pod of this name is still there: its end will wake the set.
    if (isReason(error, 'AlreadyExists')) return
    ctx.event(set, 'Warning', 'FailedCreate', `create ${what} failed error: ${messageOf(error)}`)
    throw error
  }
}

async function remove(set: StatefulSet, pod: Pod, ctx: Context): Promise<void> {
  const what = `Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`
  const failed = pod.status.phase === 'Failed'
  if (failed)
    ctx.event(
      set,
      'Warning',
      'RecreatingFailedPod',
      `StatefulSet ${set.metadata.namespace}/${set.metadata.name} is recreating failed Pod ${pod.metadata.name}`,
    )
  try {
    if (await ctx.delete(PodKind, pod)) ctx.event(set, 'Normal', 'SuccessfulDelete', `delete ${what} successful`)
  } catch (error) {
    ctx.event(set, 'Warning', 'FailedDelete', `delete ${what} failed error: ${messageOf(error)}`)
    throw error
  }
}

/**
 * The retention policy, by owner references that the garbage collector acts on: claims of numbers beyond the size
 * belong to their pod while it goes (whenScaled), all others to the set (whenDeleted).
 */
async function releaseClaims(set: StatefulSet, pods: readonly Pod[], ctx: Context): Promise<void> {
  const policy = set.spec.persistentVolumeClaimRetentionPolicy
  if (!set.spec.volumeClaimTemplates?.length || !policy) return
  const { whenDeleted, whenScaled } = policy
  const end = (set.spec.ordinals?.start ?? 0) + set.spec.replicas
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod)!
    for (const { metadata } of claimsOf(set, ordinal)) {
      const volume = ctx.cache(PersistentVolumeClaim).get(set.metadata.namespace, metadata!.name!)
      if (!volume || controllerOf(volume)) continue
      const owners: DeepReadonly<StatefulSet | Pod>[] = [
        ...(whenDeleted === 'Delete' ? [set] : []),
        ...(whenScaled === 'Delete' && ordinal >= end ? [pod] : []),
      ]
      const mine = new Set([set.metadata.uid, pod.metadata.uid])
      const others = (volume.metadata.ownerReferences ?? []).filter(o => !mine.has(o.uid))
      const wanted = [
        ...others,
        ...owners.map(o => ({ apiVersion: o.apiVersion, kind: o.kind, name: o.metadata.name, uid: o.metadata.uid })),
      ]
      const have = (volume.metadata.ownerReferences ?? []).map(o => o.uid).sort()
      if (JSON.stringify(have) === JSON.stringify(wanted.map(o => o.uid).sort())) continue
      await ctx.patch(PersistentVolumeClaim, volume, 'merge', { metadata: { ownerReferences: wanted } })
    }
  }
}
