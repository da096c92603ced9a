// How many pods does the scheduler place per second, by the workloads that Kubernetes measures? With the API server in
// the same process on the durable store on disk: from the start of the scheduler over pods that wait to the last
// binding. `--decisions` leaves the API out: decide and assume, to see where the time goes.
// Usage: node bench/scheduler.ts [--only NAME] [--nodes N] [--pods N] [--decisions]
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { type Clock, realClock } from '../src/base/clock.ts'
import { isReason } from '../src/base/errors.ts'
import { silentLog } from '../src/base/log.ts'
import { seededRandom } from '../src/base/random.ts'
import type { Client } from '../src/client/index.ts'
import { Node } from '../src/kinds/core/node.ts'
import { Pod } from '../src/kinds/core/pod.ts'
import { Service } from '../src/kinds/core/service.ts'
import { ServiceAccount } from '../src/kinds/core/serviceaccount.ts'
import { PriorityClass } from '../src/kinds/scheduling/priorityclass.ts'
import { startScheduler } from '../src/scheduler/index.ts'
import { PodInfo } from '../src/scheduler/info.ts'
import { openOffline } from '../src/scheduler/offline.ts'
import { openEmbeddedStore } from '../src/store/index.ts'
import { openPlane } from './plane.ts'
import { high, nodeDraft, podDraft, tooLarge, type Workload, workloads } from './scheduler-workloads.ts'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    nodes: { type: 'string' },
    pods: { type: 'string' },
    decisions: { type: 'boolean' },
  },
})
const machine = `${cpus().length} cores, ${cpus()[0]?.model}`
/** Writes made at once while a workload is set up. */
const batch = 200
/** Finer than the machine's clock, for short attempts. */
const fineClock: Clock = { ...realClock, now: () => performance.timeOrigin + performance.now() }

for (const known of workloads) {
  if (options.only && known.name !== options.only) continue
  const workload = {
    ...known,
    ...(options.nodes && { nodes: Number(options.nodes) }),
    ...(options.pods && { pods: Number(options.pods) }),
  }
  if (options.decisions) decideAll(workload)
  else await scheduleAll(workload)
}
process.exit(0)

async function inBatches(count: number, make: (i: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i += batch)
    await Promise.all(Array.from({ length: Math.min(batch, count - i) }, (_, j) => make(i + j)))
}

async function scheduleAll(workload: Workload): Promise<void> {
  const directory = mkdtempSync(join(process.env.BENCH_DIR ?? '/var/tmp', 'kutter-bench-'))
  const random = seededRandom(1)
  const plane = await openPlane({ store: await openEmbeddedStore(directory), random })
  const client = plane.client('bench', ['system:masters'])
  await prepare(workload, client)
  const attempts: number[] = []
  const ending = new AbortController()
  let churned = 0
  const begin = performance.now()
  const bound = allBound(client, workload.pods)
  await startScheduler({
    client: plane.client('system:kube-scheduler'),
    clock: fineClock,
    random,
    log: silentLog,
    signal: ending.signal,
    onAttempt: (_, ms) => void attempts.push(ms),
  })
  const churning = churn(workload, client, ending.signal, () => churned++)
  await bound
  const seconds = (performance.now() - begin) / 1000
  ending.abort()
  await churning
  await plane.close()
  rmSync(directory, { recursive: true })
  attempts.sort((a, b) => a - b)
  const latency = { attemptP50Ms: quantile(attempts, 0.5), attemptP99Ms: quantile(attempts, 0.99) }
  print('scheduler', workload, workload.pods / seconds, { ...latency, attempts: attempts.length, churned })
}

async function prepare(workload: Workload, client: Client): Promise<void> {
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } })
  await client.create(PriorityClass, { metadata: { name: 'high' }, value: 10 })
  await inBatches(workload.nodes, async i => {
    const { metadata, status } = nodeDraft(workload, i)
    await client.create(Node, { metadata })
    // New nodes are tainted until a controller has seen them ready, and there is none here.
    await client.patch(Node, { name: metadata.name }, 'merge', { spec: { taints: null } })
    await client.patch(Node, { name: metadata.name }, 'merge', { status }, { subresource: 'status' })
  })
  const create = (count: number, name: string, shape: Workload['pod'] | undefined, more: (i: number) => object) =>
    inBatches(count, i => client.create(Pod, podDraft(`${name}-${i}`, shape, more(i))))
  await create(workload.init, 'init', workload.initPod, i => ({ nodeName: `node-${i % workload.nodes}` }))
  await create(workload.gated ?? 0, 'gated', workload.pod, () => ({ schedulingGates: [{ name: 'bench/stays' }] }))
  await create(workload.pods, 'pod', workload.pod, () => ({}))
}

function allBound(client: Client, count: number): Promise<void> {
  return new Promise(resolve => {
    let left = count
    client.mirror(Pod).subscribe(changes => {
      for (const { item, before } of changes) {
        const { spec, metadata } = item.object
        if (!spec.nodeName || before?.object.spec.nodeName || !metadata.name?.startsWith('pod-')) continue
        if (--left === 0) resolve()
      }
    })
  })
}

async function churn(workload: Workload, client: Client, signal: AbortSignal, count: () => void): Promise<void> {
  if (!workload.churn) return
  const { what, perSecond } = workload.churn
  for (let i = 0; !signal.aborted; i++) {
    try {
      if (what === 'preemptors') await client.create(Pod, podDraft(`churn-${i}`, high))
      else if (what === 'unschedulable') await client.create(Pod, podDraft(`churn-${i}`, tooLarge))
      else if (what === 'mixed') await mixed(workload, client, i)
      else await client.delete(Pod, { namespace: 'default', name: `init-${i}` }, { gracePeriodSeconds: 0 })
      count()
      await realClock.sleep(1000 / perSecond, signal)
    } catch (error) {
      if (!signal.aborted && !isReason(error, 'NotFound')) throw error
    }
  }
}

/** A node, a pod that fits nowhere and a service come, and go the next time. */
async function mixed(workload: Workload, client: Client, i: number): Promise<void> {
  const namespace = 'default'
  if (i > 0) {
    const name = `churn-${i - 1}`
    await client.delete(Node, { name })
    await client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0 })
    await client.delete(Service, { namespace, name })
  }
  const name = `churn-${i}`
  const { metadata } = nodeDraft(workload, workload.nodes + i)
  await client.create(Node, { metadata: { ...metadata, name } })
  await client.patch(Node, { name }, 'merge', { spec: { taints: null } })
  await client.create(Pod, podDraft(name, tooLarge))
  await client.create(Service, {
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 80 }] },
  })
}

/** The same without an API server: what has no node is told why, victims go at once. */
function decideAll(workload: Workload): void {
  const { snapshot, nominations, decide, makeRoom } = openOffline()
  for (let i = 0; i < workload.nodes; i++) snapshot.setNode({ ...nodeDraft(workload, i), spec: {} } as unknown as Node)
  const podOf = (name: string, shape: Workload['pod'] | undefined) => {
    const draft = podDraft(name, shape)
    const priority = shape?.priority ?? 0
    return new PodInfo({
      metadata: { ...draft.metadata, uid: name },
      spec: { ...draft.spec, priority, schedulerName: 'default-scheduler' },
      status: {},
    } as unknown as Pod)
  }
  for (let i = 0; i < workload.init; i++)
    snapshot.setPod(podOf(`init-${i}`, workload.initPod), `node-${i % workload.nodes}`)
  const times: number[] = []
  const begin = performance.now()
  for (let i = 0; i < workload.pods; i++) {
    const from = performance.now()
    const pod = podOf(`pod-${i}`, workload.pod)
    let { outcome } = decide(pod)
    if (outcome.type === 'none') {
      const { nomination } = makeRoom(pod).made
      if (typeof nomination === 'object') {
        for (const victim of nomination.victims) snapshot.removePod(victim.uid)
        nominations.set(pod, nomination.node.name)
        ;({ outcome } = decide(pod))
      }
    }
    nominations.delete(pod.uid)
    if (outcome.type === 'node') snapshot.setPod(pod, outcome.node.name, true)
    times.push(performance.now() - from)
  }
  const seconds = (performance.now() - begin) / 1000
  times.sort((a, b) => a - b)
  const latency = { attemptP50Ms: quantile(times, 0.5), attemptP99Ms: quantile(times, 0.99) }
  print('scheduler-decisions', workload, workload.pods / seconds, latency)
}

function print(bench: string, { name, nodes, init, pods, threshold }: Workload, value: number, more: object): void {
  const load = Math.round(loadavg()[0]! * 10) / 10
  const compared = threshold === undefined ? {} : { threshold, times: Math.round((value / threshold) * 10) / 10 }
  const line = { bench, workload: name, value: Math.round(value), unit: 'pods/s', ...compared, nodes, init, pods }
  console.log(JSON.stringify({ ...line, ...more, load, machine }))
}

function quantile(sorted: readonly number[], share: number): number {
  return Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 1000) / 1000
}
