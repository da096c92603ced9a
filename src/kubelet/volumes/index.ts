// Volumes by kind, one file each; volume.ts says what they have in common.
import { emptyDir } from './empty-dir.ts'
import { files } from './files.ts'
import { hostPath } from './host-path.ts'
import { image } from './image.ts'
import type { ReadVolume, VolumePlugin } from './volume.ts'

const plugins: readonly VolumePlugin[] = [emptyDir, hostPath, image, ...files]

export const pluginFor = (volume: ReadVolume): VolumePlugin | undefined =>
  plugins.find(plugin => plugin.matches(volume))
