// In which order pods are evicted, and what the eviction says. Pure.
//
// A worked example, under memory pressure:
//
//   pod   priority  uses    requests   order
//   a     0         300Mi   500Mi      3   it stays within its request
//   b     100       200Mi   100Mi      2   it exceeds its request, but has a higher priority than c
//   c     0         150Mi   100Mi      1
//
// Source: kubernetes pkg/kubelet/eviction/helpers.go (rankMemoryPressure, rankDiskPressureFunc, rankPIDPressure,
// evictionMessage).
import { compareQuantities, quantityValue } from '../../api/quantity.ts'
import { podRequests } from '../../kinds/core/pod-resources.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { priorityOf } from '../admission/critical.ts'
import { initContainers, mainContainers, nameOf } from '../pod/spec.ts'
import {
  amountIn,
  amountText,
  bytesText,
  meanings,
  type Observations,
  type Resource,
  type Threshold,
} from './signals.ts'
import { amountUsed, type ContainerUse, type PodUse } from './usage.ts'

export interface Measured {
  pod: Pod
  /** Undefined when it could not be measured. Such a pod comes first. */
  use: PodUse | undefined
}

/** The pods, the first to be evicted first. */
export function rankPods(pods: readonly Measured[], { signal }: Threshold, hasImageFs: boolean): Measured[] {
  const { resource } = meanings[signal]
  const ranked = pods.map(entry => {
    const used = entry.use && amountUsed(entry.use, resource, signal, hasImageFs)
    const request = requestOf(entry.pod, resource)
    return {
      entry,
      isUnknown: used === undefined,
      // Process ids cannot be requested, so that they do not decide before the priority.
      exceeds: resource !== 'pids' && used !== undefined && used > request,
      above: used === undefined ? 0 : used - request,
    }
  })
  ranked.sort(
    (a, b) =>
      Number(b.isUnknown) - Number(a.isUnknown) ||
      Number(b.exceeds) - Number(a.exceeds) ||
      priorityOf(a.entry.pod) - priorityOf(b.entry.pod) ||
      b.above - a.above,
  )
  return ranked.map(({ entry }) => entry)
}

/** What a pod must use of a shared disk at least for its eviction to help. */
const worthwhile = { 'ephemeral-storage': 16 * 2 ** 20, inodes: 1_000 } as const

/**
 * Whether the eviction of a pod frees anything to speak of. A disk that others fill does not get emptier by the end of
 * pods that hardly use it.
 */
export function isWorthwhile({ use }: Measured, { signal }: Threshold, hasImageFs: boolean): boolean {
  const { resource } = meanings[signal]
  if (resource !== 'ephemeral-storage' && resource !== 'inodes') return true
  return use !== undefined && amountUsed(use, resource, signal, hasImageFs) >= worthwhile[resource]
}

const requestOf = (pod: Pod, resource: Resource): number =>
  resource === 'memory' || resource === 'ephemeral-storage' ? quantityValue(podRequests(pod.spec)[resource]) : 0

/** Why a pod is evicted: what was short, and which of its containers used more than they requested. */
export function evictionMessage(
  { pod, use }: Measured,
  threshold: Threshold,
  urgent: readonly Threshold[],
  observed: Observations,
): string {
  const { resource } = meanings[threshold.signal]
  const parts = [`The node was low on resource: ${resource}. `]
  const first = urgent.find(({ signal }) => meanings[signal].resource === resource && observed.has(signal))
  const seen = first && observed.get(first.signal)
  if (first && seen) {
    const quantity = bytesText(amountIn(first.value, seen.capacity))
    parts.push(`Threshold quantity: ${quantity}, available: ${amountText(resource, seen.available)}. `)
  }
  if (use)
    parts.push(...podPart(pod, use, resource), ...use.containers.flatMap(used => containerPart(pod, used, resource)))
  return parts.join('')
}

function podPart(pod: Pod, use: PodUse, resource: Resource): string[] {
  const request = resource === 'memory' ? pod.spec.resources?.requests?.memory : undefined
  if (request === undefined) return []
  return [`Pod ${nameOf(pod)} was using ${bytesText(use.memoryBytes)}, request is ${request}, ${more(resource)}`]
}

function containerPart(pod: Pod, used: ContainerUse, resource: Resource): string[] {
  if (resource !== 'memory' && resource !== 'ephemeral-storage') return []
  const container = [...mainContainers(pod), ...initContainers(pod)].find(({ name }) => name === used.name)
  if (!container) return []
  const amount = bytesText(resource === 'memory' ? used.memoryBytes : used.rootfs.bytes + used.logs.bytes)
  const request = container.resources?.requests?.[resource] ?? '0'
  if (compareQuantities(amount, request) <= 0) return []
  return [`Container ${used.name} was using ${amount}, request is ${request}, ${more(resource)}`]
}

const more = (resource: Resource) => `has larger consumption of ${resource}. `
