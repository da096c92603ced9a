// Rollouts from the user's wish to running pods, through everything in between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { ReplicaSet } from '../../src/kinds/apps/replicaset.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { deployment, rolledOut, setImage, simulate } from './cluster.ts'

const web = { namespace: 'default', name: 'web' }

test('a deployment runs, and a new image replaces all pods', async () => {
  await simulate({ nodes: 3 }, async ({ client, until, pods }) => {
    await until('the service account', async () => pods !== undefined)
    await client.create(Deployment, deployment('web', 4))
    await until('the rollout', () => rolledOut(client, 'web'))
    assert.equal(pods('default').length, 4)
    await client.patch(Deployment, web, 'strategic', setImage('app:2'))
    await until('the second rollout', () => rolledOut(client, 'web') && pods('default').length === 4)
    assert.ok(pods('default').every(pod => pod.spec.containers[0]!.image === 'app:2'))
    const d = client.mirror(Deployment).get('default', 'web')!
    assert.equal(d.metadata.annotations?.['deployment.kubernetes.io/revision'], '2')
    const progressing = d.status.conditions?.find(c => c.type === 'Progressing')
    assert.equal(progressing?.reason, 'NewReplicaSetAvailable')
    assert.equal(client.mirror(ReplicaSet).list('default').length, 2)
    const events = client.mirror(Event).list('default')
    assert.ok(
      events.some(
        e => e.reason === 'ScalingReplicaSet' && /^Scaled up replica set web-\w+ from 0 to 4$/.test(e.message ?? ''),
      ),
    )
    assert.ok(events.some(e => e.reason === 'Scheduled'))
  })
})
