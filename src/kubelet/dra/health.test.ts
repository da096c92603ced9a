// The health of devices, as drivers report it and as statuses show it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podOf } from '../../kinds/testing.ts'
import { DriverHealth } from './health.ts'
import { claimHealth, dynamicResources } from './shown.ts'

const report = (device: string, health: 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY', more: object = {}) => ({
  device: { poolName: 'p', deviceName: device },
  health,
  lastUpdatedTime: 0,
  healthCheckTimeoutSeconds: 0,
  message: '',
  ...more,
})

test('a report counts for as long as it says, and for half a minute if it does not', () => {
  const health = new DriverHealth()
  const devices = [report('a', 'HEALTHY'), report('b', 'UNHEALTHY', { healthCheckTimeoutSeconds: 60, message: 'hot' })]
  assert.deepEqual(health.update('d.io', { devices }, 0), new Set(['p/a', 'p/b']))
  assert.deepEqual(health.update('d.io', { devices }, 1), new Set())
  const wordsAt = (now: number) => ['p/a', 'p/b', 'p/c'].map(device => health.of('d.io', device, now).health)
  assert.deepEqual(wordsAt(30_001), ['Healthy', 'Unhealthy', 'Unknown'])
  assert.deepEqual(wordsAt(30_002), ['Unknown', 'Unhealthy', 'Unknown'])
  assert.deepEqual(wordsAt(60_002), ['Unknown', 'Unknown', 'Unknown'])
  assert.equal(health.of('d.io', 'p/b', 1).message, 'hot')
  assert.equal(health.of('e.io', 'p/b', 1).health, 'Unknown')
})

test('what a report does not have keeps its health until that is too old', () => {
  const health = new DriverHealth()
  health.update('d.io', { devices: [report('a', 'HEALTHY')] }, 0)
  assert.deepEqual(health.update('d.io', { devices: [report('b', 'HEALTHY')] }, 1000), new Set(['p/b']))
  assert.equal(health.of('d.io', 'p/a', 1000).health, 'Healthy')
  assert.deepEqual(health.update('d.io', { devices: [] }, 30_500), new Set(['p/a']))
  assert.deepEqual(health.clear('d.io'), new Set(['p/b']))
  assert.equal(health.of('d.io', 'p/b', 30_500).health, 'Unknown')
})

test('messages and reports have limits', () => {
  const health = new DriverHealth()
  health.update('d.io', { devices: [report('a', 'UNHEALTHY', { message: 'x'.repeat(5000) })] }, 0)
  assert.equal(health.of('d.io', 'p/a', 0).message, `${'x'.repeat(1021)}...`)
  const many = Array.from({ length: 70_000 }, (_, i) => report(String(i), 'HEALTHY'))
  assert.throws(() => health.update('d.io', { devices: many }, 0), /may report 65536/)
})

const pod = podOf({
  metadata: { name: 'p', namespace: 'n', uid: 'u' },
  spec: {
    resourceClaims: [
      { name: 'mine', resourceClaimName: 'c' },
      { name: 'late', resourceClaimTemplateName: 't' },
    ],
    containers: [
      { name: 'all', image: 'i', resources: { claims: [{ name: 'mine' }] } },
      { name: 'one', image: 'i', resources: { claims: [{ name: 'mine', request: 'gpu' }] } },
      { name: 'late', image: 'i', resources: { claims: [{ name: 'late' }] } },
    ],
  },
})
const device = (name: string, request: string, cdiIds: string[] = []) => ({
  pool: 'p',
  device: name,
  shareId: '',
  requests: [request],
  cdiIds,
})
const claim = {
  uid: 'cu',
  name: 'c',
  namespace: 'n',
  pods: new Set(['u']),
  drivers: new Map([['d.io', [device('a', 'gpu', ['d.io/x=a', 'd.io/x=b']), device('b', 'nic')]]]),
  isPrepared: true,
}
const now = {
  claim: (namespace: string, name: string) => (namespace === 'n' && name === 'c' ? claim : undefined),
  healthOf: (_: string, name: string) =>
    name === 'p/a' ? { health: 'Healthy' as const, message: '' } : { health: 'Unhealthy' as const, message: 'cold' },
}
const [all, one, late] = pod.spec.containers

test('a container shows the health of the devices that it has, by claim and request', () => {
  const [a, b] = [
    { resourceID: 'd.io/x=a', health: 'Healthy' },
    { resourceID: 'd.io/p/b', health: 'Unhealthy', message: 'cold' },
  ]
  assert.deepEqual(claimHealth(pod, all!, now), [{ name: 'claim:mine', resources: [a, b] }])
  assert.deepEqual(claimHealth(pod, one!, now), [{ name: 'claim:mine/gpu', resources: [a] }])
  assert.deepEqual(claimHealth(pod, late!, now), [])
})

test('podresources shows the claims of a container with all their devices', () => {
  const shown = (deviceName: string, cdiDevices: object[]) => ({
    cdiDevices,
    driverName: 'd.io',
    poolName: 'p',
    deviceName,
    shareId: '',
  })
  const claimResources = [shown('a', [{ name: 'd.io/x=a' }, { name: 'd.io/x=b' }]), shown('b', [])]
  assert.deepEqual(dynamicResources(pod, one!, now), [{ claimName: 'c', claimNamespace: 'n', claimResources }])
  assert.deepEqual(dynamicResources(pod, late!, now), [])
})
