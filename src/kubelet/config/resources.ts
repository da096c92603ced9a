// Computes kernel settings from requests and limits: CPU shares and quota, memory limit and OOM score, and the control
// group of a pod, which follows from its quality of service.
// Source: kubernetes pkg/kubelet/cm (helpers_linux), qos/policy.go.
import { quantityMilli, quantityValue } from '../../api/quantity.ts'
import type { CgroupLimits } from '../../linux/index.ts'
import { isCritical } from '../admission/critical.ts'
import type { ContainerResources } from '../runtime/runtime.ts'
import { podLimits, podRequests } from '../../kinds/core/pod-resources.ts'
import { initContainers, isSidecar, mainContainers, qosOf, type ReadContainer, uidOf } from '../pod/spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { keptMemory, memoryControls, type MemoryRules } from './memory.ts'

//   ROOT/kubepods/podUID                 Guaranteed: every container has equal requests and limits of CPU and memory
//   ROOT/kubepods/burstable/podUID       Burstable: all others
//   ROOT/kubepods/besteffort/podUID      BestEffort: no container has a request or limit
//
// For example, a container that requests 250m and is limited to 500m has 256 shares and 50,000 µs in each 100,000 µs.

const minShares = 2
const maxShares = 262_144
const periodUs = 100_000
const minQuotaUs = 1_000

/** CPU shares for a request in thousandths of a CPU: 1024 for each CPU. */
export const cpuShares = (milli: number): number =>
  milli === 0 ? minShares : Math.min(maxShares, Math.max(minShares, Math.floor((milli * 1024) / 1000)))
/** CPU time in µs per period for a limit in thousandths of a CPU; 0 without a limit. */
export const cpuQuota = (milli: number): number =>
  milli === 0 ? 0 : Math.max(minQuotaUs, Math.floor((milli * periodUs) / 1000))

/** The control group of a pod, `ROOT/kubepods/burstable/podUID`. Guaranteed pods are in `ROOT/kubepods` itself. */
export function podCgroup(root: string, pod: Pod): string {
  const qos = qosOf(pod)
  return `${root}/kubepods/${qos === 'Guaranteed' ? '' : `${qos.toLowerCase()}/`}pod${uidOf(pod)}`
}

export function containerResources(pod: Pod, container: ReadContainer, memory: MemoryRules): ContainerResources {
  const { limits = {}, requests = {} } = container.resources ?? {}
  const limitMilli = quantityMilli(limits.cpu)
  const requestMilli = requests.cpu === undefined ? limitMilli : quantityMilli(requests.cpu)
  const hugePages = hugePageLimits(limits)
  return {
    cpuPeriod: periodUs,
    cpuQuota: cpuQuota(limitMilli),
    cpuShares: cpuShares(requestMilli),
    memoryLimitInBytes: quantityValue(limits.memory),
    oomScoreAdj: oomScore(pod, container, memory.capacityBytes),
    ...memoryControls(pod, container, memory),
    ...(hugePages.length && { hugepageLimits: hugePages }),
  }
}

const units = ['B', 'KB', 'MB', 'GB'] as const

/** The limits of huge pages by the size of a page, such as `2MB`. Source: opencontainers/cgroups (HugePageSizes). */
function hugePageLimits(limits: Readonly<Record<string, string>>): { pageSize: string; limit: number }[] {
  return Object.entries(limits).flatMap(([name, amount]) => {
    const size = /^hugepages-(.+)$/.exec(name)?.[1]
    if (size === undefined) return []
    const bytes = quantityValue(size)
    const unit = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
    return [{ pageSize: `${bytes / 1024 ** unit}${units[unit]}`, limit: quantityValue(amount) }]
  })
}

/**
 * The OOM score: the kernel kills processes with a high one first. Best-effort pods have 1000, guaranteed ones and
 * those that are critical for the node -997, and others less the more memory they request. A sidecar is not killed
 * before the containers that it serves. Source: kubernetes pkg/kubelet/qos (GetContainerOOMScoreAdjust).
 */
export function oomScore(pod: Pod, container: ReadContainer, nodeMemoryBytes: number): number {
  if (isCritical(pod) && pod.spec.priorityClassName === 'system-node-critical') return -997
  const qos = qosOf(pod)
  if (qos === 'Guaranteed') return -997
  if (qos === 'BestEffort') return 1000
  const scoreOf = ({ resources }: ReadContainer) => {
    const request = quantityValue(resources?.requests?.memory ?? resources?.limits?.memory)
    return 1000 - Math.floor((1000 * request) / Math.max(1, nodeMemoryBytes))
  }
  const served = isSidecar(container) ? Math.max(...mainContainers(pod).map(scoreOf)) : 1000
  const score = Math.min(scoreOf(container), served)
  return Math.min(999, Math.max(2 + 1, score))
}

/**
 * The limits of a pod's control group: what the whole pod asks for. There is a limit only if every container has one,
 * or the pod itself.
 */
export function podCgroupLimits(pod: Pod, pidsLimit: number, memory: MemoryRules): CgroupLimits {
  const limits = podLimits(pod.spec)
  const isLimited = (name: string) =>
    quantityMilli(pod.spec.resources?.limits?.[name]) > 0 ||
    [...mainContainers(pod), ...initContainers(pod)].every(c => quantityMilli(c.resources?.limits?.[name]) > 0)
  return {
    cpuShares: cpuShares(quantityMilli(podRequests(pod.spec).cpu)),
    cpuPeriodUs: periodUs,
    cpuQuotaUs: isLimited('cpu') ? cpuQuota(quantityMilli(limits.cpu)) : -1,
    memoryBytes: isLimited('memory') ? quantityValue(limits.memory) : -1,
    pids: pidsLimit,
    ...keptMemory([pod], memory),
  }
}
