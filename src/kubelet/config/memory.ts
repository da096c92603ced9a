// How the kernel treats the memory of containers beyond their limits: how much of it may go to swap, from where on a
// container is slowed down, and what is kept for it. Pure.
//
//   NoSwap       nothing goes to swap
//   LimitedSwap  cgroup v2: of the machine's swap, a burstable container may use the share that it requests of its memory
//   MemoryQoS    cgroup v2: above memory.high, a container is slowed down before it reaches its limit; what it requests
//                is kept for it, by memory.min if its pod is Guaranteed and by memory.low if it is Burstable
//
// Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_container_linux.go, KEP-2400, KEP-2570.
import type { Fields } from '../../api/config-file.ts'
import { quantityValue } from '../../api/quantity.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podRequests } from '../../kinds/core/pod-resources.ts'
import type { CgroupLimits } from '../../linux/index.ts'
import { isCritical } from '../admission/critical.ts'
import { qosOf, type ReadContainer } from '../pod/spec.ts'
import type { ContainerResources } from '../runtime/runtime.ts'

export interface MemoryConfig {
  /** Whether the kubelet refuses to start on a machine that swaps. */
  failSwapOn: boolean
  swapBehavior: 'NoSwap' | 'LimitedSwap'
  /** How far up from its request to its limit a container is not slowed down, from 0 to 1. Undefined: it never is. */
  memoryThrottlingFactor: number | undefined
  /** Whether what pods request is kept for them. */
  reservesMemory: boolean
}

export interface MemoryRules extends Pick<MemoryConfig, 'swapBehavior' | 'memoryThrottlingFactor' | 'reservesMemory'> {
  /** The version of the machine's control groups. */
  version: 1 | 2
  /** Whether the kernel limits the swap of a group. */
  limitsSwap: boolean
  capacityBytes: number
  /** What pods may use together. */
  allocatableBytes: number
  swapBytes: number
}

/** What a simulated node has. */
export const plainMemory = (capacityBytes: number): MemoryRules => ({
  swapBehavior: 'NoSwap',
  memoryThrottlingFactor: undefined,
  reservesMemory: false,
  version: 2,
  limitsSwap: false,
  capacityBytes,
  allocatableBytes: capacityBytes,
  swapBytes: 0,
})

export function readMemoryConfig(root: Fields): MemoryConfig {
  const swap = root.object('memorySwap')
  const swapBehavior = swap.oneOf('swapBehavior', ['NoSwap', 'LimitedSwap'], 'NoSwap')
  swap.end()
  const gates = root.object('featureGates')
  const hasQos = gates.boolean('MemoryQoS', false)
  gates.end()
  const [factor, policy] = ['memoryThrottlingFactor', 'memoryReservationPolicy'] as const
  const given = root.raw(factor)
  const isFactor = typeof given === 'number' && given > 0 && given <= 1
  if (given !== undefined && !isFactor)
    root.problem(factor, `must be a number above 0 and up to 1, not ${JSON.stringify(given)}`)
  const reservesMemory = root.oneOf(policy, ['None', 'TieredReservation'], 'None') === 'TieredReservation'
  for (const name of [factor, policy])
    if (root.has(name) && !hasQos) root.problem(name, 'requires the feature gate MemoryQoS')
  return {
    failSwapOn: root.boolean('failSwapOn', false),
    swapBehavior,
    memoryThrottlingFactor: hasQos ? (isFactor ? given : 0.9) : undefined,
    reservesMemory,
  }
}

type Controls = Pick<ContainerResources, 'unified' | 'memorySwapLimitInBytes'>

const pageBytes = 4_096
const requestOf = ({ resources }: ReadContainer) =>
  quantityValue(resources?.requests?.memory ?? resources?.limits?.memory)
const limitOf = ({ resources }: ReadContainer) => quantityValue(resources?.limits?.memory)

/** What the runtime sets for a container beside its limit. */
export function memoryControls(pod: Pod, container: ReadContainer, rules: MemoryRules): Controls {
  // Version 1 counts memory and swap together.
  if (rules.version === 1) return rules.limitsSwap ? { memorySwapLimitInBytes: limitOf(container) } : {}
  const unified: Record<string, string> = {}
  if (rules.limitsSwap) unified['memory.swap.max'] = String(swapOf(pod, container, rules))
  const high = highOf(pod, container, rules)
  if (high !== undefined) unified['memory.high'] = String(high)
  const request = requestOf(container)
  if (rules.reservesMemory && request)
    unified[qosOf(pod) === 'Guaranteed' ? 'memory.min' : 'memory.low'] = String(request)
  return Object.keys(unified).length ? { unified } : {}
}

function swapOf(pod: Pod, container: ReadContainer, { swapBehavior, swapBytes, capacityBytes }: MemoryRules): number {
  if (swapBehavior !== 'LimitedSwap' || isCritical(pod) || qosOf(pod) !== 'Burstable') return 0
  const request = requestOf(container)
  if (!request || request === limitOf(container)) return 0
  return Math.floor((request / capacityBytes) * swapBytes)
}

function highOf(pod: Pod, container: ReadContainer, rules: MemoryRules): number | undefined {
  const { memoryThrottlingFactor: factor, allocatableBytes } = rules
  if (factor === undefined || qosOf(pod) === 'Guaranteed') return undefined
  const request = quantityValue(container.resources?.requests?.memory)
  const top = limitOf(container) || allocatableBytes
  if (request === top) return undefined
  const high = Math.floor((request + factor * (top - request)) / pageBytes) * pageBytes
  return high > request ? high : undefined
}

type Kept = Pick<CgroupLimits, 'memoryMinBytes' | 'memoryLowBytes'>

/** What is kept for a pod, or for pods together. */
export function keptMemory(pods: readonly Pod[], { version, reservesMemory }: MemoryRules): Kept {
  if (version === 1 || !reservesMemory) return {}
  const sum = (qos: string) =>
    pods.reduce((total, pod) => (qosOf(pod) === qos ? total + quantityValue(podRequests(pod.spec).memory) : total), 0)
  return { memoryMinBytes: sum('Guaranteed'), memoryLowBytes: sum('Burstable') }
}
