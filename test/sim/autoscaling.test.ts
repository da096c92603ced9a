// Autoscalers with the real API and with metrics APIs for resource, custom and external metrics: their conditions and
// events, and how they scale Deployments, StatefulSets and targets that do not exist.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Item } from '../../src/api/mirror.ts'
import { matchesSelector, parseSelector } from '../../src/api/labels.ts'
import { timeText } from '../../src/api/time.ts'
import type { Draft } from '../../src/api/kind.ts'
import { makeFrontProxy, openExtension, registrationOf } from '../../src/apiserver/aggregation/testing.ts'
import { canonical, type Handler } from '../../src/apiserver/index.ts'
import { StatusError } from '../../src/base/errors.ts'
import { metricsKinds } from '../../src/cluster/metrics-api.ts'
import { APIService } from '../../src/kinds/apiregistration/apiservice.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { HorizontalPodAutoscaler } from '../../src/kinds/autoscaling/horizontalpodautoscaler-v2.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { deployment, type Sim, simulate } from './cluster.ts'

const namespace = 'default'

/** The values that the metrics APIs return: the CPU of each pod in thousandths, other metrics by name. */
interface World {
  cpuMilli: number
  metrics: Record<string, number>
}

function served(world: World) {
  const pods: Handler = async ({ storage, clock }, operation) => {
    const terms = parseSelector(operation.options.labelSelector ?? '')
    const running = storage
      .mirror(Pod)
      .list(operation.namespace)
      .filter(p => p.status.phase === 'Running' && matchesSelector(terms, p.metadata.labels))
    const items = running.map(({ metadata, spec }) => {
      const usage = { cpu: `${world.cpuMilli}m`, memory: '10Mi' }
      const object = {
        metadata: { name: metadata.name, namespace: metadata.namespace },
        timestamp: timeText(clock.now()),
        window: '15s',
        containers: spec.containers.map(c => ({ name: c.name, usage })),
      }
      return new Item(canonical(operation.kind, object), 0)
    })
    return { type: 'list', kind: operation.kind, items, revision: 1 }
  }
  const custom: Handler = async ({ storage, clock }, { kind, namespace: at, name, subresource }) => {
    const value = world.metrics[subresource]
    if (value === undefined) throw new StatusError('NotFound', `the server could not find the metric ${subresource}`)
    const names =
      name === '*'
        ? storage
            .mirror(Pod)
            .list(at)
            .map(p => p.metadata.name)
        : [name]
    const items = names.map(n => ({
      describedObject: { name: n },
      metric: { name: subresource },
      timestamp: timeText(clock.now()),
      value: String(value),
    }))
    return { type: 'object', kind, item: new Item(canonical(kind, { metadata: {}, items }), 0) }
  }
  const external: Handler = async ({ clock }, { kind }) => {
    const value = world.metrics[kind.plural]
    if (value === undefined) throw new StatusError('NotFound', `the server could not find the metric ${kind.plural}`)
    const object = { metricName: kind.plural, timestamp: timeText(clock.now()), value: String(value) }
    return { type: 'list', kind, items: [new Item(canonical(kind, { ...object, metadata: {} }), 0)], revision: 1 }
  }
  return {
    kinds: metricsKinds,
    handlers: new Map([
      ['metrics.k8s.io', pods],
      ['custom.metrics.k8s.io', custom],
      ['external.metrics.k8s.io', external],
    ]),
  }
}

const web = (replicas: number) =>
  deployment('web', replicas, {
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'c', image: 'app:1', resources: { requests: { cpu: '100m' } } }] },
    },
  })

const cpu = (averageUtilization: number) => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
})

type Spec = Draft<HorizontalPodAutoscaler['spec']>
const autoscaler = (more: Partial<Spec>): Draft<HorizontalPodAutoscaler> => ({
  metadata: { name: 'web', namespace },
  spec: {
    scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' },
    minReplicas: 1,
    maxReplicas: 10,
    metrics: [cpu(50)],
    ...more,
  } as Spec,
})

const replicas = (sim: Sim) => sim.client.mirror(Deployment).get(namespace, 'web')?.spec.replicas
const hpa = (sim: Sim) => sim.client.mirror(HorizontalPodAutoscaler).get(namespace, 'web')!
const condition = (sim: Sim, type: string) => hpa(sim).status.conditions?.find(c => c.type === type)
const reasons = (sim: Sim) =>
  new Set(
    sim.client
      .mirror(Event)
      .list(namespace)
      .map(e => e.reason),
  )

test('a target under load gets more pods, and loses them five minutes after the load has ended', () => {
  const world: World = { cpuMilli: 50, metrics: {} }
  return simulate({ nodes: 3, extensions: served(world) }, async sim => {
    await sim.client.create(Deployment, web(2))
    await sim.until('two pods', () => sim.pods(namespace).filter(p => p.status.phase === 'Running').length === 2)
    // The CPU of pods younger than five minutes does not count yet.
    await sim.clock.forward(301_000)
    await sim.client.create(HorizontalPodAutoscaler, autoscaler({}))
    await sim.until('a look', () => condition(sim, 'ScalingActive')?.status === 'True')
    strictEqual(replicas(sim), 2)
    strictEqual(hpa(sim).status.currentMetrics?.[0]?.resource?.current.averageUtilization, 50)
    world.cpuMilli = 100
    await sim.until('four pods', () => replicas(sim) === 4)
    match(condition(sim, 'AbleToScale')?.message ?? '', /able to update the target scale to 4/)
    ok(reasons(sim).has('SuccessfulRescale'))
    ok(hpa(sim).status.lastScaleTime)
    world.cpuMilli = 10
    await sim.clock.forward(120_000)
    strictEqual(replicas(sim), 4)
    strictEqual(condition(sim, 'AbleToScale')?.reason, 'ScaleDownStabilized')
    await sim.until('one pod', () => replicas(sim) === 1, 900_000)
    const told = sim.client
      .mirror(Event)
      .list(namespace)
      .filter(e => e.reason === 'SuccessfulRescale')
    ok(told.some(e => e.message === 'New size: 1; reason: All metrics below target'))
  })
})

test('the highest proposal of all metrics counts, and with a metric missing the target is not scaled down', () => {
  const world: World = { cpuMilli: 50, metrics: { depth: 400, 'requests-per-second': 10 } }
  const metrics = [
    cpu(50),
    {
      type: 'External',
      external: { metric: { name: 'depth' }, target: { type: 'AverageValue', averageValue: '100' } },
    },
    {
      type: 'Pods',
      pods: { metric: { name: 'requests-per-second' }, target: { type: 'AverageValue', averageValue: '10' } },
    },
    {
      type: 'Object',
      object: {
        describedObject: { kind: 'Service', name: 'front', apiVersion: 'v1' },
        metric: { name: 'latency' },
        target: { type: 'Value', value: '10' },
      },
    },
  ]
  return simulate({ nodes: 3, extensions: served(world) }, async sim => {
    world.metrics.latency = 10
    await sim.client.create(Deployment, web(2))
    await sim.until('two pods', () => sim.pods(namespace).filter(p => p.status.phase === 'Running').length === 2)
    await sim.clock.forward(301_000)
    const behavior = { scaleDown: { stabilizationWindowSeconds: 0 } }
    await sim.client.create(HorizontalPodAutoscaler, autoscaler({ metrics: metrics as never, behavior }))
    await sim.until('as many as the queue asks for', () => replicas(sim) === 4)
    // The autoscaler writes its status after it has scaled the target.
    await sim.until('the metric is named', () =>
      /external metric depth/.test(condition(sim, 'ScalingActive')?.message ?? ''),
    )
    await sim.clock.forward(20_000)
    deepStrictEqual(
      hpa(sim).status.currentMetrics?.map(m => m.type),
      ['Resource', 'External', 'Pods', 'Object'],
    )
    delete world.metrics.depth
    world.cpuMilli = 1
    world.metrics = { 'requests-per-second': 1 }
    await sim.clock.forward(60_000)
    strictEqual(replicas(sim), 4)
    strictEqual(condition(sim, 'ScalingActive')?.reason, 'FailedGetExternalMetric')
    ok(reasons(sim).has('FailedComputeMetricsReplicas'))
    world.metrics = { 'requests-per-second': 1, depth: 100, latency: 1 }
    await sim.until('fewer again', () => replicas(sim) === 1)
  })
})

test('the autoscaler keeps its bounds, leaves a target at zero alone, and reports a missing one', () => {
  const world: World = { cpuMilli: 50, metrics: {} }
  return simulate({ nodes: 2, extensions: served(world) }, async sim => {
    await sim.client.create(HorizontalPodAutoscaler, autoscaler({ minReplicas: 3, maxReplicas: 5 }))
    await sim.until('the failure', () => condition(sim, 'AbleToScale')?.reason === 'FailedGetScale')
    match(condition(sim, 'AbleToScale')?.message ?? '', /deployments.apps "web" not found/)
    await sim.client.create(Deployment, web(0))
    await sim.until('no scaling', () => condition(sim, 'ScalingActive')?.reason === 'ScalingDisabled', 60_000)
    await sim.client.patch(Deployment, { namespace, name: 'web' }, 'merge', { spec: { replicas: 9 } })
    await sim.until('at most five', () => replicas(sim) === 5, 60_000)
    await sim.client.patch(Deployment, { namespace, name: 'web' }, 'merge', { spec: { replicas: 1 } })
    await sim.until('at least three', () => replicas(sim) === 3, 60_000)
    await sim.client.patch(HorizontalPodAutoscaler, { namespace, name: 'web' }, 'merge', {
      spec: { scaleTargetRef: { kind: 'ConfigMap', name: 'x', apiVersion: 'v1' } },
    })
    await sim.until('the reason', () =>
      /no matches for kind "ConfigMap" in group ""/.test(condition(sim, 'AbleToScale')?.message ?? ''),
    )
  })
})

test('metrics of extension servers are asked for, also in place of those that the server has itself', async () => {
  const world: World = { cpuMilli: 50, metrics: {} }
  const frontProxy = await makeFrontProxy()
  let now = 0
  const asked = new Set<string>()
  const adapter = await openExtension('adapter', frontProxy.ca, (request, response) => {
    const { pathname } = new URL(request.url ?? '', 'https://server')
    asked.add(pathname)
    const [, , group = '', version = '', , , ...metric] = pathname.split('/')
    const send = (body: object) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
    const timestamp = timeText(now)
    if (!metric.length) return send({ kind: 'APIResourceList', groupVersion: `${group}/${version}`, resources: [] })
    const listed = (items: object[]) => send({ kind: 'List', apiVersion: `${group}/${version}`, metadata: {}, items })
    if (group === 'external.metrics.k8s.io') return listed([{ metricName: 'depth', timestamp, value: '300' }])
    if (group === 'custom.metrics.k8s.io')
      return send({
        kind: 'MetricValueList',
        apiVersion: `${group}/${version}`,
        items: [{ describedObject: { name: 'front' }, metricName: 'latency', timestamp, value: '20' }],
      })
    const usage = { cpu: '75m', memory: '10Mi' }
    const containers = [{ name: 'c', usage }]
    return listed(
      pods().map(({ metadata }) => ({
        metadata: { name: metadata.name, namespace },
        timestamp,
        window: '15s',
        containers,
      })),
    )
  })
  let pods: () => readonly Pod[] = () => []
  try {
    await simulate(
      {
        nodes: 3,
        frontProxy,
        extensions: {
          kinds: metricsKinds,
          handlers: new Map([['metrics.k8s.io', served(world).handlers.get('metrics.k8s.io')!]]),
        },
      },
      async sim => {
        pods = () => sim.pods(namespace)
        const wait = async (what: string, holds: () => boolean) => {
          for (let i = 0; i < 2_000 && !holds(); i++) {
            // Answers come over a real connection, for which the clock must not run ahead.
            for (let turns = 0; turns < 50; turns++) await turn()
            await sim.clock.forward(1000)
            now = sim.clock.now()
          }
          ok(holds(), what)
        }
        await sim.client.create(Deployment, web(2))
        await wait('two pods', () => pods().filter(p => p.status.phase === 'Running').length === 2)
        await sim.clock.forward(301_000)
        for (const [group, version] of [
          ['metrics', 'v1beta1'],
          ['custom.metrics', 'v1beta1'],
          ['external.metrics', 'v1beta1'],
        ] as const) {
          const { service, apiService } = registrationOf(adapter, {
            name: 'adapter',
            group: `${group}.k8s.io`,
            version,
          })
          await sim.client.create(Service, service as object).catch(() => {})
          await sim.client.create(APIService, apiService)
        }
        const mirror = sim.client.mirror(APIService)
        await wait(
          'they are available',
          () =>
            mirror.list().filter(({ spec, status }) => spec.service && status.conditions?.[0]?.status === 'True')
              .length === 3,
        )
        const metrics = [
          cpu(50),
          { type: 'External', external: { metric: { name: 'depth' }, target: { type: 'Value', value: '300' } } },
          {
            type: 'Object',
            object: {
              describedObject: { kind: 'Service', name: 'front', apiVersion: 'v1' },
              metric: { name: 'latency' },
              target: { type: 'Value', value: '10' },
            },
          },
        ]
        await sim.client.create(HorizontalPodAutoscaler, autoscaler({ metrics: metrics as never }))
        await wait('all were read', () => hpa(sim)?.status.currentMetrics?.length === 3)
        const read = hpa(sim).status.currentMetrics!
        strictEqual(read[0]!.resource?.current.averageUtilization, 75)
        strictEqual(read[1]!.external?.current.value, '300')
        strictEqual(read[2]!.object?.current.value, '20')
        await wait('twice as many, since the latency is twice as high', () => replicas(sim) === 4)
        ok(
          asked.has('/apis/custom.metrics.k8s.io/v1beta1/namespaces/default/services/front/latency'),
          [...asked].join(),
        )
      },
    )
  } finally {
    await adapter.close()
  }
})

test('a restarted controller goes on, and without a server of metrics the condition has the reason', () =>
  simulate({ nodes: 2 }, async sim => {
    await sim.client.create(Deployment, web(2))
    await sim.client.create(HorizontalPodAutoscaler, autoscaler({}))
    await sim.until('the reason', () => condition(sim, 'ScalingActive')?.reason === 'FailedGetResourceMetric')
    match(condition(sim, 'ScalingActive')?.message ?? '', /unable to fetch metrics from resource metrics API/)
    await sim.restartControllers()
    await sim.clock.forward(60_000)
    strictEqual(replicas(sim), 2)
  }))
