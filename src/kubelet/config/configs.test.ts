// What the runtime is asked for: the configuration of sandboxes and containers, by which a later kubelet also
// recognizes its pods.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import type { Container } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'
import { containerHash, findContainer } from '../pod/spec.ts'
import { containerConfig, messagePathOf, podLogDir, sandboxConfig } from './configs.ts'
import { plainMemory } from './memory.ts'
import { annotationNames } from '../runtime/runtime.ts'

const settings = {
  clusterDNS: '10.96.0.10',
  clusterDomain: 'cluster.local',
  hostResolvConf: 'nameserver 1.1.1.1',
  logRoot: '/logs',
  cgroupRoot: '/kutter',
  seccompRoot: '/profiles',
  memory: plainMemory(2 ** 33),
}
const metadata = { name: 'web-0', namespace: 'shop', uid: 'u-1' }
const podWith = (spec: Partial<Draft<Pod>['spec']>, more: object = {}): Pod =>
  podOf({ metadata: { ...metadata, ...more }, spec })

test('a sandbox has the pod’s name, labels, annotations, logs, resolvers and control group', () => {
  const pod = podWith({ subdomain: 'sub' }, { labels: { app: 'x' }, annotations: { note: 'y' } })
  const config = sandboxConfig(pod, 3, settings)
  assert.deepEqual(config.metadata, { name: 'web-0', namespace: 'shop', uid: 'u-1', attempt: 3 })
  assert.equal(config.hostname, 'web-0')
  assert.equal(config.logDirectory, '/logs/shop_web-0_u-1')
  assert.equal(podLogDir('/logs', pod), config.logDirectory)
  assert.deepEqual(config.dnsConfig?.servers, ['10.96.0.10'])
  assert.deepEqual(config.labels, {
    app: 'x',
    'io.kubernetes.pod.name': 'web-0',
    'io.kubernetes.pod.namespace': 'shop',
    'io.kubernetes.pod.uid': 'u-1',
  })
  assert.deepEqual(config.annotations, { note: 'y' })
  assert.equal(config.linux?.cgroupParent, '/kutter/kubepods/besteffort/podu-1')
})

test('a pod cannot pass for another one by its labels', () => {
  const pod = podWith({}, { labels: { 'io.kubernetes.pod.uid': 'other', 'io.kubernetes.pod.name': 'other' } })
  const { labels } = sandboxConfig(pod, 0, settings)
  assert.deepEqual([labels?.['io.kubernetes.pod.uid'], labels?.['io.kubernetes.pod.name']], ['u-1', 'web-0'])
})

test('the ports of all containers that ask for one of the node are mapped, of init containers too', () => {
  const containers: Draft<Container>[] = [
    {
      name: 'a',
      image: 'x',
      ports: [
        { containerPort: 80, hostPort: 8080 },
        { containerPort: 81 },
        { containerPort: 53, hostPort: 5353, protocol: 'UDP', hostIP: '127.0.0.1' },
      ],
    },
  ]
  const initContainers = [
    { name: 's', image: 'x', restartPolicy: 'Always', ports: [{ containerPort: 9, hostPort: 9009, protocol: 'SCTP' }] },
  ] as const
  const mappings = (spec: Partial<Draft<Pod>['spec']>) => sandboxConfig(podWith(spec), 0, settings).portMappings
  assert.deepEqual(mappings({ containers, initContainers }), [
    { protocol: 'SCTP', containerPort: 9, hostPort: 9009, hostIp: '' },
    { protocol: 'TCP', containerPort: 80, hostPort: 8080, hostIp: '' },
    { protocol: 'UDP', containerPort: 53, hostPort: 5353, hostIp: '127.0.0.1' },
  ])
  // On the node's network, the container listens on the node's port itself.
  const onNode = podWith({ hostNetwork: true, containers: [{ name: 'a', image: 'x', ports: [{ containerPort: 80 }] }] })
  const config = sandboxConfig(onNode, 0, settings)
  assert.deepEqual(config.portMappings, [])
  assert.equal('hostname' in config, false)
})

test('kernel settings of a pod have the dots of sysctl, however they are written', () => {
  const sysctls = [
    { name: 'net.ipv4.tcp_syncookies', value: '1' },
    { name: 'net/ipv4/ip_unprivileged_port_start', value: '80' },
  ]
  assert.deepEqual(sandboxConfig(podWith({ securityContext: { sysctls } }), 0, settings).linux?.sysctls, {
    'net.ipv4.tcp_syncookies': '1',
    'net.ipv4.ip_unprivileged_port_start': '80',
  })
})

type Parts = Parameters<typeof containerConfig>[2]

function configOf(
  container: Partial<Draft<Container>>,
  spec: Partial<Draft<Pod>['spec']> = {},
  more: Pick<Parts, 'targetId' | 'granted' | 'cdiDevices' | 'cdi'> = {},
) {
  const pod = podWith({ ...spec, containers: [{ name: 'c', image: 'app:1', ...container }] })
  const env = new Map([
    ['A', '1'],
    ['B', 'two words'],
  ])
  const mounts = [{ containerPath: '/data', hostPath: '/pods/u-1/data' }]
  const made = findContainer(pod, 'c')!.container
  const of = { image: undefined, imageRef: 'sha256:abc', env, mounts, devices: [], cpuset: { cpus: '2-3', mems: '1' } }
  const parts = { attempt: 2, ...of, ...more }
  return { made, config: containerConfig(pod, made, parts, settings) }
}

test('a container has its image, command, variables, mounts and log', () => {
  const { config } = configOf({
    command: ['/bin/$(A)', '$(UNKNOWN)'],
    args: ['--b=$(B)', '$$(A)'],
    workingDir: '/srv',
    stdin: true,
    stdinOnce: true,
    tty: true,
  })
  assert.deepEqual(config.metadata, { name: 'c', attempt: 2 })
  assert.deepEqual(config.image, { image: 'sha256:abc', userSpecifiedImage: 'app:1' })
  assert.deepEqual(config.command, ['/bin/1', '$(UNKNOWN)'])
  assert.deepEqual(config.args, ['--b=two words', '$(A)'])
  assert.equal(config.workingDir, '/srv')
  assert.deepEqual(config.envs, [
    { key: 'A', value: '1' },
    { key: 'B', value: 'two words' },
  ])
  assert.deepEqual(config.mounts, [{ containerPath: '/data', hostPath: '/pods/u-1/data' }])
  assert.equal(config.logPath, 'c/2.log')
  assert.deepEqual([config.stdin, config.stdinOnce, config.tty], [true, true, true])
  const plain = configOf({}).config
  assert.deepEqual([plain.command, plain.args, plain.workingDir, plain.stdin, plain.tty], [[], [], '', false, false])
})

test('what a container has with its devices comes before what its spec says', () => {
  const device = { containerPath: '/dev/gpu0', hostPath: '/dev/gpu0', permissions: 'rw' }
  const granted = {
    envs: { GPU: '0', A: 'of the plugin' },
    mounts: [{ containerPath: '/gpu', hostPath: '/opt/gpu', readOnly: true }],
    devices: [device],
    annotations: { 'example.com/gpu': '0', [annotationNames.hash]: 'a lie' },
    cdiDevices: [{ name: 'example.com/gpu=0' }],
  }
  const { config } = configOf({ command: ['$(GPU)', '$(A)'] }, {}, { granted, cdiDevices: ['example.com/gpu=0'] })
  assert.deepEqual(
    config.envs?.map(({ key, value }) => `${key}=${value}`),
    ['GPU=0', 'A=1', 'B=two words'],
  )
  assert.deepEqual(config.command, ['0', '1'])
  assert.deepEqual(config.mounts, [
    { containerPath: '/gpu', hostPath: '/opt/gpu', readonly: true },
    { containerPath: '/data', hostPath: '/pods/u-1/data' },
  ])
  assert.deepEqual(config.devices, [device])
  assert.equal(config.annotations?.['example.com/gpu'], '0')
  assert.notEqual(config.annotations?.[annotationNames.hash], 'a lie')
  assert.deepEqual(config.cdiDevices, [{ name: 'example.com/gpu=0' }])
  assert.equal(configOf({}).config.cdiDevices, undefined)
})

test('what CDI devices change in a container comes last', () => {
  const cdi = {
    envs: new Map([
      ['A', 'of the device'],
      ['GPU', '0'],
    ]),
    mounts: [{ containerPath: '/gpu', hostPath: '/opt/gpu', readonly: true }],
    devices: [{ containerPath: '/dev/gpu0', hostPath: '/dev/gpu0', permissions: 'rwm' }],
    groups: [7],
  }
  const { config } = configOf({ command: ['$(A)', '$(GPU)'] }, {}, { cdi })
  assert.deepEqual(
    config.envs?.map(({ key, value }) => `${key}=${value}`),
    ['A=of the device', 'B=two words', 'GPU=0'],
  )
  // The command is made from the container's own variables, as where the runtime applies the devices.
  assert.deepEqual(config.command, ['1', '$(GPU)'])
  assert.deepEqual(config.mounts, [{ containerPath: '/data', hostPath: '/pods/u-1/data' }, ...cdi.mounts])
  assert.deepEqual(config.devices, cdi.devices)
  const groups = (made: ReturnType<typeof configOf>) => made.config.linux?.securityContext?.supplementalGroups ?? []
  assert.deepEqual(groups({ made: configOf({}).made, config }), [...groups(configOf({})), 7])
})

test('a container carries what a later kubelet needs to recognize it', () => {
  const { made, config } = configOf(
    {
      terminationMessagePath: '/tmp/end',
      terminationMessagePolicy: 'FallbackToLogsOnError',
      resources: { requests: { cpu: '1', 'ephemeral-storage': '1Gi' }, limits: { cpu: '2' } },
    },
    { terminationGracePeriodSeconds: 45 },
  )
  assert.deepEqual(config.labels, {
    'io.kubernetes.pod.name': 'web-0',
    'io.kubernetes.pod.namespace': 'shop',
    'io.kubernetes.pod.uid': 'u-1',
    'io.kubernetes.container.name': 'c',
  })
  assert.deepEqual(config.annotations, {
    'io.kubernetes.container.hash': containerHash(made),
    'io.kubernetes.container.restartCount': '2',
    'io.kubernetes.container.terminationMessagePath': '/tmp/end',
    'io.kubernetes.container.terminationMessagePolicy': 'FallbackToLogsOnError',
    'io.kubernetes.pod.terminationGracePeriod': '45',
    'kutter.local/resources': '{"requests":{"cpu":"1"},"limits":{"cpu":"2"}}',
  })
  assert.equal(messagePathOf(configOf({}).made), '/dev/termination-log')
})

test('the hash of a container changes with its image alone', () => {
  const hash = (container: Partial<Draft<Container>>) => containerHash(configOf(container).made)
  assert.notEqual(hash({ image: 'app:2' }), hash({ image: 'app:1' }))
  assert.equal(hash({ resources: { limits: { cpu: '1' } }, env: [{ name: 'A', value: '1' }] }), hash({}))
})

test('a container may be stopped by a signal of its own', () => {
  const signal = (stopSignal: NonNullable<NonNullable<Draft<Container>['lifecycle']>['stopSignal']>) =>
    configOf({ lifecycle: { stopSignal } }, { os: { name: 'linux' } }).config.stopSignal
  assert.equal(signal('SIGUSR1'), 'SIGNAL_SIGUSR1')
  assert.equal(signal('SIGRTMIN+3'), 'SIGNAL_SIGRTMINPLUS3')
  assert.equal(signal('SIGRTMAX-1'), 'SIGNAL_SIGRTMAXMINUS1')
  assert.equal('stopSignal' in configOf({}).config, false)
})

test('an ephemeral container is given the container whose processes it sees', () => {
  assert.deepEqual(configOf({}, {}, { targetId: 'id-1' }).config.linux?.securityContext?.namespaceOptions, {
    network: 'POD',
    ipc: 'POD',
    pid: 'TARGET',
    targetId: 'id-1',
  })
})

test('a container runs on the CPUs that it was given', () => {
  assert.equal(configOf({}).config.linux?.resources?.cpusetCpus, '2-3')
})
