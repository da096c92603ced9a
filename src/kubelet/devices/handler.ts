// Device plugins that register through plugins_registry, and not at the socket for them.
// Source: pkg/kubelet/cm/devicemanager/plugin/v1beta1/handler.go.
import { isExtended } from '../../kinds/core/resource-rules.ts'
import type { PluginHandler } from '../plugins/registration.ts'
import type { DeviceManager } from './manager.ts'

export const deviceHandler = (devices: Pick<DeviceManager, 'register' | 'unregister'>): PluginHandler => ({
  refusal({ name, versions }) {
    if (!versions.includes('v1beta1'))
      return `manager version, v1beta1, is not among plugin supported versions [${versions.join(' ')}]`
    if (!isExtended(name))
      return `invalid name of device plugin socket: the ResourceName ${JSON.stringify(name)} is invalid`
    return undefined
  },
  register: ({ name }, socket) => devices.register(name, socket),
  unregister: ({ name }, socket) => devices.unregister(name, socket),
})
