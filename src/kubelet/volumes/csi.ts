// csi: a volume of a driver that only this pod has, and that goes with it. Volumes of drivers behind claims are in claim.ts.
import type { VolumePlugin } from './volume.ts'

/** How often a driver is asked to update what it has mounted, if it wants that. */
const refreshMs = 60_000

export const csi: VolumePlugin = {
  name: 'csi',
  isMount: true,
  matches: volume => volume.csi !== undefined,
  readOnly: volume => volume.csi?.readOnly === true,
  inside: 'mount',
  setUp: ({ pod, volume, context, signal }) => context.drivers.setUpInline(pod, volume, signal),
  async refresh({ pod, volume, context, signal }) {
    await context.drivers.refreshInline(pod, volume, signal)
    return context.clock.now() + refreshMs
  },
}
