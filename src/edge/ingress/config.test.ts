// Nothing that users write gets out of the place that it was written for: random and hostile objects become
// configurations, every line of which is one that this program wrote, and HAProxy accepts all of them.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realClock } from '../../base/clock.ts'
import { fc } from '../../base/testing.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { objectOf } from '../../kinds/testing.ts'
import { placeholderPem } from './certificates.ts'
import { configFile, filesOf, placeholderFile } from './config.ts'
import { planIngress } from './plan.ts'
import { Haproxy } from './process.ts'
import { around, ingressOf, noHaproxy, worldOf } from './testing.ts'

/** Texts that would do harm if they were written as they are. */
const hostile = fc.oneof(
  fc.constantFrom(
    'x\nbackend evil',
    "x' \n  server evil 1.2.3.4:80 #",
    'x" if TRUE',
    'x\\',
    'x#y',
    'x\0y',
    '%[env(HOME)]',
    '$HOME',
    '"${HOME}"',
    '\r\n',
    '/a b',
    '/%0Aevil',
    "/a'b",
    '/[a',
    '/\\1',
    '..',
    'é',
    '<<EOF',
  ),
  fc.string({ maxLength: 20, unit: 'binary' }),
)
const some = (...fine: string[]) => fc.oneof(fc.constantFrom(...fine), hostile)

const names = {
  'ssl-redirect': some('true', 'false'),
  'force-ssl-redirect': some('true'),
  'backend-protocol': some('HTTP', 'HTTPS', 'GRPC', 'GRPCS'),
  'proxy-connect-timeout': some('5'),
  'proxy-read-timeout': some('60'),
  'proxy-body-size': some('1m', '0'),
  'whitelist-source-range': some('10.0.0.0/8', Array.from({ length: 100 }, (_, i) => `10.0.${i}.0/24`).join()),
  'denylist-source-range': some('::1', '1.2.3.4'),
  'auth-type': some('basic'),
  'auth-secret': some('users', 'none'),
  'auth-realm': some('Secret place', 'a, b; c!'),
  affinity: some('cookie'),
  'session-cookie-name': some('SESSION'),
  'permanent-redirect': some('https://x.y/z?a=%20#b', 'http://a'),
  'use-regex': some('true'),
  'rewrite-target': some('/', '/$1', '/a/%b/$2'),
  'enable-cors': some('true'),
  'cors-allow-origin': some('*', 'https://a.b, https://*.c.d:8080'),
  'cors-allow-methods': some('GET, PUT'),
  'cors-allow-headers': some('X-A, X-B', '*'),
  'cors-expose-headers': some('X-C'),
  'cors-allow-credentials': some('true', 'false'),
  'cors-max-age': some('10'),
  canary: some('true', 'false'),
  'canary-weight': some('10'),
  'canary-by-header': some('X-Canary'),
  'canary-by-header-value': some('yes'),
  'canary-by-cookie': some('c'),
} as const

const annotations = fc
  .subarray(Object.keys(names) as (keyof typeof names)[], { maxLength: 8 })
  .chain(keys => fc.record(Object.fromEntries(keys.map(key => [key, names[key]]))))
const path = fc.record({
  type: fc.constantFrom('Exact', 'Prefix', 'ImplementationSpecific'),
  path: some('/', '/foo', '/foo/bar', '/x(/|$)(.*)', '/[a-z]+', '/caf%C3%A9', '/y.z', '/q?'),
  service: fc.constantFrom('a', 'b', 'missing'),
})
const host = some('a.test', 'b.test', '*.c.test', '')
const look = fc.record({
  annotations,
  rules: fc.array(fc.record({ host, paths: fc.array(path, { minLength: 1, maxLength: 3 }) }), { maxLength: 3 }),
  tls: fc.array(fc.record({ hosts: fc.array(host, { maxLength: 2 }), secretName: some('cert', 'none') }), {
    maxLength: 2,
  }),
  defaultService: fc.constantFrom(undefined, 'a'),
})

const userData = { auth: Buffer.from("ann:$apr1$x$y\nbob:$5$salt$hashhashhash\neve': x:$1$a$b\n").toString('base64') }
const users = objectOf(Secret, { metadata: { name: 'users' }, data: userData })

const pem = await placeholderPem(realClock.now())
const certificate = objectOf(Secret, {
  metadata: { name: 'cert' },
  type: 'kubernetes.io/tls',
  data: Object.fromEntries(
    ['tls.crt', 'tls.key'].map(key => {
      const at = pem.indexOf('-----BEGIN PRIVATE')
      return [key, Buffer.from(key === 'tls.crt' ? pem.slice(0, at) : pem.slice(at)).toString('base64')]
    }),
  ),
})

const world = worldOf({ a: ['10.1.0.1:80', '10.1.0.2:80'], b: [] }, [users, certificate])

/** Paths of a text with spaces would not survive the helper, which splits at them. */
type Look = typeof look extends fc.Arbitrary<infer T> ? T : never
const ingressesOf = (looks: readonly Look[]) =>
  looks.map((one, i) => {
    const rules = one.rules.map(({ host, paths }) => ({ host, paths: paths.map(() => 'Prefix / a') }))
    const plain = ingressOf({
      name: `i${i}`,
      at: i,
      rules,
      tls: one.tls,
      annotations: one.annotations,
      ...(one.defaultService && { defaultService: one.defaultService }),
    })
    return {
      ...plain,
      spec: {
        ...plain.spec,
        rules: one.rules.map(({ host, paths }) => ({
          host,
          http: {
            paths: paths.map(({ type, path, service }) => ({
              pathType: type,
              path,
              backend: { service: { name: service, port: { number: 80 } } },
            })),
          },
        })),
      },
    }
  })

/** The first words of all lines that this program writes. */
const known =
  /^(global|defaults|frontend ingress|backend \S+|userlist \S+|description|stats (socket|timeout)|fd-hard-limit|nbthread|user|group|chroot|close-spread-time|hard-stop-after|ssl-default-bind-options|tune\.ssl\S*|mode|option|retries|retry-on|timeout|bind|http-request|http-response|use_backend|default_backend|acl (allowed|denied) src|balance|cookie|dynamic-cookie-key|server 10\.1\.0\.[12]_80 10\.1\.0\.[12]:80)( |$)/

test('random objects make configurations of known lines, which HAProxy accepts', { skip: noHaproxy }, async t => {
  const dir = await mkdtemp(join(tmpdir(), 'ingress-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const haproxy = new Haproxy(dir, realClock)
  await haproxy.prepare()
  await haproxy.writeCertificate(placeholderFile, pem)
  await haproxy.writeCertificate('default_cert.pem', pem)
  const { signal } = new AbortController()
  await fc.assert(
    fc.asyncProperty(fc.array(look, { minLength: 1, maxLength: 12 }), async looks => {
      const files = filesOf(planIngress(ingressesOf(looks), world), { ...around(dir), isIPv6: looks.length % 2 === 1 })
      const texts = files.textsFor('cli')
      for (const line of texts.get(configFile)!.split('\n').filter(Boolean)) assert.match(line.trim(), known)
      for (const [name, text] of texts)
        if (name.endsWith('.map'))
          for (const line of text.split('\n').filter(Boolean)) assert.match(line, /^\S+ \S+$/, `${name}: ${line}`)
      for (const line of texts.get('certificates.list')!.split('\n').filter(Boolean))
        assert.match(line, /^\.\.\/certificates\/[\w.-]+\.pem( (\*\.)?[a-z0-9.-]+)?$/)
      assert.ok(await haproxy.accepts(files, signal), texts.get(configFile))
    }),
    { numRuns: 150 },
  )
})

test('the digest changes with everything but the servers', () => {
  const digest = (paths: string[], servers: string[]) =>
    filesOf(planIngress([ingressOf({ rules: [{ host: 'a.test', paths }] })], worldOf({ s: servers })), around('/d'))
      .digest
  const first = digest(['Prefix / s'], ['10.0.0.1:1'])
  assert.equal(digest(['Prefix / s'], ['10.0.0.2:1', '10.0.0.3:1']), first)
  assert.notEqual(digest(['Prefix /x s'], ['10.0.0.1:1']), first)
})
