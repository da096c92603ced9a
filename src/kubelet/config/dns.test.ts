// Host names, /etc/hosts and resolv.conf of pods, as tables.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'
import {
  dnsConfigOf,
  hostNetworkHosts,
  hostnameOf,
  parseResolvConf,
  podHosts,
  resolverOf,
  sandboxHostname,
} from './dns.ts'

type Spec = Partial<Draft<Pod>['spec']>
const podWith = (spec: Spec, name = 'web-0'): Pod => podOf({ metadata: { name, namespace: 'shop' }, spec })

const domain = 'cluster.local'
const settings = {
  clusterDNS: '10.96.0.10',
  clusterDomain: domain,
  hostResolvConf: 'nameserver 1.1.1.1\nnameserver 2.2.2.2\nsearch example.com corp\noptions timeout:1 rotate\n',
}
const ofNode = { servers: ['1.1.1.1', '2.2.2.2'], searches: ['example.com', 'corp'], options: ['timeout:1', 'rotate'] }
const ofCluster = {
  servers: ['10.96.0.10'],
  searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.com', 'corp'],
  options: ['ndots:5'],
}

test('a pod’s hostname is its name, cut to 63 characters, unless its spec has another', () => {
  const long = `${'a'.repeat(60)}-.-.${'b'.repeat(20)}`
  const table: [spec: Spec, name: string, hostname: string, domain: string, kernel: string][] = [
    [{}, 'web-0', 'web-0', '', 'web-0'],
    [{ hostname: 'db' }, 'web-0', 'db', '', 'db'],
    [{ subdomain: 'sub' }, 'web-0', 'web-0', 'sub.shop.svc.cluster.local', 'web-0'],
    [{ hostname: 'db', subdomain: 'sub' }, 'web-0', 'db', 'sub.shop.svc.cluster.local', 'db'],
    [
      { subdomain: 'sub', setHostnameAsFQDN: true },
      'web-0',
      'web-0',
      'sub.shop.svc.cluster.local',
      'web-0.sub.shop.svc.cluster.local',
    ],
    // Without a subdomain there is no full name.
    [{ setHostnameAsFQDN: true }, 'web-0', 'web-0', '', 'web-0'],
    // What the cut leaves must not end with a sign that names do not end with.
    [{}, long, 'a'.repeat(60), '', 'a'.repeat(60)],
    [{}, 'a'.repeat(70), 'a'.repeat(63), '', 'a'.repeat(63)],
    [{ hostnameOverride: 'all.of.it', subdomain: 'sub' }, 'web-0', 'all.of.it', '', 'all.of.it'],
  ]
  for (const [spec, name, hostname, full, kernel] of table) {
    const what = JSON.stringify([spec, name])
    assert.deepEqual(hostnameOf(podWith(spec, name), domain), { hostname, domain: full }, what)
    assert.equal(sandboxHostname(podWith(spec, name), domain), kernel, what)
  }
})

test('the DNS policy says whether names are resolved by the node’s servers or by the cluster’s', () => {
  const nothing = { servers: [], searches: [], options: [] }
  const table: [spec: Spec, resolver: object][] = [
    [{}, ofCluster],
    [{ dnsPolicy: 'ClusterFirst' }, ofCluster],
    [{ dnsPolicy: 'Default' }, ofNode],
    [{ hostNetwork: true }, ofNode],
    [{ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }, ofCluster],
    [{ dnsPolicy: 'ClusterFirstWithHostNet' }, ofCluster],
    [{ dnsPolicy: 'None' }, nothing],
    [{ hostNetwork: true, dnsPolicy: 'None' }, nothing],
  ]
  for (const [spec, resolver] of table) {
    assert.deepEqual(resolverOf(podWith(spec), settings), resolver, JSON.stringify(spec))
    assert.deepEqual(dnsConfigOf(resolverOf(podWith(spec), settings)), resolver)
  }
  // A cluster without DNS leaves its pods the servers of the node.
  assert.deepEqual(resolverOf(podWith({}), { ...settings, clusterDNS: '' }), ofNode)
  assert.deepEqual(resolverOf(podWith({}), { ...settings, clusterDomain: '' }).searches, ['example.com', 'corp'])
})

test('the pod’s own settings are added to those of its policy, and its options replace others by name', () => {
  const dnsConfig = {
    nameservers: ['9.9.9.9', '10.96.0.10'],
    searches: ['corp', 'own.example'],
    options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }, { name: 'attempts', value: '3' }],
  }
  assert.deepEqual(resolverOf(podWith({ dnsConfig }), settings), {
    servers: ['10.96.0.10', '9.9.9.9'],
    searches: [...ofCluster.searches, 'own.example'],
    options: ['ndots:2', 'edns0', 'attempts:3'],
  })
  assert.deepEqual(resolverOf(podWith({ dnsPolicy: 'Default', dnsConfig }), settings), {
    servers: ['1.1.1.1', '2.2.2.2', '9.9.9.9'],
    searches: ['example.com', 'corp', 'own.example'],
    options: ['timeout:1', 'rotate', 'ndots:2', 'edns0', 'attempts:3'],
  })
  assert.deepEqual(resolverOf(podWith({ dnsPolicy: 'None', dnsConfig }), settings), {
    servers: ['9.9.9.9', '10.96.0.10'],
    searches: ['corp', 'own.example'],
    options: ['ndots:2', 'edns0', 'attempts:3'],
  })
})

test('no pod gets more servers and search domains than resolvers read', () => {
  const nameservers = ['1.0.0.1', '1.0.0.2', '1.0.0.3', '1.0.0.4']
  const searches = Array.from({ length: 40 }, (_, i) => `d${i}.example`)
  const many = resolverOf(podWith({ dnsPolicy: 'None', dnsConfig: { nameservers, searches } }), settings)
  assert.deepEqual(many.servers, nameservers.slice(0, 3))
  assert.deepEqual(many.searches, searches.slice(0, 32))
  // Together they have at most 2048 characters, with a blank between two.
  const long = Array.from({ length: 9 }, (_, i) => `${i}${'x'.repeat(239)}`)
  const fit = resolverOf(
    podWith({ dnsPolicy: 'None', dnsConfig: { nameservers, searches: [...long, 'short'] } }),
    settings,
  )
  assert.deepEqual(fit.searches, [...long.slice(0, 8), 'short'])
})

test('a resolv.conf is read as resolvers read it', () => {
  const table: [text: string, servers: string[], searches: string[], options: string[]][] = [
    ['', [], [], []],
    ['nameserver 1.1.1.1', ['1.1.1.1'], [], []],
    ['  nameserver\t1.1.1.1  \n\nnameserver ::1\n', ['1.1.1.1', '::1'], [], []],
    ['# nameserver 1.1.1.1\nnameserver 2.2.2.2 # here\n; nameserver 3.3.3.3', ['2.2.2.2'], [], []],
    ['nameserver\nsearch\noptions', [], [], []],
    // The last of several lines counts.
    ['search a b\nsearch c. .', [], ['c', '.'], []],
    ['options ndots:1\noptions rotate edns0', [], [], ['rotate', 'edns0']],
    ['sortlist 1.1.1.1\nnameserver6 1.1.1.1', [], [], []],
  ]
  for (const [text, servers, searches, options] of table)
    assert.deepEqual(parseResolvConf(text), { servers, searches, options }, text)
})

test('the hosts file has the pod by all of its addresses, and the aliases of its spec', () => {
  const head = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
  ]
  const hosts = (spec: Spec, ips: string[]) => podHosts(podWith(spec), ips, domain)
  assert.equal(hosts({}, ['10.1.1.1']), [...head, '10.1.1.1\tweb-0', ''].join('\n'))
  assert.equal(
    hosts({ subdomain: 'sub' }, ['10.1.1.1', 'fd00::1']),
    [
      ...head,
      '10.1.1.1\tweb-0.sub.shop.svc.cluster.local\tweb-0',
      'fd00::1\tweb-0.sub.shop.svc.cluster.local\tweb-0',
      '',
    ].join('\n'),
  )
  const hostAliases = [
    { ip: '1.2.3.4', hostnames: ['foo', 'bar'] },
    { ip: '5.6.7.8', hostnames: ['baz'] },
  ]
  const aliases = ['', '# Entries added by HostAliases.', '1.2.3.4\tfoo\tbar', '5.6.7.8\tbaz', '']
  assert.equal(hosts({ hostAliases }, ['10.1.1.1']), [...head, '10.1.1.1\tweb-0', ...aliases].join('\n'))
  // A pod on the node's network has the file of the node.
  assert.equal(
    hostNetworkHosts(podWith({ hostNetwork: true }), '127.0.0.1 node\n'),
    '# Kubernetes-managed hosts file (host network).\n127.0.0.1 node\n',
  )
  assert.equal(
    hostNetworkHosts(podWith({ hostNetwork: true, hostAliases }), '127.0.0.1 node\n'),
    ['# Kubernetes-managed hosts file (host network).', '127.0.0.1 node', ...aliases].join('\n'),
  )
})
