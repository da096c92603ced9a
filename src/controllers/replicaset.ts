// The ReplicaSet controller: keeps the number of pods that the spec asks for. It adopts matching orphans, creates
// missing pods and deletes surplus ones. This is the model of a controller: claim, plan, carry out, write the status,
// throw. Source: pkg/controller/replicaset.
import { Pod } from '../kinds/core/pod.ts'
import { ReplicaSet } from '../kinds/apps/replicaset.ts'
import { defineController } from './harness.ts'
import { claim, orphansOf } from './owners.ts'
import { reported } from './reported.ts'
import {
  carryOut,
  countTerminating,
  failureText,
  nextAvailable,
  planReplicas,
  planReplicasStatus,
  relatedOnNode,
} from './replicas.ts'

export const replicaSetController = defineController({
  name: 'replicaset-controller',
  reconciles: ReplicaSet,
  owns: [Pod],
  watches: [orphansOf(Pod, ReplicaSet, rs => rs.spec.selector)],
  async reconcile(rs, ctx) {
    const { replicas, minReadySeconds = 0, template } = rs.spec
    const pods = await claim(ctx, Pod, ReplicaSet, rs, rs.spec.selector)
    const now = ctx.now()
    const plan = planReplicas(replicas, pods, now, relatedOnNode(ctx, ReplicaSet, rs))
    const spec = { replicas, minReadySeconds, template }
    const mayAct = !rs.metadata.deletionTimestamp
    await reported(
      async () => mayAct && (await carryOut(ctx, rs, template, plan)),
      failure =>
        ctx.writeStatus(ReplicaSet, rs, {
          ...planReplicasStatus(spec, pods, rs.status, failureText(plan, failure), now),
          terminatingReplicas: countTerminating(pods),
          observedGeneration: rs.metadata.generation ?? 0,
        }),
    )
    const again = nextAvailable(pods, minReadySeconds, now)
    return again === undefined ? undefined : { again }
  },
})
