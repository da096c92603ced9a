// The control groups of the pods on a node with what the kernel counts for each: the pods, their containers, and their
// sandboxes, which have the network. A group that goes while it is read is left out.
// Source: cadvisor container/containerd and kubelet pkg/kubelet/cadvisor (the labels of each group).
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cgroups } from '../../linux/index.ts'
import { podCgroup } from '../config/resources.ts'
import { nameOf, namespaceOf, onHostNetwork } from '../pod/spec.ts'
import type { PodWorker } from '../pod/worker.ts'
import type { ContainerUsage } from '../runtime/runtime.ts'

export interface GroupSeen {
  labels: { container: string; id: string; image: string; name: string; namespace: string; pod: string }
  usage: NonNullable<Awaited<ReturnType<Cgroups['usage']>>>
  detail: NonNullable<Awaited<ReturnType<Cgroups['detail']>>>
  processes: number
  /** In ms since the epoch. */
  startedAtMs?: number
  /** Bytes in the writable layer of a container. */
  writableBytes?: number
  network?: readonly NetworkCounts[]
}

export interface NetworkCounts {
  interface: string
  received: Traffic
  sent: Traffic
}
interface Traffic {
  bytes: number
  packets: number
  errors: number
  dropped: number
}

interface GroupsOptions {
  /** Undefined on a simulated node, whose containers have only what its runtime counts. */
  cgroups: Cgroups | undefined
  cgroupRoot: string
  pods: readonly PodWorker[]
  /** By container id. */
  usages: ReadonlyMap<string, ContainerUsage>
}

export async function groupsOf({ cgroups, cgroupRoot, pods, usages }: GroupsOptions): Promise<GroupSeen[]> {
  if (!cgroups) return pods.flatMap(worker => simulatedGroups(worker, usages))
  const read = async (path: string, id: string, more: Omit<GroupSeen, 'usage' | 'detail' | 'processes'>) => {
    const [usage, detail, processes] = await Promise.all([
      cgroups.usage(path),
      cgroups.detail(path),
      cgroups.processes(path),
    ])
    if (!usage || !detail) return []
    const network = id && more.network ? await networkOf(processes[0]) : undefined
    return [{ ...more, usage, detail, processes: processes.length, ...(network && { network }) }]
  }
  const found = await Promise.all(
    pods.flatMap(({ pod, seen }) => {
      const path = podCgroup(cgroupRoot, pod)
      const labels = { container: '', id: path, image: '', name: '', namespace: namespaceOf(pod), pod: nameOf(pod) }
      const within = (id: string) => ({ ...labels, id: join(path, id), name: id })
      const sandbox = seen.sandboxes.find(s => s.ready)
      return [
        read(path, '', { labels }),
        ...(sandbox
          ? [
              read(join(path, sandbox.id), sandbox.id, {
                labels: within(sandbox.id),
                startedAtMs: sandbox.createdAtMs,
                ...(!onHostNetwork(pod) && { network: [] }),
              }),
            ]
          : []),
        ...seen.containers
          .filter(c => c.state === 'running')
          .map(({ id, name, image, startedAtMs }) =>
            read(join(path, id), id, {
              labels: { ...within(id), container: name, image },
              startedAtMs,
              writableBytes: usages.get(id)?.writableBytes ?? 0,
            }),
          ),
      ]
    }),
  )
  return found.flat()
}

function simulatedGroups({ pod, seen }: PodWorker, usages: GroupsOptions['usages']): GroupSeen[] {
  return seen.containers.flatMap(({ id, name, image, startedAtMs, state }) => {
    const usage = usages.get(id)
    if (!usage || state !== 'running') return []
    const labels = { container: name, id: `/${id}`, image, name: id, namespace: namespaceOf(pod), pod: nameOf(pod) }
    return [
      {
        labels,
        startedAtMs,
        usage: { ...usage, memoryBytes: usage.usageBytes, pids: 0 },
        detail: nothing,
        processes: 0,
      },
    ]
  })
}

const nothing: GroupSeen['detail'] = {
  cpu: { periods: 0, throttledPeriods: 0, throttledNs: 0 },
  memory: { cacheBytes: 0, mappedBytes: 0, swapBytes: 0, peakBytes: 0, failures: 0, oomKills: 0 },
  io: new Map(),
  limits: { cpuShares: 0, cpuQuotaUs: undefined, cpuPeriodUs: 0, memoryBytes: undefined, pids: undefined },
}

/** The counts of the interfaces that a process has, without the loopback. Source: proc_pid_net(5). */
async function networkOf(pid: number | undefined): Promise<readonly NetworkCounts[]> {
  if (pid === undefined) return []
  // The process may have ended since it was listed.
  const text = await readFile(`/proc/${pid}/net/dev`, 'utf8').catch(() => '')
  return networkIn(text)
}

export function networkIn(text: string): NetworkCounts[] {
  const traffic = ([bytes = 0, packets = 0, errors = 0, dropped = 0]: number[]): Traffic => ({
    bytes,
    packets,
    errors,
    dropped,
  })
  return text.split('\n').flatMap(line => {
    const [, name, rest] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? []
    if (name === undefined || rest === undefined || name === 'lo') return []
    const counts = rest.trim().split(/\s+/).map(Number)
    return [{ interface: name, received: traffic(counts.slice(0, 4)), sent: traffic(counts.slice(8, 12)) }]
  })
}
