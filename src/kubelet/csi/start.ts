// Puts the parts for drivers together: their registration, what the API shows of them, and their volumes.
import { Chore } from '../../base/chore.ts'
import { messageOf } from '../../base/errors.ts'
import { every } from '../node/node.ts'
import type { PluginHandler } from '../plugins/registration.ts'
import { CsiDrivers } from './drivers.ts'
import { csiHandler } from './handler.ts'
import { CsiNodeInfo } from './node-info.ts'
import { type CsiOptions, CsiVolumes } from './volumes.ts'

interface NodeCsi {
  volumes: CsiVolumes
  /** Takes drivers that register into use. */
  handler: PluginHandler
  /** Keeps the API and the volumes in order from now on. To be called when the node is registered. */
  start(signal: AbortSignal): void
}

/** How often it is looked for volumes that are staged and that no pod has. */
const tidyEveryMs = 30_000

export function makeCsi(options: Omit<CsiOptions, 'drivers'>): NodeCsi {
  const { client, nodeName, clock, log } = options
  const drivers = new CsiDrivers()
  const volumes = new CsiVolumes({ ...options, drivers })
  const info = new CsiNodeInfo(client, nodeName)
  const tidy = () =>
    volumes.tidy().catch((error: unknown) => log.warn('unused volumes are still staged', { why: messageOf(error) }))
  return {
    volumes,
    handler: csiHandler({
      drivers,
      async install(driver, answer) {
        await info.install(driver, answer)
        // What a former kubelet has left may wait for this driver.
        void tidy()
      },
      uninstall: driver => info.uninstall(driver),
      log,
    }),
    start(signal) {
      signal.addEventListener('abort', () => drivers.close(), { once: true })
      const failed = (error: unknown) => log.warn('the node has no CSINode', { why: messageOf(error) })
      new Chore({ signal, retry: { clock, firstMs: 1_000, maxMs: 30_000, failed } }, () => info.ensure()).wake()
      void every(clock, tidyEveryMs, signal, tidy)
    },
  }
}
