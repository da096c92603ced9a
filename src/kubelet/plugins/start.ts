// Serves the node's plugins_registry with the handlers of the plugins that the node has.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { makeCsi } from '../csi/index.ts'
import { type DeviceManager, deviceHandler } from '../devices/index.ts'
import type { NodeDra } from '../dra/index.ts'
import { onNode } from '../volumes/kubelet-dir.ts'
import { PluginRegistration } from './registration.ts'

interface PluginsOptions {
  /** The directory of the node. */
  rootDir: string
  /** Undefined on a simulated node, which has no volumes of drivers. */
  csi: ReturnType<typeof makeCsi> | undefined
  /** These two are undefined on a node without devices. */
  devices: DeviceManager | undefined
  dra: NodeDra | undefined
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** Registers plugins from now on, until the signal aborts. To be called when the node is registered. */
export function startPlugins({ rootDir, csi, devices, dra, clock, log, signal }: PluginsOptions): void {
  if (!devices || !dra) return
  csi?.start(signal)
  dra.start()
  const handlers = new Map([
    ['DevicePlugin', deviceHandler(devices)],
    ['DRAPlugin', dra.handler],
  ])
  if (csi) handlers.set('CSIPlugin', csi.handler)
  const registration = new PluginRegistration({
    dir: join(rootDir, 'plugins_registry'),
    handlers,
    pathOf: endpoint => onNode(endpoint, rootDir),
    clock,
    log,
    signal,
  })
  const failed = (error: unknown) => log.warn('plugins cannot register', { why: messageOf(error) })
  new Chore({ signal, retry: { clock, firstMs: 1_000, maxMs: 30_000, failed } }, async () => {
    // Plugins expect the directory for their sockets.
    await mkdir(join(rootDir, 'plugins'), { recursive: true, mode: 0o750 })
    await registration.start()
  }).wake()
}
