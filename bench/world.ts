// What the benchmarks of whole control planes share: a server on the durable store in this process, and nodes whose
// pods run as soon as they are bound, for no kubelet is measured here.
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { realClock } from '../src/base/clock.ts'
import { isReason } from '../src/base/errors.ts'
import { makeLog, silentLog } from '../src/base/log.ts'
import { realRandom } from '../src/base/random.ts'
import { microTimeText, timeText } from '../src/api/time.ts'
import type { Client } from '../src/client/index.ts'
import type { ControlPlane } from '../src/cluster/control-plane.ts'
import { startControllers } from '../src/controllers/index.ts'
import { Lease } from '../src/kinds/coordination/lease.ts'
import { Node } from '../src/kinds/core/node.ts'
import { Pod } from '../src/kinds/core/pod.ts'
import { startScheduler } from '../src/scheduler/index.ts'
import { openEmbeddedStore } from '../src/store/index.ts'
import { openPlane } from './plane.ts'

export interface World {
  plane: ControlPlane
  client: Client
  signal: AbortSignal
  close(): Promise<void>
}

const log = process.env.KUTTER_LOG ? makeLog(line => process.stderr.write(`${line}\n`), 'info') : silentLog

/** Server, controllers and scheduler, with `nodes` nodes for `podsPerNode` pods each. */
export async function openWorld(nodes: number, podsPerNode = 110): Promise<World> {
  const directory = mkdtempSync(join(process.env.BENCH_DIR ?? '/var/tmp', 'kutter-bench-'))
  const plane = await openPlane({ store: await openEmbeddedStore(directory), log })
  const ending = new AbortController()
  const { signal } = ending
  const client = plane.client('bench', ['system:masters'])
  await inBatches(nodes, i => addNode(client, `node-${i}`, String(podsPerNode)))
  const common = { clock: realClock, random: realRandom, log, signal }
  await startControllers({
    ...common,
    reader: plane.client('system:kube-controller-manager'),
    clientFor: plane.accountClient,
    kinds: plane.kinds,
    clusterCidr: '10.0.0.0/8',
    caPem: 'none',
  })
  await startScheduler({ ...common, client: plane.client('system:kube-scheduler') })
  runNodes(plane.client('nodes', ['system:masters']), nodes, signal)
  return {
    plane,
    client,
    signal,
    async close() {
      ending.abort()
      await plane.close()
      rmSync(directory, { recursive: true })
    },
  }
}

const batch = 200

/** Calls `make` for 0 to count-1, so many at a time. */
export async function inBatches(count: number, make: (i: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i += batch)
    await Promise.all(Array.from({ length: Math.min(batch, count - i) }, (_, j) => make(i + j)))
}

export async function addNode(client: Client, name: string, pods: string): Promise<void> {
  const capacity = { cpu: '64', memory: '256Gi', pods }
  const now = timeText(realClock.now())
  const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: now, lastTransitionTime: now }]
  await client.create(Node, { metadata: { name, labels: { 'kubernetes.io/hostname': name } } })
  const status = { capacity, allocatable: capacity, conditions }
  await client.patch(Node, { name }, 'merge', { status }, { subresource: 'status' })
  const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: microTimeText(realClock.now()) }
  await client.create(Lease, { metadata: { name, namespace: 'kube-node-lease' }, spec })
}

/** Pods that reach a node run, pods that are to go are gone, and leases are renewed every ten seconds. */
function runNodes(client: Client, nodes: number, signal: AbortSignal): void {
  const quiet = (work: Promise<unknown>) =>
    work.catch((error: unknown) => {
      if (!signal.aborted && !isReason(error, 'NotFound', 'Conflict')) throw error
    })
  let address = 0
  client.mirror(Pod).subscribe(changes => {
    for (const { type, item } of changes) {
      const pod = item.object
      if (signal.aborted || type === 'DELETED' || !pod.spec.nodeName) continue
      if (pod.metadata.deletionTimestamp) void quiet(client.delete(Pod, refOf(pod), { gracePeriodSeconds: 0 }))
      else if (pod.status.phase === 'Pending') void quiet(run(client, pod, address++))
    }
  })
  const renew = async () => {
    for (let i = 0; !signal.aborted; i = (i + 1) % Math.max(1, nodes)) {
      const spec = { renewTime: microTimeText(realClock.now()) }
      void quiet(client.patch(Lease, { namespace: 'kube-node-lease', name: `node-${i}` }, 'merge', { spec }))
      await realClock.sleep(10_000 / Math.max(1, nodes), signal).catch(() => {})
    }
  }
  void renew()
}

function run(client: Client, pod: Pod, n: number): Promise<unknown> {
  const now = timeText(realClock.now())
  const podIP = `10.${128 + ((n >> 16) & 63)}.${(n >> 8) & 255}.${n & 255}`
  const conditions = ['Initialized', 'Ready', 'ContainersReady'].map(type => ({
    type,
    status: 'True',
    lastTransitionTime: now,
  }))
  const body = { status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }], startTime: now, conditions } }
  return client.patch(Pod, refOf(pod), 'strategic', body, { subresource: 'status' })
}

export const refOf = ({ metadata }: Pod): { namespace: string; name: string } => ({
  namespace: metadata.namespace ?? '',
  name: metadata.name ?? '',
})

/** The smallest of the sorted values that `share` of them do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)
}

export const round = (value: number): number => Math.round(value * 100) / 100

const machine = `${cpus().length} cores, ${cpus()[0]?.model}`

export function print(bench: string, value: number, unit: string, more: object = {}): void {
  console.log(
    JSON.stringify({
      bench,
      value: round(value),
      unit,
      ...more,
      durable: 'fdatasync',
      machine,
      load: round(loadavg()[0]!),
    }),
  )
}

/** Resident memory of this process, in MiB. */
export const residentMiB = (): number => Math.round(process.memoryUsage.rss() / (1 << 20))

export const seconds = (since: number): number => (performance.now() - since) / 1000

/** Resolves when `condition` holds, looked at every few milliseconds; throws after `limitMs`. */
export async function until(what: string, condition: () => boolean, limitMs = 600_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!condition()) {
    if (performance.now() > end) throw new Error(`still waiting for: ${what}`)
    await realClock.sleep(5)
  }
}
