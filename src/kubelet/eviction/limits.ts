// The limits of pods on the node's disk: emptyDir volumes with a size, and ephemeral-storage of containers and pods. A
// pod that exceeds one is evicted, however much is free. Pure.
// Source: kubernetes pkg/kubelet/eviction/eviction_manager.go (localStorageEviction).
import { quantityValue } from '../../api/quantity.ts'
import { podLimits } from '../../kinds/core/pod-resources.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { mainContainers } from '../pod/spec.ts'
import { type PodUse, sumOf } from './usage.ts'

const disk = 'ephemeral-storage'

/** The emptyDir volumes on the disk. Those in memory have a file system that ends at their limit. */
export const diskVolumes = ({ spec }: Pod) =>
  (spec.volumes ?? []).filter(({ emptyDir }) => emptyDir && (emptyDir.medium ?? '') === '')

/** What must be measured of a pod to check its limits. */
export function limitsOf(pod: Pod): { hasVolumes: boolean; hasStorage: boolean } {
  return {
    hasVolumes: diskVolumes(pod).some(({ emptyDir }) => quantityValue(emptyDir?.sizeLimit) > 0),
    hasStorage: podLimits(pod.spec)[disk] !== undefined,
  }
}

/** What a pod has exceeded: the word of metrics, and the message of its eviction. */
interface Excess {
  signal: 'emptydirfs.limit' | 'ephemeralpodfs.limit' | 'ephemeralcontainerfs.limit'
  message: string
}

/** Why the pod is evicted, if it exceeds one of its limits. */
export function limitExceeded(pod: Pod, use: PodUse, hasImageFs: boolean): Excess | undefined {
  for (const { name, emptyDir } of diskVolumes(pod)) {
    const limit = emptyDir?.sizeLimit
    const used = use.volumes.get(name)?.bytes ?? 0
    if (limit !== undefined && quantityValue(limit) > 0 && used > quantityValue(limit))
      return {
        signal: 'emptydirfs.limit',
        message: `Usage of EmptyDir volume ${JSON.stringify(name)} exceeds the limit ${JSON.stringify(limit)}. `,
      }
  }
  const total = podLimits(pod.spec)[disk]
  const sizes = [...use.volumes.values(), ...use.containers.flatMap(({ rootfs, logs }) => [rootfs, logs])]
  if (total !== undefined && sumOf(sizes).bytes > quantityValue(total))
    return {
      signal: 'ephemeralpodfs.limit',
      message: `Pod ephemeral local storage usage exceeds the total limit of containers ${total}. `,
    }
  for (const { name, rootfs, logs } of use.containers) {
    const limit = mainContainers(pod).find(container => container.name === name)?.resources?.limits?.[disk]
    // On a file system of its own the container's layer does not count.
    const used = logs.bytes + (hasImageFs ? 0 : rootfs.bytes)
    if (limit !== undefined && quantityValue(limit) > 0 && used > quantityValue(limit))
      return {
        signal: 'ephemeralcontainerfs.limit',
        message: `Container ${name} exceeded its local ephemeral storage limit ${JSON.stringify(limit)}. `,
      }
  }
  return undefined
}
