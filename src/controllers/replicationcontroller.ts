// The ReplicationController controller: the older form of the ReplicaSet controller, with a selector of plain pairs.
// Source: pkg/controller/replication.
import { Pod } from '../kinds/core/pod.ts'
import { ReplicationController } from '../kinds/core/replicationcontroller.ts'
import { defineController } from './harness.ts'
import { claim, orphansOf } from './owners.ts'
import { reported } from './reported.ts'
import { carryOut, failureText, nextAvailable, planReplicas, planReplicasStatus, relatedOnNode } from './replicas.ts'
import { pairsSelector } from './selection.ts'

const selectorOf = ({ spec }: ReplicationController) => pairsSelector(spec.selector)

export const replicationControllerController = defineController({
  name: 'replication-controller',
  reconciles: ReplicationController,
  owns: [Pod],
  watches: [orphansOf(Pod, ReplicationController, selectorOf)],
  async reconcile(rc, ctx) {
    const { replicas, minReadySeconds = 0, template } = rc.spec
    const pods = await claim(ctx, Pod, ReplicationController, rc, selectorOf(rc))
    const now = ctx.now()
    const plan = planReplicas(replicas, pods, now, relatedOnNode(ctx, ReplicationController, rc))
    const spec = { replicas, minReadySeconds, template }
    const mayAct = template && !rc.metadata.deletionTimestamp
    await reported(
      async () => mayAct && (await carryOut(ctx, rc, template, plan)),
      failure =>
        ctx.writeStatus(ReplicationController, rc, {
          ...planReplicasStatus(spec, pods, rc.status, failureText(plan, failure), now),
          observedGeneration: rc.metadata.generation ?? 0,
        }),
    )
    const again = nextAvailable(pods, minReadySeconds, now)
    return again === undefined ? undefined : { again }
  },
})
