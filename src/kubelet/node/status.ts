// Computes the parts of the Node object that the kubelet writes: facts, capacity and conditions. Pure.
// Source: kubernetes pkg/kubelet/nodestatus/setters.go.
import { kubernetesVersion } from '../../base/build-info.ts'
import { canonicalQuantity } from '../../api/quantity.ts'
import { timeText } from '../../api/time.ts'
import type { Node } from '../../kinds/core/node.ts'
import type { NodeCondition, NodeStatus } from '../../kinds/core/nodestatus.ts'
import { isExtended } from '../../kinds/core/resource-rules.ts'
import type { Condition } from '../eviction/signals.ts'
import type { ImageSeen, RuntimeInfo } from '../runtime/runtime.ts'
import type { Machine } from './machine.ts'

interface NodeFactsInput {
  name: string
  ips: readonly string[]
  machine: Machine
  runtime: RuntimeInfo
  images: readonly ImageSeen[]
  port: number
  maxPods: number
  /** A reason other than the runtime why the node is not ready. */
  problem: string
  /** The conditions of the node that hold, of those that keep pods away. */
  conditions: readonly Condition[]
  /** The devices of the node, by resource. */
  devices: ReadonlyMap<string, { capacity: number; allocatable: number }>
  /** What is not allocatable: the hard eviction thresholds, and what is reserved for the system. */
  keptFree: { cpuMilli: number; memoryBytes: number; storageBytes: number }
}

const handlerStatus = ({ name, recursiveReadOnlyMounts, userNamespaces }: RuntimeInfo['handlers'][number]) => ({
  name,
  features: { recursiveReadOnlyMounts, userNamespaces },
})

const maxImages = 50

/**
 * The whole status of the node. What is allocatable is the capacity without the eviction thresholds of memory and disk.
 * @param before the stored status, whose transition times stay for conditions that do not change
 */
export function nodeStatus(input: NodeFactsInput, before: NodeStatus | undefined, now: number): NodeStatus {
  const { machine, runtime } = input
  const hugePages: Record<string, string> = { 'hugepages-1Gi': '0', 'hugepages-2Mi': '0' }
  for (const [size, bytes] of machine.hugePages) hugePages[hugePageResource(size)] = kibi(bytes)
  const setAside = [...machine.hugePages.values()].reduce((sum, bytes) => sum + bytes, 0)
  const devices = (what: 'capacity' | 'allocatable') =>
    Object.fromEntries(Array.from(input.devices, ([resource, count]) => [resource, String(count[what])]))
  const capacity = {
    ...extendedOf(before?.capacity),
    cpu: cpuText(machine.cpuMilli),
    memory: kibi(machine.memoryBytes),
    'ephemeral-storage': kibi(machine.ephemeralStorageBytes),
    ...hugePages,
    pods: String(input.maxPods),
    ...devices('capacity'),
  }
  return {
    capacity,
    allocatable: {
      ...capacity,
      cpu: cpuText(Math.max(0, machine.cpuMilli - input.keptFree.cpuMilli)),
      memory: kibi(Math.max(0, machine.memoryBytes - input.keptFree.memoryBytes - setAside)),
      'ephemeral-storage': canonicalQuantity(Math.max(0, machine.ephemeralStorageBytes - input.keptFree.storageBytes)),
      ...devices('allocatable'),
    },
    conditions: conditions(input, before, now),
    addresses: [
      ...input.ips.map(address => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: input.name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: input.port } },
    nodeInfo: {
      machineID: machine.machineID,
      systemUUID: machine.systemUUID,
      bootID: machine.bootID,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: `${runtime.name}://${runtime.version.replace(/[~+].*$/, '')}`,
      kubeletVersion: kubernetesVersion,
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: machine.architecture,
      ...(machine.swapBytes && { swap: { capacity: machine.swapBytes } }),
    },
    images: [...input.images]
      .sort((a, b) => b.sizeBytes - a.sizeBytes)
      .slice(0, maxImages)
      .map(image => ({ names: [...image.digests, ...image.tags].slice(0, 5), sizeBytes: image.sizeBytes })),
    ...(runtime.handlers.length && { runtimeHandlers: runtime.handlers.map(handlerStatus) }),
  }
}

/** Resources that somebody else has written into the status, which stay. Source: task "advertise extended resources". */
const extendedOf = (capacity: NodeStatus['capacity']): NonNullable<NodeStatus['capacity']> =>
  Object.fromEntries(Object.entries(capacity ?? {}).filter(([resource]) => isExtended(resource)))

const pressureTypes = ['MemoryPressure', 'DiskPressure', 'PIDPressure'] as const

// Quantities are in canonical form, so that an unchanged status equals the stored one.
/** The name of the resource for huge pages of this many bytes, such as `hugepages-2Mi`. */
export const hugePageResource = (size: number): string => `hugepages-${kibi(size)}`

const kibi = (bytes: number) => canonicalQuantity(`${Math.floor(bytes / 1024)}Ki`)
const cpuText = (milli: number) => (milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`)

function conditions(input: NodeFactsInput, before: NodeStatus | undefined, now: number): NodeCondition[] {
  const { runtime } = input
  const [memory, disk, pid] = pressureTypes.map(type => input.conditions.includes(type))
  const problems = [
    runtime.runtimeProblem,
    runtime.networkProblem && `container runtime network not ready: ${runtime.networkProblem}`,
    input.problem,
  ].filter(Boolean)
  const ready = problems.length === 0
  const entries: [string, boolean, string, string][] = [
    [
      'MemoryPressure',
      memory === true,
      memory ? 'KubeletHasInsufficientMemory' : 'KubeletHasSufficientMemory',
      memory ? 'kubelet has insufficient memory available' : 'kubelet has sufficient memory available',
    ],
    [
      'DiskPressure',
      disk === true,
      disk ? 'KubeletHasDiskPressure' : 'KubeletHasNoDiskPressure',
      disk ? 'kubelet has disk pressure' : 'kubelet has no disk pressure',
    ],
    [
      'PIDPressure',
      pid === true,
      pid ? 'KubeletHasInsufficientPID' : 'KubeletHasSufficientPID',
      pid ? 'kubelet has insufficient PID available' : 'kubelet has sufficient PID available',
    ],
    [
      'Ready',
      ready,
      ready ? 'KubeletReady' : 'KubeletNotReady',
      ready ? 'kubelet is posting ready status' : problems.join(', '),
    ],
  ]
  return entries.map(([type, holds, reason, message]) => {
    const status = holds ? 'True' : 'False'
    const old = before?.conditions?.find(c => c.type === type)
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : timeText(now)
    return { type, status, lastHeartbeatTime: timeText(now), lastTransitionTime, reason, message }
  })
}

/** The Node object for registration. */
export function newNode(
  name: string,
  labels: Readonly<Record<string, string>>,
  taints: Node['spec']['taints'],
  unschedulable: boolean,
) {
  return {
    metadata: {
      name,
      labels: { ...labels },
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: { ...(taints?.length && { taints }), ...(unschedulable && { unschedulable }) },
  }
}

/** The labels that every node has. */
export function ownLabels(name: string, machine: Machine): Record<string, string> {
  const { architecture } = machine
  return {
    'beta.kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture,
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
  }
}
