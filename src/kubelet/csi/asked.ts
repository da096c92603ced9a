// Everything that a call to a driver for one volume of a pod needs.
import type { Pod } from '../../kinds/core/pod.ts'
import type { CSIDriver } from '../../kinds/storage/csidriver.ts'
import type { Driver } from './drivers.ts'
import type { CsiVolume } from './spec.ts'

export interface Asked {
  pod: Pod
  volume: CsiVolume
  /** The driver's CSIDriver, if there is one. */
  object: CSIDriver | undefined
  driver: Driver
  /** What the attacher has for the driver. */
  publishContext: Readonly<Record<string, string>>
  signal: AbortSignal
}
