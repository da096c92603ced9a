// What the kernel is given for requests and limits, as tables: pods in, shares, quotas, limits and scores out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import type { Container } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'
import { findContainer, qosOf } from '../pod/spec.ts'
import { readKubeletConfig } from '../kubelet-config.ts'
import { keptMemory, memoryControls, type MemoryRules, plainMemory } from './memory.ts'
import { containerResources, cpuQuota, cpuShares, oomScore, podCgroup, podCgroupLimits } from './resources.ts'

const gi = 2 ** 30
const nodeMemoryBytes = 10 * gi
const memory = plainMemory(nodeMemoryBytes)

/** `cpu/memory` of requests and limits: `1/1Gi 2/2Gi`, `-/1Gi` without CPU, `- 2/-` without requests. */
function resources(text: string): NonNullable<Draft<Container>['resources']> {
  const [requests = '', limits = ''] = text.split(' ').map(side => {
    const [cpu, memory] = side.split('/')
    return {
      ...(cpu && cpu !== '-' && { cpu }),
      ...(memory && memory !== '-' && { memory }),
    }
  })
  return { ...(requests && { requests }), ...(limits && { limits }) }
}

/** Containers by name: `a` is a main one, `i-…` an init container, `s-…` a sidecar. */
function podWith(containers: Readonly<Record<string, string>>, more: Partial<Draft<Pod>['spec']> = {}): Pod {
  const drafts = Object.entries(containers).map(([name, text]) => ({
    name,
    image: 'x',
    resources: resources(text),
    ...(name.startsWith('s-') && { restartPolicy: 'Always' }),
  }))
  return podOf({
    metadata: { name: 'p', uid: 'u' },
    spec: {
      containers: drafts.filter(c => !/^[is]-/.test(c.name)),
      initContainers: drafts.filter(c => /^[is]-/.test(c.name)),
      ...more,
    },
  })
}

test('shares are 1024 for each CPU, between 2 and 262144', () => {
  const table: [milli: number, shares: number][] = [
    [0, 2],
    [1, 2],
    [2, 2],
    [3, 3],
    [100, 102],
    [250, 256],
    [1000, 1024],
    [256_000, 262_144],
    [999_000, 262_144],
  ]
  for (const [milli, shares] of table) assert.equal(cpuShares(milli), shares, `${milli}m`)
})

test('the quota is 100 ms for each CPU, at least 1 ms, and none without a limit', () => {
  const table: [milli: number, quotaUs: number][] = [
    [0, 0],
    [1, 1000],
    [10, 1000],
    [11, 1100],
    [500, 50_000],
    [2500, 250_000],
  ]
  for (const [milli, quotaUs] of table) assert.equal(cpuQuota(milli), quotaUs, `${milli}m`)
})

test('the quality of service is Guaranteed only if every container has equal requests and limits of both', () => {
  const table: [containers: Record<string, string>, qos: string][] = [
    [{ a: '' }, 'BestEffort'],
    [{ a: '0/0 0/0' }, 'BestEffort'],
    [{ a: '1/1Gi 1/1Gi' }, 'Guaranteed'],
    // The same amounts in other words.
    [{ a: '1000m/1024Mi 1/1Gi' }, 'Guaranteed'],
    [{ a: '- 1/1Gi' }, 'Guaranteed'],
    [{ a: '1/1Gi 2/1Gi' }, 'Burstable'],
    [{ a: '1/- 1/-' }, 'Burstable'],
    [{ a: '-/1Mi -' }, 'Burstable'],
    [{ a: '1/1Gi 1/1Gi', b: '' }, 'Burstable'],
    [{ a: '1/1Gi 1/1Gi', 'i-1': '' }, 'Burstable'],
    [{ a: '1/1Gi 1/1Gi', 's-1': '1/1Gi 1/1Gi' }, 'Guaranteed'],
  ]
  for (const [containers, qos] of table) assert.equal(qosOf(podWith(containers)), qos, JSON.stringify(containers))
  // What the API server has stored counts, so that the group of a running pod stays where it is.
  const pod = podWith({ a: '' })
  assert.equal(qosOf({ ...pod, status: { ...pod.status, qosClass: 'Guaranteed' } }), 'Guaranteed')
  assert.equal(qosOf(podWith({ a: '' }, { resources: resources('1/1Gi 1/1Gi') })), 'Guaranteed')
  assert.equal(qosOf(podWith({ a: '1/1Gi 1/1Gi' }, { resources: resources('1/1Gi 2/2Gi') })), 'Burstable')
})

test('the control group of a pod is in that of its quality of service, and of a guaranteed one in none', () => {
  assert.equal(podCgroup('/kutter', podWith({ a: '1/1Gi 1/1Gi' })), '/kutter/kubepods/podu')
  assert.equal(podCgroup('/kutter', podWith({ a: '1/- -' })), '/kutter/kubepods/burstable/podu')
  assert.equal(podCgroup('/kutter', podWith({ a: '' })), '/kutter/kubepods/besteffort/podu')
})

test('a pod is limited by the sum of its containers, or its largest init container if that is more', () => {
  const mi = 2 ** 20
  const table: [what: string, containers: Record<string, string>, shares: number, quotaUs: number, bytes: number][] = [
    ['nothing asked for', { a: '' }, 2, -1, -1],
    ['two containers', { a: '1/1Gi 2/2Gi', b: '500m/1Gi 1/2Gi' }, 1536, 300_000, 4 * gi],
    ['one without limits', { a: '1/1Gi 2/2Gi', b: '500m/1Gi' }, 1536, -1, -1],
    ['one without a limit of CPU', { a: '1/1Gi 2/2Gi', b: '500m/1Gi -/2Gi' }, 1536, -1, 4 * gi],
    ['only limits', { a: '- 250m/64Mi' }, 256, 25_000, 64 * mi],
    ['a small init container', { a: '2/2Gi 2/2Gi', 'i-1': '1/1Gi 1/1Gi' }, 2048, 200_000, 2 * gi],
    ['a large init container', { a: '1/1Gi 1/1Gi', 'i-1': '4/1Gi 4/1Gi' }, 4096, 400_000, gi],
    ['an init container without limits', { a: '1/1Gi 1/1Gi', 'i-1': '1/1Gi' }, 1024, -1, -1],
    ['a sidecar', { a: '1/1Gi 1/1Gi', 's-1': '1/1Gi 1/1Gi' }, 2048, 200_000, 2 * gi],
    // The sidecar that runs already counts with the init container after it, and not with the one before.
    ['an init container after a sidecar', { a: '- 1/1Gi', 's-1': '- 1/1Gi', 'i-2': '- 3/1Gi' }, 4096, 400_000, 2 * gi],
    ['an init container before a sidecar', { a: '- 1/1Gi', 'i-1': '- 3/1Gi', 's-2': '- 1/1Gi' }, 3072, 300_000, 2 * gi],
  ]
  for (const [what, containers, shares, quotaUs, bytes] of table) {
    const limits = podCgroupLimits(podWith(containers), 99, memory)
    assert.deepEqual(
      [limits.cpuShares, limits.cpuQuotaUs, limits.memoryBytes, limits.pids],
      [shares, quotaUs, bytes, 99],
      what,
    )
  }
})

test('resources of the pod as a whole, and the overhead of its runtime, are in the limits of its group', () => {
  const whole = podCgroupLimits(podWith({ a: '', b: '1/1Gi' }, { resources: resources('2/2Gi 3/3Gi') }), 1, memory)
  assert.deepEqual([whole.cpuShares, whole.cpuQuotaUs, whole.memoryBytes], [2048, 300_000, 3 * gi])
  const half = podCgroupLimits(
    podWith({ a: '1/1Gi 1/1Gi', b: '1/1Gi' }, { resources: resources('2/- 3/-') }),
    1,
    memory,
  )
  assert.deepEqual([half.cpuShares, half.cpuQuotaUs, half.memoryBytes], [2048, 300_000, -1])
  const overhead = { cpu: '500m', memory: '1Gi' }
  const boxed = podCgroupLimits(podWith({ a: '1/1Gi 2/2Gi' }, { overhead }), 1, memory)
  assert.deepEqual([boxed.cpuShares, boxed.cpuQuotaUs, boxed.memoryBytes], [1536, 250_000, 3 * gi])
  const open = podCgroupLimits(podWith({ a: '' }, { overhead }), 1, memory)
  assert.deepEqual([open.cpuShares, open.cpuQuotaUs, open.memoryBytes], [512, -1, -1])
})

test('a container has its own shares, quota and limit, and its limit stands in for a missing request', () => {
  const of = (text: string) => {
    const pod = podWith({ a: text, b: '2/1Gi 2/1Gi' })
    const { cpuShares, cpuQuota, memoryLimitInBytes } = containerResources(pod, pod.spec.containers[0]!, memory)
    return [cpuShares, cpuQuota, memoryLimitInBytes]
  }
  assert.deepEqual(of(''), [2, 0, 0])
  assert.deepEqual(of('100m/64Mi 500m/128Mi'), [102, 50_000, 128 * 2 ** 20])
  assert.deepEqual(of('- 500m/-'), [512, 50_000, 0])
  assert.deepEqual(of('0/- 500m/-'), [2, 50_000, 0])
})

test('the kernel kills the container first that asked for the least of the node’s memory', () => {
  const critical = { priority: 2_000_001_000, priorityClassName: 'system-node-critical' }
  const table: [
    what: string,
    containers: Record<string, string>,
    scores: number[],
    more?: Partial<Draft<Pod>['spec']>,
  ][] = [
    ['best effort', { a: '' }, [1000]],
    ['guaranteed', { a: '1/1Gi 1/1Gi' }, [-997]],
    ['a tenth of the node', { a: '-/1Gi' }, [900]],
    ['a half and nothing', { a: '-/5Gi', b: '' }, [500, 999]],
    ['only CPU', { a: '1/-' }, [999]],
    ['more than the node', { a: '-/11Gi' }, [3]],
    ['all of the node', { a: '-/10Gi' }, [3]],
    ['a limit without a request', { a: '- -/2Gi' }, [800]],
    ['critical for the node', { a: '' }, [-997], critical],
    // Critical for the cluster: such a pod can run elsewhere.
    [
      'critical for the cluster',
      { a: '-/1Gi' },
      [900],
      { priority: 2_000_000_000, priorityClassName: 'system-cluster-critical' },
    ],
    // A sidecar has at most the score of the container that goes first, so that it does not go before it.
    ['a small sidecar', { 's-1': '-/1Gi', a: '-/5Gi', b: '-/3Gi' }, [700, 500, 700]],
    ['a large sidecar', { 's-1': '-/6Gi', a: '-/5Gi' }, [400, 500]],
    ['an init container', { 'i-1': '-/1Gi', a: '-/5Gi' }, [900, 500]],
  ]
  for (const [what, containers, scores, more] of table) {
    const pod = podWith(containers, more)
    const found = Object.keys(containers).map(name =>
      oomScore(pod, findContainer(pod, name)!.container, nodeMemoryBytes),
    )
    assert.deepEqual(found, scores, what)
  }
})

test('limits of huge pages are named by the size of a page', () => {
  const limits = { 'hugepages-2Mi': '4Mi', 'hugepages-1Gi': '2Gi', 'hugepages-64Ki': '64Ki', memory: '1Gi', cpu: '1' }
  const pod = podOf({ spec: { containers: [{ name: 'a', image: 'x', resources: { limits } }] } })
  assert.deepEqual(containerResources(pod, pod.spec.containers[0]!, memory).hugepageLimits, [
    { pageSize: '1GB', limit: 2 * gi },
    { pageSize: '2MB', limit: 4 * 2 ** 20 },
    { pageSize: '64KB', limit: 64 * 1024 },
  ])
  const plain = podWith({ a: '1/1Gi' })
  assert.equal(containerResources(plain, plain.spec.containers[0]!, memory).hugepageLimits, undefined)
})

const v2: MemoryRules = { ...memory, limitsSwap: true, swapBytes: 5 * gi }

test('nothing goes to swap, or what a burstable container requests of the memory as a share of the swap', () => {
  const controls = (containers: Readonly<Record<string, string>>, rules: Partial<MemoryRules>, more = {}) => {
    const pod = podWith(containers, more)
    return memoryControls(pod, pod.spec.containers[0]!, { ...v2, ...rules })
  }
  const limited = { swapBehavior: 'LimitedSwap' } as const
  const max = (containers: Readonly<Record<string, string>>, rules: Partial<MemoryRules>, more = {}) =>
    controls(containers, rules, more).unified?.['memory.swap.max']
  assert.equal(max({ a: '1/1Gi 2/2Gi' }, {}), '0')
  assert.equal(max({ a: '1/1Gi 2/2Gi' }, limited), String(gi / 2))
  assert.equal(max({ a: '1/1Gi' }, limited), String(gi / 2))
  // The others have none: guaranteed and best-effort ones, and those that request all that they may use.
  assert.equal(max({ a: '1/1Gi 1/1Gi' }, limited), '0')
  assert.equal(max({ a: '' }, limited), '0')
  assert.equal(max({ a: '1/1Gi 1/1Gi', b: '' }, limited), '0')
  assert.equal(max({ a: '1/1Gi' }, limited, { priority: 2_000_000_000 }), '0')
  assert.deepEqual(controls({ a: '1/1Gi 2/2Gi' }, { limitsSwap: false }), {})
  assert.deepEqual(controls({ a: '1/1Gi 2/2Gi' }, { ...limited, version: 1 }), { memorySwapLimitInBytes: 2 * gi })
  assert.deepEqual(controls({ a: '1/1Gi 2/2Gi' }, { version: 1, limitsSwap: false }), {})
})

test('a container is slowed down between its request and its limit, and what it requests is kept for it', () => {
  const rules: MemoryRules = { ...memory, allocatableBytes: 8 * gi, memoryThrottlingFactor: 0.5, reservesMemory: true }
  const unified = (text: string, more: Partial<MemoryRules> = {}) => {
    const pod = podWith({ a: text })
    return memoryControls(pod, pod.spec.containers[0]!, { ...rules, ...more }).unified
  }
  const all = (high: number | undefined, low: number | undefined) => ({
    ...(high !== undefined && { 'memory.high': String(high) }),
    ...(low !== undefined && { 'memory.low': String(low) }),
  })
  assert.deepEqual(unified('1/1Gi 2/3Gi'), all(2 * gi, gi))
  assert.deepEqual(unified('1/2Gi'), all(5 * gi, 2 * gi))
  assert.deepEqual(unified(''), all(4 * gi, undefined))
  assert.deepEqual(unified('1/1Gi 1/1Gi'), { 'memory.min': String(gi) })
  assert.equal(unified('1/1Gi 2/3Gi', { version: 1 }), undefined)
  assert.equal(unified('1/1Gi 2/3Gi', { memoryThrottlingFactor: undefined, reservesMemory: false }), undefined)
  const pods = [podWith({ a: '1/1Gi 1/1Gi' }), podWith({ a: '1/2Gi' }), podWith({ a: '1/3Gi' }), podWith({ a: '' })]
  assert.deepEqual(keptMemory(pods, rules), { memoryMinBytes: gi, memoryLowBytes: 5 * gi })
  assert.deepEqual(keptMemory(pods, { ...rules, version: 1 }), {})
  assert.deepEqual(keptMemory(pods, memory), {})
  assert.equal(podCgroupLimits(pods[0]!, 1, rules).memoryMinBytes, gi)
})

test('the fields for memory are read, and need their feature gate', () => {
  const read = (fields: object) =>
    readKubeletConfig({ apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration', ...fields }, 'file')
  const of = (fields: object) => {
    const { failSwapOn, swapBehavior, memoryThrottlingFactor, reservesMemory } = read(fields)
    return [failSwapOn, swapBehavior, memoryThrottlingFactor, reservesMemory]
  }
  assert.deepEqual(of({}), [false, 'NoSwap', undefined, false])
  assert.deepEqual(of({ failSwapOn: true, memorySwap: { swapBehavior: 'LimitedSwap' } }), [
    true,
    'LimitedSwap',
    undefined,
    false,
  ])
  const featureGates = { MemoryQoS: true }
  assert.deepEqual(of({ featureGates }), [false, 'NoSwap', 0.9, false])
  assert.deepEqual(of({ featureGates, memoryThrottlingFactor: 0.8, memoryReservationPolicy: 'TieredReservation' }), [
    false,
    'NoSwap',
    0.8,
    true,
  ])
  const wrong: [object, RegExp][] = [
    [{ memorySwap: { swapBehavior: 'UnlimitedSwap' } }, /memorySwap\.swapBehavior: must be one of NoSwap, LimitedSwap/],
    [{ featureGates: { Other: true } }, /featureGates\.Other: unknown field/],
    [{ memoryThrottlingFactor: 0.9 }, /memoryThrottlingFactor: requires the feature gate MemoryQoS/],
    [
      { featureGates, memoryThrottlingFactor: 2 },
      /memoryThrottlingFactor: must be a number above 0 and up to 1, not 2/,
    ],
    [
      { featureGates, memoryReservationPolicy: 'All' },
      /memoryReservationPolicy: must be one of None, TieredReservation/,
    ],
  ]
  for (const [fields, message] of wrong) assert.throws(() => read(fields), { message })
})
