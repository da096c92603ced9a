// SELinux labels of volumes by a mount option, which takes no time, instead of relabelling every file. Only for volumes
// of one pod (ReadWriteOncePod), since a mount has one label for all who use it, and for drivers that say they take the
// option. Source: pkg/volume/util/selinux.go, KEP-1710.
import { readFile } from 'node:fs/promises'
import type { Pod } from '../../kinds/core/pod.ts'
import type { CSIDriver } from '../../kinds/storage/csidriver.ts'
import type { CsiVolume } from './spec.ts'

/**
 * The mount option with the label of the pod's files; undefined when there is none to be set.
 * @param base the label of containers' files on this machine, such as `system_u:object_r:container_file_t:s0`
 */
export function contextOption(
  { spec }: Pod,
  { accessModes, isBlock }: Pick<CsiVolume, 'accessModes' | 'isBlock'>,
  object: CSIDriver | undefined,
  base: string | undefined,
): string | undefined {
  const { securityContext } = spec
  if (!base || !object?.spec.seLinuxMount || isBlock || accessModes?.join() !== 'ReadWriteOncePod') return undefined
  if (securityContext?.seLinuxChangePolicy === 'Recursive') return undefined
  const containers = [...(spec.initContainers ?? []), ...spec.containers]
  const levels = new Set(
    containers.map(one => one.securityContext?.seLinuxOptions?.level ?? securityContext?.seLinuxOptions?.level ?? ''),
  )
  const [level = ''] = levels
  // Containers with different labels cannot share one mount. Without a label the runtime chooses one for each.
  if (levels.size !== 1 || !level) return undefined
  const [user, role, type] = base.split(':')
  return `context="${user}:${role}:${type}:${level}"`
}

const enforceFile = '/sys/fs/selinux/enforce'
const configFile = '/etc/selinux/config'

/** The label of containers' files on this machine; undefined where SELinux is off or has no rules for containers. */
export async function containerFileLabel(read = (path: string) => readFile(path, 'utf8')): Promise<string | undefined> {
  const text = (path: string) => read(path).catch(() => '')
  if (!(await text(enforceFile))) return undefined
  const [, policy] = /^SELINUXTYPE=(\w+)/m.exec(await text(configFile)) ?? []
  const [, label] =
    /^file\s*=\s*"([^"]+)"/m.exec(await text(`/etc/selinux/${policy ?? ''}/contexts/lxc_contexts`)) ?? []
  return label
}
