// How fast do controllers get through much work? A large Deployment up, rolled and down; a Job of many completions;
// endpoints that change among many Services; pods of nobody beside disruption budgets; many nodes that come at once; a
// full namespace deleted; and what it costs to do nothing. Server, controllers and scheduler in this process on the
// durable store, simulated nodes.
// Usage: node bench/controllers.ts [--only deployment|job|services|loose|nodes|namespace|idle] [--scale 1]
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { realClock } from '../src/base/clock.ts'
import type { Draft } from '../src/api/kind.ts'
import { timeText } from '../src/api/time.ts'
import { Deployment } from '../src/kinds/apps/deployment.ts'
import { ReplicaSet } from '../src/kinds/apps/replicaset.ts'
import { Job } from '../src/kinds/batch/job.ts'
import { ConfigMap } from '../src/kinds/core/configmap.ts'
import { Namespace } from '../src/kinds/core/namespace.ts'
import { Node } from '../src/kinds/core/node.ts'
import { Pod } from '../src/kinds/core/pod.ts'
import { Service } from '../src/kinds/core/service.ts'
import { ServiceAccount } from '../src/kinds/core/serviceaccount.ts'
import { EndpointSlice } from '../src/kinds/discovery/endpointslice.ts'
import { PodDisruptionBudget } from '../src/kinds/policy/poddisruptionbudget.ts'
import {
  addNode,
  inBatches,
  openWorld,
  print,
  quantile,
  refOf,
  residentMiB,
  round,
  seconds,
  until,
  type World,
} from './world.ts'

const { values } = parseArgs({
  options: { only: { type: 'string' }, scale: { type: 'string', default: '1' } },
})
const scale = Number(values.scale)
const of = (count: number) => Math.max(1, Math.round(count * scale))
const namespace = 'default'

const questions: Record<string, (world: World) => Promise<void>> = {
  deployment,
  job,
  services,
  loose,
  nodes,
  namespaces,
  idle,
}
for (const [name, ask] of Object.entries(questions)) {
  if (values.only && values.only !== name && `${values.only}s` !== name) continue
  const world = await openWorld(of(100))
  await until('the service account', () => world.client.mirror(ServiceAccount).get(namespace, 'default') !== undefined)
  await ask(world)
  await world.close()
}
process.exit(0)

function template(image: string) {
  const resources = { requests: { cpu: '10m', memory: '16Mi' } }
  return { metadata: { labels: { app: 'bench' } }, spec: { containers: [{ name: 'c', image, resources }] } }
}

async function deployment({ client }: World): Promise<void> {
  const replicas = of(5000)
  const ref = { namespace, name: 'web' }
  const rolledOut = (wanted: number) => {
    const d = client.mirror(Deployment).get(namespace, 'web')
    const { observedGeneration = 0, updatedReplicas = 0, replicas: all = 0, availableReplicas = 0 } = d?.status ?? {}
    return (
      observedGeneration >= (d?.metadata.generation ?? 1) &&
      updatedReplicas === wanted &&
      all === wanted &&
      availableReplicas === wanted
    )
  }
  const timed = async (bench: string, wanted: number, act: () => Promise<unknown>) => {
    const cpu = process.cpuUsage()
    const begin = performance.now()
    await act()
    await until(bench, () => rolledOut(wanted) && (wanted > 0 || client.mirror(Pod).size === 0))
    const used = process.cpuUsage(cpu)
    const took = seconds(begin)
    const coresUsed = round((used.user + used.system) / 1e6 / took)
    print(bench, took, 's', { replicas, podsPerSecond: round(replicas / took), coresUsed })
  }
  const spec = {
    replicas,
    selector: { matchLabels: { app: 'bench' } },
    template: template('app:1'),
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
  }
  await timed('deployment-up', replicas, () =>
    client.create(Deployment, { metadata: { name: 'web', namespace }, spec } as Draft<Deployment>),
  )
  await timed('deployment-rolled', replicas, () =>
    client.patch(Deployment, ref, 'merge', { spec: { template: template('app:2') } }),
  )
  await timed('deployment-down', 0, () => client.patch(Deployment, ref, 'merge', { spec: { replicas: 0 } }))
}

async function job({ client }: World): Promise<void> {
  const completions = of(10_000)
  // Every pod of it succeeds as soon as it runs.
  client.mirror(Pod).subscribe(changes => {
    for (const { type, item } of changes) {
      const pod = item.object
      if (type === 'DELETED' || pod.status.phase !== 'Running') continue
      const body = { status: { phase: 'Succeeded' } }
      void client.patch(Pod, refOf(pod), 'merge', body, { subresource: 'status' }).catch(() => {})
    }
  })
  const begin = performance.now()
  await client.create(Job, {
    metadata: { name: 'many', namespace },
    spec: {
      completions,
      parallelism: 500,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'app:1' }] } },
    },
  } as Draft<Job>)
  const status = () => client.mirror(Job).get(namespace, 'many')?.status
  await until('the job', () => status()?.conditions?.some(c => c.type === 'Complete' && c.status === 'True') ?? false)
  const took = seconds(begin)
  print('job-completions', took, 's', {
    completions,
    counted: status()?.succeeded ?? 0,
    podsPerSecond: round(completions / took),
  })
}

async function services({ client }: World): Promise<void> {
  const count = of(10_000)
  const pods = of(1000)
  await inBatches(pods, i =>
    client.create(Pod, {
      metadata: { name: `p-${i}`, namespace, labels: { group: `g-${i}` } },
      spec: { containers: [{ name: 'c', image: 'app:1' }] },
    }),
  )
  const begin = performance.now()
  await inBatches(count, i =>
    client.create(Service, {
      metadata: { name: `s-${i}`, namespace },
      spec: { selector: { group: `g-${i % pods}` }, ports: [{ port: 80 }] },
    }),
  )
  const slices = client.mirror(EndpointSlice)
  await until('a slice for each service', () => slices.size >= count)
  print('services-up', seconds(begin), 's', { services: count, pods })
  await changing(client, slices, pods)
}

/** A hundred times a second a pod turns ready or not; each is part of ten services. */
async function changing(
  client: World['client'],
  slices: ReturnType<typeof client.mirror<EndpointSlice>>,
  pods: number,
): Promise<void> {
  const waits: number[] = []
  const asked = new Map<string, number>()
  let [changes, written] = [0, 0]
  const stop = slices.subscribe(batch => {
    written += batch.length
    for (const { item } of batch) {
      const name = item.object.endpoints?.[0]?.targetRef?.name ?? ''
      const at = asked.get(name)
      if (at === undefined) continue
      waits.push(performance.now() - at)
      asked.delete(name)
    }
  })
  const cpu = process.cpuUsage()
  const begin = performance.now()
  while (seconds(begin) < 20) {
    for (const due = Math.floor(seconds(begin) * 100); changes < due; changes++) {
      const name = `p-${changes % pods}`
      asked.set(name, performance.now())
      const status = Math.floor(changes / pods) % 2 === 0 ? 'False' : 'True'
      const condition = { type: 'Ready', status, lastTransitionTime: timeText(realClock.now()) }
      const body = { status: { conditions: [condition] } }
      void client.patch(Pod, { namespace, name }, 'strategic', body, { subresource: 'status' })
    }
    await realClock.sleep(5)
  }
  const used = process.cpuUsage(cpu)
  await realClock.sleep(1000)
  stop()
  print('endpoint-changes', changes / seconds(begin), '1/s', {
    slicesWritten: written,
    toSliceP50Ms: quantile(waits, 0.5),
    toSliceP99Ms: quantile(waits, 0.99),
    coresUsed: round((used.user + used.system) / 1e6 / 20),
    residentMiB: residentMiB(),
  })
}

/** Pods without an owner next to owners and budgets that select others: each pod is looked at by all of them. */
async function loose({ client }: World): Promise<void> {
  const count = of(5000)
  const budgets = of(500)
  await inBatches(budgets, i =>
    Promise.all([
      client.create(PodDisruptionBudget, {
        metadata: { name: `b-${i}`, namespace },
        spec: { minAvailable: 1, selector: { matchLabels: { group: `g-${i}` } } },
      }),
      client.create(ReplicaSet, {
        metadata: { name: `r-${i}`, namespace },
        spec: {
          replicas: 1,
          selector: { matchLabels: { app: 'bench', set: `s-${i}` } },
          template: { ...template('app:1'), metadata: { labels: { app: 'bench', set: `s-${i}` } } },
        },
      } as Draft<ReplicaSet>),
    ]),
  )
  const running = () => client.mirror(Pod).size
  await until('the sets', () => running() >= budgets)
  const cpu = process.cpuUsage()
  const begin = performance.now()
  await inBatches(count, i =>
    client.create(Pod, {
      metadata: { name: `p-${i}`, namespace, labels: { group: `g-${i % budgets}`, other: `o-${i}` } },
      spec: { containers: [{ name: 'c', image: 'app:1' }] },
    }),
  )
  const healthy = () => {
    const all = client.mirror(PodDisruptionBudget).list(namespace)
    return all.reduce((sum, budget) => sum + budget.status.currentHealthy, 0)
  }
  await until('every pod counted', () => healthy() >= count)
  const used = process.cpuUsage(cpu)
  const took = seconds(begin)
  const coresUsed = round((used.user + used.system) / 1e6 / took)
  print('loose-pods', took, 's', { pods: count, budgets, podsPerSecond: round(count / took), coresUsed })
}

/** Nodes that join at once, each until it has a range of pod addresses. */
async function nodes({ client }: World): Promise<void> {
  const count = of(2000)
  const ranged = () =>
    client
      .mirror(Node)
      .list()
      .filter(node => node.spec.podCIDR).length
  const before = ranged()
  const begin = performance.now()
  await inBatches(count, i => addNode(client, `late-${i}`, '110'))
  await until('a range for each node', () => ranged() >= before + count)
  const took = seconds(begin)
  print('nodes-ranged', took, 's', { nodes: count, nodesPerSecond: round(count / took) })
}

async function namespaces({ client }: World): Promise<void> {
  const count = of(10_000)
  await client.create(Namespace, { metadata: { name: 'full' } })
  await inBatches(count, i =>
    client.create(ConfigMap, { metadata: { name: `m-${i}`, namespace: 'full' }, data: { key: 'value' } }),
  )
  const begin = performance.now()
  await client.delete(Namespace, { name: 'full' })
  await until('the namespace to go', () => client.mirror(Namespace).get(undefined, 'full') === undefined)
  print('namespace-deleted', seconds(begin), 's', { objects: count })
}

async function idle({ client }: World): Promise<void> {
  const count = of(10_000)
  await inBatches(count, i =>
    client.create(ConfigMap, { metadata: { name: `m-${i}`, namespace }, data: { key: 'value' } }),
  )
  await realClock.sleep(10_000)
  const cpu = process.cpuUsage()
  await realClock.sleep(60_000)
  const used = process.cpuUsage(cpu)
  print('idle-cpu', ((used.user + used.system) / 1e6 / 60) * 100, '% of a core', {
    objects: count,
    residentMiB: residentMiB(),
  })
}
