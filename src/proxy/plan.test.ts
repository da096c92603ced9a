import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Service } from '../kinds/core/service.ts'
import { EndpointSlice } from '../kinds/discovery/endpointslice.ts'
import { objectOf } from '../kinds/testing.ts'
import { HairpinCounts } from './hairpin.ts'
import { emptyFragment, planService } from './plan.ts'
import { transactionText } from './transaction.ts'

const context = { nodeName: 'here', podCidr: '10.244.0.0/16' }

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
const chains = (spec: object, ...endpoints: object[]) =>
  [...planService(service(spec), [slice(...endpoints)], context).chains.entries()].map(([name, rules]) => [
    name.replace(/^svc-\w{8}-/, ''),
    ...rules,
  ])

test('a service leads to its ready endpoints', () => {
  assert.deepEqual(
    chains(
      {},
      endpoint('10.244.0.5'),
      endpoint('10.244.1.6', 'there'),
      endpoint('10.244.0.7', 'here', { ready: false }),
    ),
    [
      [
        'web-80-in',
        'ip saddr != 10.244.0.0/16 meta mark set meta mark or 0x4000',
        'meta l4proto tcp dnat ip addr . port to numgen random mod 2 map { 0 : 10.244.0.5 . 8080, 1 : 10.244.1.6 . 8080 }',
      ],
    ],
  )
})

test('without a ready endpoint, terminating endpoints that still serve are used', () => {
  const [chain] = chains({}, endpoint('10.244.0.7', 'here', { ready: false, serving: true, terminating: true }))
  assert.equal(chain!.at(-1), 'meta l4proto tcp dnat ip to 10.244.0.7:8080')
})

test('a service without endpoints refuses connections', () => {
  const { elements, chains: none } = planService(
    service({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080, protocol: 'TCP', name: 'http' }] }),
    [slice()],
    context,
  )
  assert.equal(none.size, 0)
  assert.deepEqual([...elements.get('no-endpoints')!], [['10.96.0.20 . tcp . 80', 'goto refuse-now']])
  assert.deepEqual([...elements.get('no-endpoint-node-ports')!], [['tcp . 30080', 'goto refuse-now']])
})

test('with external traffic policy Local, traffic from outside stays on this node, and pods and the node reach all', () => {
  const spec = {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
    ports: [{ port: 80, nodePort: 30080, protocol: 'TCP', name: 'http' }],
  }
  const inner = [
    'ip saddr 10.244.0.0/16 goto svc-any',
    'fib saddr type local meta mark set meta mark or 0x4000',
    'fib saddr type local goto svc-any',
  ]
  const chain = (suffix: string, ...endpoints: object[]) =>
    chains(spec, ...endpoints)
      .find(c => c[0] === `web-80-${suffix}`)
      ?.slice(1)
      .map(rule => rule.replace(/svc-\w{8}-web-80/, 'svc'))
  const [here, there] = [endpoint('10.244.0.5'), endpoint('10.244.1.6', 'there')]
  assert.deepEqual(chain('out', here, there), [...inner, 'meta l4proto tcp dnat ip to 10.244.0.5:8080'])
  assert.equal(chain('any', here, there)!.length, 1)
  assert.match(chain('any', here, there)![0]!, /mod 2 map/)
  // Without an endpoint on this node, packets from outside are dropped, so that a load balancer takes another node.
  assert.deepEqual(chain('out', there), inner)
  const { elements } = planService(service(spec), [slice(there)], context)
  assert.deepEqual([...elements.get('no-endpoint-node-ports')!], [['tcp . 30080', 'drop']])
  assert.match(elements.get('node-ports')!.get('tcp . 30080')!, /^goto svc-/)
})

test('with internal traffic policy Local and no endpoint on this node, packets are dropped', () => {
  const { elements } = planService(
    service({ internalTrafficPolicy: 'Local' }),
    [slice(endpoint('10.244.1.6', 'there'))],
    context,
  )
  assert.deepEqual([...elements.get('no-endpoints')!], [['10.96.0.20 . tcp . 80', 'drop']])
})

test('session affinity keeps the clients of each endpoint in a set', () => {
  const fragment = planService(
    service({ sessionAffinity: 'ClientIP' }),
    [slice(endpoint('10.244.0.5'), endpoint('10.244.0.6'))],
    context,
  )
  assert.equal(fragment.sets.size, 2)
  assert.match([...fragment.sets.values()][0]!, /timeout 10800s/)
  assert.equal(fragment.chains.size, 3)
})

test('headless services and those of type ExternalName need no rules', () => {
  for (const spec of [
    { clusterIP: 'None', clusterIPs: ['None'] },
    { type: 'ExternalName', clusterIP: undefined },
  ])
    assert.equal(planService(service(spec), [slice(endpoint('10.244.0.5'))], context).elements.size, 0)
})

test('a transaction touches only what changed', () => {
  const before = planService(service(), [slice(endpoint('10.244.0.5'))], context)
  const after = planService(service(), [slice(endpoint('10.244.0.6'))], context)
  assert.equal(transactionText('t', [{ before, after: before }]), '')
  const lines = transactionText('t', [{ before, after }]).trim().split('\n')
  assert.ok(lines.some(l => l.includes('dnat ip to 10.244.0.6:8080')))
  assert.ok(!lines.some(l => l.includes('service-ips')))
  const removal = transactionText('t', [{ before, after: emptyFragment() }])
  assert.match(removal, /^delete element ip t cluster-ips \{ 10\.96\.0\.20 \}\n/)
  assert.match(removal, /delete chain ip t svc-\w+-web-80-in\n$/)
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
