// From pods to endpoints, as tables: which pods count, under which address and port, and in which state.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import type { Container } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { Service } from '../../kinds/core/service.ts'
import { nodeOf, objectOf, podOf } from '../../kinds/testing.ts'
import { addressOf, familiesOf, hasSelector, hostnameOf, targetPort, triggerTime } from './backends.ts'
import { planEndpoints } from './endpointslice.ts'

type ServiceSpec = NonNullable<Draft<Service>['spec']>
const serviceOf = (spec: Partial<ServiceSpec> = {}, metadata: object = {}): Service =>
  objectOf(Service, {
    metadata: { name: 'web', creationTimestamp: '2026-01-01T00:00:00Z', ...metadata },
    spec: {
      selector: { app: 'web' },
      clusterIP: '10.96.0.7',
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
      ...spec,
    },
  })

interface Given {
  name?: string
  ips?: string[]
  ready?: boolean
  phase?: Pod['status']['phase']
  node?: string
  deleting?: boolean
  spec?: Partial<Draft<Pod>['spec']>
  containers?: Draft<Container>[]
}
const podWith = ({
  name = 'p',
  ips = ['10.1.0.1'],
  ready = true,
  phase = 'Running',
  node = 'n1',
  deleting,
  spec,
  containers,
}: Given = {}): Pod =>
  podOf({
    metadata: { name, uid: `uid-${name}`, ...(deleting && { deletionTimestamp: '2026-01-01T05:00:00Z' }) },
    spec: { ...(node && { nodeName: node }), ...spec, ...(containers && { containers }) },
    status: {
      phase,
      ...(ips.length && { podIP: ips[0]!, podIPs: ips.map(ip => ({ ip })) }),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T04:00:00Z' }],
    },
  })

const nodes = new Map([
  ['n1', nodeOf({ metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'z1' } } })],
  ['n2', nodeOf({ metadata: { name: 'n2' } })],
])
const plan = (service: Service, ...pods: Pod[]) => planEndpoints(service, pods, name => nodes.get(name))

test('a ready pod on a node is an endpoint with its address, port, node and zone', () => {
  assert.deepEqual(plan(serviceOf(), podWith()), [
    {
      addressType: 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
      endpoints: [
        {
          addresses: ['10.1.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          targetRef: { kind: 'Pod', namespace: 'default', name: 'p', uid: 'uid-p' },
          nodeName: 'n1',
          zone: 'z1',
        },
      ],
    },
  ])
  assert.equal('zone' in plan(serviceOf(), podWith({ node: 'n2' }))[0]!.endpoints[0]!, false)
})

test('the state of a pod decides whether it is an endpoint, and whether that is ready, serving and terminating', () => {
  const all = { publishNotReadyAddresses: true }
  const table: [what: string, spec: Partial<ServiceSpec>, pod: Given, conditions: string | undefined][] = [
    ['ready', {}, {}, 'ready serving'],
    ['not ready', {}, { ready: false }, ''],
    ['ready and being deleted', {}, { deleting: true }, 'serving terminating'],
    ['not ready and being deleted', {}, { deleting: true, ready: false }, 'terminating'],
    ['succeeded', {}, { phase: 'Succeeded' }, undefined],
    ['failed', {}, { phase: 'Failed', ready: false }, undefined],
    ['pending, with an address', {}, { phase: 'Pending', ready: false }, ''],
    ['without an address', {}, { ips: [] }, undefined],
    ['without a node', {}, { node: '' }, undefined],
    ['on a node that does not exist', {}, { node: 'gone' }, undefined],
    ['not ready, published', all, { ready: false }, 'ready'],
    ['being deleted, published', all, { deleting: true }, 'ready serving terminating'],
    ['ended, published', all, { phase: 'Succeeded' }, undefined],
    ['on a node that does not exist, published', all, { node: 'gone' }, 'ready serving'],
  ]
  for (const [what, spec, pod, conditions] of table) {
    const found = plan(serviceOf(spec), podWith(pod)).flatMap(group => group.endpoints)
    const words = found.map(({ conditions: c = {} }) =>
      (['ready', 'serving', 'terminating'] as const).filter(name => c[name]).join(' '),
    )
    assert.deepEqual(words, conditions === undefined ? [] : [conditions], what)
  }
})

test('pods with the same ports share a group, others have one of their own', () => {
  const named = (containerPort: number): Given => ({
    containers: [{ name: 'c', image: 'x', ports: [{ name: 'web', containerPort }] }],
  })
  const service = serviceOf({ ports: [{ name: 'http', port: 80, targetPort: 'web' }] })
  const groups = plan(
    service,
    podWith({ name: 'a', ...named(8080) }),
    podWith({ name: 'b', ...named(9090) }),
    podWith({ name: 'c', ...named(8080) }),
    podWith({ name: 'd' }),
  )
  assert.deepEqual(
    groups.map(({ ports, endpoints }) => [ports.map(p => p.port), endpoints.map(e => e.targetRef!.name)]),
    [
      [[8080], ['a', 'c']],
      [[9090], ['b']],
      [[], ['d']],
    ],
  )
})

test('a Service of both families has endpoints of both, each with the addresses that it has', () => {
  const both = serviceOf({ ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] })
  const groups = plan(
    both,
    podWith({ name: 'a', ips: ['10.1.0.1', 'fd00::1'] }),
    podWith({ name: 'b', ips: ['fd00::2'] }),
  )
  assert.deepEqual(
    groups.map(g => [g.addressType, g.endpoints.flatMap(e => e.addresses)]),
    [
      ['IPv4', ['10.1.0.1']],
      ['IPv6', ['fd00::1', 'fd00::2']],
    ],
  )
  // Without pods there is still a group for each family, which becomes an empty slice.
  assert.deepEqual(
    plan(both).map(g => [g.addressType, g.ports, g.endpoints]),
    [
      ['IPv4', [], []],
      ['IPv6', [], []],
    ],
  )
})

test('the families are those of the Service, of its address, or of the pods of a headless one', () => {
  const table: [spec: Partial<ServiceSpec>, pods: Pod[], families: number[]][] = [
    [{ ipFamilies: ['IPv6'] }, [], [6]],
    [{ ipFamilies: ['IPv6', 'IPv4'] }, [], [6, 4]],
    [{ clusterIP: 'fd00::9' }, [], [6]],
    [{ clusterIP: '10.96.0.9' }, [podWith({ ips: ['fd00::1'] })], [4]],
    [{ clusterIP: 'None' }, [], [4]],
    [{ clusterIP: 'None' }, [podWith({ ips: ['fd00::1'] })], [6]],
    [{ clusterIP: 'None' }, [podWith({ ips: ['10.1.0.1', 'fd00::1'] })], [4]],
  ]
  for (const [spec, pods, families] of table)
    assert.deepEqual(familiesOf(serviceOf(spec), pods), families, JSON.stringify(spec))
})

test('a target port is a number, or the port of that name and protocol in a container or sidecar', () => {
  const pod = podWith({
    containers: [
      { name: 'a', image: 'x', ports: [{ name: 'dns', containerPort: 53, protocol: 'UDP' }] },
      { name: 'b', image: 'x', ports: [{ name: 'web', containerPort: 8080 }] },
    ],
    spec: {
      initContainers: [
        { name: 's', image: 'x', restartPolicy: 'Always', ports: [{ name: 'proxy', containerPort: 15001 }] },
        { name: 'i', image: 'x', ports: [{ name: 'setup', containerPort: 1 }] },
      ],
    },
  })
  const port = (draft: NonNullable<ServiceSpec['ports']>[number]) =>
    targetPort(pod, serviceOf({ ports: [draft] }).spec.ports![0]!)
  assert.equal(port({ port: 80 }), 80)
  assert.equal(port({ port: 80, targetPort: 8080 }), 8080)
  assert.equal(port({ port: 80, targetPort: 'web' }), 8080)
  assert.equal(port({ port: 80, targetPort: 'web', protocol: 'UDP' }), undefined)
  assert.equal(port({ port: 53, targetPort: 'dns', protocol: 'UDP' }), 53)
  assert.equal(port({ port: 80, targetPort: 'proxy' }), 15001)
  // An init container has ended when the Service is used.
  assert.equal(port({ port: 80, targetPort: 'setup' }), undefined)
  assert.equal(port({ port: 80, targetPort: 'none' }), undefined)
})

test('a pod has a name in DNS only under the Service that is its subdomain', () => {
  const named = (hostname: string | undefined, subdomain: string | undefined) =>
    hostnameOf(podWith({ spec: { ...(hostname && { hostname }), ...(subdomain && { subdomain }) } }), serviceOf())
  assert.equal(named('p-0', 'web'), 'p-0')
  assert.equal(named('p-0', 'other'), undefined)
  assert.equal(named('p-0', undefined), undefined)
  assert.equal(named(undefined, 'web'), undefined)
  assert.deepEqual(
    plan(serviceOf(), podWith({ spec: { hostname: 'p-0', subdomain: 'web' } }))[0]!.endpoints[0]!.hostname,
    'p-0',
  )
})

test('the address of a family is the first of it, and the older field counts where there is no list', () => {
  const pod = podWith({ ips: ['10.1.0.1', 'fd00::1', '10.1.0.2'] })
  assert.deepEqual([addressOf(pod, 4), addressOf(pod, 6)], ['10.1.0.1', 'fd00::1'])
  const old: Pod = { ...pod, status: { phase: 'Running', podIP: '10.1.0.3' } }
  assert.deepEqual([addressOf(old, 4), addressOf(old, 6)], ['10.1.0.3', undefined])
})

test('a Service has endpoints of pods unless it has no selector or is another name for a host', () => {
  assert.equal(hasSelector(serviceOf()), true)
  assert.equal(hasSelector(serviceOf({ type: 'ExternalName', externalName: 'x.example' })), false)
  const { selector: _, ...spec } = serviceOf().spec
  assert.equal(hasSelector({ ...serviceOf(), spec }), false)
})

test('the time of the last change is the newest of the Service and its pods', () => {
  assert.equal(triggerTime(serviceOf(), []), '2026-01-01T00:00:00Z')
  assert.equal(triggerTime(serviceOf(), [podWith()]), '2026-01-01T04:00:00Z')
  assert.equal(triggerTime(serviceOf(), [podWith(), podWith({ deleting: true })]), '2026-01-01T05:00:00Z')
})
