// What HAProxy gets for Gateways: in which order matches count, what rules become, and that nothing of users gets out of
// its place in the configuration.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { Service } from '../../kinds/core/service.ts'
import { parsePool } from '../../kinds/core/service-balancing.ts'
import type { AnyRoute } from '../../kinds/gateway/common.ts'
import { Gateway } from '../../kinds/gateway/gateway.ts'
import { GatewayClass, gatewayController } from '../../kinds/gateway/gatewayclass.ts'
import { GRPCRoute } from '../../kinds/gateway/grpcroute.ts'
import { HTTPRoute } from '../../kinds/gateway/httproute.ts'
import { TLSRoute } from '../../kinds/gateway/tlsroute.ts'
import { objectOf } from '../../kinds/testing.ts'
import { noHaproxy } from '../ingress/testing.ts'
import { bindingKey, bindingsIn } from '../ingress/ports.ts'
import { bindingsOf, filesOf } from './config.ts'
import { planGateways, type World } from './plan.ts'

const parentRefs = [{ name: 'edge' }]
const http = (name: string, spec: object): AnyRoute =>
  objectOf(HTTPRoute, { metadata: { name }, spec: { parentRefs, ...spec } } as object)
const to = (name: string, more: object = {}) => [{ name, port: 80, ...more }]
const prefix = (value: string) => [{ path: { type: 'PathPrefix', value } }]

function worldOf(
  routes: readonly AnyRoute[],
  listeners: readonly object[] = [{ name: 'web', port: 80, protocol: 'HTTP' }],
): World {
  return {
    classes: [
      objectOf(GatewayClass, { metadata: { name: 'kutter' }, spec: { controllerName: gatewayController } } as object),
    ],
    gateways: [
      objectOf(Gateway, { metadata: { name: 'edge' }, spec: { gatewayClassName: 'kutter', listeners } } as object),
    ],
    routes,
    grants: [],
    labelsOf: () => ({}),
    service: key =>
      key.endsWith('/gone')
        ? undefined
        : objectOf(Service, {
            metadata: { name: key.split('/')[1]! },
            spec: { ports: [{ port: 80, protocol: 'TCP' }] },
          }),
    takenPorts: new Map(),
    isApart: false,
    pool: [],
    slices: () => [
      objectOf(EndpointSlice, {
        addressType: 'IPv4',
        endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }],
        ports: [{ name: '', port: 8080, protocol: 'TCP' }],
      }),
    ],
    secret: () => undefined,
    now: 0,
  }
}

const around = { user: 'nobody', group: 'nogroup', isIPv6: false, threads: 1, emptyDir: '/tmp/empty', mark: 'test' }
function configOf(world: World): string {
  const plan = planGateways(world)
  const free = new Set(plan.ports.flatMap(bindingsOf).map(bindingKey))
  const files = filesOf(plan, { ...around, free })
  return files.textsFor('cli-1').get('haproxy.cfg') ?? ''
}
const orderOf = (routes: readonly AnyRoute[]) =>
  planGateways(worldOf(routes)).ports[0]?.entries.map(({ rule }) => rule.replace('h.default.', ''))

test('names count before wildcards, then paths, methods, headers and queries', () => {
  const routes = [
    http('any', { rules: [{ matches: prefix('/long/path'), backendRefs: to('a') }] }),
    http('wild', { hostnames: ['*.test'], rules: [{ matches: prefix('/long'), backendRefs: to('a') }] }),
    http('name', {
      hostnames: ['a.test'],
      rules: [
        { matches: prefix('/'), backendRefs: to('a') },
        {
          matches: [{ path: { type: 'PathPrefix', value: '/' }, queryParams: [{ name: 'q', value: '1' }] }],
          backendRefs: to('a'),
        },
        {
          matches: [{ path: { type: 'PathPrefix', value: '/' }, headers: [{ name: 'h', value: '1' }] }],
          backendRefs: to('a'),
        },
        { matches: [{ path: { type: 'PathPrefix', value: '/' }, method: 'GET' }], backendRefs: to('a') },
        { matches: prefix('/a/b'), backendRefs: to('a') },
        { matches: [{ path: { type: 'Exact', value: '/' } }], backendRefs: to('a') },
      ],
    }),
  ]
  assert.deepEqual(orderOf(routes), ['name.5', 'name.4', 'name.3', 'name.2', 'name.1', 'name.0', 'wild.0', 'any.0'])
})

test('a rule is shared by weight; what is missing answers 500, and what has no weight gets nothing', () => {
  const backendRefs = [...to('a', { weight: 3 }), ...to('gone', { weight: 1 }), ...to('b', { weight: 0 })]
  const { shares } = planGateways(
    worldOf([http('r', { rules: [{ backendRefs }, { backendRefs: to('b', { weight: 0 }) }] })]),
  )
  assert.deepEqual(
    [...shares],
    [
      [
        'h.default.r.0',
        [
          { backend: 'h.default.r.0.0', weight: 3 },
          { backend: '_error', weight: 1 },
        ],
      ],
      ['h.default.r.1', [{ backend: '_error', weight: 1 }]],
    ],
  )
})

test('a prefix is replaced so that what follows begins with one slash', () => {
  const linesOf = (value: string, replacePrefixMatch: string) =>
    configOf(
      worldOf([
        http('r', {
          rules: [
            {
              matches: prefix(value),
              filters: [
                { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch } } },
              ],
              backendRefs: to('a'),
            },
          ],
        }),
      ]),
    ).match(/replace-path .*/)?.[0]
  assert.equal(linesOf('/foo', '/xyz'), "replace-path '^/foo(/.*)?$' '/xyz\\1'")
  assert.equal(linesOf('/foo/', '/xyz/'), "replace-path '^/foo(/.*)?$' '/xyz\\1'")
  assert.equal(linesOf('/foo', '/'), "replace-path '^/foo/?(.*)$' '/\\1'")
  assert.equal(linesOf('/', '/xyz'), "replace-path '^/?(.*)$' '/xyz/\\1'")
})

/** Texts that mean something to HAProxy. */
const nasty = [
  '}',
  '{',
  '-f',
  '--',
  '-i',
  '"',
  "'",
  '\\',
  '#',
  '%[src]',
  '%',
  ';',
  '\n',
  '\r\nacl x always_true',
  '${HOME}',
  '$(id)',
  ' ',
  '\t',
  "' if TRUE",
  '\0',
  'ä',
  '(',
  ')',
  '[',
  ',',
  '||',
  '!',
  '/../',
  '&',
  '`',
  'or',
  'unless',
  '^',
  '*',
  '/*',
]

test('whatever users write, each line is one that was meant, and HAProxy takes the whole', { skip: noHaproxy }, () => {
  const known =
    /^(acl a\d+|http-request|http-response|http-reuse|tcp-request|use_backend|default_backend|bind|balance|server s?\d|server \S+ 10\.0\.0\.1:8080|timeout|mode|option|retries|retry-on|description|stats|fd-hard-limit|nbthread|user|group|chroot|hard-stop-after|ssl-default-bind-options|tune|#)/
  const routes = nasty.flatMap((text, i) => [
    http(`value${i}`, {
      rules: [
        {
          matches: [{ headers: [{ name: 'x', value: text }], queryParams: [{ name: 'q', value: text }] }],
          filters: [
            {
              type: 'RequestHeaderModifier',
              requestHeaderModifier: { set: [{ name: 'y', value: text }], add: [{ name: 'z', value: text }] },
            },
          ],
          backendRefs: to('a'),
        },
      ],
    }),
    http(`path${i}`, { rules: [{ matches: prefix(`/${text}`), backendRefs: to('a') }] }),
    http(`exact${i}`, { rules: [{ matches: [{ path: { type: 'Exact', value: `/${text}` } }], backendRefs: to('a') }] }),
    http(`regex${i}`, {
      rules: [{ matches: [{ path: { type: 'RegularExpression', value: `/${text}` } }], backendRefs: to('a') }],
    }),
    http(`name${i}`, { rules: [{ matches: [{ headers: [{ name: text, value: 'v' }] }], backendRefs: to('a') }] }),
    http(`host${i}`, { hostnames: [text, `${text}.test`], rules: [{ backendRefs: to('a') }] }),
    http(`rewrite${i}`, {
      rules: [
        {
          matches: prefix('/x'),
          filters: [
            {
              type: 'URLRewrite',
              urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: `/${text}` } },
            },
          ],
          backendRefs: to('a'),
        },
      ],
    }),
    objectOf(GRPCRoute, {
      metadata: { name: `grpc${i}` },
      spec: { parentRefs, rules: [{ matches: [{ method: { service: text, method: text } }], backendRefs: to('a') }] },
    } as object) as AnyRoute,
    objectOf(TLSRoute, {
      metadata: { name: `tls${i}` },
      spec: { parentRefs, hostnames: [text, 'a.test'], rules: [{ backendRefs: [...to('a'), ...to('b')] }] },
    } as object) as AnyRoute,
  ])
  const listeners = [
    { name: 'web', port: 15_981, protocol: 'HTTP' },
    { name: 'tls', port: 15_982, protocol: 'TLS', tls: { mode: 'Passthrough' } },
    ...nasty.map((text, i) => ({ name: `l${i}`, port: 15_981, protocol: 'HTTP', hostname: `${text}.test` })),
  ]
  const config = configOf(worldOf(routes, listeners))
  const lines = config.split('\n').filter(Boolean)
  assert.ok(lines.length > 200)
  assert.deepEqual(
    lines.filter(line => line.startsWith('  ') && !known.test(line.trim())),
    [],
  )
  const dir = mkdtempSync(join(tmpdir(), 'kutter-gateway-'))
  try {
    writeFileSync(join(dir, 'haproxy.cfg'), config)
    execFileSync('haproxy', ['-c', '-q', '-f', 'haproxy.cfg'], {
      cwd: dir,
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
      stdio: 'pipe',
    })
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('with a pool each Gateway is served at its own addresses, and of two with the same one the older', () => {
  const gateway = (name: string, addresses: readonly string[]) =>
    objectOf(Gateway, {
      metadata: { name, creationTimestamp: `2026-01-0${name}T00:00:00Z` },
      spec: { gatewayClassName: 'kutter', listeners: [{ name: 'web', port: 80, protocol: 'HTTP' }] },
      status: { addresses: addresses.map(value => ({ type: 'IPAddress', value })) },
    } as object)
  const gateways = [
    gateway('1', ['192.0.2.1', '2001:db8::1']),
    gateway('2', ['192.0.2.1', '192.0.2.2']),
    gateway('3', ['198.51.100.1']),
    gateway('4', []),
  ]
  const pool = parsePool(['192.0.2.0/24', '2001:db8::/120'])
  const world: World = { ...worldOf([]), gateways, pool, isApart: true, takenPorts: new Map([[80, 'x']]) }
  assert.deepEqual(
    planGateways(world).ports.map(({ addresses }) => addresses),
    [['192.0.2.1', '2001:db8::1'], ['192.0.2.2']],
  )
  const binds = [...configOf(world).matchAll(/^ {2}(bind .*)$/gm)].map(([, line]) => line)
  assert.deepEqual(binds, [
    'bind 192.0.2.1:80 transparent',
    'bind 2001:db8::1:80 transparent',
    'bind 192.0.2.2:80 transparent',
  ])
  assert.deepEqual(bindingsIn(`  ${binds.join('\n  ')}\n  bind :::81 v4v6\n  bind :82\n  bind abns@x accept-proxy`), [
    '192.0.2.1:80',
    '2001:db8::1:80',
    '192.0.2.2:80',
    ':81',
    ':82',
  ])
})
