// Which plugins are taken into use.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planRegistration } from './registration.ts'

const info = {
  type: 'CSIPlugin',
  name: 'd.io',
  endpoint: '/var/lib/kubelet/plugins/d/csi.sock',
  supportedVersions: ['1.0.0'],
}
const path = '/n/plugins_registry/d-reg.sock'

test('a driver of the Container Storage Interface, version 1, is taken into use', () => {
  assert.deepEqual(planRegistration(info, path), {
    type: 'CSIPlugin',
    name: 'd.io',
    endpoint: info.endpoint,
  })
  assert.deepEqual(planRegistration({ ...info, endpoint: '', supportedVersions: ['v0.3.0', 'v1.2'] }, path), {
    type: 'CSIPlugin',
    name: 'd.io',
    endpoint: path,
  })
})

test('a device plugin, version v1beta1, is taken into use', () => {
  const thing = { ...info, type: 'DevicePlugin', name: 'example.com/thing', supportedVersions: ['v1', 'v1beta1'] }
  assert.deepEqual(planRegistration(thing, path), {
    type: 'DevicePlugin',
    name: 'example.com/thing',
    endpoint: info.endpoint,
  })
  const prefix = 'RegisterPlugin error -- plugin validation failed with err:'
  assert.deepEqual(planRegistration({ ...thing, supportedVersions: ['v1', 'v2'] }, path), {
    refusal: `${prefix} manager version, v1beta1, is not among plugin supported versions [v1 v2]`,
  })
  assert.deepEqual(planRegistration({ ...thing, name: 'cpu' }, path), {
    refusal: `${prefix} invalid name of device plugin socket: the ResourceName "cpu" is invalid`,
  })
})

test('another plugin is refused in words', () => {
  const prefix =
    'RegisterPlugin error -- plugin validation failed with err: kubernetes.io/csi: ValidatePlugin for CSI driver'
  const table: [object, string][] = [
    [{ type: 'DRAPlugin' }, `No handler registered for plugin type: DRAPlugin at socket ${path}`],
    [{ supportedVersions: [] }, `${prefix} "d.io" failed. Plugin returned an empty list for supported versions`],
    [
      { supportedVersions: ['0.3', '2.0'] },
      `${prefix} "d.io" failed. None of the versions specified ["0.3","2.0"] are supported.`,
    ],
    // The name becomes a part of paths.
    [{ name: '../../etc' }, `${prefix} "../../etc" failed. The name is not that of a driver`],
    [{ name: '' }, `${prefix} "" failed. The name is not that of a driver`],
    [{ name: 'a'.repeat(64) }, `${prefix} "${'a'.repeat(64)}" failed. The name is not that of a driver`],
  ]
  for (const [change, refusal] of table) assert.deepEqual(planRegistration({ ...info, ...change }, path), { refusal })
})
