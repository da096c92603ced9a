// Rollouts from the change of a template to running pods, with all intermediate states.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { ReplicaSet } from '../../src/kinds/apps/replicaset.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ResourceQuota } from '../../src/kinds/core/resourcequota.ts'
import { deployment, ref, rolledOut, setImage, simulate } from './cluster.ts'

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

test('a rollout to a failing image stops early and is reported, and undoing it repairs the deployment', async () => {
  const fate = (pod: { spec: { containers: readonly { image?: string }[] } }) =>
    pod.spec.containers[0]!.image === 'app:broken' ? ('running' as const) : ('ready' as const)
  await simulate({ nodes: 3, fate }, async ({ client, until, pods, clock }) => {
    await client.create(Deployment, deployment('web', 4, { progressDeadlineSeconds: 60 }))
    await until('the rollout', () => rolledOut(client, 'web'))
    await client.patch(Deployment, web, 'strategic', setImage('app:broken'))
    const condition = (type: string) =>
      client
        .mirror(Deployment)
        .get('default', 'web')!
        .status.conditions?.find(c => c.type === type)
    await until('the deadline', () => condition('Progressing')?.reason === 'ProgressDeadlineExceeded')
    assert.equal(condition('Progressing')?.status, 'False')
    assert.equal(condition('Available')?.status, 'True')
    await clock.forward(60_000)
    const images = pods('default').map(pod => pod.spec.containers[0]!.image)
    assert.equal(images.filter(image => image === 'app:1').length, 3)
    assert.equal(images.filter(image => image === 'app:broken').length, 2)
    // `kubectl rollout undo` writes the template of the revision before, without its hash.
    const old = client
      .mirror(ReplicaSet)
      .list('default')
      .find(rs => rs.metadata.annotations?.['deployment.kubernetes.io/revision'] === '1')!
    const { 'pod-template-hash': _hash, ...labels } = old.spec.template.metadata.labels!
    const template = { ...old.spec.template, metadata: { ...old.spec.template.metadata, labels } }
    await client.patch(Deployment, web, 'json', [{ op: 'replace', path: '/spec/template', value: template }])
    await until('the repair', () => rolledOut(client, 'web') && pods('default').length === 4)
    assert.ok(pods('default').every(pod => pod.spec.containers[0]!.image === 'app:1'))
    const current = client.mirror(ReplicaSet).get('default', old.metadata.name!)!
    assert.equal(current.metadata.annotations?.['deployment.kubernetes.io/revision'], '3')
    assert.equal(current.metadata.annotations?.['deployment.kubernetes.io/revision-history'], '1')
  })
})

test('controllers that are restarted in the middle of a rollout finish it', async () => {
  await simulate({ nodes: 3 }, async sim => {
    const { client, until, pods } = sim
    await client.create(Deployment, deployment('web', 10))
    await until('the rollout', () => rolledOut(client, 'web'))
    let most = 0
    client.mirror(Pod).subscribe(() => (most = Math.max(most, pods('default').filter(isLive).length)))
    await client.patch(Deployment, web, 'strategic', setImage('app:2'))
    for (let i = 0; i < 5; i++) {
      await sim.clock.forward(1)
      await sim.restartControllers()
    }
    await until('the second rollout', () => rolledOut(client, 'web') && pods('default').length === 10)
    assert.equal(client.mirror(ReplicaSet).list('default').length, 2)
    assert.ok(most <= 13, `never more than maxSurge allows: there were ${most}`)
  })
})

test('Recreate stops all old pods before it starts new ones', async () => {
  await simulate({ nodes: 3 }, async ({ client, until, pods }) => {
    await client.create(Deployment, deployment('web', 3, { strategy: { type: 'Recreate' } }))
    await until('the rollout', () => rolledOut(client, 'web'))
    let mixed = false
    client.mirror(Pod).subscribe(() => {
      mixed ||= new Set(pods('default').map(pod => pod.spec.containers[0]!.image)).size > 1
    })
    await client.patch(Deployment, web, 'strategic', setImage('app:2'))
    await until('the second rollout', () => rolledOut(client, 'web') && pods('default').length === 3)
    assert.equal(mixed, false)
  })
})

test('old replica sets beyond the limit are deleted, and a paused deployment does not roll out', async () => {
  await simulate({ nodes: 3 }, async ({ client, until, clock }) => {
    await client.create(Deployment, deployment('web', 2, { revisionHistoryLimit: 1 }))
    for (const version of [2, 3, 4]) {
      await until('a rollout', () => rolledOut(client, 'web'))
      await client.patch(Deployment, web, 'strategic', setImage(`app:${version}`))
    }
    const sets = () => client.mirror(ReplicaSet).list('default')
    await until('the last rollout', () => rolledOut(client, 'web') && sets().length === 2)
    await client.patch(Deployment, web, 'merge', { spec: { paused: true } })
    await client.patch(Deployment, web, 'strategic', setImage('app:5'))
    await clock.forward(60_000)
    // While the deployment is paused, all replica sets are old, the running one included; so one of them exceeds the
    // limit.
    assert.equal(sets().length, 1)
    const d = client.mirror(Deployment).get('default', 'web')!
    assert.equal(d.status.conditions?.find(c => c.type === 'Progressing')?.reason, 'DeploymentPaused')
    await client.patch(Deployment, web, 'merge', { spec: { paused: false } })
    await until(
      'the rollout after all',
      () => rolledOut(client, 'web') && sets().some(rs => rs.spec.template.spec.containers[0]!.image === 'app:5'),
    )
  })
})

test('pods that a user deletes are replaced once', async () => {
  await simulate({ nodes: 3 }, async ({ client, until, pods, clock }) => {
    await client.create(Deployment, deployment('web', 6))
    await until('the rollout', () => rolledOut(client, 'web'))
    let most = 0
    client.mirror(Pod).subscribe(() => (most = Math.max(most, pods('default').filter(isLive).length)))
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        pods('default')
          .slice(0, 3)
          .map(pod => client.delete(Pod, ref(pod), { gracePeriodSeconds: 0 })),
      )
      await clock.forward(1)
    }
    await until('six again', () => rolledOut(client, 'web') && pods('default').length === 6)
    assert.equal(most, 6)
  })
})

test('a replica set whose name is in use gets another name', async () => {
  await simulate({ nodes: 2 }, async ({ client, until }) => {
    const sets = () => client.mirror(ReplicaSet).list('default')
    await client.create(Deployment, deployment('web', 1))
    await until('the rollout', () => rolledOut(client, 'web'))
    const { name } = sets()[0]!.metadata
    await client.delete(Deployment, web, { propagationPolicy: 'Foreground' })
    await until('all gone', () => sets().length === 0 && !client.mirror(Deployment).get('default', 'web'))
    const labels = { other: 'yes' }
    await client.create(ReplicaSet, {
      metadata: { name: name!, namespace: 'default' },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'other' }] } },
      },
    })
    await client.create(Deployment, deployment('web', 2))
    await until('the rollout under another name', () => rolledOut(client, 'web'))
    assert.equal(client.mirror(Deployment).get('default', 'web')!.status.collisionCount, 1)
    assert.equal(sets().length, 2)
  })
})

test('when a deployment is scaled in the middle of a rollout, old and new replica sets grow in proportion', async () => {
  const fate = (pod: { spec: { containers: readonly { image?: string }[] } }) =>
    pod.spec.containers[0]!.image === 'app:slow' ? ('running' as const) : ('ready' as const)
  await simulate({ nodes: 4, fate }, async ({ client, until }) => {
    const rollingUpdate = { maxSurge: 3, maxUnavailable: 2 }
    await client.create(Deployment, deployment('web', 10, { strategy: { type: 'RollingUpdate', rollingUpdate } }))
    await until('the rollout', () => rolledOut(client, 'web'))
    await client.patch(Deployment, web, 'strategic', setImage('app:slow'))
    const sizes = () =>
      client
        .mirror(ReplicaSet)
        .list('default')
        .map(rs => rs.spec.replicas)
        .sort((a, b) => b - a)
    await until('the middle', () => sizes().join() === '8,5')
    await client.patch(Deployment, web, 'merge', { spec: { replicas: 30 } })
    // At most 33 pods may exist. Of the 20 more, 8/13 go to the old replica set and 5/13 to the new one.
    await until('both larger', () => sizes().join() === '20,13')
    await client.patch(Deployment, web, 'merge', { spec: { paused: true, replicas: 10 } })
    await until('both smaller', () => sizes().join() === '8,5')
  })
})

test('pods that a quota refuses are reported in the conditions, and created when there is room', async () => {
  await simulate({ nodes: 2 }, async ({ client, until, pods }) => {
    const quota = { metadata: { name: 'small', namespace: 'default' }, spec: { hard: { pods: '2' } } }
    await client.create(ResourceQuota, quota)
    await until(
      'the first count',
      () => client.mirror(ResourceQuota).get('default', 'small')?.status.used?.pods === '0',
    )
    await client.create(Deployment, deployment('web', 4))
    const condition = () =>
      client
        .mirror(Deployment)
        .get('default', 'web')!
        .status.conditions?.find(c => c.type === 'ReplicaFailure')
    await until('the refusal', () => condition()?.status === 'True')
    assert.equal(condition()!.reason, 'FailedCreate')
    assert.match(
      condition()!.message!,
      /is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2/,
    )
    assert.equal(pods('default').length, 2)
    const events = client.mirror(Event).list('default')
    assert.ok(events.some(e => e.reason === 'FailedCreate' && e.message?.startsWith('Error creating: pods "web-')))
    await client.patch(ResourceQuota, { namespace: 'default', name: 'small' }, 'merge', {
      spec: { hard: { pods: '9' } },
    })
    await until('all four', () => rolledOut(client, 'web') && condition() === undefined)
  })
})

const isLive = (pod: { metadata: { deletionTimestamp?: string } }) => !pod.metadata.deletionTimestamp

test('revisions that a double cannot hold are counted exactly', async () => {
  await simulate({ nodes: 2 }, async ({ client, until }) => {
    await client.create(Deployment, deployment('web', 1))
    await until('it is up', () => rolledOut(client, 'web'))
    const [rs] = client.mirror(ReplicaSet).list('default')
    const annotations = { 'deployment.kubernetes.io/revision': '9007199254740993' }
    await client.patch(ReplicaSet, ref(rs!), 'merge', { metadata: { annotations } })
    await client.patch(Deployment, { namespace: 'default', name: 'web' }, 'strategic', setImage('app:2'))
    await until('the next revision', () => rolledOut(client, 'web'))
    const { metadata } = client.mirror(Deployment).get('default', 'web')!
    assert.equal(metadata.annotations?.['deployment.kubernetes.io/revision'], '9007199254740994')
  })
})
