// Gateways served by a real HAProxy: matches, weights, filters, certificates, other namespaces, clients of gRPC and
// WebSockets, addresses of a pool, and what the statuses say.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { issue, makeAuthority } from '../../src/wire/x509.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'
import { askWebSocket, callGrpc, machineIn, serviceTo, startPrograms } from './edge-programs.ts'

const [http, https, passthrough, ending] = [15_180, 15_543, 15_544, 15_545]
const cluster = clusterForFile(
  'gateway',
  ['busybox', 'myapp'],
  ['--nodes', '2', '--gateway', '--ingress-http-port', '15190', '--ingress-https-port', '15191'],
)
const options = { skip: cannotRun }
const apiVersion = 'gateway.networking.k8s.io/v1'

const pod = (name: string, namespace = 'default') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels: { app: name } },
  spec: {
    automountServiceAccountToken: false,
    containers: [{ name: 'main', image: 'myapp:v1', imagePullPolicy: 'IfNotPresent' }],
  },
})
const service = (name: string, namespace = 'default') => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
})
const gateway = (name: string, listeners: readonly object[]) => ({
  apiVersion,
  kind: 'Gateway',
  metadata: { name },
  spec: { gatewayClassName: 'kutter', listeners },
})
const route = (name: string, spec: object) => ({
  apiVersion,
  kind: 'HTTPRoute',
  metadata: { name },
  spec: { parentRefs: [{ name: 'edge' }], ...spec },
})
const to = (name: string, more: object = {}) => ({ name, port: 80, ...more })

async function curl(...args: string[]): Promise<{ code: string; text: string }> {
  const { stdout } = await run('curl', ['-s', '-m', '10', '-w', '\n%{http_code} %{redirect_url}', ...args])
  const lines = stdout.trimEnd().split('\n')
  return { code: lines.pop() ?? '', text: lines.join('\n').trim() }
}
const at = (host: string, path = '/', ...more: string[]) =>
  curl('--path-as-is', '-H', `Host: ${host}`, `http://127.0.0.1:${http}${path}`, ...more)

const answers = (wanted: RegExp | string, host: string, path = '/', ...more: string[]) =>
  eventually(`${host}${path} answers ${wanted}`, async () => {
    const { code, text } = await at(host, path, ...more)
    if (typeof wanted === 'string' ? code.trim() !== wanted : !wanted.test(text)) throw new Error(`${code} ${text}`)
    return true
  })

interface Condition {
  type: string
  status: string
  reason: string
}
const said = (conditions: readonly Condition[] = []) =>
  Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]))
async function statusOf<T>(what: string): Promise<T> {
  return (JSON.parse(await cluster.kubectl(`get ${what} -o json`)) as { status: T }).status
}
const parentsSay = (name: string, wanted: object) =>
  eventually(`${name} is reported`, async () => {
    const { parents } = await statusOf<{ parents: { conditions: Condition[] }[] }>(`httproute ${name}`)
    assert.deepEqual(said(parents[0]?.conditions), wanted)
    return true
  })

const machine = () => machineIn(cluster)

describe('gateway', { concurrency: false, skip: cannotRun }, () => {
  test('a Gateway and a route are accepted, programmed and served', options, async () => {
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } })
    for (const name of ['one', 'two']) for (const make of [pod, service]) await cluster.apply(make(name))
    for (const make of [pod, service]) await cluster.apply(make('far', 'other'))
    await cluster.kubectl('wait pod one two --for=condition=Ready --timeout=120s')
    await cluster.kubectl('wait pod far -n other --for=condition=Ready --timeout=120s')
    await cluster.apply(gateway('edge', [{ name: 'web', port: http, protocol: 'HTTP' }]))
    await cluster.apply(route('plain', { hostnames: ['plain.test'], rules: [{ backendRefs: [to('one')] }] }))
    await answers(/^one/, 'plain.test')
    await answers('404', 'unknown.test')
    await parentsSay('plain', { Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' })
    await eventually('the Gateway is programmed', async () => {
      const status = await statusOf<{
        addresses: { value: string }[]
        conditions: Condition[]
        listeners: { attachedRoutes: number; conditions: Condition[] }[]
      }>('gateway edge')
      assert.deepEqual(said(status.conditions), { Accepted: 'True Accepted', Programmed: 'True Programmed' })
      assert.equal(status.addresses.length, 2)
      assert.equal(status.listeners[0]?.attachedRoutes, 1)
      return true
    })
    const { conditions } = await statusOf<{ conditions: Condition[] }>('gatewayclass kutter')
    assert.deepEqual(said(conditions), { Accepted: 'True Accepted' })
  })

  test('headers, methods, queries and the longest path choose the rule', options, async () => {
    const match = (one: object, name: string) => ({
      matches: [one],
      filters: [{ type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-to', value: name }] } }],
      backendRefs: [to(name)],
    })
    const prefix = (value: string) => ({ path: { type: 'PathPrefix', value } })
    await cluster.apply(
      route('choice', {
        hostnames: ['*.choice.test'],
        rules: [
          match(prefix('/'), 'one'),
          match({ ...prefix('/'), headers: [{ name: 'x-version', value: 'it is 2.0 ; {}' }] }, 'two'),
          match({ ...prefix('/m'), method: 'POST' }, 'two'),
          match({ ...prefix('/q'), queryParams: [{ name: 'v', value: '2' }] }, 'two'),
          match({ path: { type: 'RegularExpression', value: '/r[0-9]+' } }, 'two'),
        ],
      }),
    )
    const host = 'a.b.choice.test'
    const goes = (name: string, path: string, ...more: string[]) =>
      answers(new RegExp(`^x-to: ${name}\r?$`, 'm'), host, path, '-i', ...more)
    await goes('two', '/', '-H', 'X-Version: it is 2.0 ; {}')
    await goes('one', '/', '-H', 'X-Version: 3')
    await goes('two', '/m', '-X', 'POST')
    await goes('one', '/m')
    await goes('two', '/q?a=b&v=2')
    await goes('one', '/qq?v=2')
    await goes('two', '/r12')
    await goes('one', '/r12x')
    await answers('400', host, '/q/../m')
  })

  test('weights, redirects, rewrites and headers', options, async () => {
    const prefix = (value: string) => [{ path: { type: 'PathPrefix', value } }]
    await cluster.apply(
      route('filters', {
        hostnames: ['filters.test'],
        rules: [
          {
            matches: prefix('/w'),
            filters: [{ type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/' } } }],
            backendRefs: [to('one', { weight: 9 }), to('two', { weight: 1 }), to('gone', { weight: 0 })],
          },
          {
            matches: prefix('/old'),
            filters: [
              {
                type: 'RequestRedirect',
                requestRedirect: {
                  scheme: 'https',
                  statusCode: 301,
                  path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' },
                },
              },
            ],
          },
          {
            matches: prefix('/here'),
            filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'there.test' } }],
          },
          {
            matches: prefix('/nowhere'),
            filters: [
              { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/' } } },
              {
                type: 'ResponseHeaderModifier',
                responseHeaderModifier: { set: [{ name: 'x-seen', value: '100% "sure"' }] },
              },
            ],
            backendRefs: [to('two')],
          },
          { matches: prefix('/empty') },
        ],
      }),
    )
    await answers('500', 'filters.test', '/empty')
    const seen = { one: 0, two: 0 }
    for (let i = 0; i < 100; i++) {
      const { text, code } = await at('filters.test', '/w')
      assert.match(`${code} ${text}`, /^200\s+(one|two)/)
      if (text.startsWith('one')) seen.one++
      else seen.two++
    }
    assert.ok(seen.one > 70 && seen.two > 0, JSON.stringify(seen))
    assert.equal((await at('filters.test', '/old/a?b=c')).code, '301 https://filters.test/new/a?b=c')
    assert.equal((await at('filters.test', '/here')).code, `302 http://there.test:${http}/here`)
    await answers(/^two/, 'filters.test', '/nowhere/at/all')
    const { text } = await at('filters.test', '/nowhere', '-i')
    assert.match(text, /^x-seen: 100% "sure"\r?$/m)
  })

  test('another namespace is reached by a ReferenceGrant alone', options, async () => {
    await cluster.apply(
      route('far', { hostnames: ['far.test'], rules: [{ backendRefs: [to('far', { namespace: 'other' })] }] }),
    )
    await answers('500', 'far.test')
    await parentsSay('far', { Accepted: 'True Accepted', ResolvedRefs: 'False RefNotPermitted' })
    await cluster.apply({
      apiVersion: 'gateway.networking.k8s.io/v1beta1',
      kind: 'ReferenceGrant',
      metadata: { name: 'far', namespace: 'other' },
      spec: {
        from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }],
        to: [{ group: '', kind: 'Service' }],
      },
    })
    await answers(/^far/, 'far.test')
    await parentsSay('far', { Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' })
    await cluster.kubectl('delete referencegrant far -n other')
    await answers('500', 'far.test')
  })

  test('what cannot be served is said in the status', options, async () => {
    await cluster.apply(route('lost', { parentRefs: [{ name: 'edge', sectionName: 'none' }] }))
    await cluster.apply(
      route('mirror', {
        hostnames: ['plain.test'],
        rules: [
          { filters: [{ type: 'RequestMirror', requestMirror: { backendRef: to('two') } }], backendRefs: [to('one')] },
        ],
      }),
    )
    await cluster.apply(route('missing', { hostnames: ['missing.test'], rules: [{ backendRefs: [to('nobody')] }] }))
    const fine = { ResolvedRefs: 'True ResolvedRefs' }
    await parentsSay('lost', { Accepted: 'False NoMatchingParent', ...fine })
    await parentsSay('mirror', { Accepted: 'False UnsupportedValue', ...fine })
    await parentsSay('missing', { Accepted: 'True Accepted', ResolvedRefs: 'False BackendNotFound' })
    const refused = await cluster.kutter('status')
    assert.equal(refused.code, 0)
  })

  test('TLS is terminated with the certificate of the listener, or passed through', options, async () => {
    const now = realClock.now()
    const authority = await makeAuthority({ commonName: 'test', now, validMs: 86_400_000 })
    const { certPem, keyPem } = await issue(
      authority,
      { commonName: 'safe.test', dnsNames: ['safe.test'] },
      { usages: ['server auth'], now, validMs: 3_600_000 },
    )
    const allowedRoutes = { kinds: [{ kind: 'TLSRoute' }] }
    await cluster.apply(
      gateway('secure', [
        {
          name: 'https',
          port: https,
          protocol: 'HTTPS',
          hostname: 'safe.test',
          tls: { certificateRefs: [{ name: 'safe' }] },
        },
        { name: 'through', port: passthrough, protocol: 'TLS', tls: { mode: 'Passthrough' }, allowedRoutes },
        {
          name: 'beside',
          port: passthrough,
          protocol: 'HTTPS',
          hostname: 'beside.test',
          tls: { certificateRefs: [{ name: 'safe' }] },
        },
        {
          name: 'plain',
          port: ending,
          protocol: 'TLS',
          tls: { mode: 'Terminate', certificateRefs: [{ name: 'safe' }] },
          allowedRoutes,
        },
        { name: 'taken', port: http, protocol: 'HTTP' },
      ]),
    )
    const listeners = () => statusOf<{ listeners: { name: string; conditions: Condition[] }[] }>('gateway secure')
    const reported = (name: string, wanted: object) =>
      eventually(`${name} is reported`, async () => {
        const found = (await listeners()).listeners.find(one => one.name === name)
        assert.deepEqual({ ...said(found?.conditions), ...wanted }, said(found?.conditions))
        return true
      })
    await reported('https', { ResolvedRefs: 'False InvalidCertificateRef', Programmed: 'False Invalid' })
    await reported('taken', { Conflicted: 'True HostnameConflict', Accepted: 'False Invalid' })
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'safe' },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': certPem, 'tls.key': keyPem },
    })
    await reported('https', { ResolvedRefs: 'True ResolvedRefs', Programmed: 'True Programmed' })
    await cluster.apply(
      route('safe', { parentRefs: [{ name: 'secure', sectionName: 'https' }], rules: [{ backendRefs: [to('two')] }] }),
    )
    const asked = (port: number, host = 'safe.test') =>
      curl('-k', '--http2', '-v', '--resolve', `${host}:${port}:127.0.0.1`, `https://${host}:${port}/`, '--stderr', '-')
    await eventually('it is served with its certificate', async () => {
      const { text } = await asked(https)
      assert.match(text, /subject: CN=safe\.test/)
      assert.match(text, /HTTP\/2 200/)
      return true
    })
    // The API server of the cluster speaks TLS itself.
    await cluster.apply({
      apiVersion,
      kind: 'TLSRoute',
      metadata: { name: 'api' },
      spec: {
        parentRefs: [{ name: 'secure', sectionName: 'through' }],
        hostnames: ['safe.test'],
        rules: [{ backendRefs: [{ name: 'kubernetes', port: 443 }] }],
      },
    })
    await eventually('the server behind shows its own certificate', async () => {
      const { text } = await asked(passthrough)
      assert.match(text, /subject: .*CN=kube-apiserver/)
      return true
    })
    // On the same port TLS ends for another name, and on a port of its own for a TLSRoute.
    await cluster.apply(
      route('beside', {
        parentRefs: [{ name: 'secure', sectionName: 'beside' }],
        rules: [{ backendRefs: [to('one')] }],
      }),
    )
    await cluster.apply({
      apiVersion,
      kind: 'TLSRoute',
      metadata: { name: 'plain' },
      spec: {
        parentRefs: [{ name: 'secure', sectionName: 'plain' }],
        hostnames: ['plain.test'],
        rules: [{ backendRefs: [to('two')] }],
      },
    })
    for (const [port, host, name] of [
      [passthrough, 'beside.test', 'one'],
      [ending, 'plain.test', 'two'],
    ] as const)
      await eventually(`TLS ends for ${host}`, async () => {
        const { text, code } = await asked(port, host)
        assert.match(text, /subject: CN=safe\.test/)
        assert.match(`${code} ${text}`, new RegExp(`^200[^]*^${name}`, 'm'))
        return true
      })
  })

  test('clients of gRPC and of WebSockets get through', options, async () => {
    const programs = await startPrograms(machine())
    try {
      await cluster.apply(serviceTo('grpc', machine(), programs.grpc))
      await cluster.apply(serviceTo('sockets', machine(), programs.webSocket, 'kubernetes.io/ws'))
      await cluster.apply({
        apiVersion,
        kind: 'GRPCRoute',
        metadata: { name: 'echo' },
        spec: {
          parentRefs: [{ name: 'edge' }],
          hostnames: ['grpc.test'],
          rules: [
            {
              matches: [
                { method: { service: 'test.Echo', method: 'Say' }, headers: [{ name: 'x-mark', value: 'set' }] },
              ],
              filters: [
                {
                  type: 'RequestHeaderModifier',
                  requestHeaderModifier: { set: [{ name: 'x-mark', value: 'changed' }] },
                },
              ],
              backendRefs: [to('grpc')],
            },
            { matches: [{ method: { service: 'test.Echo' } }], backendRefs: [to('grpc')] },
          ],
        },
      })
      await cluster.apply(route('sockets', { hostnames: ['ws.test'], rules: [{ backendRefs: [to('sockets')] }] }))
      const target = `127.0.0.1:${http}`
      await eventually('gRPC gets through', async () => (await callGrpc(target, 'grpc.test')).said === 'hello')
      assert.deepEqual(await callGrpc(target, 'grpc.test', 'set'), {
        said: 'hello changed',
        counted: ['1', '2', '3', 'reached'],
      })
      await assert.rejects(callGrpc(target, 'other.test'), /UNIMPLEMENTED/)
      await eventually(
        'a WebSocket gets through',
        async () => (await askWebSocket(`ws://${target}/`, 'ws.test')) === 'echo hello',
      )
    } finally {
      await programs.close()
    }
  })

  test('with a pool each Gateway has an address of its own', options, async () => {
    const network = machine().slice(0, machine().lastIndexOf('.'))
    await cluster.kutter('down')
    await cluster.up('--loadbalancer-pool', `${network}.200-${network}.206`)
    const addressOf = (name: string) =>
      eventually(`${name} has an address`, async () => {
        const { addresses, conditions } = await statusOf<{ addresses?: { value: string }[]; conditions: Condition[] }>(
          `gateway ${name}`,
        )
        const [first] = addresses ?? []
        const isThere = said(conditions).Programmed === 'True Programmed' && first?.value.startsWith(`${network}.20`)
        return isThere && first!.value
      })
    const web = [{ name: 'web', port: 80, protocol: 'HTTP' }]
    const names = ['first', 'second', 'third']
    for (const name of names) {
      await cluster.apply(gateway(name, web))
      await cluster.apply(
        route(`of-${name}`, {
          parentRefs: [{ name }],
          rules: [
            {
              filters: [
                { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-by', value: name }] } },
              ],
              backendRefs: [to('one')],
            },
          ],
        }),
      )
    }
    const addresses = await Promise.all(names.map(addressOf))
    assert.equal(new Set(addresses).size, 3)
    for (const [i, name] of names.entries())
      await eventually(`${name} answers at ${addresses[i]}`, async () =>
        new RegExp(`^x-by: ${name}\r?$`, 'm').test((await curl('-i', `http://${addresses[i]}/`)).text),
      )
    // What is not a port of the Gateway is refused, although the kubelet listens on all addresses of its node.
    assert.equal((await curl('-k', `https://${addresses[0]}:10250/`)).code.trim(), '000')
    await cluster.kubectl('delete gateway third')
    await cluster.apply({
      ...gateway('fixed', web),
      spec: {
        gatewayClassName: 'kutter',
        listeners: web,
        addresses: [{ value: `${network}.206` }],
      },
    })
    assert.equal(await addressOf('fixed'), `${network}.206`)
    await cluster.kubectl('delete gateway first second fixed')
  })

  test('without Gateways no process is left', options, async () => {
    await cluster.kubectl('delete gateway edge secure')
    await eventually('the port is closed', async () => (await at('plain.test')).code.trim() === '000')
  })
})
