// Computes kernel settings from requests and limits: CPU shares and quota, memory limit and OOM score, and the control
// group of a pod, which follows from its quality of service.
// Source: kubernetes pkg/kubelet/cm (helpers_linux), qos/policy.go.
import { quantityMilli, quantityValue } from '../../api/quantity.ts'
import type { CgroupLimits } from '../../linux/index.ts'
import type { ContainerConfig } from '../runtime/runtime.ts'
import { initContainers, isSidecar, mainContainers, type ReadContainer, uidOf } from '../pod/spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

//   ROOT/kubepods/podUID                 Guaranteed: every container has equal requests and limits of CPU and memory
//   ROOT/kubepods/burstable/podUID       Burstable: all others
//   ROOT/kubepods/besteffort/podUID      BestEffort: no container has a request or limit
//
// For example, a container that requests 250m and is limited to 500m has 256 shares and 50,000 µs in each 100,000 µs.

type Resources = NonNullable<NonNullable<ContainerConfig['linux']>['resources']>

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

type Qos = 'Guaranteed' | 'Burstable' | 'BestEffort'

/** The quality of service that follows from the spec. Source: kubernetes pkg/apis/core/v1/helper/qos. */
export function qosOf(pod: Pod): Qos {
  if (pod.status.qosClass) return pod.status.qosClass as Qos
  let any = false
  let guaranteed = true
  for (const { resources } of [...initContainers(pod), ...mainContainers(pod)]) {
    for (const name of ['cpu', 'memory']) {
      const limit = resources?.limits?.[name]
      const request = resources?.requests?.[name] ?? limit
      const has = (amount: string | undefined) => quantityMilli(amount) > 0
      any ||= has(limit) || has(request)
      guaranteed &&= has(limit) && quantityMilli(limit) === quantityMilli(request)
    }
  }
  return !any ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable'
}

/** The control group of a pod, `ROOT/kubepods/burstable/podUID`. Guaranteed pods are in `ROOT/kubepods` itself. */
export function podCgroup(root: string, pod: Pod): string {
  const qos = qosOf(pod)
  return `${root}/kubepods/${qos === 'Guaranteed' ? '' : `${qos.toLowerCase()}/`}pod${uidOf(pod)}`
}

export function containerResources(pod: Pod, container: ReadContainer, nodeMemoryBytes: number): Resources {
  const { limits = {}, requests = {} } = container.resources ?? {}
  const limitMilli = quantityMilli(limits.cpu)
  const requestMilli = requests.cpu === undefined ? limitMilli : quantityMilli(requests.cpu)
  return {
    cpuPeriod: periodUs,
    cpuQuota: cpuQuota(limitMilli),
    cpuShares: cpuShares(requestMilli),
    memoryLimitInBytes: quantityValue(limits.memory),
    oomScoreAdj: oomScore(pod, container, nodeMemoryBytes),
  }
}

/**
 * The OOM score: the kernel kills processes with a high one first. Best-effort pods have 1000, guaranteed ones -997,
 * and others less the more memory they request.
 */
export function oomScore(pod: Pod, container: ReadContainer, nodeMemoryBytes: number): number {
  if ((pod.spec.priority ?? 0) >= 2_000_000_000) return -997
  const qos = qosOf(pod)
  if (qos === 'Guaranteed') return -997
  if (qos === 'BestEffort') return 1000
  const { limits = {}, requests = {} } = container.resources ?? {}
  const request = quantityValue(requests.memory ?? limits.memory)
  const score = 1000 - Math.floor((1000 * request) / Math.max(1, nodeMemoryBytes))
  return Math.min(999, Math.max(2 + 1, score))
}

/** The limits of a pod's control group: sums over its containers. There is a limit only if every container has one. */
export function podLimits(pod: Pod, pidsLimit: number): CgroupLimits {
  const lasting = [...mainContainers(pod), ...initContainers(pod).filter(isSidecar)]
  const passing = initContainers(pod).filter(c => !isSidecar(c))
  const sum = (of: (c: ReadContainer) => number) =>
    Math.max(
      lasting.reduce((total, c) => total + of(c), 0),
      ...passing.map(of),
    )
  const cpuRequest = sum(c => quantityMilli(c.resources?.requests?.cpu ?? c.resources?.limits?.cpu))
  const allHave = (name: string) => [...lasting, ...passing].every(c => quantityMilli(c.resources?.limits?.[name]) > 0)
  const cpuLimit = allHave('cpu') ? sum(c => quantityMilli(c.resources?.limits?.cpu)) : 0
  const memory = allHave('memory') ? sum(c => quantityValue(c.resources?.limits?.memory)) : 0
  return {
    cpuShares: cpuShares(cpuRequest),
    cpuPeriodUs: periodUs,
    cpuQuotaUs: cpuLimit ? cpuQuota(cpuLimit) : -1,
    memoryBytes: memory || -1,
    pids: pidsLimit,
  }
}
