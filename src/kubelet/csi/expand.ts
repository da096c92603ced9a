// Growth of a volume on the node: after a controller has enlarged it, the driver enlarges its file system.
// Source: pkg/volume/csi/expander.go.
import { quantityValue } from '../../api/quantity.ts'
import type { Client } from '../../client/index.ts'
import type { CsiRequest } from './calls.ts'
import { secretOf } from './secrets.ts'
import type { Asked } from './asked.ts'

interface ExpandOptions {
  client: Client
  /** The new size. */
  bytes: string | undefined
  path: string
  stagingPath: string
  capability: CsiRequest<'VolumeCapability'>
}

/** Returns false if the driver has nothing to do on nodes. */
export async function expandOnNode({ volume, driver, signal }: Asked, o: ExpandOptions): Promise<boolean> {
  if (!(await driver.can('EXPAND_VOLUME', signal))) return false
  const secrets = await secretOf(o.client, 'NodeExpandSecretRef', volume.expandSecret, signal)
  await driver.node.nodeExpandVolume(
    {
      volumeId: volume.handle,
      volumePath: o.path,
      capacityRange: { requiredBytes: quantityValue(o.bytes) },
      stagingTargetPath: o.stagingPath,
      volumeCapability: o.capability,
      secrets,
    },
    { signal },
  )
  return true
}
