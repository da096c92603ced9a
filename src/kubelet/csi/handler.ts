// Drivers of volumes that register: which are taken into use, and their entries in the API.
// Source: pkg/volume/csi/csi_plugin.go (RegistrationHandler).
import type { Log } from '../../base/log.ts'
import { messageOf } from '../../base/errors.ts'
import type { PluginHandler } from '../plugins/registration.ts'
import type { CsiMessage } from './calls.ts'
import type { CsiDrivers } from './drivers.ts'

interface HandlerOptions {
  drivers: CsiDrivers
  /** Makes the driver known in the API. Throws when that is impossible. */
  install(driver: string, info: CsiMessage<'NodeGetInfoResponse'>): Promise<void>
  uninstall(driver: string): Promise<void>
  log: Log
}

export const csiHandler = ({ drivers, install, uninstall, log }: HandlerOptions): PluginHandler => ({
  refusal({ name, versions }) {
    const rules = `kubernetes.io/csi: ValidatePlugin for CSI driver ${JSON.stringify(name)} failed.`
    if (!isDriverName(name)) return `${rules} The name is not that of a driver`
    if (!versions.length) return `${rules} Plugin returned an empty list for supported versions`
    if (!versions.some(version => /^v?1\.\d+(\.\d+)?$/.test(version)))
      return `${rules} None of the versions specified ${JSON.stringify(versions)} are supported.`
    return undefined
  },
  async register({ name }, socket, signal) {
    const driver = drivers.add(name, socket)
    try {
      await install(name, await driver.node.nodeGetInfo({}, { signal }))
    } catch (error) {
      drivers.remove(name)
      throw error
    }
  },
  unregister({ name }, _socket, isLast) {
    if (!isLast) return
    drivers.remove(name)
    uninstall(name).catch((error: unknown) =>
      log.warn('a driver is still in CSINode', { driver: name, why: messageOf(error) }),
    )
  },
})

/** Names of drivers become parts of paths. Source: the CSI specification, GetPluginInfo. */
const isDriverName = (name: string) => /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/i.test(name)
