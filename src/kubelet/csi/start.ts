// Puts the parts for drivers together: the registration of drivers, what the API shows of them, and their volumes.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Chore } from '../../base/chore.ts'
import { messageOf } from '../../base/errors.ts'
import { every } from '../node/node.ts'
import { onNode } from '../volumes/kubelet-dir.ts'
import { CsiDrivers } from './drivers.ts'
import { CsiNodeInfo } from './node-info.ts'
import { type DevicePlugins, PluginRegistration } from './registration.ts'
import { type CsiOptions, CsiVolumes } from './volumes.ts'

interface NodeCsi {
  volumes: CsiVolumes
  /** Registers drivers, and device plugins, from now on. To be called when the node is registered. */
  start(signal: AbortSignal, devices: DevicePlugins): void
}

/** How often it is looked for volumes that are staged and that no pod has. */
const tidyEveryMs = 30_000

export function makeCsi(options: Omit<CsiOptions, 'drivers'>): NodeCsi {
  const { client, nodeName, nodeDir, clock, log } = options
  const drivers = new CsiDrivers()
  const volumes = new CsiVolumes({ ...options, drivers })
  const info = new CsiNodeInfo(client, nodeName)
  const tidy = () =>
    volumes.tidy().catch((error: unknown) => log.warn('unused volumes are still staged', { why: messageOf(error) }))
  return {
    volumes,
    start(signal, devices) {
      signal.addEventListener('abort', () => drivers.close(), { once: true })
      const registration = new PluginRegistration({
        dir: join(nodeDir, 'plugins_registry'),
        drivers,
        devices,
        pathOf: endpoint => onNode(endpoint, nodeDir),
        async install(driver, answer) {
          await info.install(driver, answer)
          // What a former kubelet has left may wait for this driver.
          void tidy()
        },
        uninstall: driver => info.uninstall(driver),
        clock,
        log,
        signal,
      })
      const retry = {
        clock,
        firstMs: 1_000,
        maxMs: 30_000,
        failed: (error: unknown) => log.warn('volumes of drivers are not ready', { why: messageOf(error) }),
      }
      new Chore({ signal, retry }, async () => {
        // Drivers expect the directory for their sockets.
        await mkdir(join(nodeDir, 'plugins'), { recursive: true, mode: 0o750 })
        await registration.start()
      }).wake()
      new Chore({ signal, retry }, () => info.ensure()).wake()
      void every(clock, tidyEveryMs, signal, tidy)
    },
  }
}
