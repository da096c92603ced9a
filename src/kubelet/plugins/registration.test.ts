// Which plugins are taken into use.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../base/log.ts'
import { CsiDrivers } from '../csi/drivers.ts'
import { csiHandler } from '../csi/handler.ts'
import { deviceHandler } from '../devices/index.ts'
import { refusalOf } from '../dra/drivers.ts'
import { type PluginHandler, planRegistration } from './registration.ts'

const nothing = async () => {}
const dra: PluginHandler = { refusal: refusalOf, register: nothing, unregister() {} }
const handlers = new Map([
  ['CSIPlugin', csiHandler({ drivers: new CsiDrivers(), install: nothing, uninstall: nothing, log: silentLog })],
  ['DevicePlugin', deviceHandler({ register: nothing, unregister() {} })],
  ['DRAPlugin', dra],
])
const info = {
  type: 'CSIPlugin',
  name: 'd.io',
  endpoint: '/var/lib/kubelet/plugins/d/csi.sock',
  supportedVersions: ['1.0.0'],
}
const path = '/n/plugins_registry/d-reg.sock'
const planFor = (change: object = {}) => planRegistration({ ...info, ...change }, path, handlers)
const prefix = 'RegisterPlugin error -- plugin validation failed with err:'

test('a plugin whose type and version is known is taken into use', () => {
  const table: [object, object][] = [
    [{}, { type: 'CSIPlugin', name: 'd.io', endpoint: info.endpoint, versions: ['1.0.0'] }],
    [
      { endpoint: '', supportedVersions: ['v0.3.0', 'v1.2'] },
      { type: 'CSIPlugin', name: 'd.io', endpoint: path, versions: ['v0.3.0', 'v1.2'] },
    ],
    [
      { type: 'DevicePlugin', name: 'example.com/thing', supportedVersions: ['v1', 'v1beta1'] },
      { type: 'DevicePlugin', name: 'example.com/thing', endpoint: info.endpoint, versions: ['v1', 'v1beta1'] },
    ],
    [
      { type: 'DRAPlugin', supportedVersions: ['v2.DRAPlugin', 'v1beta1.DRAPlugin'] },
      { type: 'DRAPlugin', name: 'd.io', endpoint: info.endpoint, versions: ['v2.DRAPlugin', 'v1beta1.DRAPlugin'] },
    ],
  ]
  for (const [change, plugin] of table)
    assert.deepEqual(planFor(change), { plugin, handler: handlers.get((plugin as { type: string }).type) })
})

test('another plugin is refused in words', () => {
  const csi = `${prefix} kubernetes.io/csi: ValidatePlugin for CSI driver`
  const device = { type: 'DevicePlugin', name: 'example.com/thing', supportedVersions: ['v1beta1'] }
  const services = `${prefix} invalid supported gRPC versions of DRA driver plugin d.io at endpoint ${info.endpoint}:`
  const table: [object, string][] = [
    [{ type: 'Other' }, `No handler registered for plugin type: Other at socket ${path}`],
    [{ supportedVersions: [] }, `${csi} "d.io" failed. Plugin returned an empty list for supported versions`],
    [
      { supportedVersions: ['0.3', '2.0'] },
      `${csi} "d.io" failed. None of the versions specified ["0.3","2.0"] are supported.`,
    ],
    // The name becomes a part of paths.
    [{ name: '../../etc' }, `${csi} "../../etc" failed. The name is not that of a driver`],
    [{ name: '' }, `${csi} "" failed. The name is not that of a driver`],
    [{ name: 'a'.repeat(64) }, `${csi} "${'a'.repeat(64)}" failed. The name is not that of a driver`],
    [
      { ...device, supportedVersions: ['v1', 'v2'] },
      `${prefix} manager version, v1beta1, is not among plugin supported versions [v1 v2]`,
    ],
    [{ ...device, name: 'cpu' }, `${prefix} invalid name of device plugin socket: the ResourceName "cpu" is invalid`],
    [
      { type: 'DRAPlugin', supportedVersions: [] },
      `${services} empty list of supported gRPC services (aka supported versions)`,
    ],
    // Drivers of the first versions had no names of services.
    [
      { type: 'DRAPlugin', supportedVersions: ['1.0.0'] },
      `${services} none of services supported by the plugin (["1.0.0"]) are supported by the kubelet (["v1.DRAPlugin" "v1beta1.DRAPlugin"])`,
    ],
    // The name becomes a part of field selectors.
    [
      { type: 'DRAPlugin', name: 'a,spec.pool=b', supportedVersions: ['v1.DRAPlugin'] },
      `${prefix} the DRA driver name "a,spec.pool=b" is invalid`,
    ],
  ]
  for (const [change, refusal] of table) assert.deepEqual(planFor(change), { refusal })
})
