// What claims for devices use up of a quota.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { ResourceClaim } from '../resource/resourceclaim.ts'
import { objectOf } from '../testing.ts'
import { usageOf } from './quota-usage.ts'

test('a claim counts, and for each class the devices that it may get', () => {
  const part = (name: string, deviceClassName: string, count: number) => ({ name, deviceClassName, count })
  const claim = objectOf(ResourceClaim, {
    spec: {
      devices: {
        requests: [
          { name: 'a', exactly: { deviceClassName: 'gpu', count: 2 } },
          { name: 'b', exactly: { deviceClassName: 'nic' } },
          { name: 'c', exactly: { deviceClassName: 'disk', allocationMode: 'All' } },
          { name: 'd', firstAvailable: [part('x', 'gpu', 1), part('y', 'gpu', 4), part('z', 'nic', 3)] },
        ],
      },
    },
  })
  deepStrictEqual(usageOf(ResourceClaim, claim, 0), {
    'count/resourceclaims.resource.k8s.io': '1',
    'gpu.deviceclass.resource.k8s.io/devices': '6',
    'nic.deviceclass.resource.k8s.io/devices': '4',
    'disk.deviceclass.resource.k8s.io/devices': '32',
  })
})
