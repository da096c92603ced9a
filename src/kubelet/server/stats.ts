// What node and pods use: /stats/summary for `kubectl top` and autoscaling, and the same as Prometheus text.
// Source: kubernetes kubelet/pkg/apis/stats/v1alpha1, pkg/kubelet/metrics/collectors (resource_metrics).
import { readFile, statfs } from 'node:fs/promises'
import { timeText } from '../../api/time.ts'
import { nameOf, namespaceOf, uidOf } from '../pod/spec.ts'
import type { PodWorker } from '../pod/worker.ts'
import type { ContainerUsage } from '../runtime/runtime.ts'
import type { NodeServerOptions } from './server.ts'

interface Sample {
  atMs: number
  cpuNs: number
  nanoCores: number | undefined
}

const jiffyNs = 10_000_000

export function makeStats({ context, workers, nodeName, rootDir }: NodeServerOptions) {
  const startedAt = timeText(context.clock.now())
  let samples = new Map<string, Sample>()
  // A rate needs two looks: the one before is kept.
  const rated = (next: Map<string, Sample>, id: string, atMs: number, cpuNs: number): number | undefined => {
    const before = samples.get(id)
    const passed = before ? atMs - before.atMs : 0
    const nanoCores =
      before && passed > 0 ? Math.max(0, Math.round(((cpuNs - before.cpuNs) / passed) * 1000)) : before?.nanoCores
    next.set(id, passed > 0 || !before ? { atMs, cpuNs, nanoCores } : before)
    return nanoCores
  }
  const look = async () => {
    const next = new Map<string, Sample>()
    const atMs = context.clock.now()
    const [usage, node] = await Promise.all([context.runtime.usage(), readNode()])
    const containers = new Map(
      usage.map(u => [u.id, { ...u, nanoCores: u.cpuNanoCores || rated(next, u.id, u.atMs, u.cpuNs) }]),
    )
    const nodeCores = rated(next, 'node', atMs, node.cpuNs)
    samples = next
    return { atMs, node: { ...node, nanoCores: nodeCores }, containers }
  }
  type Look = Awaited<ReturnType<typeof look>>

  const podStats = (worker: PodWorker, containers: Look['containers'], time: string) => {
    const own = worker.seen.containers.flatMap(c =>
      c.state === 'running' && containers.has(c.id) ? [{ ...containers.get(c.id)!, startedAtMs: c.startedAtMs }] : [],
    )
    const sum = (of: (u: (typeof own)[number]) => number) => own.reduce((total, u) => total + of(u), 0)
    return {
      podRef: { name: nameOf(worker.pod), namespace: namespaceOf(worker.pod), uid: uidOf(worker.pod) },
      startTime: worker.pod.status.startTime ?? time,
      containers: own.map(u => ({
        name: u.name,
        startTime: timeText(u.startedAtMs),
        cpu: cpuOf(time, u.cpuNs, u.nanoCores),
        memory: memoryOf(time, u),
        rootfs: { time, usedBytes: u.writableBytes, inodesUsed: u.writableInodes },
      })),
      cpu: cpuOf(
        time,
        sum(u => u.cpuNs),
        own.some(u => u.nanoCores !== undefined) ? sum(u => u.nanoCores ?? 0) : undefined,
      ),
      memory: {
        time,
        usageBytes: sum(u => u.usageBytes),
        workingSetBytes: sum(u => u.workingSetBytes),
        rssBytes: sum(u => u.rssBytes),
        pageFaults: sum(u => u.pageFaults),
        majorPageFaults: sum(u => u.majorPageFaults),
      },
      'ephemeral-storage': { time, usedBytes: sum(u => u.writableBytes), inodesUsed: sum(u => u.writableInodes) },
    }
  }
  const running = () => Array.from(workers.values()).filter(w => w.seen.sandboxes.some(s => s.ready))
  return {
    async summary() {
      const { atMs, node, containers } = await look()
      const time = timeText(atMs)
      const [disk, imageFs] = await Promise.all([statfs(rootDir), context.runtime.imageFs()])
      const fs = {
        time,
        availableBytes: disk.bavail * disk.bsize,
        capacityBytes: disk.blocks * disk.bsize,
        usedBytes: (disk.blocks - disk.bfree) * disk.bsize,
        inodesFree: disk.ffree,
        inodes: disk.files,
        inodesUsed: disk.files - disk.ffree,
      }
      return {
        node: {
          nodeName,
          startTime: startedAt,
          cpu: cpuOf(time, node.cpuNs, node.nanoCores),
          memory: {
            time,
            availableBytes: node.availableBytes,
            usageBytes: node.usageBytes,
            workingSetBytes: node.workingSetBytes,
            rssBytes: node.rssBytes,
            pageFaults: 0,
            majorPageFaults: 0,
          },
          fs,
          runtime: { imageFs: { ...fs, usedBytes: imageFs?.usedBytes ?? 0, inodesUsed: imageFs?.inodesUsed ?? 0 } },
        },
        pods: running().map(worker => podStats(worker, containers, time)),
      }
    },
    /** `which`: '' the kubelet's own, 'cadvisor' and 'resource' its containers'. */
    async metrics(which: string): Promise<string> {
      if (which === '') return ownMetrics(workers, nodeName)
      const { atMs, node, containers } = await look()
      return which === 'resource'
        ? resourceMetrics(running(), containers, node, atMs)
        : cadvisorMetrics(running(), containers)
    },
  }
}

const cpuOf = (time: string, usageCoreNanoSeconds: number, usageNanoCores: number | undefined) => ({
  time,
  ...(usageNanoCores !== undefined && { usageNanoCores }),
  usageCoreNanoSeconds,
})
const memoryOf = (time: string, u: ContainerUsage) => ({
  time,
  usageBytes: u.usageBytes,
  workingSetBytes: u.workingSetBytes,
  rssBytes: u.rssBytes,
  pageFaults: u.pageFaults,
  majorPageFaults: u.majorPageFaults,
})

async function readNode() {
  const [stat, meminfo] = await Promise.all([readFile('/proc/stat', 'utf8'), readFile('/proc/meminfo', 'utf8')])
  // user nice system idle iowait irq softirq steal, in hundredths of a second.
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (stat.split('\n')[0] ?? '')
    .split(/\s+/)
    .slice(1)
    .map(Number)
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1] ?? 0) * 1024
  const total = bytes('MemTotal')
  return {
    cpuNs: (user + nice + system + irq + softirq) * jiffyNs,
    availableBytes: bytes('MemAvailable'),
    workingSetBytes: total - bytes('MemAvailable'),
    usageBytes: total - bytes('MemFree'),
    rssBytes: bytes('AnonPages'),
  }
}

type Containers = ReadonlyMap<string, ContainerUsage>

const quote = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
const labels = (entries: Record<string, string>) =>
  `{${Object.entries(entries)
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join(',')}}`
const metric = (name: string, type: string, lines: string[]) =>
  lines.length ? `# TYPE ${name} ${type}\n${lines.join('\n')}\n` : ''

function eachContainer(pods: PodWorker[], containers: Containers) {
  return pods.flatMap(worker =>
    worker.seen.containers.flatMap(c => {
      const usage = c.state === 'running' ? containers.get(c.id) : undefined
      return usage
        ? [
            {
              usage,
              seen: c,
              names: { container: c.name, namespace: namespaceOf(worker.pod), pod: nameOf(worker.pod) },
            },
          ]
        : []
    }),
  )
}

function resourceMetrics(
  pods: PodWorker[],
  containers: Containers,
  node: { cpuNs: number; workingSetBytes: number },
  atMs: number,
): string {
  const all = eachContainer(pods, containers)
  return [
    metric('node_cpu_usage_seconds_total', 'counter', [`node_cpu_usage_seconds_total ${node.cpuNs / 1e9} ${atMs}`]),
    metric('node_memory_working_set_bytes', 'gauge', [`node_memory_working_set_bytes ${node.workingSetBytes} ${atMs}`]),
    metric(
      'container_cpu_usage_seconds_total',
      'counter',
      all.map(c => `container_cpu_usage_seconds_total${labels(c.names)} ${c.usage.cpuNs / 1e9} ${c.usage.atMs}`),
    ),
    metric(
      'container_memory_working_set_bytes',
      'gauge',
      all.map(c => `container_memory_working_set_bytes${labels(c.names)} ${c.usage.workingSetBytes} ${c.usage.atMs}`),
    ),
    metric(
      'container_start_time_seconds',
      'gauge',
      all.map(c => `container_start_time_seconds${labels(c.names)} ${c.seen.startedAtMs / 1000}`),
    ),
    metric('scrape_error', 'gauge', ['scrape_error 0']),
  ].join('')
}

function cadvisorMetrics(pods: PodWorker[], containers: Containers): string {
  const all = eachContainer(pods, containers)
  const one = (name: string, type: string, of: (u: ContainerUsage) => number) =>
    metric(
      name,
      type,
      all.map(c => `${name}${labels({ ...c.names, image: c.seen.image, name: c.seen.id })} ${of(c.usage)}`),
    )
  return [
    one('container_cpu_usage_seconds_total', 'counter', u => u.cpuNs / 1e9),
    one('container_memory_usage_bytes', 'gauge', u => u.usageBytes),
    one('container_memory_working_set_bytes', 'gauge', u => u.workingSetBytes),
    one('container_memory_rss', 'gauge', u => u.rssBytes),
    one('container_fs_usage_bytes', 'gauge', u => u.writableBytes),
  ].join('')
}

function ownMetrics(workers: ReadonlyMap<string, PodWorker>, nodeName: string): string {
  const all = [...workers.values()]
  const count = (state: string) =>
    all.reduce((total, w) => total + w.seen.containers.filter(c => c.state === state).length, 0)
  return [
    metric('kubelet_node_name', 'gauge', [`kubelet_node_name${labels({ node: nodeName })} 1`]),
    metric('kubelet_running_pods', 'gauge', [
      `kubelet_running_pods ${all.filter(w => w.seen.sandboxes.some(s => s.ready)).length}`,
    ]),
    metric(
      'kubelet_running_containers',
      'gauge',
      ['created', 'running', 'exited', 'unknown'].map(
        state => `kubelet_running_containers${labels({ container_state: state })} ${count(state)}`,
      ),
    ),
    metric('process_resident_memory_bytes', 'gauge', [`process_resident_memory_bytes ${process.memoryUsage.rss()}`]),
  ].join('')
}
