// Sets up the managers of CPUs and memory as the kubelet's configuration says, and what places pods on NUMA nodes.
import { join } from 'node:path'
import type { Mirror } from '../../api/mirror.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { Rejection } from '../admission/admission.ts'
import { CpuManager } from '../cpus/manager.ts'
import { reservedCpus } from '../cpus/plan.ts'
import type { DeviceManager } from '../devices/index.ts'
import { type KubeletConfig, thresholdsOf } from '../kubelet-config.ts'
import { MemoryManager } from '../memory/manager.ts'
import type { Stock } from '../memory/plan.ts'
import { liveUids } from '../on-node.ts'
import type { PodSeen, Runtime } from '../runtime/runtime.ts'
import { type NumaNode, readTopology, type Topology } from './machine.ts'
import { TopologyManager } from './manager.ts'

type OnNode = ReadonlyMap<string, { readonly pod: Pod; readonly seen: PodSeen; readonly over: boolean }>

interface ManagerParts {
  runtime: Runtime
  rootDir: string
  config: KubeletConfig
  /** The pods of the node, and whether they are all there. */
  source: { readonly pods: Pick<Mirror<Pod>, 'list'>; readonly isComplete: boolean }
  workers: OnNode
  clock: Clock
  log: Log
  signal: AbortSignal
}

export interface Managers {
  /** Undefined where all containers share all CPUs. */
  readonly cpus: CpuManager | undefined
  /** Undefined where all containers use the memory of all NUMA nodes. */
  readonly memory: MemoryManager | undefined
  readonly topology: Topology | undefined
}

/** Throws for CPUs and NUMA nodes that the machine does not have. */
export async function makeManagers(parts: ManagerParts): Promise<Managers> {
  const { runtime, config, source, workers } = parts
  const [hasCpus, hasMemory] = [config.cpuManagerPolicy === 'static', config.memoryManagerPolicy === 'Static']
  const isNeeded = hasCpus || hasMemory || config.topologyManagerPolicy !== 'none'
  const topology = runtime.real && isNeeded ? await readTopology() : undefined
  if (!topology) return { cpus: undefined, memory: undefined, topology }
  const now = { live: () => liveUids(source.pods.list(), workers), isComplete: () => source.isComplete }
  return {
    topology,
    cpus: hasCpus ? makeCpus(parts, topology, now) : undefined,
    memory: hasMemory
      ? new MemoryManager({
          file: join(parts.rootDir, 'memory_manager_state'),
          stock: memoryStock(topology.nodes, config),
          now,
          podOf: uid => workers.get(uid)?.pod,
        })
      : undefined,
  }
}

function makeCpus(parts: ManagerParts, { cpus }: Topology, now: ConstructorParameters<typeof CpuManager>[0]['now']) {
  const { runtime, rootDir, config, workers, clock, log, signal } = parts
  const unknown = config.reservedCpus.find(id => cpus.every(cpu => cpu.id !== id))
  if (unknown !== undefined) throw new Error(`reservedSystemCPUs: the machine has no CPU ${unknown}`)
  return new CpuManager({
    ...config.cpuPolicyOptions,
    file: join(rootDir, 'cpu_manager_state'),
    cpus,
    reserved: reservedCpus(cpus, config.reservedCpus, config.reserved.cpuMilli),
    pods: () => workers.values(),
    now,
    runtime,
    clock,
    log,
    signal,
  })
}

/**
 * What containers can have of each NUMA node. Throws when the reserved memory is not what the node keeps from pods
 * altogether. Source: kubernetes pkg/kubelet/cm/memorymanager (validateReservedMemory).
 */
export function memoryStock(nodes: readonly NumaNode[], config: KubeletConfig): Stock {
  const { reservedMemory, reserved } = config
  const unknown = [...reservedMemory.keys()].find(id => nodes.every(node => node.id !== id))
  if (unknown !== undefined) throw new Error(`reservedMemory: the machine has no NUMA node ${unknown}`)
  const total = nodes.reduce((bytes, node) => bytes + (node.bytes.get('memory') ?? 0), 0)
  const hard = thresholdsOf(config, false).find(
    ({ signal, graceMs }) => signal === 'memory.available' && graceMs === 0,
  )?.value
  const kept = hard === undefined ? 0 : 'share' in hard ? Math.floor(hard.share * total) : hard.quantity
  const named = Array.from(reservedMemory.values(), of => of.get('memory') ?? 0).reduce((a, b) => a + b, 0)
  if (named !== reserved.memoryBytes + kept)
    throw new Error(
      `reservedMemory: the total amount ${named} of type "memory" is not equal to the value ${reserved.memoryBytes + kept} determined by Node Allocatable feature (kubeReserved, systemReserved and evictionHard)`,
    )
  return new Map(
    nodes.map(({ id, bytes }) => [
      id,
      new Map(
        Array.from(bytes, ([resource, amount]) => [
          resource,
          Math.max(0, freeOf(resource, amount, bytes) - (reservedMemory.get(id)?.get(resource) ?? 0)),
        ]),
      ),
    ]),
  )
}

/** Ordinary memory is what huge pages do not take. */
function freeOf(resource: string, amount: number, bytes: NumaNode['bytes']): number {
  if (resource !== 'memory') return amount
  return Array.from(bytes).reduce((rest, [name, taken]) => (name === 'memory' ? rest : rest - taken), amount)
}

interface PlacingParts extends Pick<ManagerParts, 'config' | 'signal'> {
  managers: Managers
  devices: DeviceManager | undefined
}

interface Placing {
  /**
   * Gives a pod what takes time to give. Undefined if it needs nothing of that; otherwise the promise of the reason why
   * it cannot have it, which rejects only when the kubelet ends.
   */
  allot: (pod: Pod) => Promise<Rejection | undefined> | undefined
  /** Gives a pod the rest, last of all. Returns why it cannot. */
  takeRest: (pod: Pod) => Rejection | undefined
}

/** How pods get what they have for themselves. */
export function makePlacing({ config, signal, managers, devices }: PlacingParts): Placing {
  const { cpus, memory, topology } = managers
  const policy = config.topologyManagerPolicy
  if (!topology || policy === 'none')
    return { allot: pod => devices?.allot(pod), takeRest: pod => cpus?.admit(pod) ?? memory?.admit(pod) }
  const manager = new TopologyManager({
    policy,
    scope: config.topologyManagerScope,
    prefersClosest: config.prefersClosestNodes,
    nodes: topology.nodes,
    providers: [cpus, memory, devices].flatMap(provider => provider ?? []),
    signal,
  })
  return { allot: pod => manager.admit(pod), takeRest: () => undefined }
}
