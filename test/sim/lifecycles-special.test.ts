// What the conformance suite tests for single kinds: types of Services, scale, finalizers of namespaces, watches that
// are resumed, ephemeral containers, reviews.
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { settle } from '../../src/base/clock.ts'
import { isReason } from '../../src/base/errors.ts'
import type { Draft, Kind, KubeObject } from '../../src/api/kind.ts'
import type { OperationOptions, WatchEvent } from '../../src/api/operation.ts'
import { DaemonSet } from '../../src/kinds/apps/daemonset.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { ReplicaSet } from '../../src/kinds/apps/replicaset.ts'
import { StatefulSet } from '../../src/kinds/apps/statefulset.ts'
import { Scale } from '../../src/kinds/autoscaling/scale.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { LimitRange } from '../../src/kinds/core/limitrange.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ReplicationController } from '../../src/kinds/core/replicationcontroller.ts'
import { Secret } from '../../src/kinds/core/secret.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { Endpoints } from '../../src/kinds/core/endpoints.ts'
import { PodDisruptionBudget } from '../../src/kinds/policy/poddisruptionbudget.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { deployment, type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const alone = { controllers: false, scheduler: false }
const labels = { app: 'web' }
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'app:1' }] } }
const ports = [{ port: 80 }]

test('a Service can change its type and back', () =>
  simulate(alone, async ({ client }) => {
    const ref = { namespace, name: 'web' }
    const turn = (spec: object) => client.patch(Service, ref, 'merge', { spec })
    await client.create(Service, { metadata: ref, spec: { type: 'ExternalName', externalName: 'example.com' } })
    const port = await turn({ type: 'NodePort', externalName: null, ports })
    ok(port.spec.clusterIP && port.spec.ports?.[0]?.nodePort)
    const back = await turn({ type: 'ExternalName', externalName: 'example.com', clusterIP: '', clusterIPs: null })
    deepStrictEqual(
      [back.spec.clusterIP, back.spec.clusterIPs, back.spec.ports?.[0]?.nodePort],
      [undefined, undefined, undefined],
    )
    const plain = await turn({ type: 'ClusterIP', externalName: null })
    ok(plain.spec.clusterIP && plain.spec.clusterIPs?.[0] === plain.spec.clusterIP)
    strictEqual(
      (await turn({ sessionAffinity: 'ClientIP' })).spec.sessionAffinityConfig?.clientIP?.timeoutSeconds,
      10800,
    )
    strictEqual((await turn({ sessionAffinity: 'None' })).spec.sessionAffinityConfig, undefined)
    const balanced = await turn({ type: 'LoadBalancer' })
    ok(balanced.spec.allocateLoadBalancerNodePorts && balanced.spec.ports?.[0]?.nodePort)
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } }
    const told = await client.patch(Service, ref, 'merge', { status }, { subresource: 'status' })
    strictEqual(told.status.loadBalancer.ingress?.[0]?.ip, '203.0.113.1')
    strictEqual((await turn({ type: 'ClusterIP' })).spec.ports?.[0]?.nodePort, undefined)
  }))

test('one port number with two protocols gets the same node port for both', () =>
  simulate(alone, async ({ client }) => {
    const both = [
      { name: 'u', port: 80, protocol: 'UDP' },
      { name: 't', port: 80, protocol: 'TCP' },
    ] as const
    const made = await client.create(Service, {
      metadata: { namespace, name: 'web' },
      spec: { type: 'NodePort', ports: [...both] },
    })
    const [a, b] = made.spec.ports!
    ok(a!.nodePort && a!.nodePort === b!.nodePort)
  }))

const sized: [Kind<KubeObject & { spec: { replicas: number } }>, object][] = [
  [Deployment as never, { selector: { matchLabels: labels } }],
  [ReplicaSet as never, { selector: { matchLabels: labels } }],
  [StatefulSet as never, { selector: { matchLabels: labels }, serviceName: 'web' }],
  [ReplicationController as never, { selector: labels }],
]
for (const [kind, spec] of sized) {
  test(`the scale of a ${kind.kind} is read, replaced and patched`, () =>
    simulate(alone, async ({ client }) => {
      const ref = { namespace, name: 'web' }
      await client.create(kind, { metadata: ref, spec: { replicas: 1, template, ...spec } } as Draft<never>)
      const read = (await client.get(kind, ref, { subresource: 'scale' })) as unknown as Scale
      deepStrictEqual([read.kind, read.apiVersion, read.spec.replicas], ['Scale', 'autoscaling/v1', 1])
      const next = { ...read, spec: { replicas: 2 } }
      await client.update(kind, next as unknown as Draft<never>, { subresource: 'scale' })
      strictEqual((await client.get(kind, ref)).spec.replicas, 2)
      for (const type of ['merge', 'strategic'] as const)
        await client.patch(kind, ref, type, { spec: { replicas: 4 } }, { subresource: 'scale' })
      const after = await client.get(kind, ref)
      deepStrictEqual([after.spec.replicas, after.metadata.generation], [4, 3])
      await rejects(client.patch(kind, ref, 'merge', { spec: { replicas: -1 } }, { subresource: 'scale' }), {
        reason: 'Invalid',
      })
    }))
}

test('a namespace can be patched, has a status, and stays while a finalizer of a user holds it', () =>
  simulate({ scheduler: false }, async sim => {
    const { client } = sim
    const name = 'held'
    await client.create(Namespace, { metadata: { name } })
    const changed = await client.patch(Namespace, { name }, 'strategic', { metadata: { labels: { a: 'b' } } })
    deepStrictEqual(changed.metadata.labels, { a: 'b', 'kubernetes.io/metadata.name': name })
    const conditions = [{ type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set' }]
    const told = await client.patch(Namespace, { name }, 'merge', { status: { conditions } }, { subresource: 'status' })
    deepStrictEqual([told.status.phase, told.status.conditions?.[0]?.type], ['Active', 'StatusUpdate'])
    const mine = 'e2e.example.com/fake'
    const finalize = async (finalizers: string[]) =>
      client.update(
        Namespace,
        { ...(await client.get(Namespace, { name })), spec: { finalizers } } as Draft<Namespace>,
        {
          subresource: 'finalize',
        },
      )
    deepStrictEqual((await finalize(['kubernetes', mine])).spec.finalizers, ['kubernetes', mine])
    await client.create(ConfigMap, { metadata: { name: 'c', namespace: name } })
    await client.delete(Namespace, { name })
    await sim.until(
      'only mine is left',
      () => client.mirror(Namespace).get(undefined, name)?.spec.finalizers?.join() === mine,
    )
    strictEqual(client.mirror(ConfigMap).list(name).length, 0)
    await finalize([])
    await sim.until('it is gone', () => client.mirror(Namespace).get(undefined, name) === undefined)
  }))

async function follow({ plane }: Sim, options: OperationOptions, signal: AbortSignal): Promise<string[]> {
  const seen: string[] = []
  const user = { name: 'tester', groups: ['system:masters'] }
  const result = await plane.serve({
    verb: 'watch',
    kind: ConfigMap,
    subresource: '',
    namespace,
    name: '',
    user,
    options,
    signal,
  })
  ok(result.type === 'watch')
  const read = async () => {
    for await (const events of result.events as AsyncIterable<readonly WatchEvent[]>)
      seen.push(
        ...events.map(e => `${e.type} ${e.item.object.metadata.name}@${e.item.object.metadata.resourceVersion}`),
      )
  }
  read().catch((error: unknown) => seen.push(String(error)))
  return seen
}

test('watches that begin at any point see the same changes in the same order', () =>
  simulate(alone, async sim => {
    const { client } = sim
    const ending = new AbortController()
    const start = await client.create(ConfigMap, { metadata: { name: 'start', namespace } })
    const watches = [await follow(sim, { resourceVersion: start.metadata.resourceVersion! }, ending.signal)]
    for (let i = 0; i < 10; i++) {
      const made = await client.create(ConfigMap, { metadata: { name: `c${i}`, namespace } })
      if (i % 2) await client.delete(ConfigMap, { name: `c${i}`, namespace })
      watches.push(await follow(sim, { resourceVersion: made.metadata.resourceVersion! }, ending.signal))
    }
    await client.patch(ConfigMap, { name: 'c0', namespace }, 'merge', { data: { a: 'b' } })
    await settle()
    ending.abort()
    const [whole = []] = watches
    strictEqual(whole.length, 16)
    for (const part of watches) deepStrictEqual(part, whole.slice(whole.length - part.length))
  }))

test('a watch with initial events marks their end with a bookmark', () =>
  simulate(alone, async sim => {
    await sim.client.create(ConfigMap, { metadata: { name: 'a', namespace } })
    const ending = new AbortController()
    const options = {
      sendInitialEvents: true,
      allowWatchBookmarks: true,
      resourceVersionMatch: 'NotOlderThan',
    } as const
    const seen = await follow(sim, options, ending.signal)
    await settle()
    ending.abort()
    deepStrictEqual(
      seen.map(e => e.split('@')[0]),
      ['ADDED a', 'BOOKMARK undefined'],
    )
  }))

test('an ephemeral container can be added to a pod, and not removed', () =>
  simulate(alone, async ({ client }) => {
    const ref = { namespace, name: 'p' }
    await client.create(ServiceAccount, { metadata: { name: 'default', namespace } })
    await client.create(Pod, { metadata: ref, spec: template.spec })
    const ephemeralContainers = [{ name: 'debug', image: 'tools:1' }]
    const body = { spec: { ephemeralContainers } }
    const with1 = await client.patch(Pod, ref, 'strategic', body, { subresource: 'ephemeralcontainers' })
    deepStrictEqual(
      with1.spec.ephemeralContainers?.map(c => [c.name, c.terminationMessagePolicy]),
      [['debug', 'File']],
    )
    await rejects(
      client.patch(Pod, ref, 'merge', { spec: { ephemeralContainers: [] } }, { subresource: 'ephemeralcontainers' }),
      {
        reason: 'Invalid',
      },
    )
    await rejects(client.patch(Pod, ref, 'strategic', { spec: { ephemeralContainers: [{ name: 'x', image: 'i' }] } }), {
      reason: 'Invalid',
    })
  }))

test('a config map and a secret that are immutable stay as they are', () =>
  simulate(alone, async ({ client }) => {
    const ref = { namespace, name: 'fixed' }
    await client.create(ConfigMap, { metadata: ref, data: { a: '1' }, immutable: true })
    await client.create(Secret, { metadata: ref, stringData: { a: '1' }, immutable: true })
    await rejects(
      client.patch(ConfigMap, ref, 'merge', { data: { a: '2' } }),
      /data: Forbidden: field is immutable when `immutable` is set/,
    )
    await rejects(
      client.patch(Secret, ref, 'merge', { immutable: false }),
      /immutable: Forbidden: field is immutable when `immutable` is set/,
    )
    await rejects(client.create(ConfigMap, { metadata: { namespace, name: 'empty' }, data: { '': 'x' } }), {
      reason: 'Invalid',
    })
    await client.patch(ConfigMap, ref, 'merge', { metadata: { labels } })
  }))

test('a limit range sets defaults and refuses what exceeds it, and a changed one applies at once', () =>
  simulate(alone, async ({ client }) => {
    await client.create(ServiceAccount, { metadata: { name: 'default', namespace } })
    const spec = {
      limits: [
        {
          type: 'Container',
          min: { cpu: '50m' },
          max: { cpu: '500m' },
          default: { cpu: '500m' },
          defaultRequest: { cpu: '100m' },
        },
      ],
    }
    await client.create(LimitRange, { metadata: { namespace, name: 'l' }, spec: spec as never })
    const pod = (name: string, cpu?: string) => ({
      metadata: { namespace, name },
      spec: { containers: [{ name: 'c', image: 'i', ...(cpu && { resources: { requests: { cpu } } }) }] },
    })
    const made = await client.create(Pod, pod('a'))
    deepStrictEqual(made.spec.containers[0]?.resources, { limits: { cpu: '500m' }, requests: { cpu: '100m' } })
    await rejects(client.create(Pod, pod('b', '10m')), /minimum cpu usage per Container is 50m, but request is 10m/)
    await rejects(client.create(Pod, pod('c', '600m')), { reason: 'Invalid' })
    await client.patch(LimitRange, { namespace, name: 'l' }, 'merge', {
      spec: { limits: [{ ...spec.limits[0], min: { cpu: '5m' } }] },
    })
    await client.create(Pod, pod('b', '10m'))
  }))

test('an eviction is refused until the budget is changed to allow it', () =>
  simulate({ nodes: 1 }, async sim => {
    const { client } = sim
    await client.create(Deployment, deployment('web', 2))
    await sim.until('they run', () => sim.pods('default').filter(p => p.status.phase === 'Running').length === 2)
    const ref = { namespace, name: 'b' }
    await client.create(PodDisruptionBudget, {
      metadata: ref,
      spec: { minAvailable: 2, selector: { matchLabels: labels } },
    })
    const budget = () => client.mirror(PodDisruptionBudget).get(namespace, 'b')
    await sim.until('it is counted', () => budget()?.status.currentHealthy === 2)
    const [pod] = sim.pods('default')
    const evict = async () => {
      const { Eviction } = await import('../../src/kinds/policy/eviction.ts')
      const name = pod!.metadata.name ?? ''
      await client.createUnder(Pod, { namespace, name }, 'eviction', Eviction, { metadata: { name, namespace } })
    }
    await rejects(evict(), (error: unknown) => isReason(error, 'TooManyRequests'))
    await client.patch(PodDisruptionBudget, ref, 'merge', { spec: { minAvailable: '50%' } })
    await sim.until('it allows one', () => budget()?.status.disruptionsAllowed === 1)
    await evict()
  }))

test('a Service without pods has empty endpoints, and one whose selector matches has the pods', () =>
  simulate({ nodes: 1 }, async sim => {
    const { client } = sim
    for (const app of ['none', 'web'])
      await client.create(Service, { metadata: { namespace, name: app }, spec: { ports, selector: { app } } })
    await client.create(Deployment, deployment('web', 1))
    const of = (name: string) => client.mirror(Endpoints).get(namespace, name)
    await sim.until(
      'both are there',
      () => of('none') !== undefined && of('web')?.subsets?.[0]?.addresses?.length === 1,
    )
    strictEqual(of('none')?.subsets?.length ?? 0, 0)
    await client.delete(Service, { namespace, name: 'none' })
    await sim.until('its endpoints are gone', () => of('none') === undefined)
  }))

test('a daemon set is marked when it is asked for foreground deletion', () =>
  simulate(alone, async ({ client }) => {
    const ref = { namespace, name: 'd' }
    await client.create(DaemonSet, { metadata: ref, spec: { selector: { matchLabels: labels }, template } })
    await client.delete(DaemonSet, ref, { propagationPolicy: 'Foreground' })
    const marked = await client.get(DaemonSet, ref)
    ok(marked.metadata.deletionTimestamp)
    deepStrictEqual(marked.metadata.finalizers, ['foregroundDeletion'])
  }))
