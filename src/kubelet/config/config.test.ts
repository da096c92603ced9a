// The configuration of containers: variables, host names, resolvers, /etc/hosts, resources, credentials.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isReason } from '../../base/errors.ts'
import { credentialsFor, normalizeImage } from '../credentials.ts'
import type { ReadContainer } from '../pod/spec.ts'
import { hostnameOf, parseResolvConf, podHosts, resolverOf, sandboxHostname } from './dns.ts'
import { environmentOf, type EnvSources } from './env.ts'
import { expand } from './expand.ts'
import { resourceValue } from './fields.ts'
import { checkNonRoot, containerSecurity } from './security.ts'
import type { Pod } from '../../kinds/core/pod.ts'

const facts = { nodeIPs: ['10.0.0.1'], cpuMilli: 4000, memoryBytes: 8 * 2 ** 30, ephemeralStorageBytes: 2 ** 40 }
const podOf = (spec: object, metadata: object = {}) =>
  ({
    metadata: { name: 'web-0', namespace: 'd', uid: 'u', ...metadata },
    spec: { containers: [], ...spec },
    status: {},
  }) as unknown as Pod
const containerOf = (fields: object) => ({ name: 'c', ...fields }) as unknown as ReadContainer

test('references to variables in text are expanded', () => {
  const lookup = (name: string) => ({ A: '1', B: 'two' })[name]
  for (const [text, expected] of [
    ['$(A)-$(B)', '1-two'],
    ['$(UNKNOWN)', '$(UNKNOWN)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$A', '$A'],
    ['$(A', '$(A'],
    ['end$', 'end$'],
  ])
    assert.equal(expand(text!, lookup), expected, text)
})

const service = (name: string, namespace: string, clusterIP: string, ports: object[]) => ({
  metadata: { name, namespace },
  spec: { clusterIP, ports },
})
const sources = {
  facts,
  configMap: async (_: string, name: string) =>
    name === 'cm' ? { data: { K: 'from-cm', 'bad=key': 'x' } } : undefined,
  secret: async (_: string, name: string) =>
    name === 's' ? { data: { P: Buffer.from('hidden').toString('base64') } } : undefined,
  services: (namespace: string) =>
    namespace === 'default'
      ? [service('kubernetes', 'default', '10.96.0.1', [{ name: 'https', port: 443, protocol: 'TCP' }])]
      : [
          service('my-db', 'd', '10.96.0.7', [{ port: 5432, protocol: 'TCP' }]),
          service('headless', 'd', 'None', [{ port: 1 }]),
        ],
} as unknown as EnvSources

test('the environment of a container has services, envFrom and env in their order', async () => {
  const container = containerOf({
    envFrom: [{ prefix: 'X_', configMapRef: { name: 'cm' } }, { secretRef: { name: 'none', optional: true } }],
    env: [
      { name: 'A', value: 'a' },
      { name: 'B', value: '$(A)$(X_K) $(MY_DB_SERVICE_HOST) $(LATER)' },
      { name: 'S', valueFrom: { secretKeyRef: { name: 's', key: 'P' } } },
      { name: 'NO', valueFrom: { configMapKeyRef: { name: 'cm', key: 'none', optional: true } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'L', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: 'LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
    ],
  })
  const { values, warnings } = await environmentOf(
    podOf({ containers: [container] }, { labels: { app: 'x' } }),
    container,
    sources,
    ['10.1.1.1'],
  )
  const env = Object.fromEntries(values)
  assert.deepEqual(
    [env.A, env.B, env.S, env.NO, env.IP, env.L, env.LIMIT, env.X_K],
    ['a', 'afrom-cm 10.96.0.7 $(LATER)', 'hidden', undefined, '10.1.1.1', 'x', '4', 'from-cm'],
  )
  assert.deepEqual(
    [
      env.KUBERNETES_SERVICE_HOST,
      env.KUBERNETES_SERVICE_PORT_HTTPS,
      env.KUBERNETES_PORT_443_TCP,
      env.MY_DB_PORT_5432_TCP_ADDR,
      env.HEADLESS_SERVICE_HOST,
    ],
    ['10.96.0.1', '443', 'tcp://10.96.0.1:443', '10.96.0.7', undefined],
  )
  assert.match(warnings[0]!, /^Keys \[X_bad=key\] from the EnvFrom configMap d\/cm were skipped/)
  const quiet = await environmentOf(podOf({ enableServiceLinks: false }), containerOf({}), sources, [])
  assert.ok(quiet.values.has('KUBERNETES_SERVICE_HOST') && !quiet.values.has('MY_DB_SERVICE_HOST'))
  for (const [valueFrom, message] of [
    [{ configMapKeyRef: { name: 'none', key: 'k' } }, /^configmap "none" not found$/],
    [{ secretKeyRef: { name: 's', key: 'k' } }, /^couldn't find key k in Secret d\/s$/],
  ] as const)
    await assert.rejects(
      environmentOf(podOf({}), containerOf({ env: [{ name: 'E', valueFrom }] }), sources, []),
      error => isReason(error, 'NotFound') && message.test(error.message),
    )
})

test('resources as values are rounded up to the divisor', () => {
  const container = containerOf({ resources: { limits: { memory: '64Mi' }, requests: { cpu: '1200m' } } })
  const value = (resource: string, divisor?: string) =>
    resourceValue(podOf({ containers: [container] }), container, { resource, divisor }, facts)
  assert.deepEqual(
    [
      value('limits.memory'),
      value('limits.memory', '1Mi'),
      value('requests.cpu'),
      value('requests.cpu', '1m'),
      value('limits.cpu'),
    ],
    ['67108864', '64', '2', '1200', '4'],
  )
})

test('the hostname, hosts and resolvers of a pod follow from its spec', () => {
  const settings = {
    clusterDNS: '10.96.0.10',
    clusterDomain: 'cluster.local',
    hostResolvConf: 'nameserver 1.1.1.1\nsearch example.com\noptions timeout:1\n',
  }
  assert.deepEqual(hostnameOf(podOf({ subdomain: 'sub' }), 'cluster.local'), {
    hostname: 'web-0',
    domain: 'sub.d.svc.cluster.local',
  })
  assert.equal(
    sandboxHostname(podOf({ subdomain: 'sub', setHostnameAsFQDN: true }), 'cluster.local'),
    'web-0.sub.d.svc.cluster.local',
  )
  assert.deepEqual(resolverOf(podOf({}), settings), {
    servers: ['10.96.0.10'],
    searches: ['d.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.com'],
    options: ['ndots:5'],
  })
  assert.deepEqual(resolverOf(podOf({ hostNetwork: true }), settings), parseResolvConf(settings.hostResolvConf))
  assert.deepEqual(resolverOf(podOf({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }), settings).servers, [
    '10.96.0.10',
  ])
  const own = {
    dnsPolicy: 'None',
    dnsConfig: {
      nameservers: ['9.9.9.9'],
      searches: ['a.b'],
      options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
    },
  }
  assert.deepEqual(resolverOf(podOf(own), settings), {
    servers: ['9.9.9.9'],
    searches: ['a.b'],
    options: ['ndots:2', 'edns0'],
  })
  assert.deepEqual(resolverOf(podOf({ dnsConfig: own.dnsConfig }), settings).options, ['ndots:2', 'edns0'])
  const hosts = podHosts(
    podOf({ subdomain: 'sub', hostAliases: [{ ip: '1.2.3.4', hostnames: ['foo', 'bar'] }] }),
    ['10.1.1.1'],
    'cluster.local',
  )
  assert.match(hosts, /^# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/)
  assert.match(
    hosts,
    /\n10\.1\.1\.1\tweb-0\.sub\.d\.svc\.cluster\.local\tweb-0\n\n# Entries added by HostAliases\.\n1\.2\.3\.4\tfoo\tbar\n$/,
  )
})

test('the security context of a container takes precedence over that of its pod', () => {
  const container = containerOf({
    securityContext: { runAsUser: 7, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  })
  const security = containerSecurity(
    podOf({ securityContext: { runAsUser: 5, runAsGroup: 6, fsGroup: 9 } }),
    container,
    undefined,
    '/seccomp',
  )
  assert.deepEqual(
    [security.runAsUser, security.runAsGroup, security.noNewPrivs, security.supplementalGroups],
    [{ value: 7 }, { value: 6 }, true, [9]],
  )
  const image = (uid: number | undefined, username = '') => ({
    id: '',
    tags: [],
    digests: [],
    sizeBytes: 0,
    pinned: false,
    uid,
    username,
  })
  const must = podOf({ securityContext: { runAsNonRoot: true } })
  assert.throws(() => checkNonRoot(must, containerOf({}), image(0)), /will run as root/)
  assert.throws(() => checkNonRoot(must, containerOf({}), image(undefined, 'www')), /non-numeric user \(www\)/)
  checkNonRoot(must, containerOf({}), image(1000))
})

test('image names are completed, and credentials are found by registry and path', () => {
  for (const [name, whole] of [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['a/b:1', 'docker.io/a/b:1'],
    ['localhost:5000/x', 'localhost:5000/x:latest'],
    ['r.io/x@sha256:' + 'a'.repeat(64), `r.io/x@sha256:${'a'.repeat(64)}`],
    ['Bad Name', undefined],
    ['UPPER', undefined],
  ] as const)
    assert.equal(normalizeImage(name), whole, name)
  const config = JSON.stringify({
    auths: {
      'https://index.docker.io/v1/': { auth: Buffer.from('me:se:cret').toString('base64') },
      '*.corp.io/team': { username: 'u', password: 'p' },
    },
  })
  assert.deepEqual(
    credentialsFor('docker.io/library/x:1', [config]).map(a => [a.username, a.password]),
    [['me', 'se:cret']],
  )
  assert.deepEqual(
    credentialsFor('eu.corp.io/team/x:1', [config]).map(a => a.username),
    ['u'],
  )
  assert.deepEqual(credentialsFor('eu.corp.io/other/x:1', [config]), [])
})
