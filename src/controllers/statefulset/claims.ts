// The volume claims of a StatefulSet's pods, which outlive the pods. The retention policy decides whether they are
// deleted when the set shrinks or is deleted. The controller writes it into the claims' owner references, and the
// garbage collector acts on them:
//
//   retention            in range        beyond the size
//   nothing              no owner        no owner
//   whenDeleted: Delete  the set         the set
//   whenScaled: Delete   no owner        the pod
//   both                 the set         the pod
//
// Source: pkg/controller/statefulset (stateful_set_utils.go, stateful_pod_control.go), KEP-1847.
import { messageOf } from '../../base/errors.ts'
import type { Draft, KubeObject } from '../../api/kind.ts'
import type { OwnerReference } from '../../api/meta.ts'
import type { Context } from '../context.ts'
import { controllerOf, ownerReference } from '../owner-reference.ts'
import type { StatefulSet } from '../../kinds/apps/statefulset.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import type { Pod } from '../../kinds/core/pod.ts'

export const claimName = (template: string, set: StatefulSet, ordinal: number): string =>
  `${template}-${set.metadata.name}-${ordinal}`

/** The volume claims of the pod with this ordinal. */
export function claimsOf(set: StatefulSet, ordinal: number): Draft<PersistentVolumeClaim>[] {
  return (set.spec.volumeClaimTemplates ?? []).map(({ metadata, spec }) => ({
    metadata: {
      name: claimName(metadata.name ?? '', set, ordinal),
      namespace: set.metadata.namespace ?? '',
      labels: { ...metadata.labels, ...set.spec.selector?.matchLabels },
      ...(metadata.annotations && { annotations: metadata.annotations }),
    },
    spec,
  }))
}

const find = (set: StatefulSet, ordinal: number, ctx: Context): PersistentVolumeClaim[] =>
  claimsOf(set, ordinal).flatMap(
    ({ metadata }) => ctx.cache(PersistentVolumeClaim).get(set.metadata.namespace, metadata!.name!) ?? [],
  )

/** Creates missing claims of a pod. Throws if one cannot be created or is terminating. */
export async function createClaims(set: StatefulSet, ordinal: number, pod: string, ctx: Context): Promise<void> {
  for (const draft of claimsOf(set, ordinal)) {
    const name = draft.metadata!.name!
    const existing = ctx.cache(PersistentVolumeClaim).get(set.metadata.namespace, name)
    if (existing?.metadata.deletionTimestamp) throw new Error(`pvc ${name} is being deleted`)
    if (existing) continue
    try {
      await ctx.create(PersistentVolumeClaim, draft)
    } catch (error) {
      const text = `create PersistentVolumeClaim ${name} for Pod ${pod} in StatefulSet ${set.metadata.name} failed error: ${messageOf(error)}`
      ctx.event(set, 'Warning', 'FailedCreate', text)
      throw new Error(`failed to create PVC ${name}: ${messageOf(error)}`, { cause: error })
    }
    const text = `create PersistentVolumeClaim ${name} Pod ${pod} in StatefulSet ${set.metadata.name} success`
    ctx.event(set, 'Normal', 'SuccessfulCreate', text)
  }
}

/** Whether a claim of this ordinal is still owned by a scaled-down pod and will be deleted with it. A new pod waits. */
export const hasStaleClaim = (set: StatefulSet, ordinal: number, pod: string, ctx: Context): boolean =>
  set.spec.persistentVolumeClaimRetentionPolicy?.whenScaled === 'Delete' &&
  find(set, ordinal, ctx).some(({ metadata }) =>
    metadata.ownerReferences?.some(o => o.kind === 'Pod' && o.name === pod),
  )

/** Writes the owners that follow from the retention policy into the claims of a pod. */
export async function keepClaimOwners(set: StatefulSet, ordinal: number, pod: Pod, ctx: Context): Promise<void> {
  for (const claim of find(set, ordinal, ctx)) {
    const ownerReferences = planClaimOwners(set, ordinal, pod, claim)
    if (ownerReferences)
      await ctx.update(PersistentVolumeClaim, { ...claim, metadata: { ...claim.metadata, ownerReferences } })
  }
}

/** The owners that a claim should have. Undefined when it has them. */
export function planClaimOwners(
  set: StatefulSet,
  ordinal: number,
  pod: Pod,
  claim: PersistentVolumeClaim,
): OwnerReference[] | undefined {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec.persistentVolumeClaimRetentionPolicy ?? {}
  const have = claim.metadata.ownerReferences ?? []
  const mine = new Set([set.metadata.uid, pod.metadata.uid])
  const controller = controllerOf(claim)
  const isForeign = controller !== undefined && !mine.has(controller.uid)
  const start = set.spec.ordinals?.start ?? 0
  const isScaledAway = ordinal < start || ordinal >= start + set.spec.replicas
  const owners: KubeObject[] = []
  if (whenScaled === 'Delete' && isScaledAway) owners.push(pod)
  else if (whenDeleted === 'Delete') owners.push(set)
  const others = have.filter(owner => !mine.has(owner.uid))
  const wanted = [...others, ...(isForeign ? [] : owners.map(ownerReference))]
  const text = (references: readonly OwnerReference[]) =>
    JSON.stringify(references.map(o => [o.uid, o.controller ?? false]).sort())
  return text(have) === text(wanted) ? undefined : wanted
}
