// Eviction: a deletion of a pod that a disruption budget can refuse (TooManyRequests; the client tries again later).
//
// - The steps are: spend the budget, mark the pod as disrupted, delete the pod. Each is a write of its own.
// - The budget is reduced by a write that expects its revision, so evictions at the same time cannot spend more than it
//   allows. When a later step fails, the disruption controller restores the budget after a time.
// - A pod that has ended, is pending or is terminating needs no budget.
//
// Source: pkg/registry/core/pod/storage/eviction.go.
import { StatusError } from '../../base/errors.ts'
import { matches } from '../../api/labels.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { Json, Mutable } from '../../api/schema/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'
import { Eviction } from '../../kinds/policy/eviction.ts'
import { PodDisruptionBudget } from '../../kinds/policy/poddisruptionbudget.ts'
import { decodeBody, editable } from '../body.ts'
import { remove } from '../deletion.ts'
import { notFound } from '../errors.ts'
import type { Handler, ServerCore } from '../core.ts'
import type { Operation } from '../../api/operation.ts'
import { timeText } from '../../api/time.ts'

/** Evictions of one budget that were allowed and that the controller has not confirmed. Beyond that all are refused. */
const maxDisruptedPods = 2000

export const createEviction: Handler = async (core, operation, warn) => {
  const { registry, storage } = core
  const eviction = decodeBody(Eviction, asV1(operation.body), operation.options, warn) as Mutable<Eviction>
  const { namespace, name } = operation
  if (eviction.metadata.name !== name)
    throw new StatusError('BadRequest', 'name in URL does not match name in Eviction object')
  await storage.catchUp(operation.signal)
  const pod = storage.mirror(Pod).get(namespace, name)
  if (!pod) throw notFound(Pod, name)
  await registry.admission.validate({ type: 'CREATE', operation, object: eviction })
  const target: Operation = {
    ...operation,
    kind: Pod,
    subresource: '',
    verb: 'delete',
    body: eviction.deleteOptions ?? {},
  }
  const ended = isTerminal(pod)
  const free = ended || pod.metadata.deletionTimestamp !== undefined || pod.status.phase === 'Pending'
  if (!free) await spendBudget(core, operation, pod)
  if (!ended) await markDisrupted(core, operation, pod)
  await remove(registry, target)
  return { type: 'status', status: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } }
}

/** The kind is the same in both versions, and old clients still send the older one. */
const asV1 = (body: Json | undefined): Json | undefined =>
  isObject(body) && body.apiVersion === 'policy/v1beta1' ? { ...body, apiVersion: 'policy/v1' } : body

/** Adds the condition DisruptionTarget to the pod, so that its owner need not count the eviction as a failure. */
async function markDisrupted({ registry, clock }: ServerCore, operation: Operation, { metadata }: Pod): Promise<void> {
  const mark = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  }
  await registry.update(
    { ...operation, kind: Pod, verb: 'update', subresource: 'status', name: metadata.name ?? '' },
    old => {
      const next = editable(Pod, old as Pod)
      // The pod may have been replaced by another of the same name.
      if (next.metadata.uid !== metadata.uid) throw notFound(Pod, metadata.name ?? '')
      const before = next.status.conditions?.find(c => c.type === mark.type)
      const lastTransitionTime = before?.status === mark.status ? before.lastTransitionTime : timeText(clock.now())
      const others = (next.status.conditions ?? []).filter(c => c.type !== mark.type)
      next.status.conditions = [...others, { ...mark, lastTransitionTime }] as Mutable<
        NonNullable<Pod['status']['conditions']>
      >
      return next
    },
    { retry: true, rules: 'part' },
  )
}

/** Takes one disruption from the pod's budget, if it has one and needs it. Throws if the budget does not allow it. */
async function spendBudget({ registry, storage, clock }: ServerCore, operation: Operation, pod: Pod): Promise<void> {
  const { namespace, name } = operation
  const budgets = storage
    .mirror(PodDisruptionBudget)
    .list(namespace)
    .filter(b => matches(b.spec.selector, pod.metadata.labels))
  if (budgets.length > 1)
    throw new StatusError(
      'InternalError',
      `This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.`,
    )
  const budget = budgets[0]
  if (!budget) return
  const ready = pod.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false
  const { currentHealthy = 0, desiredHealthy = 0 } = budget.status
  if (
    !ready &&
    (budget.spec.unhealthyPodEvictionPolicy === 'AlwaysAllow' ||
      (currentHealthy >= desiredHealthy && desiredHealthy > 0))
  )
    return
  await registry.update(
    {
      ...operation,
      kind: PodDisruptionBudget,
      name: budget.metadata.name ?? '',
      verb: 'update',
      subresource: 'status',
    },
    old => {
      const next = editable<PodDisruptionBudget>(PodDisruptionBudget, old as PodDisruptionBudget)
      checkBudget(next)
      next.status.disruptionsAllowed--
      next.status.disruptedPods = { ...next.status.disruptedPods, [name]: timeText(clock.now()) }
      return next
    },
    { retry: true, rules: 'part' },
  )
}

/** Throws TooManyRequests if the budget allows no disruption now, and Forbidden if its status makes no sense. */
function checkBudget({ metadata, status }: PodDisruptionBudget): void {
  const refuse = (message: string, cause: string) =>
    new StatusError('TooManyRequests', message, {
      details: { causes: [{ reason: 'DisruptionBudget', message: cause, field: '' }] },
    })
  const text = "Cannot evict pod as it would violate the pod's disruption budget."
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0))
    throw refuse(text, `The disruption budget ${metadata.name} is still being processed by the server.`)
  const forbid = (why: string) =>
    new StatusError('Forbidden', `poddisruptionbudgets.policy ${JSON.stringify(metadata.name)} is forbidden: ${why}`)
  if (status.disruptionsAllowed < 0) throw forbid('pdb disruptions allowed is negative')
  if (Object.keys(status.disruptedPods ?? {}).length > maxDisruptedPods)
    throw forbid('DisruptedPods map too big - too many evictions not confirmed by PDB controller')
  const failed = status.conditions?.find(c => c.type === 'DisruptionAllowed' && c.reason === 'SyncFailed')
  if (status.disruptionsAllowed === 0 && failed)
    throw refuse(
      text,
      `The disruption budget ${metadata.name} does not allow evicting pods currently because it failed sync: ${failed.message}`,
    )
  if (status.disruptionsAllowed === 0)
    throw refuse(
      text,
      `The disruption budget ${metadata.name} needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`,
    )
}
