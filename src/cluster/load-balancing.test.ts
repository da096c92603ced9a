// What the configuration says about load balancing.
import { deepStrictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { loadBalancingOf, poolOf } from './load-balancing.ts'

const config = { name: 'default', slot: 0, podCidrs: ['10.244.0.0/16'], serviceCidrs: ['10.96.0.0/16'] }
const texts = (loadBalancerPool: readonly string[]) => poolOf({ ...config, loadBalancerPool })?.map(({ text }) => text)

test('a pool is a list of ranges, and none without any', () => {
  deepStrictEqual(texts(['192.0.2.10-192.0.2.20', ' 198.51.100.0/28']), ['192.0.2.10-192.0.2.20', '198.51.100.0/28'])
  deepStrictEqual(texts([]), undefined)
  deepStrictEqual(poolOf(config), undefined)
  deepStrictEqual(poolOf({ ...config, loadBalancerPool: ['192.0.2.1'], disable: ['loadbalancer'] }), undefined)
})

test('a pool that cannot be right is refused with the reason', () => {
  for (const [pool, why] of [
    [['192.0.2.0/28', '192.0.2.15-192.0.2.20'], /192\.0\.2\.0\/28 and 192\.0\.2\.15-192\.0\.2\.20 of the pool overlap/],
    [['10.244.3.0/24'], /10\.244\.3\.0\/24 of the pool overlaps with that of pods, 10\.244\.0\.0\/16/],
    [['10.0.0.0/8'], /overlaps with that of pods/],
    [['10.96.255.255'], /overlaps with that of Services/],
    [['192.0.2'], /"192\.0\.2" is no address/],
    [Array.from({ length: 65 }, (_, i) => `192.0.2.${i}`), /65 ranges; at most 64 are possible/],
  ] as const)
    throws(() => texts(pool), why)
})

test('the controller keeps away from the ports of Ingresses, unless those are left to others', () => {
  deepStrictEqual(loadBalancingOf(config), { ingressPorts: [80, 443] })
  deepStrictEqual(loadBalancingOf({ ...config, ingressHttpPort: 8080 }), { ingressPorts: [8080, 443] })
  deepStrictEqual(loadBalancingOf({ ...config, disable: ['ingress'] }), {})
  deepStrictEqual(loadBalancingOf({ ...config, disable: ['loadbalancer'] }), undefined)
})
