// Stages a volume: the driver prepares it once for all pods of the node.
// Source: the CSI specification, NodeStageVolume.
import type { Client } from '../../client/index.ts'
import type { Asked } from './asked.ts'
import type { CsiRequest } from './calls.ts'
import { secretOf } from './secrets.ts'

interface StageOptions {
  client: Client
  /** Where, as the driver sees it. */
  path: string
  capability: CsiRequest<'VolumeCapability'>
}

export async function stageOnNode({ volume, driver, publishContext, signal }: Asked, o: StageOptions): Promise<void> {
  await driver.node.nodeStageVolume(
    {
      volumeId: volume.handle,
      publishContext,
      stagingTargetPath: o.path,
      volumeCapability: o.capability,
      secrets: await secretOf(o.client, 'NodeStageSecretRef', volume.stageSecret, signal),
      volumeContext: volume.attributes,
    },
    { signal },
  )
}
