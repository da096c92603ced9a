// What statuses of Gateways and routes say, for each way in which they can be wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Service } from '../../kinds/core/service.ts'
import { parsePool } from '../../kinds/core/service-balancing.ts'
import { planAttachments } from '../../kinds/gateway/attachment.ts'
import type { AnyRoute, Condition } from '../../kinds/gateway/common.ts'
import { Gateway } from '../../kinds/gateway/gateway.ts'
import { GatewayClass, gatewayController } from '../../kinds/gateway/gatewayclass.ts'
import { HTTPRoute } from '../../kinds/gateway/httproute.ts'
import { ReferenceGrant } from '../../kinds/gateway/referencegrant.ts'
import { objectOf } from '../../kinds/testing.ts'
import { planGatewayStatuses, planRouteStatuses, type StatusWorld } from './plan.ts'

const gateway = (listeners: readonly object[], name = 'edge', more: object = {}) =>
  objectOf(Gateway, {
    metadata: { name, creationTimestamp: `2026-01-0${name.length}T00:00:00Z` },
    spec: { gatewayClassName: 'kutter', listeners, ...more },
  } as object)
const pool = parsePool(['198.51.100.1-198.51.100.3', '2001:db8::1-2001:db8::3'])
const web = { name: 'web', port: 80, protocol: 'HTTP' }
const route = (spec: object, status?: object): AnyRoute =>
  objectOf(HTTPRoute, {
    metadata: { name: 'r' },
    spec: { parentRefs: [{ name: 'edge' }], ...spec },
    ...(status && { status }),
  } as object)
const to = (name: string, more: object = {}) => ({ rules: [{ backendRefs: [{ name, port: 80, ...more }] }] })

function worldOf(
  gateways: readonly Gateway[],
  routes: readonly AnyRoute[] = [],
  more: Partial<StatusWorld> = {},
): StatusWorld {
  return {
    classes: [
      objectOf(GatewayClass, { metadata: { name: 'kutter' }, spec: { controllerName: gatewayController } } as object),
    ],
    gateways,
    routes,
    grants: [],
    labelsOf: () => ({}),
    service: key =>
      key.endsWith('/gone') ? undefined : objectOf(Service, { spec: { ports: [{ port: 80, protocol: 'TCP' }] } }),
    secret: () => undefined,
    takenPorts: new Map(),
    isApart: false,
    pool: [],
    nodes: ['192.0.2.1'],
    nodeAddresses: new Set(['192.0.2.1']),
    balanced: new Set(),
    nowMs: 0,
    now: '2026-02-01T00:00:00Z',
    ...more,
  }
}
const said = (conditions: readonly Condition[] = []) =>
  Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]))
const listenersSay = (gateways: readonly Gateway[], more: Partial<StatusWorld> = {}) => {
  const world = worldOf(gateways, [], more)
  return planGatewayStatuses(planAttachments(world), world).flatMap(({ status }) =>
    (status.listeners ?? []).map(({ conditions }) => said(conditions)),
  )
}
const routeSays = (one: AnyRoute, listeners: readonly object[] = [web], more: Partial<StatusWorld> = {}) => {
  const world = worldOf([gateway(listeners)], [one], more)
  return planRouteStatuses(planAttachments(world), world)[0]?.parents.map(({ conditions }) => said(conditions))[0]
}

test('a listener has what is wrong with it in its conditions', () => {
  const good = {
    Accepted: 'True Accepted',
    Programmed: 'True Programmed',
    ResolvedRefs: 'True ResolvedRefs',
    Conflicted: 'False NoConflicts',
  }
  const bad = (reason: string) => ({ ...good, Accepted: `False ${reason}`, Programmed: 'False Invalid' })
  const conflict = (reason: string) => ({ ...bad('Invalid'), Conflicted: `True ${reason}` })
  const tls = { certificateRefs: [{ name: 'c' }] }
  const rows: [readonly object[], readonly object[], Partial<StatusWorld>?][] = [
    [[web], [good]],
    [[web], [bad('PortUnavailable')], { takenPorts: new Map([[80, 'x']]) }],
    [[{ ...web, protocol: 'UDP' }], [bad('UnsupportedProtocol')]],
    [
      [web, { ...web, name: 'b', hostname: 'b.test' }],
      [good, good],
    ],
    [
      [web, { ...web, name: 'b', protocol: 'HTTPS', tls }],
      [conflict('ProtocolConflict'), { ...conflict('ProtocolConflict'), ResolvedRefs: 'False InvalidCertificateRef' }],
    ],
    [
      [{ ...web, port: 443, protocol: 'HTTPS', tls }],
      [{ ...good, Programmed: 'False Invalid', ResolvedRefs: 'False InvalidCertificateRef' }],
    ],
    [
      [{ ...web, port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'c', namespace: 'other' }] } }],
      [{ ...good, Programmed: 'False Invalid', ResolvedRefs: 'False RefNotPermitted' }],
    ],
    [
      [{ ...web, allowedRoutes: { kinds: [{ kind: 'TCPRoute' }] } }],
      [{ ...good, ResolvedRefs: 'False InvalidRouteKinds' }],
    ],
  ]
  for (const [listeners, wanted, more] of rows) assert.deepEqual(listenersSay([gateway(listeners)], more), wanted)
  const two = [gateway([web], 'longer'), gateway([web])]
  assert.deepEqual(listenersSay(two), [good, conflict('HostnameConflict')])
  assert.deepEqual(listenersSay(two, { isApart: true, pool }), [good, good])
})

test('TLS that is passed on and TLS that ends share a port if their hostnames differ', () => {
  const tls = (name: string, protocol: string, hostname?: string) => ({
    name,
    port: 443,
    protocol,
    ...(hostname && { hostname }),
    tls: protocol === 'TLS' ? { mode: 'Passthrough' } : { certificateRefs: [{ name: 'c' }] },
  })
  const say = (...listeners: object[]) =>
    listenersSay([gateway(listeners)]).map(one => [one.Conflicted, one.OverlappingTLSConfig])
  const fine = ['False NoConflicts', undefined]
  assert.deepEqual(say(tls('a', 'HTTPS', '*.test'), tls('b', 'TLS', 'b.test')), [fine, fine])
  const conflict = ['True ProtocolConflict', undefined]
  assert.deepEqual(say(tls('a', 'HTTPS', 'b.test'), tls('b', 'TLS', 'b.test')), [conflict, conflict])
  const ends = (name: string, hostname: string) => ({
    ...tls(name, 'TLS', hostname),
    tls: { mode: 'Terminate', certificateRefs: [{ name: 'c' }] },
  })
  assert.deepEqual(say(ends('a', 'a.test'), tls('b', 'TLS', 'b.test')), [fine, fine])
  assert.deepEqual(say(ends('a', 'b.test'), tls('b', 'TLS', 'b.test')), [conflict, conflict])
  assert.deepEqual(say(ends('a', 'a.test'), tls('b', 'HTTPS', 'b.test')), [conflict, conflict])
  const overlap = ['False NoConflicts', 'True OverlappingHostnames']
  assert.deepEqual(say(tls('a', 'HTTPS', '*.test'), tls('b', 'HTTPS', 'b.test'), tls('c', 'HTTPS', 'c.org')), [
    overlap,
    overlap,
    fine,
  ])
})

test('a Gateway gets addresses of the pool, keeps them, or says why it has none', () => {
  const status = (...values: string[]) => ({ addresses: values.map(value => ({ type: 'IPAddress', value })) })
  const asks = (...values: string[]) => ({ addresses: values.map(value => ({ type: 'IPAddress', value })) })
  const of = (gateways: readonly Gateway[], more: Partial<StatusWorld> = {}) => {
    const world = worldOf(gateways, [], { isApart: true, pool, ...more })
    return planGatewayStatuses(planAttachments(world), world).map(one => [
      (one.status.addresses ?? []).map(({ value }) => value).join(),
      ...Object.values(said(one.status.conditions)),
    ])
  }
  const made = (name: string, spec: object = {}, present: object = {}) =>
    objectOf(Gateway, { ...gateway([web], name, spec), status: present } as object)
  const good = ['True Accepted', 'True Programmed']
  assert.deepEqual(of([made('a'), made('bb')]), [
    ['198.51.100.1,2001:db8::1', ...good],
    ['198.51.100.2,2001:db8::2', ...good],
  ])
  // The status is the memory: the younger one keeps its address.
  assert.deepEqual(of([made('a'), made('bb', {}, status('198.51.100.1'))]), [
    ['198.51.100.2,2001:db8::1', ...good],
    ['198.51.100.1,2001:db8::2', ...good],
  ])
  const four = parsePool(['198.51.100.1'])
  assert.deepEqual(of([made('a'), made('bb')], { pool: four }), [
    ['198.51.100.1', ...good],
    ['', 'True Accepted', 'False AddressNotAssigned'],
  ])
  const balanced = new Set(['198.51.100.1'])
  assert.deepEqual(of([made('a', {}, status('198.51.100.1'))], { pool: four, balanced }), [
    ['', 'True Accepted', 'False AddressNotAssigned'],
  ])
  assert.deepEqual(of([made('a', asks('198.51.100.2', '192.0.2.77'))]), [
    ['198.51.100.2', 'True Accepted', 'False AddressNotUsable'],
  ])
  assert.deepEqual(of([made('a', asks('198.51.100.2'))]), [['198.51.100.2', ...good]])
  assert.deepEqual(of([made('a', { addresses: [{ type: 'Hostname', value: 'a.test' }] })]), [
    ['', 'False UnsupportedAddress', 'False Invalid'],
  ])
  assert.deepEqual(of([made('a', asks('192.0.2.1'))], { isApart: false, pool: [] }), [['192.0.2.1', ...good]])
  const infrastructure = { parametersRef: { group: 'x', kind: 'Y', name: 'z' } }
  assert.deepEqual(of([made('a', { infrastructure })]), [['', 'False InvalidParameters', 'False Invalid']])
})

test('a route has what is wrong with it, and what is wrong with its backends', () => {
  const say = (accepted: string, resolved = 'True ResolvedRefs') => ({ Accepted: accepted, ResolvedRefs: resolved })
  const good = 'True Accepted'
  assert.deepEqual(routeSays(route(to('a'))), say(good))
  assert.deepEqual(routeSays(route({ parentRefs: [{ name: 'edge', port: 81 }] })), say('False NoMatchingParent'))
  assert.deepEqual(routeSays(route({ parentRefs: [{ name: 'other' }] })), undefined)
  assert.deepEqual(
    routeSays(route({}), [{ ...web, allowedRoutes: { kinds: [{ kind: 'GRPCRoute' }] } }]),
    say('False NotAllowedByListeners'),
  )
  const named = [{ ...web, hostname: '*.a.test' }]
  assert.deepEqual(routeSays(route({ hostnames: ['a.test'] }), named), say('False NoMatchingListenerHostname'))
  assert.deepEqual(routeSays(route({ hostnames: ['x.y.a.test'] }), named), say(good))
  assert.deepEqual(routeSays(route({ hostnames: ['*.test'] }), named), say(good))
  assert.deepEqual(
    routeSays(route({ rules: [{ matches: [{ path: { type: 'RegularExpression', value: '/(a+)+' } }] }] })),
    say('False UnsupportedValue'),
  )
  assert.deepEqual(routeSays(route(to('gone'))), say(good, 'False BackendNotFound'))
  assert.deepEqual(routeSays(route(to('a', { kind: 'Secret' }))), say(good, 'False InvalidKind'))
  const far = route(to('a', { namespace: 'other' }))
  assert.deepEqual(routeSays(far), say(good, 'False RefNotPermitted'))
  const grant = (name?: string) =>
    objectOf(ReferenceGrant, {
      metadata: { name: 'g', namespace: 'other' },
      spec: {
        from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }],
        to: [{ group: '', kind: 'Service', ...(name && { name }) }],
      },
    } as object)
  assert.deepEqual(routeSays(far, [web], { grants: [grant()] }), say(good))
  assert.deepEqual(routeSays(far, [web], { grants: [grant('b')] }), say(good, 'False RefNotPermitted'))
})

test('entries of other controllers stay, and ours go with the parent', () => {
  const other = { parentRef: { name: 'edge' }, controllerName: 'example.com/x', conditions: [] }
  const own = { ...other, controllerName: gatewayController }
  const world = worldOf([], [route({}, { parents: [own, other] })])
  assert.deepEqual(
    planRouteStatuses(planAttachments(world), world).map(({ parents }) => parents.map(one => one.controllerName)),
    [['example.com/x']],
  )
  const foreign = worldOf([], [route({}, { parents: [other] })])
  assert.deepEqual(planRouteStatuses(planAttachments(foreign), foreign), [])
})

test('routes are counted once, and an unchanged condition keeps its time', () => {
  const time = '2026-01-01T00:00:00Z'
  const before = objectOf(Gateway, {
    metadata: { name: 'edge' },
    spec: { gatewayClassName: 'kutter', listeners: [web] },
    status: {
      conditions: [{ type: 'Accepted', status: 'True', reason: 'Accepted', message: '', lastTransitionTime: time }],
    },
  } as object)
  const world = worldOf([before], [route({ hostnames: ['a.test', 'b.test'] })])
  const [planned] = planGatewayStatuses(planAttachments(world), world)
  assert.equal(planned?.status.listeners?.[0]?.attachedRoutes, 1)
  assert.deepEqual(
    planned?.status.conditions?.map(one => one.lastTransitionTime),
    [time, world.now],
  )
})
