// What ReplicaSet and ReplicationController have in common: how many pods to create or delete (planReplicas), which are
// deleted first (byDeletionOrder), the status, and the writes. Other controllers of pods use the writes too.
// Sources: pkg/controller/replicaset, controller_utils.go (ActivePodsWithRanks).
import { isReason, messageOf } from '../base/errors.ts'
import type { Draft, Kind, KubeObject } from '../api/kind.ts'
import { matches } from '../api/labels.ts'
import { parseTime, timeText } from '../api/time.ts'
import { Pod } from '../kinds/core/pod.ts'
import type { PodTemplateSpec } from '../kinds/core/podtemplatespec.ts'
import type { Context } from './context.ts'
import type { Failure } from './reported.ts'
import { controllerOf } from './owner-reference.ts'
import { pairsSelector, type Selector } from './selection.ts'
import {
  availableAt,
  deletionCost,
  isActive,
  isAvailable,
  isReady,
  isTerminating,
  podFromTemplate,
  restartsOf,
} from './pods.ts'

/** The most pods that one reconcile creates or deletes. The rest follows in the next one. */
const burst = 500
const firstBatch = 1

interface ReplicasSpec {
  replicas: number
  minReadySeconds: number
  template: PodTemplateSpec | undefined
}

interface ReplicasPlan {
  create: number
  remove: Pod[]
}

/**
 * How many pods are missing, or which are too many. Pods that have ended or are terminating do not count.
 * @param related how many pods the owner and its siblings have on a pod's node
 */
export function planReplicas(
  wanted: number,
  pods: readonly Pod[],
  now: number,
  related: (pod: Pod) => number = () => 0,
): ReplicasPlan {
  const active = pods.filter(isActive)
  const missing = wanted - active.length
  if (missing >= 0) return { create: Math.min(missing, burst), remove: [] }
  const extra = Math.min(-missing, burst)
  if (extra >= active.length) return { create: 0, remove: active }
  const ranked = active.map(pod => ({ pod, rank: related(pod) })).sort((a, b) => byDeletionOrder(a, b, now))
  return { create: 0, remove: ranked.slice(0, extra).map(({ pod }) => pod) }
}

interface Ranked {
  pod: Pod
  rank: number
}

const phases: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 }

/**
 * Compares two pods by the loss that their deletion would be. The first to be deleted are, in this order: pods that are
 * not bound; not running; not ready; of lower deletion cost; on nodes with more related pods; ready for a shorter time;
 * with more restarts; younger.
 */
export function byDeletionOrder({ pod: a, rank: rankA }: Ranked, { pod: b, rank: rankB }: Ranked, now: number): number {
  const yes = (value: unknown) => (value ? 1 : 0)
  const order =
    yes(a.spec.nodeName) - yes(b.spec.nodeName) ||
    (phases[a.status.phase ?? ''] ?? 0) - (phases[b.status.phase ?? ''] ?? 0) ||
    yes(isReady(a)) - yes(isReady(b)) ||
    deletionCost(a) - deletionCost(b) ||
    rankB - rankA
  if (order) return order
  if (isReady(a) && isReady(b)) {
    // Ages are compared as powers of two, so that pods of about the same age are chosen at random, by uid.
    const byReady = ageRank(readySince(b), now) - ageRank(readySince(a), now)
    if (byReady) return -byReady
  }
  const restarts = restartsOf(b) - restartsOf(a)
  if (restarts) return restarts
  const byAge = ageRank(createdAt(a), now) - ageRank(createdAt(b), now)
  return byAge || ((a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1)
}

const readySince = (pod: Pod) => availableAt(pod, 1)! - 1000
const createdAt = (pod: Pod) => parseTime(pod.metadata.creationTimestamp) ?? 0
const ageRank = (since: number, now: number) => Math.floor(Math.log2(Math.max(1, now - since)))

interface ReplicaCondition {
  type: string
  status: string
  lastTransitionTime: string | null
  reason?: string
  message?: string
}

interface ReplicasStatus {
  replicas: number
  fullyLabeledReplicas: number
  readyReplicas: number
  availableReplicas: number
  observedGeneration: number
  terminatingReplicas?: number
  conditions?: readonly ReplicaCondition[]
}

/** The status that follows from the pods and from the failure of a write, if there was one. */
export function planReplicasStatus(
  spec: ReplicasSpec,
  pods: readonly Pod[],
  old: { readonly conditions?: readonly ReplicaCondition[] } | undefined,
  failure: { reason: string; message: string } | undefined,
  now: number,
): Omit<ReplicasStatus, 'observedGeneration'> {
  const active = pods.filter(isActive)
  const labels = Object.entries(spec.template?.metadata.labels ?? {})
  const others = (old?.conditions ?? []).filter(c => c.type !== 'ReplicaFailure')
  const before = old?.conditions?.find(c => c.type === 'ReplicaFailure')
  const failed: ReplicaCondition | undefined = failure && {
    type: 'ReplicaFailure',
    status: 'True',
    lastTransitionTime: timeText(now),
    ...failure,
  }
  const conditions = failed ? [...others, before && before.reason === failed.reason ? before : failed] : others
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter(pod => labels.every(([k, v]) => pod.metadata.labels?.[k] === v)).length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: active.filter(pod => isAvailable(pod, spec.minReadySeconds, now)).length,
    conditions,
  }
}

/** Milliseconds until the next ready pod becomes available. */
export function nextAvailable(pods: readonly Pod[], minReadySeconds: number, now: number): number | undefined {
  const waits = pods
    .filter(isActive)
    .map(pod => availableAt(pod, minReadySeconds))
    .filter(at => at !== undefined && at > now)
    .map(at => at! - now)
  return waits.length ? Math.min(...waits) : undefined
}

export const countTerminating = (pods: readonly Pod[]): number => pods.filter(isTerminating).length

/** Creates the pods that are missing, or removes those that are too many. */
export async function carryOut(
  ctx: Context,
  owner: KubeObject,
  template: PodTemplateSpec,
  plan: ReplicasPlan,
): Promise<void> {
  if (plan.create) await createPods(ctx, owner, template, plan.create)
  else await Promise.all(plan.remove.map(pod => removePod(ctx, owner, pod)))
}

/** The reason and message in the status for a plan that could not be carried out. */
export const failureText = (plan: ReplicasPlan, failure: Failure | undefined) =>
  failure && { reason: plan.create ? 'FailedCreate' : 'FailedDelete', message: messageOf(failure.error) }

export const isTerminatingNamespace = (error: unknown): boolean =>
  isReason(error, 'Forbidden') && (error.details?.causes ?? []).some(c => c.reason === 'NamespaceTerminating')

async function createPods(ctx: Context, owner: KubeObject, template: PodTemplateSpec, count: number): Promise<void> {
  await slowStart(count, firstBatch, () => createPod(ctx, owner, template))
}

/** Creates one pod of a template for `owner`, and records an event. */
export const createPod = (ctx: Context, owner: KubeObject, template: PodTemplateSpec): Promise<Pod | undefined> =>
  createDraft(ctx, owner, podFromTemplate(template, owner.metadata.name ?? ''))

/** Creates one pod for `owner`, and records an event. Returns undefined if the namespace is terminating. */
export async function createDraft(ctx: Context, owner: KubeObject, draft: Draft<Pod>): Promise<Pod | undefined> {
  try {
    if (!selects(owner, draft)) throw new Error('the selector of the owner does not match the labels of its template')
    const pod = await ctx.create(Pod, draft, { owner })
    ctx.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`)
    return pod
  } catch (error) {
    // Nothing can be created in a terminating namespace, so an event or another try would be pointless.
    if (isTerminatingNamespace(error)) return undefined
    ctx.event(owner, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`)
    throw error
  }
}

/** Whether the owner selects the pod. If not, it would release the pod at once and create the next, without end. */
function selects(owner: KubeObject, { metadata }: Draft<Pod>): boolean {
  const { selector } = (owner as { spec?: { selector?: Selector | Readonly<Record<string, string>> } }).spec ?? {}
  const whole =
    owner.kind === 'ReplicationController'
      ? pairsSelector(selector as Readonly<Record<string, string>>)
      : (selector as Selector | undefined)
  return matches(whole, metadata?.labels as Readonly<Record<string, string>> | undefined)
}

/** Deletes one pod of `owner`, and records an event. */
export async function removePod(ctx: Context, owner: KubeObject, pod: Pod): Promise<void> {
  try {
    if (await ctx.delete(Pod, pod)) ctx.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)
  } catch (error) {
    ctx.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`)
    throw error
  }
}

/**
 * Calls `fn` `count` times in batches of 1, 2, 4, … and stops after a batch with a failure, so that a permanent cause,
 * such as a quota, does not lead to hundreds of failures. Throws the first error of the batch.
 */
export async function slowStart(count: number, first: number, fn: () => Promise<unknown>): Promise<number> {
  let left = count
  for (let batch = Math.min(left, first); batch > 0; batch = Math.min(2 * batch, left)) {
    const results = await Promise.allSettled(Array.from({ length: batch }, fn))
    const failed = results.find(result => result.status === 'rejected')
    if (failed) throw failed.reason
    left -= batch
  }
  return count
}

/** Returns, for a pod, how many active pods of the owner and its siblings, with the same controller, its node has. */
export function relatedOnNode<O extends KubeObject>(ctx: Context, kind: Kind<O>, owner: O): (pod: Pod) => number {
  const controller = controllerOf(owner)
  const siblings = controller ? ctx.cache(kind).ownedBy(controller.uid) : [owner]
  const perNode = new Map<string, number>()
  for (const sibling of siblings) {
    for (const pod of ctx.cache(Pod).ownedBy(sibling)) {
      if (!isActive(pod) || !pod.spec.nodeName) continue
      perNode.set(pod.spec.nodeName, (perNode.get(pod.spec.nodeName) ?? 0) + 1)
    }
  }
  return pod => perNode.get(pod.spec.nodeName ?? '') ?? 0
}
