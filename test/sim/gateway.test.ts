// The definitions of Gateway API in a real API server: what their rules refuse, and which Secrets a node may read for Gateways.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepGatewayKinds } from '../../src/cluster/gateway-definitions.ts'
import { CustomResourceDefinition } from '../../src/kinds/apiextensions/customresourcedefinition.ts'
import { startControllers } from '../../src/controllers/index.ts'
import { Gateway } from '../../src/kinds/gateway/gateway.ts'
import { parsePool } from '../../src/kinds/core/service-balancing.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { GatewayClass } from '../../src/kinds/gateway/gatewayclass.ts'
import { HTTPRoute } from '../../src/kinds/gateway/httproute.ts'
import { simulate, type Sim } from './cluster.ts'

const listener = (more: object = {}) => ({ name: 'a', port: 80, protocol: 'HTTP', ...more })
const https = (ref: object) => listener({ name: 'b', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [ref] } })
const gateway = (listeners: readonly object[]) =>
  ({
    metadata: { generateName: 'g-', namespace: 'default' },
    spec: { gatewayClassName: 'kutter', listeners },
  }) as object
const route = (rule: object) =>
  ({ metadata: { generateName: 'r-', namespace: 'default' }, spec: { rules: [rule] } }) as object

async function withKinds({ plane, clock }: Sim) {
  const admin = plane.client('kutter', ['system:masters'])
  await Promise.all([keepGatewayKinds(admin, new AbortController().signal), clock.forward(2_000)])
  return admin
}

test('the definitions are made once, default what is missing and refuse what contradicts itself', () =>
  simulate({ scheduler: false }, async sim => {
    const admin = await withKinds(sim)
    await withKinds(sim)
    assert.deepEqual(
      (await admin.list(GatewayClass)).items.map(({ metadata }) => metadata.name),
      ['kutter'],
    )
    const made = await admin.create(HTTPRoute, route({}))
    assert.deepEqual(made.spec.rules, [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }])
    const { items } = await admin.list(CustomResourceDefinition)
    const served = items.flatMap(({ spec }) =>
      spec.versions.filter(one => one.served).map(one => `${spec.names.kind} ${one.name}`),
    )
    assert.deepEqual(served.sort(), [
      'GRPCRoute v1',
      'Gateway v1',
      'Gateway v1beta1',
      'GatewayClass v1',
      'GatewayClass v1beta1',
      'HTTPRoute v1',
      'HTTPRoute v1beta1',
      'ReferenceGrant v1',
      'ReferenceGrant v1beta1',
      'TLSRoute v1',
      'TLSRoute v1alpha2',
      'TLSRoute v1alpha3',
    ])
    const { spec } = await admin.create(Gateway, gateway([listener(), https({ name: 'c' })]))
    assert.deepEqual(spec.listeners[0]?.allowedRoutes, { namespaces: { from: 'Same' } })
    const replace = { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/y' } }
    const match = (path: object) => ({ matches: [{ path }] })
    const gateways: [readonly object[], RegExp][] = [
      [[], /should have at least 1 items/],
      [[listener(), listener({ name: 'b' })], /Combination of port, protocol and hostname must be unique/],
      [[listener({ tls: { certificateRefs: [{ name: 'c' }] } })], /tls must not be specified for protocols/],
      [[listener({ protocol: 'TLS' })], /tls mode must be set for protocol TLS/],
      [[listener({ port: 0 })], /should be greater than or equal to 1/],
    ]
    for (const [listeners, wanted] of gateways) await assert.rejects(admin.create(Gateway, gateway(listeners)), wanted)
    const routes: [object, RegExp][] = [
      [match({ type: 'Exact', value: 'x' }), /must be an absolute path/],
      [match({ type: 'PathPrefix', value: '/a//b' }), /must not contain '\/\/'/],
      [{ filters: [{ type: 'URLRewrite' }] }, /filter.urlRewrite must be specified/],
      [
        { filters: [{ type: 'URLRewrite', urlRewrite: replace }], ...match({ type: 'Exact', value: '/x' }) },
        /exactly one PathPrefix match/,
      ],
      [{ backendRefs: [{ name: 's' }] }, /Must have port for Service reference/],
      [{ timeouts: { request: '1s', backendRequest: '2s' } }, /backendRequest timeout cannot be longer/],
    ]
    for (const [rule, wanted] of routes) await assert.rejects(admin.create(HTTPRoute, route(rule)), wanted)
  }))

test('a node may read the Secrets that Gateways of the own class name, and no others', () =>
  simulate({ scheduler: false }, async sim => {
    const admin = await withKinds(sim)
    const { core } = sim.plane
    await admin.create(
      Gateway,
      gateway([
        https({ name: 'mine' }),
        listener({ ...https({ name: 'far', namespace: 'kube-system' }), name: 'c', port: 444 }),
      ]),
    )
    await admin.create(Gateway, {
      ...gateway([https({ name: 'theirs' })]),
      spec: { gatewayClassName: 'other', listeners: [https({ name: 'theirs' })] },
    } as object)
    const user = { name: 'system:node:n', groups: ['system:nodes', 'system:authenticated'] }
    const may = async (name: string, namespace = 'default') =>
      core.authorizer.authorize({
        user,
        verb: 'get',
        group: '',
        resource: 'secrets',
        subresource: '',
        namespace,
        name,
      })
    assert.equal((await may('mine')).allowed, true)
    assert.equal((await may('theirs')).allowed, false)
    assert.equal((await may('far', 'kube-system')).allowed, false)
  }))

test('Services and Gateways share a pool, and each has an address of its own', () =>
  simulate({ scheduler: false, kubelets: false }, async sim => {
    const admin = await withKinds(sim)
    const { plane, clock, random } = sim
    const pool = parsePool(['192.0.2.1-192.0.2.4'])
    const ending = new AbortController()
    await Promise.all([
      startControllers({
        reader: plane.client('system:kube-controller-manager'),
        clientFor: plane.accountClient,
        clock,
        random,
        log: plane.core.log,
        signal: ending.signal,
        kinds: plane.kinds,
        loadBalancing: { pool, gateways: true },
        gateways: { pool, ingressPorts: [] },
      }),
      clock.forward(1_000),
    ])
    const named = (name: string, more: object = {}) =>
      ({ ...gateway([listener()]), metadata: { name, namespace: 'default' }, ...more }) as object
    const balanced = (name: string) => ({
      metadata: { name, namespace: 'default' },
      spec: { type: 'LoadBalancer' as const, ports: [{ port: 80 }] },
    })
    // All at once, so that both controllers give out addresses at the same time.
    await Promise.all([
      admin.create(Gateway, named('a')),
      admin.create(Service, balanced('b')),
      admin.create(Gateway, named('c')),
      admin.create(Service, balanced('d')),
    ])
    const given = () =>
      new Map([
        ...sim.client
          .mirror(Gateway)
          .list()
          .map(({ metadata, status }) => [metadata.name, status?.addresses?.[0]?.value ?? ''] as const),
        ...sim.client
          .mirror(Service)
          .list('default')
          .filter(({ metadata }) => metadata.name !== 'kubernetes')
          .map(({ metadata, status }) => [metadata.name, status.loadBalancer.ingress?.[0]?.ip ?? ''] as const),
      ])
    const all = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4']
    const areGiven = () => [...given().values()].sort().join() === all.join()
    await sim.until('each has one', areGiven)
    const before = given()
    await admin.delete(Gateway, { namespace: 'default', name: 'a' })
    await admin.create(Service, balanced('e'))
    await sim.until('the address is given to another', areGiven)
    for (const name of ['b', 'c', 'd']) assert.equal(given().get(name), before.get(name))
    assert.equal(given().get('e'), before.get('a'))
    ending.abort()
  }))
