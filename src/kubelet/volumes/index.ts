// The volume plugins, one file for each type of volume. Their interface is in volume.ts.
import { claim } from './claim.ts'
import { csi } from './csi.ts'
import { emptyDir } from './empty-dir.ts'
import { files } from './files.ts'
import { hostPath } from './host-path.ts'
import { image } from './image.ts'
import { nfs } from './nfs.ts'
import type { ReadVolume, VolumePlugin } from './volume.ts'

const plugins: readonly VolumePlugin[] = [emptyDir, hostPath, image, claim, csi, nfs, ...files]

/** The names of the types that mount what belongs to others. */
export const mountingTypes: readonly string[] = plugins.filter(({ isMount }) => isMount).map(({ name }) => name)

export const pluginFor = (volume: ReadVolume): VolumePlugin | undefined =>
  plugins.find(plugin => plugin.matches(volume))
