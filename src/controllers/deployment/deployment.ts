// The Deployment controller: rolls a change of the pod template out by growing one ReplicaSet and shrinking the others.
// It creates and deletes no pods: plan.ts decides which ReplicaSet gets which size (sizes.ts computes them), this file
// writes the sizes, and the ReplicaSet controller acts on them.
import { isReason, messageOf } from '../../base/errors.ts'
import { ReplicaSet } from '../../kinds/apps/replicaset.ts'
import { Deployment } from '../../kinds/apps/deployment.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Context } from '../context.ts'
import { defineController, keyOf, type Result, watch } from '../harness.ts'
import { controllerOf, isControlledBy } from '../owner-reference.ts'
import { claim, orphansOf } from '../owners.ts'
import { isTerminatingNamespace } from '../replicas.ts'
import { revisionAnnotation } from './annotations.ts'
import { type DeploymentPlan, findNew, planDeployment } from './plan.ts'
import { untilDeadline, withCreateError } from './status.ts'

export const deploymentController = defineController({
  name: 'deployment-controller',
  reconciles: Deployment,
  owns: [ReplicaSet],
  watches: [
    orphansOf(ReplicaSet, Deployment, d => d.spec.selector),
    // The strategy Recreate creates new pods only after the last old pod has ended.
    watch(
      Pod,
      (pod, caches) => {
        const owner = controllerOf(pod)
        const namespace = pod.metadata.namespace ?? ''
        const rs = owner?.kind === 'ReplicaSet' ? caches(ReplicaSet).get(namespace, owner.name) : undefined
        const deployment = rs && controllerOf(rs)
        const found = deployment && caches(Deployment).get(namespace, deployment.name)
        return found?.spec.strategy.type === 'Recreate' ? [keyOf(namespace, deployment!.name)] : []
      },
      (pod, before) => pod.status.phase !== before?.status.phase,
    ),
  ],
  async reconcile(deployment, ctx) {
    if (selectsEverything(deployment)) return refuse(deployment, ctx)
    const sets = await claim(ctx, ReplicaSet, Deployment, deployment, deployment.spec.selector)
    const plan = planDeployment(deployment, sets, podsOf(ctx, sets), ctx.now())
    if (plan.create && !(await create(deployment, plan, ctx))) return
    for (const change of plan.changes) await resize(deployment, change, ctx)
    for (const rs of plan.remove) await ctx.delete(ReplicaSet, rs)
    const noted = await noteRevision(deployment, plan, ctx)
    await ctx.writeStatus(Deployment, noted, plan.status)
    const again = untilDeadline(deployment, plan.status, ctx.now())
    return again === undefined ? undefined : { again }
  },
})

const selectsEverything = ({ spec: { selector } }: Deployment) =>
  !Object.keys(selector?.matchLabels ?? {}).length && !selector?.matchExpressions?.length

async function refuse(deployment: Deployment, ctx: Context): Promise<Result> {
  ctx.event(
    deployment,
    'Warning',
    'SelectingAll',
    'This deployment is selecting all pods. A non-empty selector is required.',
  )
  await ctx.writeStatus(Deployment, deployment, {
    ...deployment.status,
    observedGeneration: deployment.metadata.generation ?? 0,
  })
}

function podsOf(ctx: Context, sets: readonly ReplicaSet[]): Map<string, Pod[]> {
  const pods = ctx.cache(Pod)
  return new Map(sets.map(rs => [rs.metadata.uid ?? '', pods.ownedBy(rs).filter(pod => isControlledBy(pod, rs))]))
}

/** Returns false when the reconcile ends here: another object has the name, or the namespace is terminating. */
async function create(deployment: Deployment, plan: DeploymentPlan, ctx: Context): Promise<boolean> {
  const draft = plan.create!
  const name = draft.metadata!.name!
  try {
    await ctx.create(ReplicaSet, draft, { owner: deployment })
  } catch (error) {
    if (isTerminatingNamespace(error)) return false
    if (!isReason(error, 'AlreadyExists')) {
      const message = `Failed to create new replica set "${name}": ${messageOf(error)}`
      await ctx.writeStatus(Deployment, deployment, withCreateError(deployment, message, ctx.now()))
      ctx.event(deployment, 'Warning', 'ReplicaSetCreateError', message)
      throw error
    }
    const namespace = deployment.metadata.namespace ?? ''
    const existing = await ctx.client.get(ReplicaSet, { namespace, name })
    // It is ours; the mirror does not have it yet.
    if (isControlledBy(existing, deployment) && findNew(deployment, [existing])) return true
    // The hash in the name includes the number of collisions, so the next reconcile takes another name.
    const collisionCount = (deployment.status.collisionCount ?? 0) + 1
    await ctx.writeStatus(Deployment, deployment, { ...deployment.status, collisionCount })
    return false
  }
  const replicas = draft.spec!.replicas!
  if (replicas > 0)
    ctx.event(deployment, 'Normal', 'ScalingReplicaSet', `Scaled up replica set ${name} from 0 to ${replicas}`)
  return true
}

async function resize(
  deployment: Deployment,
  { rs, replicas, annotations, minReadySeconds }: DeploymentPlan['changes'][number],
  ctx: Context,
): Promise<void> {
  await ctx.update(ReplicaSet, {
    ...rs,
    metadata: { ...rs.metadata, annotations: { ...rs.metadata.annotations, ...annotations } },
    spec: { ...rs.spec, replicas, minReadySeconds },
  })
  const before = rs.spec.replicas
  if (replicas === before) return
  const direction = replicas > before ? 'up' : 'down'
  const message = `Scaled ${direction} replica set ${rs.metadata.name} from ${before} to ${replicas}`
  ctx.event(deployment, 'Normal', 'ScalingReplicaSet', message)
}

async function noteRevision(deployment: Deployment, { revision }: DeploymentPlan, ctx: Context): Promise<Deployment> {
  if (revision === undefined || deployment.metadata.annotations?.[revisionAnnotation] === revision) return deployment
  const annotations = { ...deployment.metadata.annotations, [revisionAnnotation]: revision }
  return ctx.update(Deployment, { ...deployment, metadata: { ...deployment.metadata, annotations } })
}
