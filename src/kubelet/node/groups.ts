// The control groups above those of pods: what all pods of the node may use together, and how CPU time is shared between
// the classes of quality of service when it is short.
//
//   ROOT/kubepods              memory and processes: the capacity less what is reserved; CPU time: likewise, as a share
//   ROOT/kubepods/burstable    CPU time: the share of what burstable pods request
//   ROOT/kubepods/besteffort   CPU time: the least share
//
// Source: kubernetes pkg/kubelet/cm/node_container_manager_linux.go, qos_container_manager_linux.go.
import { counts } from '../metrics.ts'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { quantityMilli } from '../../api/quantity.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podRequests } from '../../kinds/core/pod-resources.ts'
import type { CgroupLimits, Cgroups } from '../../linux/index.ts'
import { keptMemory, type MemoryRules } from '../config/memory.ts'
import { cpuShares } from '../config/resources.ts'
import { livePods } from '../on-node.ts'
import { qosOf } from '../pod/spec.ts'

/** What is kept from pods for the system and for the kubelet. */
export interface Reserved {
  cpuMilli: number
  memoryBytes: number
  storageBytes: number
  /** Process ids; 0 leaves the number of processes of pods to `pids.max` of each. */
  pids: number
}

interface Capacity {
  cpuMilli: number
  memoryBytes: number
  /** The most processes of the machine. */
  pids: number
}

/** The limits of the groups, by their path below `ROOT/kubepods`. */
export function groupLimits(
  capacity: Capacity,
  reserved: Reserved,
  pods: readonly Pod[],
  memory: MemoryRules,
): ReadonlyMap<'' | 'burstable' | 'besteffort', CgroupLimits> {
  const burstable = pods.filter(pod => qosOf(pod) === 'Burstable')
  const requested = burstable.reduce((sum, { spec }) => sum + quantityMilli(podRequests(spec).cpu), 0)
  return new Map([
    [
      '',
      {
        cpuShares: cpuShares(Math.max(0, capacity.cpuMilli - reserved.cpuMilli)),
        memoryBytes: Math.max(0, capacity.memoryBytes - reserved.memoryBytes),
        ...(reserved.pids && { pids: Math.max(1, capacity.pids - reserved.pids) }),
        ...keptMemory(pods, memory),
      },
    ],
    ['burstable', { cpuShares: cpuShares(requested), ...keptMemory(burstable, memory) }],
    ['besteffort', { cpuShares: cpuShares(0) }],
  ])
}

interface NodeGroupsOptions {
  cgroups: Cgroups
  cgroupRoot: string
  capacity: Capacity
  reserved: Reserved
  memory: MemoryRules
  /** The pods that have not ended. */
  pods: () => readonly Pod[]
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** Pods come and go in numbers, so that the groups are written once for several changes. */
const pauseMs = 1_000

/** Keeps the limits of the groups. A write that fails is logged, and comes again with the next change of a pod. */
export class NodeGroups {
  readonly #options: NodeGroupsOptions
  readonly #written = new Map<string, string>()
  readonly #writing: Chore

  constructor(options: NodeGroupsOptions) {
    this.#options = options
    this.#writing = new Chore({ signal: options.signal }, async () => {
      await this.write()
      await options.clock.sleep(pauseMs, options.signal)
    })
  }

  /** To be called when pods came, went or changed. */
  changed(): void {
    this.#writing.wake()
  }

  /** Writes what has changed. */
  async write(): Promise<void> {
    const { cgroups, cgroupRoot, capacity, reserved, memory, pods, clock, log } = this.#options
    for (const [name, limits] of groupLimits(capacity, reserved, pods(), memory)) {
      const path = `${cgroupRoot}/kubepods${name && `/${name}`}`
      const text = JSON.stringify(limits)
      if (this.#written.get(path) === text) continue
      try {
        const from = clock.steady()
        await cgroups.ensure(path, limits)
        counts.group(clock.steady() - from, this.#written.has(path) ? 'update' : 'create')
        this.#written.set(path, text)
      } catch (error) {
        log.warn('the limits of a control group could not be written', { path, why: messageOf(error) })
      }
    }
  }
}

interface GroupParts extends Pick<NodeGroupsOptions, 'cgroupRoot' | 'memory' | 'clock' | 'log' | 'signal'> {
  cgroups: Cgroups | undefined
  machine: { cpuMilli: number; memoryBytes: number; maxPids: number }
  workers: ReadonlyMap<string, { pod: Pod; over: boolean }>
  config: { enforcesAllocatable: boolean; reserved: Reserved }
}

/** Undefined where what all pods use together is not limited. */
export function makeGroups({ cgroups, machine, workers, config, ...others }: GroupParts): NodeGroups | undefined {
  if (!cgroups || !config.enforcesAllocatable) return undefined
  return new NodeGroups({
    ...others,
    cgroups,
    capacity: { ...machine, pids: machine.maxPids },
    reserved: config.reserved,
    pods: () => livePods(workers),
  })
}
