// emptyDir: a directory that is empty at first and exists as long as its pod, on the node's disk or in memory.
import { chmod, mkdir } from 'node:fs/promises'
import { quantityValue } from '../../api/quantity.ts'
import { realMounts } from '../../linux/index.ts'
import { setOwnership } from './ownership.ts'
import type { VolumePlugin } from './volume.ts'

export const emptyDir: VolumePlugin = {
  name: 'empty-dir',
  matches: volume => volume.emptyDir !== undefined,
  async setUp({ volume, dir, pod }) {
    const { medium = '', sizeLimit, mode = 0o777 } = volume.emptyDir!
    if (medium !== '' && medium !== 'Memory') throw new Error(`unknown storage medium "${medium}"`)
    const isNew = (await mkdir(dir, { recursive: true, mode: 0o750 })) !== undefined
    if (medium === 'Memory' && !(await realMounts.isMounted(dir))) {
      const size = quantityValue(sizeLimit)
      await realMounts.tmpfs(dir, size > 0 ? { sizeBytes: size, mode } : { mode })
    } else if (!isNew) return
    // The mode of mkdir is subject to the umask, that of chmod is not.
    await chmod(dir, mode)
    await setOwnership(dir, pod, false)
  },
}
