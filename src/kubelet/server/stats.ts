// The use of resources by the node and its pods: /stats/summary, from which `kubectl top` and autoscaling get their
// numbers, and the same as Prometheus text.
// Source: kubernetes kubelet/pkg/apis/stats/v1alpha1, pkg/kubelet/metrics/collectors (resource_metrics).
import type { StatsFs } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { availableParallelism, release, version } from 'node:os'
import { StatusError } from '../../base/errors.ts'
import { timeText } from '../../api/time.ts'
import { readMemInfo } from '../node/machine.ts'
import { nameOf, namespaceOf, uidOf } from '../pod/spec.ts'
import type { PodWorker } from '../pod/worker.ts'
import type { ContainerUsage } from '../runtime/runtime.ts'
import { cadvisorText } from './cadvisor.ts'
import { type GroupSeen, groupsOf } from './groups.ts'
import { ownText, probesText, resourceText, volumesText } from './metrics-text.ts'
import type { VolumeUsage } from '../volumes/volume.ts'
import type { NodeServerOptions } from './options.ts'
import { nextSample, type Sample } from './rates.ts'

const jiffyNs = 10_000_000

interface Look {
  atMs: number
  node: NodeUsage & { nanoCores: number | undefined }
  /** By container id. */
  containers: ReadonlyMap<string, RatedUsage>
}
type NodeUsage = Awaited<ReturnType<typeof readNode>>
type RatedUsage = ContainerUsage & { nanoCores: number | undefined }

/**
 * The statistics of one node. Each request reads the runtime and /proc. A rate is computed from the difference to the
 * last request, so that the first answer has no rates unless the runtime reports them.
 */
export class NodeStats {
  readonly #options: NodeServerOptions
  readonly #startedAt: string
  #samples = new Map<string, Sample>()

  constructor(options: NodeServerOptions) {
    this.#options = options
    this.#startedAt = timeText(options.context.clock.now())
  }

  /** /stats/summary */
  async summary() {
    const { context, nodeName, rootDir } = this.#options
    const { atMs, node, containers } = await this.#look()
    const time = timeText(atMs)
    const [disk, imageFs] = await Promise.all([statfs(rootDir), context.runtime.imageFs()])
    const fs = fsOf(time, disk)
    return {
      node: {
        nodeName,
        startTime: this.#startedAt,
        cpu: cpuOf(time, node.cpuNs, node.nanoCores),
        memory: {
          ...memoryOf(time, { ...node, pageFaults: 0, majorPageFaults: 0 }),
          availableBytes: node.availableBytes,
        },
        fs,
        runtime: { imageFs: { ...fs, usedBytes: imageFs?.usedBytes ?? 0, inodesUsed: imageFs?.inodesUsed ?? 0 } },
      },
      pods: await Promise.all(
        this.#running().map(async worker => podStats(worker, containers, await this.#volumes(worker), time)),
      ),
    }
  }

  /** @param which '' for the kubelet's own metrics, 'cadvisor', 'resource' or 'probes'. Throws NotFound for others. */
  async metrics(which: string): Promise<string> {
    const { workers, nodeName } = this.#options
    switch (which) {
      case '':
        return ownText(workers, nodeName) + volumesText(await this.#allVolumes())
      case 'probes':
        return probesText(workers.values())
      case 'resource': {
        const { groups, node, atMs } = await this.#groups()
        return resourceText(groups, node, atMs)
      }
      case 'cadvisor': {
        const { groups, node, atMs } = await this.#groups()
        const facts = { ...node, cores: availableParallelism(), memoryBytes: node.totalBytes, versions: versions() }
        return cadvisorText(groups, facts, atMs)
      }
      default:
        throw new StatusError('NotFound', '404 page not found')
    }
  }

  async #groups(): Promise<{ groups: GroupSeen[]; node: NodeUsage; atMs: number }> {
    const { cgroups, context } = this.#options
    const { cgroupRoot } = context.settings
    const { atMs, node, containers } = await this.#look()
    return { groups: await groupsOf({ cgroups, cgroupRoot, pods: this.#running(), usages: containers }), node, atMs }
  }

  /** A volume of several pods counts once, as its claim does. */
  async #allVolumes(): Promise<VolumeUsage[]> {
    const all = (await Promise.all(this.#running().map(worker => this.#volumes(worker)))).flat()
    const byClaim = new Map(all.map(usage => [`${usage.claim.namespace}/${usage.claim.name}`, usage]))
    return [...byClaim.values()]
  }

  #volumes({ pod }: PodWorker): Promise<readonly VolumeUsage[]> {
    return this.#options.context.host.volumeUsage(pod)
  }

  #running(): PodWorker[] {
    return Array.from(this.#options.workers.values()).filter(w => w.seen.sandboxes.some(s => s.ready))
  }

  async #look(): Promise<Look> {
    const { context } = this.#options
    const next = new Map<string, Sample>()
    const atMs = context.clock.now()
    const [usage, node] = await Promise.all([context.runtime.usage(), readNode()])
    const rated = (u: ContainerUsage) => u.cpuNanoCores || this.#rate(next, u.id, u.atMs, u.cpuNs)
    const containers = new Map(usage.map(u => [u.id, { ...u, nanoCores: rated(u) }]))
    const nanoCores = this.#rate(next, 'node', atMs, node.cpuNs)
    this.#samples = next
    return { atMs, node: { ...node, nanoCores }, containers }
  }

  /** The rate since the last sample, which is kept for it. */
  #rate(next: Map<string, Sample>, id: string, atMs: number, cpuNs: number): number | undefined {
    const sample = nextSample(this.#samples.get(id), atMs, cpuNs)
    next.set(id, sample)
    return sample.nanoCores
  }
}

const versions = () => ({ kernelVersion: release(), osVersion: version(), cadvisorVersion: '', dockerVersion: '' })

function podStats(worker: PodWorker, containers: Look['containers'], volumes: readonly VolumeUsage[], time: string) {
  const own = worker.seen.containers.flatMap(c =>
    c.state === 'running' && containers.has(c.id) ? [{ ...containers.get(c.id)!, startedAtMs: c.startedAtMs }] : [],
  )
  const sum = (of: (u: RatedUsage) => number) => own.reduce((total, u) => total + of(u), 0)
  const rates = own.some(u => u.nanoCores !== undefined)
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
      rates ? sum(u => u.nanoCores ?? 0) : undefined,
    ),
    memory: memoryOf(time, {
      usageBytes: sum(u => u.usageBytes),
      workingSetBytes: sum(u => u.workingSetBytes),
      rssBytes: sum(u => u.rssBytes),
      pageFaults: sum(u => u.pageFaults),
      majorPageFaults: sum(u => u.majorPageFaults),
    }),
    ...(volumes.length && {
      volume: volumes.map(({ volume, claim, ...usage }) => ({ time, ...usage, name: volume, pvcRef: claim })),
    }),
    'ephemeral-storage': { time, usedBytes: sum(u => u.writableBytes), inodesUsed: sum(u => u.writableInodes) },
  }
}

const fsOf = (time: string, disk: StatsFs) => ({
  time,
  availableBytes: disk.bavail * disk.bsize,
  capacityBytes: disk.blocks * disk.bsize,
  usedBytes: (disk.blocks - disk.bfree) * disk.bsize,
  inodesFree: disk.ffree,
  inodes: disk.files,
  inodesUsed: disk.files - disk.ffree,
})

const cpuOf = (time: string, usageCoreNanoSeconds: number, usageNanoCores: number | undefined) => ({
  time,
  ...(usageNanoCores !== undefined && { usageNanoCores }),
  usageCoreNanoSeconds,
})
type MemoryUsage = Pick<
  ContainerUsage,
  'usageBytes' | 'workingSetBytes' | 'rssBytes' | 'pageFaults' | 'majorPageFaults'
>
const memoryOf = (time: string, u: MemoryUsage) => ({
  time,
  usageBytes: u.usageBytes,
  workingSetBytes: u.workingSetBytes,
  rssBytes: u.rssBytes,
  pageFaults: u.pageFaults,
  majorPageFaults: u.majorPageFaults,
})

async function readNode() {
  const [stat, bytes] = await Promise.all([readFile('/proc/stat', 'utf8'), readMemInfo()])
  // The fields are user nice system idle iowait irq softirq steal, in hundredths of a second. Source: proc_stat(5).
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (stat.split('\n')[0] ?? '')
    .split(/\s+/)
    .slice(1)
    .map(Number)
  const total = bytes('MemTotal')
  return {
    cpuNs: (user + nice + system + irq + softirq) * jiffyNs,
    totalBytes: total,
    availableBytes: bytes('MemAvailable'),
    workingSetBytes: total - bytes('MemAvailable'),
    usageBytes: total - bytes('MemFree'),
    rssBytes: bytes('AnonPages'),
    swapBytes: bytes('SwapTotal') - bytes('SwapFree'),
  }
}
