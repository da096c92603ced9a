// The variables of containers: which sources there are, in which order they count, and what a missing one does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isReason } from '../../base/errors.ts'
import type { Draft } from '../../api/kind.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import type { Container } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { Service } from '../../kinds/core/service.ts'
import { objectOf, podOf } from '../../kinds/testing.ts'
import { environmentOf, type EnvSources } from './env.ts'
import { fieldValue, resourceValue } from './fields.ts'

const facts = {
  nodeIPs: ['10.0.0.1', 'fd00::1'],
  cpuMilli: 3500,
  memoryBytes: 8 * 2 ** 30,
  ephemeralStorageBytes: 10 ** 11,
}
const base64 = (text: string) => Buffer.from(text).toString('base64')

const configMaps = [
  { name: 'one', data: { A: 'one-a', B: 'one-b' } },
  { name: 'two', data: { B: 'two-b', C: 'two-c' } },
  { name: 'odd', data: { fine: 'x', 'also fine.': 'y', 'not=fine': 'z', 'nor=this': 'z' } },
].map(({ name, data }) => objectOf(ConfigMap, { metadata: { name }, data }))
const secrets = [
  objectOf(Secret, { metadata: { name: 'hidden' }, data: { USER: base64('me'), PASSWORD: base64('$(USER)=pä') } }),
]
type Ports = NonNullable<NonNullable<Draft<Service>['spec']>['ports']>
const serviceOf = (name: string, namespace: string, clusterIP: string, ports: Ports) =>
  objectOf(Service, { metadata: { name, namespace }, spec: { clusterIP, clusterIPs: [clusterIP], ports } })
const api = serviceOf('kubernetes', 'default', '10.96.0.1', [{ name: 'https', port: 443 }])

const sourcesWith = (services: readonly Service[]): EnvSources => ({
  facts,
  configMap: async (_, name) => configMaps.find(c => c.metadata.name === name),
  secret: async (_, name) => secrets.find(s => s.metadata.name === name),
  services: namespace => services.filter(s => s.metadata.namespace === namespace),
})

async function environment(
  container: Partial<Draft<Container>>,
  { services = [] as readonly Service[], spec = {} as Partial<Draft<Pod>['spec']>, podIPs = ['10.1.1.1'] } = {},
) {
  const pod = podOf({
    metadata: { name: 'p', namespace: 'shop', uid: 'u', labels: { app: 'x' }, annotations: { 'a/b': "it's" } },
    spec: { ...spec, containers: [{ name: 'c', image: 'x', ...container }] },
  })
  const { values, warnings } = await environmentOf(pod, pod.spec.containers[0]!, sourcesWith(services), podIPs)
  return { env: Object.fromEntries(values), warnings }
}

test('of several sources the later one counts, and a variable of its own before all of them', async () => {
  const { env } = await environment({
    envFrom: [{ configMapRef: { name: 'one' } }, { configMapRef: { name: 'two' } }, { secretRef: { name: 'hidden' } }],
    env: [
      { name: 'C', value: 'own' },
      { name: 'D', value: '1' },
      { name: 'D', value: '2$(D)' },
    ],
  })
  assert.deepEqual(env, { A: 'one-a', B: 'two-b', C: 'own', D: '21', USER: 'me', PASSWORD: '$(USER)=pä' })
})

test('a prefix is part of every name of its source, and of no other', async () => {
  const { env } = await environment({
    envFrom: [
      { prefix: 'ONE_', configMapRef: { name: 'one' } },
      { configMapRef: { name: 'two' } },
      { prefix: 'S.', secretRef: { name: 'hidden' } },
    ],
  })
  assert.deepEqual(env, {
    ONE_A: 'one-a',
    ONE_B: 'one-b',
    B: 'two-b',
    C: 'two-c',
    'S.USER': 'me',
    'S.PASSWORD': '$(USER)=pä',
  })
})

test('keys that cannot be names are left out, and reported in one sentence for each source', async () => {
  const { env, warnings } = await environment({ envFrom: [{ prefix: 'P_', configMapRef: { name: 'odd' } }] })
  assert.deepEqual(env, { P_fine: 'x', 'P_also fine.': 'y' })
  assert.deepEqual(warnings, [
    'Keys [P_nor=this, P_not=fine] from the EnvFrom configMap shop/odd were skipped since they are considered invalid environment variable names.',
  ])
  assert.deepEqual((await environment({ envFrom: [{ configMapRef: { name: 'one' } }] })).warnings, [])
})

test('values refer to variables before them, those of other sources and services included', async () => {
  const { env } = await environment(
    {
      envFrom: [{ configMapRef: { name: 'one' } }],
      env: [
        { name: 'X', value: '$(A)/$(LATER)/$(KUBERNETES_SERVICE_HOST)/$$(A)' },
        { name: 'LATER', value: 'later' },
        { name: 'Y', value: '$(LATER)' },
        // What comes from a source is not expanded.
        { name: 'P', valueFrom: { secretKeyRef: { name: 'hidden', key: 'PASSWORD' } } },
      ],
    },
    { services: [api] },
  )
  assert.deepEqual([env.X, env.Y, env.P], ['one-a/$(LATER)/10.96.0.1/$(A)', 'later', '$(USER)=pä'])
})

test('a missing source keeps the container from starting, unless it is optional', async () => {
  const from = (valueFrom: object) => ({ env: [{ name: 'E', valueFrom }] })
  const table: [container: Partial<Draft<Container>>, message: string | undefined][] = [
    [{ envFrom: [{ configMapRef: { name: 'none' } }] }, 'configmap "none" not found'],
    [{ envFrom: [{ secretRef: { name: 'none' } }] }, 'secret "none" not found'],
    [{ envFrom: [{ configMapRef: { name: 'none', optional: true } }] }, undefined],
    [{ envFrom: [{ secretRef: { name: 'none', optional: true } }] }, undefined],
    [from({ configMapKeyRef: { name: 'none', key: 'k' } }), 'configmap "none" not found'],
    [from({ secretKeyRef: { name: 'none', key: 'k' } }), 'secret "none" not found'],
    [from({ configMapKeyRef: { name: 'one', key: 'k' } }), "couldn't find key k in ConfigMap shop/one"],
    [from({ secretKeyRef: { name: 'hidden', key: 'k' } }), "couldn't find key k in Secret shop/hidden"],
    [from({ configMapKeyRef: { name: 'none', key: 'k', optional: true } }), undefined],
    [from({ configMapKeyRef: { name: 'one', key: 'k', optional: true } }), undefined],
    [from({ secretKeyRef: { name: 'none', key: 'k', optional: true } }), undefined],
    [from({ secretKeyRef: { name: 'hidden', key: 'k', optional: true } }), undefined],
    // A name that is part of every object's prototype is no key.
    [
      from({ configMapKeyRef: { name: 'one', key: 'constructor' } }),
      "couldn't find key constructor in ConfigMap shop/one",
    ],
    [from({ secretKeyRef: { name: 'hidden', key: 'valueOf' } }), "couldn't find key valueOf in Secret shop/hidden"],
  ]
  for (const [container, message] of table) {
    const what = JSON.stringify(container)
    if (message === undefined) assert.deepEqual((await environment(container)).env, {}, what)
    else
      await assert.rejects(
        environment(container),
        error => isReason(error, 'NotFound') && error.message === message,
        what,
      )
  }
})

test('a service gives its address and every port, in the words of Kubernetes and of Docker', async () => {
  const ports = [
    { name: 'web', port: 80 },
    { name: 'dns-udp', port: 53, protocol: 'UDP' },
  ] as const
  const { env } = await environment({}, { services: [serviceOf('my-app', 'shop', '10.96.0.7', ports)] })
  assert.deepEqual(env, {
    MY_APP_SERVICE_HOST: '10.96.0.7',
    MY_APP_SERVICE_PORT: '80',
    MY_APP_SERVICE_PORT_WEB: '80',
    MY_APP_SERVICE_PORT_DNS_UDP: '53',
    MY_APP_PORT: 'tcp://10.96.0.7:80',
    MY_APP_PORT_80_TCP: 'tcp://10.96.0.7:80',
    MY_APP_PORT_80_TCP_PROTO: 'tcp',
    MY_APP_PORT_80_TCP_PORT: '80',
    MY_APP_PORT_80_TCP_ADDR: '10.96.0.7',
    MY_APP_PORT_53_UDP: 'udp://10.96.0.7:53',
    MY_APP_PORT_53_UDP_PROTO: 'udp',
    MY_APP_PORT_53_UDP_PORT: '53',
    MY_APP_PORT_53_UDP_ADDR: '10.96.0.7',
  })
})

test('a pod has the services of its namespace only if it asks for them, and that of the API server always', async () => {
  const services = [
    api,
    serviceOf('other', 'default', '10.96.0.8', [{ port: 1 }]),
    serviceOf('mine', 'shop', '10.96.0.7', [{ port: 1 }]),
    serviceOf('headless', 'shop', 'None', [{ port: 1 }]),
  ]
  const hosts = async (spec: Partial<Draft<Pod>['spec']>) =>
    Object.keys((await environment({}, { services, spec })).env).filter(name => name.endsWith('_HOST'))
  assert.deepEqual(await hosts({}), ['KUBERNETES_SERVICE_HOST', 'MINE_SERVICE_HOST'])
  assert.deepEqual(await hosts({ enableServiceLinks: false }), ['KUBERNETES_SERVICE_HOST'])
  // A variable of the container's own replaces one of a service.
  const { env } = await environment({ env: [{ name: 'KUBERNETES_SERVICE_HOST', value: 'mine' }] }, { services })
  assert.equal(env.KUBERNETES_SERVICE_HOST, 'mine')
})

test('the downward API gives the fields of a pod as text', () => {
  const pod = podOf({
    metadata: {
      name: 'p',
      namespace: 'shop',
      uid: 'u',
      labels: { b: '2', a: 'x"y' },
      annotations: { 'k/1': 'two\nlines', e: '' },
    },
    spec: { nodeName: 'n1', serviceAccountName: 'robot' },
  })
  const table: [path: string, value: string][] = [
    ['metadata.name', 'p'],
    ['metadata.namespace', 'shop'],
    ['metadata.uid', 'u'],
    ['metadata.labels', 'a="x\\"y"\nb="2"'],
    ['metadata.annotations', 'e=""\nk/1="two\\nlines"'],
    ["metadata.labels['b']", '2'],
    ["metadata.labels['none']", ''],
    ["metadata.labels['constructor']", ''],
    ["metadata.annotations['k/1']", 'two\nlines'],
    ['spec.nodeName', 'n1'],
    ['spec.serviceAccountName', 'robot'],
    ['status.hostIP', '10.0.0.1'],
    ['status.hostIPs', '10.0.0.1,fd00::1'],
    ['status.podIP', '10.1.1.1'],
    ['status.podIPs', '10.1.1.1,fd01::1'],
  ]
  for (const [path, value] of table) assert.equal(fieldValue(pod, path, facts, ['10.1.1.1', 'fd01::1']), value, path)
  const onNode = podOf({ spec: { hostNetwork: true } })
  assert.equal(fieldValue(onNode, 'status.podIPs', facts, []), '10.0.0.1,fd00::1')
  assert.equal(fieldValue(podOf({ spec: {} }), 'status.podIP', facts, []), '')
  assert.throws(
    () => fieldValue(pod, 'spec.replicas', facts, []),
    /^StatusError: unsupported fieldPath: spec\.replicas$/,
  )
})

test('a resource is given in units of its divisor, rounded up, and a missing limit is what the node has', () => {
  const pod = podOf({
    spec: {
      containers: [
        {
          name: 'c',
          image: 'x',
          resources: {
            requests: { cpu: '250m', memory: '10Mi' },
            limits: { cpu: '1500m', memory: '64Mi', 'hugepages-2Mi': '4Mi' },
          },
        },
        { name: 'bare', image: 'x' },
      ],
    },
  })
  const table: [resource: string, divisor: string | undefined, container: string, value: string][] = [
    ['limits.cpu', undefined, 'c', '2'],
    ['limits.cpu', '0', 'c', '2'],
    ['limits.cpu', '1m', 'c', '1500'],
    ['requests.cpu', '1', 'c', '1'],
    ['requests.cpu', '100m', 'c', '3'],
    ['limits.memory', undefined, 'c', String(64 * 2 ** 20)],
    ['limits.memory', '1Mi', 'c', '64'],
    ['requests.memory', '3Mi', 'c', '4'],
    ['limits.hugepages-2Mi', '1Mi', 'c', '4'],
    ['limits.ephemeral-storage', '1G', 'c', '100'],
    ['limits.cpu', undefined, 'bare', '4'],
    ['limits.memory', '1Gi', 'bare', '8'],
    ['requests.cpu', '1m', 'bare', '0'],
    ['requests.memory', undefined, 'bare', '0'],
  ]
  for (const [resource, divisor, containerName, value] of table) {
    const selector = { resource, divisor, containerName }
    assert.equal(resourceValue(pod, undefined, selector, facts), value, JSON.stringify(selector))
  }
  const own = pod.spec.containers[1]
  assert.equal(resourceValue(pod, own, { resource: 'limits.memory', divisor: '1Gi' }, facts), '8')
  assert.throws(
    () => resourceValue(pod, own, { resource: 'claims.cpu' }, facts),
    /unsupported container resource: claims\.cpu/,
  )
  assert.throws(
    () => resourceValue(pod, own, { resource: 'limits.cpu', containerName: 'z' }, facts),
    /container z not found/,
  )
})
