// The kubelet's configuration file: what it means, and which mistakes are found.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultKubeletConfig, readKubeletConfig, thresholdsOf } from './kubelet-config.ts'

const read = (more: object) =>
  readKubeletConfig({ apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration', ...more }, 'file')

/** `signal=value/seconds of grace+what to reclaim in addition` */
const texts = (config: ReturnType<typeof read>, isShared = false) =>
  thresholdsOf(config, isShared).map(
    ({ signal, value, graceMs, minReclaim }) =>
      `${signal}=${JSON.stringify(value)}/${graceMs / 1000}${minReclaim ? `+${JSON.stringify(minReclaim)}` : ''}`,
  )

test('without a file the defaults of Kubernetes apply', () => {
  assert.deepEqual(texts(defaultKubeletConfig), [
    'memory.available={"quantity":104857600}/0',
    'nodefs.available={"share":0.1}/0',
    'nodefs.inodesFree={"share":0.05}/0',
    'imagefs.available={"share":0.15}/0',
    'imagefs.inodesFree={"share":0.05}/0',
  ])
  assert.deepEqual(defaultKubeletConfig.images, {
    highPercent: 85,
    lowPercent: 80,
    minAgeMs: 120_000,
    maxAgeMs: 0,
  })
  assert.equal(defaultKubeletConfig.evictionPressureTransitionMs, 300_000)
  assert.equal(defaultKubeletConfig.streamIdleMs, 4 * 3_600_000)
})

test('hard thresholds in the file replace the defaults, and 0% turns one off', () => {
  const evictionHard = { 'memory.available': '5%', 'nodefs.available': '0%', 'pid.available': '100' }
  assert.deepEqual(texts(read({ evictionHard }), true), [
    'memory.available={"share":0.05}/0',
    'pid.available={"quantity":100}/0',
  ])
})

test('or are merged into them', () => {
  const config = read({ evictionHard: { 'memory.available': '1Gi' }, mergeDefaultEvictionSettings: true })
  assert.equal(texts(config).length, 5)
  assert.equal(texts(config)[0], 'memory.available={"quantity":1073741824}/0')
})

test('soft thresholds have a grace period, and any threshold may have a minimum to reclaim', () => {
  const config = read({
    evictionHard: { 'nodefs.available': '1Gi' },
    evictionSoft: { 'nodefs.available': '2Gi' },
    evictionSoftGracePeriod: { 'nodefs.available': '1m30s' },
    evictionMinimumReclaim: { 'nodefs.available': '500Mi' },
    evictionMaxPodGracePeriod: 60,
    evictionPressureTransitionPeriod: '30s',
  })
  assert.deepEqual(texts(config), [
    'nodefs.available={"quantity":1073741824}/0+{"quantity":524288000}',
    'nodefs.available={"quantity":2147483648}/90+{"quantity":524288000}',
  ])
  assert.deepEqual([config.evictionMaxPodGraceSeconds, config.evictionPressureTransitionMs], [60, 30_000])
})

const mistakes: [object, RegExp][] = [
  [{ evictionHard: { 'disk.available': '1Gi' } }, /^file: evictionHard.disk.available: unsupported eviction signal/],
  [{ evictionHard: { 'memory.available': '101%' } }, /evictionHard.memory.available: must be a positive quantity/],
  [{ evictionHard: { 'memory.available': 'much' } }, /evictionHard.memory.available: must be a positive quantity/],
  [
    { evictionSoft: { 'memory.available': '1Gi' } },
    /grace period must be specified for the soft eviction threshold memory.available/,
  ],
  [{ evictionPressureTransitionPeriod: 'soon' }, /evictionPressureTransitionPeriod: must be a duration/],
  [{ imageGCHighThresholdPercent: 50, imageGCLowThresholdPercent: 60 }, /imageGCLowThresholdPercent: must not be more/],
  [{ imageMaximumGCAge: '1m' }, /imageMaximumGCAge: must be more than imageMinimumGCAge/],
  [{ cgroupDriver: 'systemd' }, /cgroupDriver: unknown field/],
  [{ kind: 'Pod' }, /kind: must be KubeletConfiguration/],
]

for (const [fields, message] of mistakes)
  test(`a mistake is reported: ${JSON.stringify(fields)}`, () => assert.throws(() => read(fields), { message }))

test('what is reserved for the system and for the kubelet is added up', () => {
  const config = read({
    kubeReserved: { cpu: '100m', memory: '100Mi', 'ephemeral-storage': '1Gi', pid: '100' },
    systemReserved: { cpu: '0.4', memory: '28Mi' },
  })
  const reserved = { cpuMilli: 500, memoryBytes: 128 * 2 ** 20, storageBytes: 2 ** 30, pids: 100 }
  assert.deepEqual([config.reserved, config.enforcesAllocatable], [reserved, true])
  assert.equal(read({ enforceNodeAllocatable: ['none'] }).enforcesAllocatable, false)
  assert.equal(read({ enforceNodeAllocatable: [] }).enforcesAllocatable, false)
  const wrong: [object, RegExp][] = [
    [{ kubeReserved: { cpu: '-1' } }, /^file: kubeReserved.cpu: must be a quantity that is not negative, not "-1"/],
    [{ systemReserved: { gpu: '1' } }, /^file: systemReserved.gpu: unknown field/],
    [
      { enforceNodeAllocatable: ['system-reserved'] },
      /^file: enforceNodeAllocatable: "system-reserved" is not supported; supported are "pods" and "none"/,
    ],
    [{ enforceNodeAllocatable: ['pods', 'none'] }, /^file: enforceNodeAllocatable: "none" stands alone/],
  ]
  for (const [fields, message] of wrong) assert.throws(() => read(fields), { message })
})

test('what is reserved of NUMA nodes stands with the static policy for memory', () => {
  const reservedMemory = [
    { numaNode: 0, limits: { memory: '1Gi', 'hugepages-2Mi': '4Mi' } },
    { numaNode: 1, limits: { memory: '512Mi' } },
  ]
  const { memoryManagerPolicy, reservedMemory: amounts } = read({ memoryManagerPolicy: 'Static', reservedMemory })
  assert.equal(memoryManagerPolicy, 'Static')
  assert.deepEqual(
    Array.from(amounts, ([node, of]) => [node, Object.fromEntries(of)]),
    [
      [0, { memory: 2 ** 30, 'hugepages-2Mi': 2 ** 22 }],
      [1, { memory: 2 ** 29 }],
    ],
  )
  const wrong: [object, RegExp][] = [
    [{ memoryManagerPolicy: 'Static' }, /reservedMemory: .* you should specify the system reserved memory/],
    [{ reservedMemory }, /reservedMemory: requires the memoryManagerPolicy Static/],
    [
      { reservedMemory: [{ numaNode: 0, limits: { cpu: '1' } }] },
      /reservedMemory\[0\]\.limits\.cpu: must be memory or/,
    ],
    [
      { reservedMemory: [{ numaNode: 0, limits: { memory: '-1' } }] },
      /limits\.memory: must be a quantity that is positive/,
    ],
    [{ reservedMemory: [reservedMemory[0], reservedMemory[0]] }, /limits\.memory: was given for NUMA node 0 before/],
    [{ reservedMemory: [{ numaNode: 0 }] }, /reservedMemory\[0\]\.limits: must have an amount/],
    [
      { reservedMemory: [{ numaNode: 0, limits: { memory: '1' }, more: 1 }] },
      /reservedMemory\[0\]\.more: unknown field/,
    ],
  ]
  for (const [fields, message] of wrong) assert.throws(() => read(fields), { message })
})

test('pods are placed on NUMA nodes by a policy, a scope and an option', () => {
  const of = (fields: object) => {
    const config = read(fields)
    return [config.topologyManagerPolicy, config.topologyManagerScope, config.prefersClosestNodes]
  }
  assert.deepEqual(of({}), ['none', 'container', false])
  assert.deepEqual(
    of({
      topologyManagerPolicy: 'single-numa-node',
      topologyManagerScope: 'pod',
      topologyManagerPolicyOptions: { 'prefer-closest-numa-nodes': 'true' },
    }),
    ['single-numa-node', 'pod', true],
  )
  const wrong: [object, RegExp][] = [
    [
      { topologyManagerPolicy: 'strict' },
      /topologyManagerPolicy: must be one of none, best-effort, restricted, single/,
    ],
    [{ topologyManagerScope: 'node' }, /topologyManagerScope: must be one of container, pod/],
    [{ topologyManagerPolicyOptions: { 'prefer-closest-numa-nodes': 'yes' } }, /must be one of true, false, not "yes"/],
  ]
  for (const [fields, message] of wrong) assert.throws(() => read(fields), { message })
})

test('the static policy for CPUs needs some that are reserved', () => {
  const named = read({ cpuManagerPolicy: 'static', reservedSystemCPUs: '0,2', kubeReserved: { cpu: '100m' } })
  assert.deepEqual([named.cpuManagerPolicy, named.reservedCpus, named.reserved.cpuMilli], ['static', [0, 2], 2000])
  assert.equal(read({ cpuManagerPolicy: 'static', kubeReserved: { cpu: '1' } }).cpuManagerPolicy, 'static')
  const wrong: [object, RegExp][] = [
    [{ cpuManagerPolicy: 'static' }, /cpuManagerPolicy: the static policy requires .* to be greater than zero/],
    [{ cpuManagerPolicy: 'other' }, /cpuManagerPolicy: must be one of none, static, not "other"/],
    [{ reservedSystemCPUs: 'x' }, /reservedSystemCPUs: must be a set of CPUs such as 0-1,4, not "x"/],
    [
      { cpuManagerPolicyOptions: { 'align-by-socket': 'true' } },
      /cpuManagerPolicyOptions.align-by-socket: unknown field/,
    ],
  ]
  for (const [fields, message] of wrong) assert.throws(() => read(fields), { message })
})
