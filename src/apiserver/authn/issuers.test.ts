// Tokens of issuers over HTTPS: which count, what users they are of, and what a hostile or broken issuer can do.
import { deepStrictEqual, match, ok, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { parseAuthentication } from './configuration.ts'
import { Issuers } from './issuers.ts'
import { openIssuer, openIssuers } from './testing.ts'

const start = Date.parse('2026-01-01T00:00:00Z')

test('a token of an issuer has a user, and its keys are read once', async t => {
  const { issuer, issuers, specOf } = await openIssuers(t)
  issuers.begin(
    specOf({
      claimMappings: {
        username: { claim: 'sub', prefix: 'x:' },
        groups: { claim: 'roles', prefix: 'g:' },
        uid: { claim: 'id' },
      },
    }),
  )
  deepStrictEqual(await issuers.userOf(issuer.token({ roles: ['a', 'b'], id: '7' })), {
    name: 'x:jane',
    uid: '7',
    groups: ['g:a', 'g:b'],
  })
  deepStrictEqual((await issuers.userOf(issuer.token({ roles: 'one', id: '7', sub: 'joe' })))?.groups, ['g:one'])
  await rejects(issuers.userOf(issuer.token()), /parse uid claims "id"/)
  await rejects(issuers.userOf(issuer.token({ id: '7', roles: [1] })), /parse groups claim/)
  await rejects(issuers.userOf(issuer.token({ id: '7', sub: '' })), /username is empty/)
  await rejects(issuers.userOf(issuer.token({ id: '7', sub: ['jane'] })), /parse username claims/)
  deepStrictEqual(issuer.asked, ['/.well-known/openid-configuration', '/keys'])
})

test('a token must be for an audience, and valid now', async t => {
  const { clock, issuer, issuers, specOf } = await openIssuers(t)
  issuers.begin(specOf())
  const now = Math.floor(clock.now() / 1000)
  const bad: readonly (readonly [claims: object, why: RegExp])[] = [
    [{ aud: 'other' }, /audience/],
    [{ aud: [] }, /audience/],
    [{ aud: undefined }, /audience/],
    [{ aud: [['kutter']] }, /audience/],
    [{ exp: now - 1 }, /expired/],
    [{ exp: undefined }, /expired/],
    [{ exp: '9999999999' }, /expired/],
    [{ nbf: now + 61 }, /nbf/],
    [{ nbf: 'now' }, /nbf/],
  ]
  for (const [claims, why] of bad) await rejects(issuers.userOf(issuer.token(claims)), why, JSON.stringify(claims))
  for (const claims of [{ aud: ['other', 'b'] }, { nbf: now + 59 }, { exp: now + 1 }, { iat: now + 9999 }])
    strictEqual((await issuers.userOf(issuer.token(claims)))?.name, 'x:jane', JSON.stringify(claims))
  // Of another issuer, or of none: nothing that this source decides about.
  for (const claims of [
    { iss: `${issuer.url}/` },
    { iss: 'https://other.test' },
    { iss: undefined },
    { iss: [issuer.url] },
  ])
    strictEqual(await issuers.userOf(issuer.token(claims)), undefined, JSON.stringify(claims))
  for (const token of ['', 'a.b.c', issuer.token({ big: 'x'.repeat(20_000) })])
    strictEqual(await issuers.userOf(token), undefined)
  // A user that is kept is not kept beyond the end of the token.
  const brief = issuer.token({ exp: now + 2, sub: 'brief' })
  strictEqual((await issuers.userOf(brief))?.name, 'x:brief')
  await clock.forward(3_000)
  await rejects(issuers.userOf(brief), /expired/)
})

test('a signature of another key is refused, and new keys are read at most once in five seconds', async t => {
  const { clock, issuer, issuers, specOf } = await openIssuers(t)
  issuers.begin(specOf())
  const old = issuer.token()
  await issuers.userOf(old)
  const keyReads = () => issuer.asked.filter(path => path === '/keys').length
  issuer.rotate()
  const made = issuer.token({ sub: 'joe' })
  await rejects(issuers.userOf(made), /signature/)
  await rejects(issuers.userOf(issuer.token({}, { kid: 'made-up' })), /signature/)
  strictEqual(keyReads(), 1)
  await clock.forward(6_000)
  const many = [made, issuer.token({ sub: 'ann' }, { kid: 'made-up' }), issuer.token({ sub: 'jim' })]
  const [joe, ann, jim] = await Promise.allSettled(many.map(token => issuers.userOf(token)))
  deepStrictEqual([joe!.status, ann!.status, jim!.status], ['fulfilled', 'rejected', 'fulfilled'])
  strictEqual(keyReads(), 2)
  // The old key is not there any more.
  await clock.forward(11_000)
  await rejects(issuers.userOf(old), /signature/)
})

test('an issuer that fails, hangs or answers too much leaves its tokens undecided, and recovers', async t => {
  const { clock, issuer, issuers, specOf } = await openIssuers(t)
  const answers: readonly (readonly [path: string, body: string | undefined, why: RegExp])[] = [
    ['/.well-known/openid-configuration', '{}', /document of another issuer/],
    ['/.well-known/openid-configuration', '[1', /JSON/],
    [
      '/.well-known/openid-configuration',
      JSON.stringify({ issuer: issuer.url, jwks_uri: 'http://127.0.0.1/keys' }),
      /no https address/,
    ],
    ['/.well-known/openid-configuration', JSON.stringify({ issuer: issuer.url }), /no https address/],
    ['/.well-known/openid-configuration', ' '.repeat(2 << 20), /too long/],
    ['/keys', '{"keys":7}', /has no set of keys/],
    ['/keys', undefined, /hang up|socket/],
  ]
  for (const [path, body, why] of answers) {
    const own = new Issuers({ clock, log: silentLog, anonymous: true })
    issuer.answers.set(path, response => (body === undefined ? response.destroy() : response.end(body)))
    own.begin(specOf())
    await rejects(own.userOf(issuer.token()), why)
    issuer.answers.clear()
    await clock.forward(6_000)
    strictEqual((await own.userOf(issuer.token()))?.name, 'x:jane')
  }
  // Others go on while one hangs: its token waits alone.
  issuer.answers.set('/keys', () => {})
  issuers.begin(specOf())
  const waiting = issuers.userOf(issuer.token()).catch(() => 'late')
  strictEqual(await Promise.race([waiting, issuers.userOf('a.b.c')]), undefined)
  issuer.close()
  strictEqual(await waiting, 'late')
})

test('the certificate of an issuer must be of its authority', async t => {
  const { issuer, issuers, specOf } = await openIssuers(t)
  const other = await openIssuer()
  other.close()
  issuers.begin(specOf({}, { certificateAuthority: other.ca }))
  await rejects(issuers.userOf(issuer.token()), /certificate/)
  const system = new Issuers({ clock: new VirtualClock(), log: silentLog, anonymous: true })
  system.begin(specOf({}, { certificateAuthority: undefined }))
  await rejects(system.userOf(issuer.token()), /certificate/)
})

test('the document may be elsewhere', async t => {
  const { issuer, issuers, specOf } = await openIssuers(t)
  issuers.begin(specOf({}, { discoveryURL: `${issuer.url}/in/cluster` }))
  strictEqual((await issuers.userOf(issuer.token()))?.name, 'x:jane')
  deepStrictEqual(issuer.asked, ['/in/cluster', '/keys'])
})

test('expressions make users, and rules refuse them', async t => {
  const { issuer, issuers, specOf } = await openIssuers(t)
  issuers.begin(
    specOf({
      claimValidationRules: [
        { claim: 'hd', requiredValue: 'a.test' },
        { expression: 'claims.exp - claims.iat <= 3600', message: 'for too long' },
      ],
      claimMappings: {
        username: { expression: "claims.email_verified ? 'm:' + claims.email : claims.sub" },
        groups: { expression: "claims.roles.split(',').map(r, 'g:' + r)" },
        uid: { expression: 'string(claims.id)' },
        extra: [
          { key: 'a.io/team', valueExpression: 'claims.?team.orValue(null)' },
          { key: 'a.io/none', valueExpression: "['', '']" },
        ],
      },
      userValidationRules: [
        { expression: "!user.username.startsWith('system:')", message: 'reserved' },
        { expression: "user.groups.all(g, g != 'g:root')" },
      ],
    }),
  )
  const claims = { hd: 'a.test', email: 'j@a.test', email_verified: true, roles: 'a,b', id: 7, team: 'red' }
  deepStrictEqual(await issuers.userOf(issuer.token(claims)), {
    name: 'm:j@a.test',
    uid: '7',
    groups: ['g:a', 'g:b'],
    extra: { 'a.io/team': ['red'] },
  })
  const bad: readonly (readonly [claims: object, why: RegExp])[] = [
    [{ hd: 'b.test' }, /required claim hd/],
    [{ hd: undefined }, /required claim hd/],
    [{ exp: Math.floor(start / 1000) * 9 }, /for too long/],
    [{ email_verified: false, sub: 'system:admin' }, /reserved/],
    [{ email_verified: false, sub: 7 }, /must return a string/],
    [{ roles: 'root' }, /failed/],
    [{ roles: undefined }, /no such key/],
    [{ team: [7] }, /must return a string or a list of strings/],
  ]
  for (const [more, why] of bad)
    await rejects(issuers.userOf(issuer.token({ ...claims, ...more })), why, JSON.stringify(more))
})

test('an address that is not verified is no name, and names of JavaScript are no claims', async t => {
  const { issuer, issuers, specOf } = await openIssuers(t)
  issuers.begin(
    specOf({
      claimMappings: { username: { claim: 'email', prefix: '' }, groups: { claim: 'constructor', prefix: '' } },
    }),
  )
  strictEqual((await issuers.userOf(issuer.token({ email: 'a@b' })))?.name, 'a@b')
  strictEqual((await issuers.userOf(issuer.token({ email: 'a@b', email_verified: true })))?.name, 'a@b')
  for (const email_verified of [false, 'true', null])
    await rejects(issuers.userOf(issuer.token({ email: 'a@b', email_verified })), /email not verified/)
  await rejects(issuers.userOf(issuer.token()), /parse username claims "email"/)
})

test('a new configuration takes effect when the keys of its issuers are there, or not at all', async t => {
  const { clock, issuer, issuers, specOf } = await openIssuers(t)
  const second = await openIssuer(() => clock.now())
  t.after(() => second.close())
  issuers.begin(specOf())
  const signal = new AbortController().signal
  await issuers.replace(specOf({}, {}, second), signal)
  strictEqual((await issuers.userOf(second.token()))?.name, 'x:jane')
  strictEqual(await issuers.userOf(issuer.token()), undefined)
  issuer.answers.set('/keys', response => response.writeHead(500).end())
  let why = ''
  const replaced = issuers.replace(specOf(), signal).catch((error: Error) => void (why = error.message))
  while (!why) {
    await new Promise(setImmediate)
    await clock.forward(1_000)
  }
  await replaced
  match(why, /the keys of .* cannot be read: .*500/)
  strictEqual((await issuers.userOf(second.token()))?.name, 'x:jane')
  ok(issuer.asked.length > 3)
})

test('anonymous requests may be limited to paths', async t => {
  const { issuers } = await openIssuers(t)
  const use = (anonymous?: object) => {
    const head = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration' }
    issuers.begin(parseAuthentication(JSON.stringify({ ...head, anonymous }), 'f', []))
    return ['/livez', '/livez/ping', '/api'].map(path => issuers.allowsAnonymous(path))
  }
  deepStrictEqual(use(), [true, true, true])
  deepStrictEqual(use({ enabled: true }), [true, true, true])
  deepStrictEqual(use({ enabled: true, conditions: [{ path: '/livez' }] }), [true, false, false])
  deepStrictEqual(use({ enabled: false }), [false, false, false])
})
