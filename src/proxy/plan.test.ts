import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '../kinds/core/pod.ts'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { objectOf } from '../kinds/testing.ts'
import { Claims } from './claims.ts'
import { emptyFragment, type Fragment } from './fragment.ts'
import { HairpinCounts } from './hairpin.ts'
import { hostPortFragment } from './host-ports.ts'
import { planService } from './plan.ts'
import { tableText } from './table.ts'
import { transactionText } from './transaction.ts'
import { staleFlows } from './udp.ts'

const context = { nodeName: 'here', podCidrs: ['10.244.0.0/16'] }

function service(spec: object = {}): Service {
  return objectOf(Service, {
    metadata: { name: 'web' },
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20'],
      sessionAffinity: 'None',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 8080, name: 'http' }],
      ...spec,
    },
    status: { loadBalancer: {} },
  })
}

function slice(...endpoints: object[]): EndpointSlice {
  return objectOf(EndpointSlice, {
    metadata: { name: 'web-1' },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints,
  })
}

const endpoint = (ip: string, node = 'here', conditions: object = { ready: true }) => ({
  addresses: [ip],
  nodeName: node,
  conditions,
})
/** The elements of a collection, each as a text. */
const at = ({ elements }: Fragment, name: string) =>
  [...(elements.get(name) ?? [])].map(([key, value]) => (value ? `${key} : ${value}` : key))
const planned = (spec: object, ...endpoints: object[]) => planService(service(spec), [slice(...endpoints)], context)

test('a service leads to its ready endpoints', () => {
  const fragment = planned(
    {},
    endpoint('10.244.0.5'),
    endpoint('10.244.1.6', 'there'),
    endpoint('10.244.0.7', 'here', { ready: false }),
  )
  assert.equal(fragment.chains.size, 0)
  assert.deepEqual(at(fragment, 'services'), ['10.96.0.20 . tcp . 80 : 1:2'])
  assert.deepEqual(at(fragment, 'endpoints'), [
    '10.96.0.20 . tcp . 80 . 0:0 : 10.244.0.5 . 8080',
    '10.96.0.20 . tcp . 80 . 0:1 : 10.244.1.6 . 8080',
  ])
  assert.deepEqual(at(fragment, 'hairpin'), ['10.244.0.5 . 10.244.0.5'])
  assert.deepEqual([...fragment.picks], [['1:2', { family: 4, way: 'cluster', count: 2 }]])
})

test('without a ready endpoint, terminating endpoints that still serve are used', () => {
  const fragment = planned({}, endpoint('10.244.0.7', 'here', { ready: false, serving: true, terminating: true }))
  assert.deepEqual(at(fragment, 'endpoints'), ['10.96.0.20 . tcp . 80 . 0:0 : 10.244.0.7 . 8080'])
})

const nodePort = { type: 'NodePort', ports: [{ port: 80, nodePort: 30080, protocol: 'TCP', name: 'http' }] }

test('a service without endpoints refuses connections', () => {
  const fragment = planned(nodePort)
  assert.equal(fragment.picks.size, 0)
  assert.deepEqual(at(fragment, 'no-endpoints'), ['10.96.0.20 . tcp . 80'])
  assert.deepEqual(at(fragment, 'node-no-endpoints'), ['tcp . 30080'])
})

test('with external traffic policy Local, traffic from outside stays on this node, and pods and the node reach all', () => {
  const spec = { ...nodePort, externalTrafficPolicy: 'Local' }
  const [here, there] = [endpoint('10.244.0.5'), endpoint('10.244.1.6', 'there')]
  const both = planned(spec, here, there)
  assert.deepEqual(at(both, 'node-services'), ['tcp . 30080 : 7:2'])
  assert.equal(at(both, 'node-endpoints').length, 2)
  assert.deepEqual(at(both, 'node-local-services'), ['tcp . 30080 : 5:1'])
  assert.deepEqual(at(both, 'node-local-endpoints'), ['tcp . 30080 . 0:0 : 10.244.0.5 . 8080'])
  // Without an endpoint on this node, packets from outside are dropped, so that a load balancer takes another node.
  const elsewhere = planned(spec, there)
  assert.deepEqual(at(elsewhere, 'node-local-services'), [])
  assert.deepEqual(at(elsewhere, 'node-no-local-endpoints'), ['tcp . 30080'])
})

test('with internal traffic policy Local and no endpoint on this node, packets are dropped', () => {
  const fragment = planned({ internalTrafficPolicy: 'Local' }, endpoint('10.244.1.6', 'there'))
  assert.deepEqual(at(fragment, 'no-local-endpoints'), ['10.96.0.20 . tcp . 80'])
  assert.deepEqual(at(fragment, 'services'), [])
})

test('session affinity keeps the clients of each endpoint in a set', () => {
  const fragment = planned({ sessionAffinity: 'ClientIP' }, endpoint('10.244.0.5'), endpoint('10.244.0.6'))
  assert.equal(fragment.sets.size, 2)
  assert.match([...fragment.sets.values()][0]!, /timeout 10800s/)
  assert.equal(fragment.chains.size, 3)
  assert.match(at(fragment, 'sticky')[0]!, /^10\.96\.0\.20 \. tcp \. 80 : goto svc-\w{8}-web-80-cluster$/)
})

test('a service of both families has the elements of both, and only those of its families', () => {
  const dual = { ...context, podCidrs: ['10.244.0.0/16', 'fd00:10:244::/56'] }
  const six = objectOf(EndpointSlice, {
    metadata: { name: 'web-6' },
    addressType: 'IPv6',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [endpoint('fd00:10:244::5')],
  })
  const slices = [slice(endpoint('10.244.0.5')), six]
  const both = planService(service({ ...nodePort, clusterIPs: ['10.96.0.20', 'fd00:10:96::20'] }), slices, dual)
  assert.deepEqual(at(both, 'endpoints6'), ['fd00:10:96::20 . tcp . 80 . 0:0 : fd00:10:244::5 . 8080'])
  assert.deepEqual(at(both, 'node-endpoints6'), ['tcp . 30080 . 0:0 : fd00:10:244::5 . 8080'])
  assert.deepEqual(at(both, 'services6'), ['fd00:10:96::20 . tcp . 80 : 11:1'])
  const single = planService(service(nodePort), slices, dual)
  assert.deepEqual([at(single, 'services').length, at(single, 'services6').length], [1, 0])
  assert.deepEqual(at(single, 'node-services6'), [])
})

test('source ranges guard the addresses of a load balancer, without ranges that are within others', () => {
  const balanced = objectOf(Service, {
    ...service({
      type: 'LoadBalancer',
      externalIPs: ['203.0.113.1'],
      loadBalancerSourceRanges: ['198.51.100.0/24', ' 198.51.0.0/16 ', '2001:db8::/32', '192.0.2.0/24'],
    }),
    status: { loadBalancer: { ingress: [{ ip: '203.0.113.9' }] } },
  })
  const fragment = planService(balanced, [slice(endpoint('10.244.0.5'))], { ...context, nodeIPs: ['192.0.2.7'] })
  assert.deepEqual(at(fragment, 'firewalled'), ['203.0.113.9 . tcp . 80'])
  assert.deepEqual(at(fragment, 'allowed'), [
    '203.0.113.9 . tcp . 80 . 198.51.0.0/16',
    '203.0.113.9 . tcp . 80 . 192.0.2.0/24',
    '203.0.113.9 . tcp . 80 . 203.0.113.9',
  ])
})

test('an address and port belong to the first that names them, and then to one that waited', () => {
  const claims = new Claims()
  assert.equal(claims.take('203.0.113.1 . tcp . 80', 'a/one'), true)
  assert.equal(claims.take('203.0.113.1 . tcp . 80', 'a/two'), false)
  assert.equal(claims.take('203.0.113.1 . tcp . 80', 'a/one'), true)
  assert.deepEqual(claims.keep('a/one', new Map([['203.0.113.1 . tcp . 80', []]])), [])
  assert.deepEqual(claims.keep('a/one', new Map()), ['a/two'])
  assert.equal(claims.take('203.0.113.1 . tcp . 80', 'a/two'), true)
  const without = planService(service({ externalIPs: ['203.0.113.1'] }), [slice(endpoint('10.244.0.5'))], {
    ...context,
    mayHave: entry => !entry.startsWith('203'),
  })
  assert.deepEqual(at(without, 'services'), ['10.96.0.20 . tcp . 80 : 1:1'])
})

test('flows of UDP to endpoints that are gone are deleted, and those that began without an endpoint', () => {
  const udp = (...ips: string[]) =>
    planService(
      service({ ...nodePort, ports: [{ port: 53, nodePort: 30053, protocol: 'UDP', name: 'dns' }] }),
      [
        objectOf(EndpointSlice, {
          metadata: { name: 'web-1' },
          addressType: 'IPv4',
          ports: [{ name: 'dns', port: 5353, protocol: 'UDP' }],
          endpoints: ips.map(ip => endpoint(ip)),
        }),
      ],
      context,
    )
  const [address, port] = ['-D -p udp --orig-dst 10.96.0.20 --dport 53', '-D -p udp --dport 30053']
  const [one, two] = ['10.244.0.5', '10.244.0.6']
  const table: [before: string[], after: string[], flows: string[]][] = [
    [[], [one], [address, port]],
    [[one], [one, two], []],
    [[one, two], [two], [`${address} --reply-src ${one}`, `${port} --reply-src ${one}`]],
    [[one], [], [`${address} --reply-src ${one}`, `${port} --reply-src ${one}`]],
    [[], [], []],
  ]
  for (const [before, after, flows] of table) assert.deepEqual(staleFlows(udp(...before), udp(...after)), flows)
  const tcp = planned(nodePort, endpoint(one))
  assert.deepEqual(staleFlows(tcp, planned(nodePort)), [])
})

test('services with a label for another proxy, or for none, are left to them', () => {
  for (const label of ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless']) {
    const labelled = objectOf(Service, { ...service(), metadata: { name: 'web', labels: { [label]: '' } } })
    assert.equal(planService(labelled, [slice(endpoint('10.244.0.5'))], context).elements.size, 0)
  }
})

test('headless services and those of type ExternalName need no rules', () => {
  for (const spec of [
    { clusterIP: 'None', clusterIPs: ['None'] },
    { type: 'ExternalName', clusterIP: undefined },
  ])
    assert.equal(planService(service(spec), [slice(endpoint('10.244.0.5'))], context).elements.size, 0)
})

test('a transaction touches only what changed', () => {
  const before = planned({}, endpoint('10.244.0.5'))
  const after = planned({}, endpoint('10.244.0.6'))
  assert.equal(transactionText('t', [{ before, after: before }]), '')
  const lines = transactionText('t', [{ before, after }]).trim().split('\n')
  assert.ok(lines.some(l => l.includes('10.96.0.20 . tcp . 80 . 0:0 : 10.244.0.6 . 8080')))
  assert.ok(!lines.some(l => /t (services|cluster-ips) /.test(l)))
  const removal = transactionText('t', [{ before, after: emptyFragment() }])
  assert.match(removal, /^delete element inet t cluster-ips \{ 10\.96\.0\.20 \}\n/)
  const sticky = planned({ sessionAffinity: 'ClientIP' }, endpoint('10.244.0.5'))
  assert.match(
    transactionText('t', [{ before: sticky, after: emptyFragment() }]),
    /delete chain inet t svc-\w+-web-80-cluster\n/,
  )
})

test('an element of the hairpin set is removed with the last service that leads to the pod', () => {
  const counts = new HairpinCounts()
  const one = planService(service(), [slice(endpoint('10.244.0.5'))], context)
  const steps = [
    [{ before: emptyFragment(), after: one }, true],
    [{ before: emptyFragment(), after: one }, false],
    [{ before: one, after: emptyFragment() }, false],
    [{ before: one, after: emptyFragment() }, true],
  ] as const
  for (const [change, touches] of steps) {
    const shared = counts.share([change])
    assert.equal(transactionText('t', shared.changes).includes('hairpin'), touches)
    shared.commit()
  }
})

test('node ports are on the chosen addresses, in a family without a choice on all, and never on ::1', () => {
  const podCidrs = ['10.244.0.0/16', 'fd00:10:244::/56']
  const rules = (nodePortAddresses: readonly string[]) =>
    tableText({ table: 't', podCidrs, serviceCidrs: [], bridge: 'b', pods: true, nodePortAddresses })
      .split('\n')
      .flatMap(line => /^add rule inet t services (.*) meta l4proto . th dport vmap @node-sticky/.exec(line)?.[1] ?? [])
  const all = ['meta nfproto ipv4 fib daddr type local', 'ip6 daddr != ::1 fib daddr type local']
  assert.deepEqual(rules([]), all)
  assert.deepEqual(rules(['192.0.2.0/24', '127.0.0.0/8']), [`ip daddr { 192.0.2.0/24, 127.0.0.0/8 } ${all[0]}`, all[1]])
  assert.deepEqual(rules(['2001:db8::/64']), [all[0], `ip6 daddr { 2001:db8::/64 } ${all[1]}`])
})

test('host ports are on all addresses of the node, whatever ranges node ports have', () => {
  const rules = (nodePortAddresses: readonly string[]) =>
    tableText({ ...context, table: 't', serviceCidrs: [], bridge: 'b', pods: true, nodePortAddresses })
      .split('\n')
      .flatMap(line => /^add rule inet t services (.*) meta l4proto . th dport @host-ports /.exec(line)?.[1] ?? [])
  assert.deepEqual(rules([]), [])
  assert.deepEqual(rules(['192.0.2.0/24']), ['meta nfproto ipv4 fib daddr type local'])
  const pod = (hostIP?: string) =>
    objectOf(Pod, {
      metadata: { name: 'p' },
      spec: { containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 8080, ...(hostIP && { hostIP }) }] }] },
      status: { podIPs: [{ ip: '10.244.0.5' }] },
    })
  assert.deepEqual([...(hostPortFragment(pod()).elements.get('host-ports')?.keys() ?? [])], ['tcp . 8080'])
  assert.equal(hostPortFragment(pod('192.0.2.7')).elements.get('host-ports'), undefined)
})

test('a segment that belongs to no connection is dropped before anything lets it through', () => {
  const text = tableText({ ...context, table: 't', serviceCidrs: [], bridge: 'b', pods: true, nodePortAddresses: [] })
  const rules = [...text.matchAll(/^add rule inet t filter-forward (.*)$/gm)].map(([, rule]) => rule)
  assert.equal(rules[0], 'meta l4proto tcp ip saddr 10.244.0.0/16 ct state invalid drop')
  assert.deepEqual(rules.slice(-2), ['iifname "b" accept', 'oifname "b" accept'])
})

test('what goes on to a node in a namespace is dropped there, where the endpoints are, and not on the way', () => {
  const drops = (more: object) =>
    tableText({ ...context, table: 't', serviceCidrs: [], bridge: 'b', pods: true, nodePortAddresses: [], ...more })
      .split('\n')
      .flatMap(line => /^add rule inet t refuse (.* @no-local-endpoints drop)$/.exec(line)?.[1] ?? [])
  const drop = 'ip daddr . meta l4proto . th dport @no-local-endpoints drop'
  assert.deepEqual(drops({}), [drop])
  assert.deepEqual(drops({ nodesBridge: 'n' }), [`oifname != "n" ${drop}`])
})
