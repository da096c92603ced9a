// Stateful and daemon sets with interruptions: restarts, lost pods, failing nodes; and the claims of numbered pods.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { ControllerRevision } from '../../src/kinds/apps/controllerrevision.ts'
import { DaemonSet } from '../../src/kinds/apps/daemonset.ts'
import { StatefulSet } from '../../src/kinds/apps/statefulset.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { PersistentVolumeClaim } from '../../src/kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ref, setImage, type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const named = (name: string) => ({ name, namespace })
const template = (app: string) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'c', image: 'app:1' }] },
})
const stateful = (spec: Draft<StatefulSet['spec']>): Draft<StatefulSet> => ({
  metadata: named('db'),
  spec: { serviceName: 'db', replicas: 3, selector: { matchLabels: { app: 'db' } }, template: template('db'), ...spec },
})
const set = ({ client }: Sim) => client.mirror(StatefulSet).get(namespace, 'db')!
const names = (sim: Sim) =>
  sim
    .pods(namespace)
    .map(pod => pod.metadata.name!)
    .sort()

test('a stateful set is updated down to its partition, through restarts, and lost pods come back as they were', async () => {
  await simulate({ nodes: 3 }, async sim => {
    const { client, until } = sim
    await client.create(StatefulSet, stateful({}))
    await until('three', () => set(sim).status.availableReplicas === 3)
    const before = set(sim).status.currentRevision
    const labels = () => sim.pods(namespace).map(pod => pod.metadata.labels!['controller-revision-hash']!)
    assert.deepEqual(new Set(labels()), new Set([before]), 'the label of a pod is the name of its revision')
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { partition: 2 } }
    await client.patch(StatefulSet, named('db'), 'merge', { spec: { updateStrategy } })
    await client.patch(StatefulSet, named('db'), 'strategic', setImage('app:2'))
    for (let i = 0; i < 6; i++) {
      await sim.clock.forward(1)
      await sim.restartControllers()
    }
    const settled = () =>
      set(sim).status.observedGeneration === set(sim).metadata.generation && set(sim).status.availableReplicas === 3
    await until('one updated', () => settled() && set(sim).status.updatedReplicas === 1)
    const image = (name: string) => client.mirror(Pod).get(namespace, name)?.spec.containers[0]!.image
    assert.deepEqual(['db-0', 'db-1', 'db-2'].map(image), ['app:1', 'app:1', 'app:2'])
    for (const name of ['db-0', 'db-2']) await client.delete(Pod, named(name), { gracePeriodSeconds: 0 })
    await until('both back', () => settled() && names(sim).length === 3)
    assert.deepEqual(['db-0', 'db-1', 'db-2'].map(image), ['app:1', 'app:1', 'app:2'])
    assert.notEqual(set(sim).status.currentRevision, set(sim).status.updateRevision)
    await client.patch(StatefulSet, named('db'), 'merge', {
      spec: { updateStrategy: { rollingUpdate: { partition: 0 } } },
    })
    await until('all', () => settled() && set(sim).status.currentRevision === set(sim).status.updateRevision)
    assert.equal(client.mirror(ControllerRevision).list(namespace).length, 2)
  })
})

test('claims are deleted with the set or with scaled-down pods, as the retention policy says', async () => {
  // No volumes are provisioned here, so the pods never start. With Parallel they need not.
  await simulate({ nodes: 2 }, async sim => {
    const { client, until } = sim
    const claims = () =>
      client
        .mirror(PersistentVolumeClaim)
        .list(namespace)
        .map(c => c.metadata.name!)
        .sort()
    const spec = (whenDeleted: string, whenScaled: string) =>
      ({
        podManagementPolicy: 'Parallel',
        persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled },
        volumeClaimTemplates: [
          {
            metadata: { name: 'data' },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
          },
        ],
      }) as Draft<StatefulSet['spec']>
    await client.create(StatefulSet, stateful(spec('Retain', 'Delete')))
    await until('three claims', () => claims().length === 3 && names(sim).length === 3)
    assert.deepEqual(claims(), ['data-db-0', 'data-db-1', 'data-db-2'])
    await client.patch(StatefulSet, named('db'), 'merge', { spec: { replicas: 1 } })
    await until('one claim', () => claims().length === 1 && names(sim).length === 1)
    await client.patch(StatefulSet, named('db'), 'merge', { spec: { replicas: 2 } })
    await until('two claims', () => claims().length === 2 && names(sim).length === 2)
    await client.delete(StatefulSet, named('db'))
    await until('no pods', () => names(sim).length === 0)
    await sim.clock.forward(60_000)
    assert.deepEqual(claims(), ['data-db-0', 'data-db-1'], 'they are kept')
    await client.create(StatefulSet, stateful({ ...spec('Delete', 'Retain'), replicas: 2 }))
    await until('two pods', () => names(sim).length === 2)
    await until('owners', () =>
      client
        .mirror(PersistentVolumeClaim)
        .list(namespace)
        .every(c => c.metadata.ownerReferences?.[0]?.kind === 'StatefulSet'),
    )
    await client.delete(StatefulSet, named('db'))
    await until('nothing', () => claims().length === 0 && names(sim).length === 0)
  })
})

test('a daemon pod that keeps failing on one node is replaced less and less often', async () => {
  const bad = 'node-1'
  await simulate({ nodes: 3, fate: pod => (pod.spec.nodeName === bad ? 'failed' : 'ready') }, async sim => {
    const { client, until } = sim
    let made = 0
    client.mirror(Pod).subscribe(changes => (made += changes.filter(c => c.type === 'ADDED').length))
    await client.create(DaemonSet, {
      metadata: named('agent'),
      spec: { selector: { matchLabels: { app: 'agent' } }, template: template('agent') },
    })
    const status = () => client.mirror(DaemonSet).get(namespace, 'agent')!.status
    await until('two', () => status().numberAvailable === 2)
    await sim.clock.forward(120_000)
    // Seven waits of 1 + 2 + 4 + … seconds are about two minutes.
    assert.ok(made >= 3 + 5 && made <= 3 + 8, `${made} pods were made`)
    assert.equal(status().numberUnavailable, 1)
    const told = client
      .mirror(Event)
      .list(namespace)
      .filter(e => e.reason === 'FailedDaemonPod')
    assert.ok(told.length > 0)
    await client.delete(Node, { name: bad })
    await until('two of two', () => status().desiredNumberScheduled === 2 && sim.pods(namespace).length === 2)
  })
})

test('a daemon set surges: every node keeps a ready pod while it is updated, also through restarts', async () => {
  await simulate({ nodes: 4 }, async sim => {
    const { client, until } = sim
    await client.create(DaemonSet, {
      metadata: named('agent'),
      spec: {
        selector: { matchLabels: { app: 'agent' } },
        template: template('agent'),
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      },
    })
    const daemons = () => client.mirror(DaemonSet).get(namespace, 'agent')!
    await until('four', () => daemons().status.numberAvailable === 4)
    const nodesWithReady = () =>
      new Set(
        sim
          .pods(namespace)
          .filter(
            pod =>
              !pod.metadata.deletionTimestamp &&
              pod.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True'),
          )
          .map(pod => pod.spec.nodeName),
      ).size
    let [fewest, most] = [4, 4]
    client.mirror(Pod).subscribe(() => {
      fewest = Math.min(fewest, nodesWithReady())
      most = Math.max(most, sim.pods(namespace).filter(pod => !pod.metadata.deletionTimestamp).length)
    })
    await client.patch(DaemonSet, named('agent'), 'strategic', setImage('app:2'))
    for (let i = 0; i < 5; i++) {
      await sim.clock.forward(1)
      await sim.restartControllers()
    }
    await until('the update', () => {
      const { status, metadata } = daemons()
      return (
        status.observedGeneration === metadata.generation &&
        status.updatedNumberScheduled === 4 &&
        status.numberAvailable === 4 &&
        sim.pods(namespace).length === 4
      )
    })
    assert.equal(fewest, 4)
    assert.ok(most <= 5, `${most} pods at a time`)
  })
})

test('with OnDelete, a pod that a user deletes is replaced by one of the new revision', async () => {
  await simulate({ nodes: 2 }, async sim => {
    const { client, until } = sim
    await client.create(StatefulSet, stateful({ replicas: 2, updateStrategy: { type: 'OnDelete' } }))
    await until('two', () => set(sim).status.availableReplicas === 2)
    await client.patch(StatefulSet, named('db'), 'strategic', setImage('app:2'))
    await sim.clock.forward(60_000)
    assert.equal(set(sim).status.updatedReplicas ?? 0, 0)
    const first = client.mirror(Pod).get(namespace, 'db-0')!
    await client.delete(Pod, ref(first))
    await until('one updated', () => set(sim).status.updatedReplicas === 1 && set(sim).status.availableReplicas === 2)
  })
})
