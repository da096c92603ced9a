// The disruption controller: keeps `status.disruptionsAllowed` of each PodDisruptionBudget up to date, from which the
// eviction API subtracts. plan.ts computes it; this file finds the pods and the sizes of their workloads.
import { isReason, messageOf } from '../../base/errors.ts'
import { type AnyKind, type Kind, type KubeObject, parseApiVersion } from '../../api/kind.ts'
import type { KindSource } from '../../api/kind-source.ts'
import { DaemonSet } from '../../kinds/apps/daemonset.ts'
import { Deployment } from '../../kinds/apps/deployment.ts'
import { ReplicaSet } from '../../kinds/apps/replicaset.ts'
import { StatefulSet } from '../../kinds/apps/statefulset.ts'
import { Scale } from '../../kinds/autoscaling/scale.ts'
import { Job } from '../../kinds/batch/job.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import { ReplicationController } from '../../kinds/core/replicationcontroller.ts'
import { PodDisruptionBudget } from '../../kinds/policy/poddisruptionbudget.ts'
import type { Context, Caches } from '../context.ts'
import { type Controller, defineController, keyOf, watch, type Watch } from '../harness.ts'
import { controllerOf } from '../owner-reference.ts'
import { isReady } from '../pods.ts'
import { selectedBy, selecting } from '../selection.ts'
import { countsByScale, failedStatus, planBudget, type Sizes } from './plan.ts'

/** A workload with a number of replicas. */
interface Sized extends KubeObject {
  readonly spec: { readonly replicas: number; readonly template?: { readonly metadata: KubeObject['metadata'] } }
}
const sized: readonly AnyKind[] = [ReplicaSet, Deployment, StatefulSet, ReplicationController]
/** Owners of pods without a number of replicas. */
const sizeless: readonly AnyKind[] = [Job, DaemonSet, Node]

const budgetsFor = (caches: Caches, namespace: string | undefined, labels: Record<string, string> | undefined) =>
  selecting(caches(PodDisruptionBudget), budget => budget.spec.selector, { namespace: namespace ?? '', labels }).map(
    budget => keyOf(namespace ?? '', budget.metadata.name ?? ''),
  )

/** Wakes the budgets of a workload's pods when its size changes. */
const watchSized = <T extends Sized>(kind: Kind<T>): Watch =>
  watch(
    kind,
    ({ metadata, spec }, caches) => budgetsFor(caches, metadata.namespace, spec.template?.metadata.labels),
    (after, before) => after.spec.replicas !== before?.spec.replicas,
  )

/** @param kinds the kinds that the cluster serves; the owners of pods are among them */
export function disruptionController(kinds: KindSource): Controller {
  return defineController({
    name: 'controllermanager',
    identity: 'disruption-controller',
    reconciles: PodDisruptionBudget,
    reads: sized,
    watches: [
      watch(
        Pod,
        (pod, caches) => budgetsFor(caches, pod.metadata.namespace, pod.metadata.labels),
        (pod, before) => !before || signature(pod) !== signature(before),
      ),
      watchSized(ReplicaSet),
      watchSized(Deployment),
      watchSized(StatefulSet),
      watchSized(ReplicationController),
    ],
    async reconcile(budget, ctx) {
      const { namespace = '' } = budget.metadata
      const pods = selectedBy(ctx.cache(Pod), namespace, budget.spec.selector)
      if (!pods.length) ctx.event(budget, 'Normal', 'NoPods', 'No matching pods found')
      let sizes: Sizes
      try {
        sizes = countsByScale(budget) ? await sizesOf(ctx, kinds.all, pods) : { total: pods.length, unmanaged: 0 }
      } catch (error) {
        // A budget that cannot be computed allows no evictions, since one too many does more harm.
        const text = `Failed to calculate the number of expected pods: ${messageOf(error)}`
        ctx.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', text)
        await ctx.writeStatus(PodDisruptionBudget, budget, failedStatus(budget, messageOf(error), ctx.now()))
        return
      }
      if (sizes.unmanaged) ctx.event(budget, 'Warning', 'UnmanagedPods', unmanagedText(budget))
      const { status, again, overdue } = planBudget(budget, pods, sizes.total, ctx.now())
      for (const pod of overdue) {
        const text = `Pod was expected by PDB ${namespace}/${budget.metadata.name} to be deleted but it wasn't`
        ctx.event(pod, 'Warning', 'NotDeleted', text)
      }
      await ctx.writeStatus(PodDisruptionBudget, budget, status)
      return again === undefined ? undefined : { again }
    },
  })
}

/** The fields of a pod on which a budget depends. */
const signature = (pod: Pod) =>
  JSON.stringify([
    pod.metadata.labels,
    pod.metadata.ownerReferences,
    pod.metadata.deletionTimestamp,
    isReady(pod),
    isTerminal(pod),
  ])

/** The sum of the sizes of the pods' workloads, each counted once. Throws if one has no size. */
async function sizesOf(ctx: Context, kinds: readonly AnyKind[], pods: readonly Pod[]): Promise<Sizes> {
  const sizes = new Map<string, number>()
  const known = new Set<string>()
  let unmanaged = 0
  for (const pod of pods) {
    const owner = controllerOf(pod)
    if (!owner) unmanaged++
    if (!owner || known.has(owner.uid)) continue
    known.add(owner.uid)
    const found = await sizeOf(ctx, kinds, pod)
    if (!found) throw new Error(`found no controllers for pod ${JSON.stringify(pod.metadata.name)}`)
    sizes.set(found.uid, found.replicas)
  }
  return { total: [...sizes.values()].reduce((sum, size) => sum + size, 0), unmanaged }
}

/** The size of a pod's workload. The Deployment above a ReplicaSet counts, since during a rollout it has several. */
async function sizeOf(
  ctx: Context,
  kinds: readonly AnyKind[],
  pod: Pod,
): Promise<{ uid: string; replicas: number } | undefined> {
  const owner = controllerOf(pod)!
  const { namespace = '' } = pod.metadata
  const { group } = parseApiVersion(owner.apiVersion)
  const is = (kind: AnyKind) => kind.kind === owner.kind && kind.group === group
  const local = sized.find(is)
  if (local) {
    const found: Sized | undefined = ctx.cache(local).get(namespace, owner.name)
    if (found?.metadata.uid !== owner.uid) return undefined
    const above = local.kind === 'ReplicaSet' ? controllerOf(found) : undefined
    const top = above?.kind === 'Deployment' ? ctx.cache(Deployment).get(namespace, above.name) : undefined
    const { metadata, spec } = top?.metadata.uid === above?.uid && top ? top : found
    return { uid: metadata.uid ?? '', replicas: spec.replicas }
  }
  const kind = kinds.find(is) ?? sizeless.find(is)
  if (!kind) return undefined
  const scale = kind.scale && (await findScale(ctx, kind, { namespace, name: owner.name }))
  if (!scale) throw new Error(`${resourceText(kind)} does not implement the scale subresource`)
  return { uid: owner.uid, replicas: scale.spec.replicas ?? 0 }
}

async function findScale(
  ctx: Context,
  kind: AnyKind,
  ref: { namespace: string; name: string },
): Promise<Scale | undefined> {
  try {
    return (await ctx.client.get(kind as Kind<KubeObject>, ref, { subresource: 'scale' })) as Scale
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined
    throw error
  }
}

const resourceText = ({ plural, group }: AnyKind) => (group ? `${plural}.${group}` : plural)

function unmanagedText({ spec }: PodDisruptionBudget): string {
  const { matchLabels = {}, matchExpressions = [] } = spec.selector ?? {}
  const labels = Object.entries(matchLabels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value},`)
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  )
  const selector = `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`
  return `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`
}
