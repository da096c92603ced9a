// What annotations ask for, and what is said of those that are wrong or not supported.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSettings } from './settings.ts'
import { ingressOf } from './testing.ts'

const read = (annotations: Record<string, string>) => readSettings(ingressOf({ annotations }))
const closed = (annotations: Record<string, string>) => read(annotations).settings.closed ?? 'open'

test('annotations with a meaning here are read', () => {
  for (const [annotations, wanted] of [
    [{ 'ssl-redirect': 'false' }, { redirect: 'never' }],
    [{ 'force-ssl-redirect': 'true', 'ssl-redirect': 'true' }, { redirect: 'always' }],
    [{ 'backend-protocol': 'grpc' }, { protocol: 'GRPC' }],
    [
      { 'proxy-read-timeout': '10', 'proxy-send-timeout': '20s', 'proxy-connect-timeout': '3' },
      { serverMs: 20_000, connectMs: 3_000 },
    ],
    [{ 'proxy-read-timeout': '90', 'proxy-send-timeout': '20' }, { serverMs: 90_000 }],
    [{ 'proxy-body-size': '8m' }, { bodyBytes: 8 * 1024 * 1024 }],
    [{ 'whitelist-source-range': '10.0.0.0/8, 1.2.3.4,::/0' }, { allow: ['10.0.0.0/8', '1.2.3.4', '::/0'] }],
    [{ affinity: 'cookie', 'session-cookie-name': 'S' }, { cookie: 'S' }],
    [
      { 'permanent-redirect': 'https://a.b/c?d=%20', 'permanent-redirect-code': '308' },
      { elsewhere: { to: 'https://a.b/c?d=%20', code: 308 } },
    ],
    [{ 'rewrite-target': '/$2' }, { rewrite: '/$2', usesRegex: true }],
    [
      { 'auth-type': 'basic', 'auth-secret': 'default/users', 'auth-realm': 'Here!' },
      { auth: { secret: 'users', realm: 'Here!', isMap: false } },
    ],
    [
      { canary: 'true', 'canary-weight': '10', 'canary-by-header': 'X-C', 'canary-by-header-value': 'yes' },
      { canary: { weight: 10, header: 'X-C', headerValue: 'yes' } },
    ],
    [
      { 'kutter.dev/affinity': 'cookie', 'kutter.dev/session-cookie-name': 'K', 'session-cookie-name': 'N' },
      { cookie: 'K' },
    ],
  ] as const) {
    const { settings, problems } = read(annotations)
    assert.deepEqual({ ...settings, ...wanted }, settings)
    assert.deepEqual(problems, [], JSON.stringify(annotations))
  }
})

test('what only makes things convenient has no effect if it is wrong, and is reported', () => {
  for (const [name, value] of [
    ['ssl-redirect', 'maybe'],
    ['proxy-read-timeout', '0'],
    ['proxy-read-timeout', '1\n2'],
    ['affinity', 'ip'],
    ['permanent-redirect', 'javascript:alert(1)'],
    ['permanent-redirect', "https://a.b/'x"],
    ['permanent-redirect', 'https://a.b/\r\nSet-Cookie: x'],
  ] as const) {
    const { settings, problems } = read({ [name]: value })
    assert.equal(settings.closed, undefined)
    assert.deepEqual(
      problems.map(({ reason }) => reason),
      ['InvalidAnnotation'],
      `${name}: ${value}`,
    )
  }
  const unknown = read({ 'limit-rps': '1', 'x-forwarded-prefix': '/', 'other.io/foo': 'x' })
  assert.deepEqual(unknown.problems, [
    { reason: 'UnsupportedAnnotation', message: 'these annotations have no effect: limit-rps, x-forwarded-prefix' },
  ])
})

test('what protects closes the Ingress if it is wrong or not supported', () => {
  for (const annotations of [
    { 'whitelist-source-range': '10.0.0.0/99' },
    { 'whitelist-source-range': '' },
    { 'denylist-source-range': 'all' },
    { 'auth-type': 'digest', 'auth-secret': 'x' },
    { 'auth-type': 'basic' },
    { 'auth-type': 'basic', 'auth-secret': 'other/x' },
    { 'auth-type': 'basic', 'auth-secret': 'x', 'auth-realm': 'a"b' },
    { 'auth-url': 'http://auth' },
    { 'auth-tls-secret': 'x' },
    { 'backend-protocol': 'FCGI' },
    { 'proxy-body-size': 'much' },
    { 'rewrite-target': "/a' b" },
    { 'configuration-snippet': 'deny all;' },
    { 'server-snippet': '' },
  ] as Record<string, string>[]) {
    const { problems } = read(annotations)
    assert.notEqual(closed(annotations), 'open', JSON.stringify(annotations))
    assert.ok(problems.some(({ reason }) => reason === 'Refused'))
  }
})
