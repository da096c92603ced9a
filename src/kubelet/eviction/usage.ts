// What a pod uses of its node, as far as eviction needs it.
import type { Resource, Signal } from './signals.ts'

export interface Size {
  bytes: number
  inodes: number
}

export interface ContainerUse {
  name: string
  memoryBytes: number
  /** What the container has written outside of volumes. */
  rootfs: Size
  logs: Size
}

export interface PodUse {
  memoryBytes: number
  processes: number
  containers: readonly ContainerUse[]
  /** Volumes on the node's disk that end with the pod, by name. */
  volumes: ReadonlyMap<string, Size>
}

export const nothing: Size = { bytes: 0, inodes: 0 }

export const sumOf = (sizes: Iterable<Size>): Size => {
  let [bytes, inodes] = [0, 0]
  for (const size of sizes) {
    bytes += size.bytes
    inodes += size.inodes
  }
  return { bytes, inodes }
}

/**
 * What a pod uses of the file system of a signal. Where images and containers have one of their own, the layers of
 * containers count for that, and logs and volumes for the node's. Source: buildSignalToRankFunc upstream.
 */
function diskUse(use: PodUse, signal: Signal, hasImageFs: boolean): Size {
  const layers = use.containers.map(({ rootfs }) => rootfs)
  const own = [...use.containers.map(({ logs }) => logs), ...use.volumes.values()]
  if (!hasImageFs) return sumOf([...layers, ...own])
  return sumOf(signal.startsWith('imagefs.') ? layers : own)
}

/** How much of a resource a pod uses. */
export function amountUsed(use: PodUse, resource: Resource, signal: Signal, hasImageFs: boolean): number {
  switch (resource) {
    case 'memory':
      return use.memoryBytes
    case 'pids':
      return use.processes
    case 'ephemeral-storage':
      return diskUse(use, signal, hasImageFs).bytes
    case 'inodes':
      return diskUse(use, signal, hasImageFs).inodes
  }
}
