// The same objects in two API groups or versions: events, and autoscalers.
import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { isReason } from '../../src/base/errors.ts'
import { HorizontalPodAutoscaler as V1 } from '../../src/kinds/autoscaling/horizontalpodautoscaler.ts'
import { HorizontalPodAutoscaler as V2 } from '../../src/kinds/autoscaling/horizontalpodautoscaler-v2.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Event as Newer } from '../../src/kinds/events/event.ts'
import { simulate } from './cluster.ts'

const namespace = 'default'
const alone = { controllers: false, scheduler: false }

test('an event written in one group is read, patched, watched and deleted in the other', () =>
  simulate(alone, async ({ client }) => {
    const seen: string[] = []
    const mirror = client.mirror(Newer)
    await client.synced([mirror])
    mirror.subscribe(changes => seen.push(...changes.map(c => `${c.type} ${c.item.object.note}`)))
    await client.create(Event, {
      metadata: { name: 'a', namespace },
      involvedObject: { kind: 'Pod', name: 'web', namespace },
      reason: 'Started',
      message: 'it runs',
      type: 'Normal',
      count: 3,
      source: { component: 'kubelet', host: 'n1' },
    })
    const newer = await client.get(Newer, { namespace, name: 'a' })
    strictEqual(newer.apiVersion, 'events.k8s.io/v1')
    deepStrictEqual(
      [newer.note, newer.regarding.name, newer.deprecatedCount, newer.deprecatedSource.host],
      ['it runs', 'web', 3, 'n1'],
    )
    await client.patch(Newer, { namespace, name: 'a' }, 'merge', { note: 'it still runs', series: { count: 2 } })
    const core = await client.get(Event, { namespace, name: 'a' })
    deepStrictEqual([core.message, core.series?.count, core.source.host], ['it still runs', 2, 'n1'])
    const found = await client.list(Newer, { namespace, fieldSelector: 'regarding.name=web,reason=Started' })
    strictEqual(found.items.length, 1)
    strictEqual((await client.list(Newer, { namespace, fieldSelector: 'regarding.name=db' })).items.length, 0)
    await client.delete(Newer, { namespace, name: 'a' })
    await rejects(client.get(Event, { namespace, name: 'a' }), error => isReason(error, 'NotFound'))
    await rejects(client.get(Newer, { namespace, name: 'a' }), /events.events.k8s.io "a" not found/)
    await mirror.waitFor(Number(core.metadata.resourceVersion) + 1)
    deepStrictEqual(seen, ['ADDED it runs', 'MODIFIED it still runs', 'DELETED it still runs'])
  }))

const target = { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' }

test('an autoscaler in the older form keeps in annotations what that form lacks', () =>
  simulate(alone, async ({ client }) => {
    const metrics = [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } },
      {
        type: 'Object',
        object: {
          describedObject: { kind: 'Ingress', name: 'main', apiVersion: 'networking.k8s.io/v1' },
          target: { type: 'Value', value: '2k' },
          metric: { name: 'requests-per-second' },
        },
      },
      {
        type: 'External',
        external: {
          metric: { name: 'queue', selector: { matchLabels: { a: 'b' } } },
          target: { type: 'AverageValue', averageValue: '30' },
        },
      },
    ]
    const behavior = { scaleDown: { stabilizationWindowSeconds: 60 } }
    const made = await client.create(V2, {
      metadata: { name: 'web', namespace },
      spec: { scaleTargetRef: target, maxReplicas: 10, metrics, behavior },
    })
    strictEqual(made.spec.minReplicas, 1)
    deepStrictEqual(made.spec.behavior?.scaleUp?.policies?.length, 2)
    const older = await client.get(V1, { namespace, name: 'web' })
    strictEqual(older.spec.targetCPUUtilizationPercentage, 50)
    const note = JSON.parse(older.metadata.annotations!['autoscaling.alpha.kubernetes.io/metrics']!) as unknown[]
    deepStrictEqual(note[0], { type: 'Resource', resource: { name: 'memory', targetAverageValue: '1Gi' } })
    // A client that only uses the older version can write the object without a loss.
    await client.update(V1, { ...older, spec: { ...older.spec, targetCPUUtilizationPercentage: 70 } } as never)
    const newer = await client.get(V2, { namespace, name: 'web' })
    const sorted = (list: readonly unknown[] | undefined) => (list ?? []).map(m => JSON.stringify(m)).sort()
    metrics[0]!.resource!.target.averageUtilization = 70
    strictEqual(newer.spec.metrics?.length, 4)
    deepStrictEqual(sorted(newer.spec.metrics), sorted(metrics))
    deepStrictEqual(newer.spec.behavior, made.spec.behavior)
    strictEqual(newer.metadata.annotations, undefined)
  }))

test('an autoscaler in the older form has its CPU target, and invalid ones are refused with the field', () =>
  simulate(alone, async ({ client }) => {
    const spec = { scaleTargetRef: target, minReplicas: 2, maxReplicas: 5, targetCPUUtilizationPercentage: 80 }
    await client.create(V1, { metadata: { name: 'old', namespace }, spec })
    const newer = await client.get(V2, { namespace, name: 'old' })
    strictEqual(newer.spec.metrics?.[0]?.resource?.target.averageUtilization, 80)
    await client.patch(V1, { namespace, name: 'old' }, 'strategic', { spec: { maxReplicas: 7 } })
    strictEqual((await client.get(V2, { namespace, name: 'old' })).spec.maxReplicas, 7)
    const bad = (more: object) =>
      client.create(V2, { metadata: { name: 'bad', namespace }, spec: { ...spec, ...more } } as never)
    await rejects(bad({ maxReplicas: 1 }), /spec.maxReplicas: Invalid value: 1: must be greater than or equal to/)
    await rejects(bad({ minReplicas: 0 }), /spec.minReplicas: Invalid value: 0: must be greater than or equal to 1/)
    await rejects(bad({ metrics: [{ type: 'Pods' }] }), /spec.metrics\[0\].pods: Required value/)
    await rejects(
      bad({ behavior: { scaleUp: { policies: [{ type: 'Pods', value: 0, periodSeconds: 2000 }] } } }),
      /scaleUp.policies\[0\].value.*must be greater than zero.*periodSeconds.*1800/,
    )
  }))
