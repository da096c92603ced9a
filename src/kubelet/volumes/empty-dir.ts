// emptyDir: a directory that is empty at first and exists as long as its pod, on the node's disk or in memory.
import { chmod, mkdir } from 'node:fs/promises'
import { quantityValue } from '../../api/quantity.ts'
import { realMounts } from '../../linux/index.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { setOwnership } from './ownership.ts'
import type { VolumePlugin } from './volume.ts'

export const emptyDir: VolumePlugin = {
  name: 'empty-dir',
  matches: volume => volume.emptyDir !== undefined,
  async setUp({ volume, dir, pod }) {
    const { medium = '', sizeLimit, mode = 0o777 } = volume.emptyDir!
    const pageBytes = medium.startsWith('HugePages') ? pageSizeFor(medium, pod) : 0
    if (medium !== '' && medium !== 'Memory' && !pageBytes) throw new Error(`unknown storage medium "${medium}"`)
    const isNew = (await mkdir(dir, { recursive: true, mode: 0o750 })) !== undefined
    if (medium === 'Memory' && !(await realMounts.isMounted(dir))) {
      const size = quantityValue(sizeLimit)
      await realMounts.tmpfs(dir, size > 0 ? { sizeBytes: size, mode } : { mode })
    } else if (pageBytes && !(await realMounts.isMounted(dir)))
      await realMounts.mount('hugetlbfs', 'nodev', dir, [`pagesize=${pageBytes}`])
    else if (!isNew) return
    // The mode of mkdir is subject to the umask, that of chmod is not.
    await chmod(dir, mode)
    await setOwnership(dir, pod, false)
  },
}

const hugePages = 'hugepages-'

/**
 * The size of the pages of a medium, in bytes: `HugePages-2Mi` names it, `HugePages` has the only size that the pod
 * requests. Source: kubernetes pkg/volume/emptydir (getPageSize), KEP-1539.
 */
export function pageSizeFor(medium: string, { spec }: Pod): number {
  const wanted = [...(spec.initContainers ?? []), ...spec.containers].flatMap(({ resources }) =>
    Object.keys(resources?.requests ?? {}).flatMap(name =>
      name.startsWith(hugePages) ? [quantityValue(name.slice(hugePages.length))] : [],
    ),
  )
  const sizes = new Set(wanted)
  if (medium !== 'HugePages') {
    const size = quantityValue(medium.slice(hugePages.length))
    if (!sizes.has(size))
      throw new Error(
        `medium ${JSON.stringify(medium)}: no container requests ${hugePages}${medium.slice(hugePages.length)}`,
      )
    return size
  }
  if (sizes.size === 0) throw new Error('medium "HugePages": no container requests huge pages')
  if (sizes.size > 1)
    throw new Error('medium "HugePages": containers request huge pages of several sizes, so the medium must name one')
  return wanted[0]!
}
