// Mounts that are read-only with all that is mounted below them, which not every runtime can make.
// Source: KEP-3857, kubernetes pkg/kubelet/kubelet_pods.go (resolveRecursiveReadOnly).
import type { ReadContainer } from '../pod/spec.ts'

type VolumeMount = NonNullable<ReadContainer['volumeMounts']>[number]

/** Whether a mount is recursively read-only. Throws if it must be and cannot. */
export function isRecursive(mount: VolumeMount, runtimeCan: boolean): boolean {
  const { name, recursiveReadOnly = 'Disabled', readOnly, mountPropagation = 'None' } = mount
  if (recursiveReadOnly === 'Disabled') return false
  const isCompatible = readOnly === true && mountPropagation === 'None'
  if (recursiveReadOnly === 'IfPossible') return runtimeCan && isCompatible
  const fault = (why: string) =>
    new Error(`volume ${JSON.stringify(name)} requested recursive read-only mode, but it is ${why}`)
  if (!readOnly) throw fault('not read-only')
  if (mountPropagation !== 'None') throw fault(`not compatible with propagation ${JSON.stringify(mountPropagation)}`)
  if (!runtimeCan) throw fault('not supported by the runtime')
  return true
}
