// The workloads except Deployment, from the object to running pods.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { DaemonSet } from '../../src/kinds/apps/daemonset.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { StatefulSet } from '../../src/kinds/apps/statefulset.ts'
import { CronJob } from '../../src/kinds/batch/cronjob.ts'
import { Job } from '../../src/kinds/batch/job.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ReplicationController } from '../../src/kinds/core/replicationcontroller.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { Endpoints } from '../../src/kinds/core/endpoints.ts'
import { EndpointSlice } from '../../src/kinds/discovery/endpointslice.ts'
import { PodDisruptionBudget } from '../../src/kinds/policy/poddisruptionbudget.ts'
import { deployment, ref, rolledOut, setImage, type SimOptions, simulate } from './cluster.ts'

const namespace = 'default'
const named = (name: string) => ({ name, namespace })
const template = (app: string, image = 'app:1'): Draft<Deployment['spec']['template']> => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'c', image }] },
})

test('a daemon set runs on every suitable node, also on new ones, and rolls out changes', async () => {
  await simulate({ nodes: 3 }, async ({ client, until, pods, addNode }) => {
    await client.create(DaemonSet, {
      metadata: named('agent'),
      spec: { selector: { matchLabels: { app: 'agent' } }, template: template('agent') },
    })
    const status = () => client.mirror(DaemonSet).get(namespace, 'agent')!.status
    await until('three', () => status().numberAvailable === 3)
    await addNode('late')
    await until('four', () => status().numberAvailable === 4)
    assert.equal(new Set(pods(namespace).map(pod => pod.spec.nodeName)).size, 4)
    await client.patch(DaemonSet, named('agent'), 'strategic', setImage('app:2'))
    await until(
      'the rollout',
      () =>
        observed(client.mirror(DaemonSet).get(namespace, 'agent')!) &&
        status().updatedNumberScheduled === 4 &&
        status().numberAvailable === 4,
    )
    assert.ok(pods(namespace).every(pod => pod.spec.containers[0]!.image === 'app:2'))
    const taints = [{ key: 'maintenance', effect: 'NoExecute' as const }]
    await client.patch(Node, { name: 'late' }, 'merge', { spec: { taints } })
    await until('three again', () => pods(namespace).length === 3 && status().desiredNumberScheduled === 3)
  })
})

test('a stateful set creates its pods in order, keeps their names, updates from the highest and scales down in reverse', async () => {
  await simulate({ nodes: 3 }, async ({ client, until, pods }) => {
    const order: string[] = []
    client.mirror(Pod).subscribe(changes => {
      for (const { type, item, before } of changes) {
        const name = item.object.metadata.name!
        if (type === 'ADDED') order.push(`+${name}`)
        if (item.object.metadata.deletionTimestamp && !before?.object.metadata.deletionTimestamp) order.push(`-${name}`)
      }
    })
    await client.create(StatefulSet, {
      metadata: named('db'),
      spec: { serviceName: 'db', replicas: 3, selector: { matchLabels: { app: 'db' } }, template: template('db') },
    })
    const set = () => client.mirror(StatefulSet).get(namespace, 'db')!
    await until('three', () => set().status.availableReplicas === 3)
    assert.deepEqual(order.splice(0), ['+db-0', '+db-1', '+db-2'])
    await client.patch(StatefulSet, named('db'), 'strategic', setImage('app:2'))
    await until(
      'the update',
      () =>
        observed(set()) &&
        set().status.currentRevision === set().status.updateRevision &&
        set().status.updatedReplicas === 3 &&
        set().status.availableReplicas === 3,
    )
    assert.deepEqual(order.splice(0), ['-db-2', '+db-2', '-db-1', '+db-1', '-db-0', '+db-0'])
    await client.patch(StatefulSet, named('db'), 'merge', { spec: { replicas: 1 } })
    await until('one', () => pods(namespace).length === 1 && set().status.replicas === 1)
    assert.deepEqual(order.splice(0), ['-db-2', '-db-1'])
  })
})

const job = (name: string, spec: Draft<Job['spec']>): Draft<Job> => ({
  metadata: named(name),
  spec: { ...spec, template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'work' }] } } },
})
const succeed: SimOptions = { nodes: 2, fate: () => 'succeeded' }

test('jobs complete by number and by index, and are deleted after their time', async () => {
  await simulate(succeed, async ({ client, until, pods }) => {
    await client.create(Job, job('plain', { completions: 5, parallelism: 2 }))
    await client.create(
      Job,
      job('indexed', { completions: 3, parallelism: 3, completionMode: 'Indexed', ttlSecondsAfterFinished: 30 }),
    )
    const status = (name: string) => client.mirror(Job).get(namespace, name)?.status
    const complete = (name: string) => status(name)?.conditions?.some(c => c.type === 'Complete') ?? false
    await until('plain', () => complete('plain'))
    await until('indexed', () => complete('indexed'))
    assert.equal(status('plain')?.succeeded, 5)
    assert.equal(status('plain')?.active ?? 0, 0)
    assert.equal(status('indexed')?.completedIndexes, '0-2')
    assert.ok(pods(namespace).every(pod => !pod.metadata.finalizers?.length))
    await until('the ttl', () => !status('indexed') && pods(namespace).length === 5)
  })
})

test('a job that keeps failing fails at its limit, and one past its deadline is stopped', async () => {
  await simulate(
    { nodes: 2, fate: pod => (pod.metadata.labels?.['job-name'] === 'slow' ? 'ready' : 'failed') },
    async ({ client, until, pods }) => {
      await client.create(Job, job('broken', { backoffLimit: 2 }))
      await client.create(Job, job('slow', { activeDeadlineSeconds: 100 }))
      const failed = (name: string) =>
        client
          .mirror(Job)
          .get(namespace, name)!
          .status.conditions?.find(c => c.type === 'Failed')?.reason
      await until('giving up', () => failed('broken') === 'BackoffLimitExceeded')
      assert.equal(client.mirror(Job).get(namespace, 'broken')!.status.failed, 3)
      await until('the deadline', () => failed('slow') === 'DeadlineExceeded')
      await until('its pod gone', () => pods(namespace).every(pod => pod.metadata.labels?.['job-name'] !== 'slow'))
    },
  )
})

test('an indexed job gives up single indexes and runs the others', async () => {
  const even = (pod: { metadata: { labels?: Record<string, string> } }) =>
    Number(pod.metadata.labels?.['batch.kubernetes.io/job-completion-index']) % 2 === 0
  await simulate(
    { nodes: 2, fate: pod => (even(pod as never) ? 'failed' : 'succeeded') },
    async ({ client, until }) => {
      const spec = { completions: 4, parallelism: 2, completionMode: 'Indexed' as const, backoffLimitPerIndex: 1 }
      await client.create(Job, job('some', spec))
      const status = () => client.mirror(Job).get(namespace, 'some')!.status
      await until('the end', () => status().conditions?.some(c => c.type === 'Failed') ?? false)
      assert.equal(status().conditions?.find(c => c.type === 'Failed')?.reason, 'FailedIndexes')
      assert.equal(status().completedIndexes, '1,3')
      assert.equal(status().failedIndexes, '0,2')
      assert.equal(status().failed, 4)
    },
  )
})

test('a cron job creates a job every minute and keeps three of them', async () => {
  await simulate(succeed, async ({ client, until, clock }) => {
    await client.create(CronJob, {
      metadata: named('tick'),
      spec: { schedule: '* * * * *', jobTemplate: { spec: job('x', {}).spec! } },
    })
    await clock.forward(10 * 60_000)
    const jobs = () => client.mirror(Job).list(namespace)
    await until('three kept', () => jobs().length === 3)
    const cron = client.mirror(CronJob).get(namespace, 'tick')!
    assert.ok(cron.status.lastScheduleTime && cron.status.lastSuccessfulTime)
  })
})

test('a service has its ready pods as endpoints, and loses them when they are deleted', async () => {
  await simulate({ nodes: 2 }, async ({ client, until, pods }) => {
    await client.create(Service, {
      metadata: named('web'),
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    })
    await client.create(Deployment, deployment('web', 3))
    await until('the rollout', () => rolledOut(client, 'web'))
    const slices = () =>
      client
        .mirror(EndpointSlice)
        .list(namespace)
        .filter(s => s.metadata.labels?.['kubernetes.io/service-name'] === 'web')
    const addresses = () =>
      slices().flatMap(slice => slice.endpoints.filter(e => e.conditions.ready).flatMap(e => e.addresses))
    await until('three addresses', () => addresses().length === 3)
    assert.equal(slices().length, 1)
    assert.deepEqual(slices()[0]!.ports, [{ name: '', port: 8080, protocol: 'TCP' }])
    const endpoints = () => client.mirror(Endpoints).get(namespace, 'web')?.subsets
    assert.equal(endpoints()?.[0]?.addresses?.length, 3)
    assert.deepEqual(new Set(addresses()), new Set(pods(namespace).map(pod => pod.status.podIP)))
    await client.patch(Deployment, named('web'), 'merge', { spec: { replicas: 0 } })
    await until('none', () => addresses().length === 0 && endpoints() === undefined)
    await client.delete(Service, named('web'))
    await until('cleaned up', () => slices().length === 0 && !client.mirror(Endpoints).get(namespace, 'web'))
  })
})

test('endpoints that a user writes are mirrored into slices while their service has no selector', async () => {
  await simulate({ nodes: 0, scheduler: false }, async ({ client, until }) => {
    await client.create(Service, { metadata: named('db'), spec: { ports: [{ port: 5432 }] } })
    const addresses = [{ ip: '192.0.2.7' }, { ip: '2001:db8::7' }]
    await client.create(Endpoints, {
      metadata: { ...named('db'), labels: { team: 'a' } },
      subsets: [{ addresses, notReadyAddresses: [{ ip: '192.0.2.8' }], ports: [{ port: 5432 }] }],
    })
    const slices = () =>
      client
        .mirror(EndpointSlice)
        .list(namespace)
        .filter(s => s.metadata.labels?.['kubernetes.io/service-name'] === 'db')
    const text = () =>
      slices()
        .flatMap(s => s.endpoints.map(e => `${s.addressType} ${e.addresses[0]} ${e.conditions.ready}`))
        .sort()
    await until('two slices', () => slices().length === 2)
    assert.deepEqual(text(), ['IPv4 192.0.2.7 true', 'IPv4 192.0.2.8 false', 'IPv6 2001:db8::7 true'])
    assert.equal(slices()[0]!.metadata.labels!.team, 'a')
    assert.equal(
      slices()[0]!.metadata.labels!['endpointslice.kubernetes.io/managed-by'],
      'endpointslicemirroring-controller.k8s.io',
    )
    await client.patch(Endpoints, named('db'), 'merge', {
      subsets: [{ addresses: addresses.slice(0, 1), ports: [{ port: 5432 }] }],
    })
    await until('one slice', () => text().join() === 'IPv4 192.0.2.7 true')
    const skip = { 'endpointslice.kubernetes.io/skip-mirror': 'true' }
    await client.patch(Endpoints, named('db'), 'merge', { metadata: { labels: skip } })
    await until('none', () => slices().length === 0)
    await client.patch(Endpoints, named('db'), 'merge', {
      metadata: { labels: { ...skip, [Object.keys(skip)[0]!]: null } },
    })
    await until('one again', () => slices().length === 1)
    await client.delete(Service, named('db'))
    await until('none without a service', () => slices().length === 0)
  })
})

test('slices have the labels of their service, and hints when it prefers close endpoints', async () => {
  await simulate({ nodes: 0 }, async ({ client, until, addNode }) => {
    for (const zone of ['a', 'b'])
      await addNode(zone, { metadata: { labels: { 'topology.kubernetes.io/zone': zone } } })
    await client.create(Service, {
      metadata: { ...named('web'), labels: { team: 'a' } },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }], trafficDistribution: 'PreferSameZone' },
    })
    await client.create(Deployment, deployment('web', 4))
    const slice = () =>
      client
        .mirror(EndpointSlice)
        .list(namespace)
        .find(s => s.metadata.labels?.['kubernetes.io/service-name'] === 'web')!
    const hints = () => slice().endpoints.map(e => e.hints?.forZones?.[0]?.name)
    await until('four with hints', () => slice()?.endpoints.length === 4 && hints().every(zone => zone))
    assert.deepEqual(
      hints(),
      slice().endpoints.map(e => e.zone),
    )
    assert.equal(slice().metadata.labels!.team, 'a')
    await client.patch(Service, named('web'), 'merge', {
      metadata: { labels: { team: 'b' } },
      spec: { trafficDistribution: null },
    })
    await until('the other label', () => slice().metadata.labels!.team === 'b')
    await until('no hints', () => hints().every(zone => !zone))
    const annotations = { 'service.kubernetes.io/topology-mode': 'Auto' }
    await client.patch(Service, named('web'), 'merge', { metadata: { annotations } })
    await until(
      'hints in proportion',
      () => hints().filter(zone => zone === 'a').length === 2 && !hints().includes(undefined),
    )
  })
})

test('a replication controller adopts pods that match its selector and releases those that no longer do', async () => {
  await simulate({ nodes: 2 }, async ({ client, until, pods, clock }) => {
    await clock.forward(100)
    await client.create(Pod, {
      metadata: { ...named('stray'), labels: { app: 'old' } },
      spec: { containers: [{ name: 'c', image: 'app:1' }] },
    })
    await client.create(ReplicationController, {
      metadata: named('old'),
      spec: { replicas: 2, selector: { app: 'old' }, template: template('old') },
    })
    const rc = () => client.mirror(ReplicationController).get(namespace, 'old')!
    await until('two', () => rc().status.availableReplicas === 2)
    assert.equal(pods(namespace).length, 2)
    const stray = () => client.mirror(Pod).get(namespace, 'stray')!
    assert.equal(stray().metadata.ownerReferences?.[0]?.name, 'old')
    await client.patch(Pod, ref(stray()), 'merge', { metadata: { labels: { app: 'other' } } })
    await until(
      'released and replaced',
      () => !stray().metadata.ownerReferences?.length && pods(namespace).length === 3,
    )
  })
})

test('the status of a disruption budget has the number of pods that may be evicted', async () => {
  await simulate({ nodes: 2 }, async ({ client, until }) => {
    await client.create(PodDisruptionBudget, {
      metadata: named('web'),
      spec: { maxUnavailable: 1, selector: { matchLabels: { app: 'web' } } },
    })
    await client.create(Deployment, deployment('web', 4))
    await until('the rollout', () => rolledOut(client, 'web'))
    const status = () => client.mirror(PodDisruptionBudget).get(namespace, 'web')!.status
    await until('one allowed', () => status().disruptionsAllowed === 1)
    assert.equal(status().expectedPods, 4)
    assert.equal(status().desiredHealthy, 3)
  })
})

const observed = (object: {
  readonly metadata: { readonly generation?: number }
  readonly status: { readonly observedGeneration?: number }
}) => object.status.observedGeneration === object.metadata.generation
