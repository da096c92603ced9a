// Groups that a token only refers to: where they are fetched, what counts as an answer, and what a broken or hostile
// endpoint can do.
import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { openIssuer, openIssuers, type TestIssuer } from './testing.ts'

const mapping = { username: { claim: 'sub', prefix: '' }, groups: { claim: 'groups', prefix: 'g:' } }

/** An issuer whose tokens refer to the endpoint `/groups` of it or of another. */
async function opened(t: TestContext, claimMappings: object = mapping) {
  const found = await openIssuers(t)
  const other = await openIssuer(() => found.clock.now())
  t.after(() => other.close())
  const { issuer, issuers, specOf } = found
  issuers.begin(specOf({ claimMappings }, { certificateAuthority: issuer.ca + other.ca }))
  const refer = (of: TestIssuer = issuer, more: object = {}) => ({
    _claim_names: { groups: 'src1' },
    _claim_sources: { src1: { endpoint: `${of.url}/groups`, ...more } },
  })
  const serve = (of: TestIssuer, text: string | (() => string)) =>
    of.answers.set('/groups', response => response.end(typeof text === 'string' ? text : text()))
  const groupsOf = async (token: string) => (await issuers.userOf(token))?.groups
  return { ...found, other, refer, serve, groupsOf }
}

test('groups come from the endpoint that a token names, with the token for it', async t => {
  const { issuer, refer, groupsOf } = await opened(t)
  const sent: unknown[] = []
  issuer.answers.set('/groups', (response, { headers, method }) => {
    sent.push([method, headers.authorization])
    response.end(`${issuer.token({ groups: ['a', 'b'] })}\n`)
  })
  deepStrictEqual(await groupsOf(issuer.token(refer())), ['g:a', 'g:b'])
  deepStrictEqual(await groupsOf(issuer.token(refer(issuer, { access_token: 'f005ba11' }))), ['g:a', 'g:b'])
  deepStrictEqual(sent, [
    ['GET', undefined],
    ['GET', 'Bearer f005ba11'],
  ])
})

test('the token with the groups may be of another issuer, with keys of its own', async t => {
  const { issuer, other, refer, serve, groupsOf } = await opened(t)
  serve(issuer, other.token({ groups: 'one' }))
  deepStrictEqual(await groupsOf(issuer.token(refer())), ['g:one'])
  deepStrictEqual(other.asked, ['/.well-known/openid-configuration', '/keys'])
  deepStrictEqual(await groupsOf(issuer.token({ ...refer(), sub: 'joe' })), ['g:one'])
  strictEqual(other.asked.length, 2)
})

test('what a token has itself, and what needs no groups, is not fetched', async t => {
  const { issuer, refer, groupsOf } = await opened(t)
  deepStrictEqual(await groupsOf(issuer.token({ ...refer(), groups: ['own'] })), ['g:own'])
  deepStrictEqual(await groupsOf(issuer.token({ ...refer(), groups: null })), [])
  const aggregated = { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { JWT: 'a.b.c' } } }
  deepStrictEqual(await groupsOf(issuer.token(aggregated)), [])
  deepStrictEqual(await groupsOf(issuer.token({ ...refer(), _claim_names: { roles: 'src1' } })), [])
  const byExpression = await opened(t, { username: mapping.username, groups: { expression: "['fixed']" } })
  deepStrictEqual(await byExpression.groupsOf(byExpression.issuer.token(byExpression.refer())), ['fixed'])
  for (const { asked } of [issuer, byExpression.issuer]) ok(!asked.includes('/groups'))
})

test('a reference must be whole', async t => {
  const { issuer, refer, groupsOf } = await opened(t)
  const { _claim_names: names, _claim_sources: sources } = refer()
  const bad: readonly (readonly [claims: object, why: RegExp])[] = [
    [{ _claim_names: names }, /source "src1" of the claim groups does not exist/],
    [{ _claim_names: { groups: '' }, _claim_sources: sources }, /source "" .* does not exist/],
    [{ _claim_names: { groups: 'constructor' }, _claim_sources: sources }, /does not exist/],
    [{ _claim_names: { roles: 'src2' }, _claim_sources: sources }, /claim roles does not exist/],
    [{ _claim_names: ['src1'], _claim_sources: sources }, /_claim_names must be/],
    [{ _claim_names: { groups: 1 }, _claim_sources: sources }, /_claim_names must be/],
    [{ _claim_names: names, _claim_sources: { src1: 'there' } }, /_claim_sources must be/],
    [{ _claim_names: names, _claim_sources: { src1: { endpoint: 1 } } }, /_claim_sources must be/],
    [refer(issuer, { endpoint: 'http://127.0.0.1:1/' }), /Protocol "http:" not supported/],
    [refer(issuer, { endpoint: 'nowhere' }), /Invalid URL/],
    [refer(issuer, { access_token: 'a\r\nx: y' }), /Invalid character/],
  ]
  for (const [claims, why] of bad) await rejects(groupsOf(issuer.token(claims)), why, JSON.stringify(claims))
  ok(!issuer.asked.includes('/groups'))
})

test('what an endpoint answers is not trusted', async t => {
  const { clock, issuer, other, refer, serve, groupsOf } = await opened(t)
  const forged = await openIssuer(() => clock.now())
  t.after(() => forged.close())
  const now = Math.floor(clock.now() / 1000)
  const bad: readonly (readonly [text: string, why: RegExp])[] = [
    ['', /does not answer with a token/],
    [JSON.stringify({ groups: ['a'] }), /does not answer with a token/],
    [issuer.token({}), /did not contain claim: groups/],
    [issuer.token({ groups: ['a'], aud: 'other' }), /audience/],
    [issuer.token({ groups: ['a'], exp: now - 1 }), /expired/],
    [issuer.token({ groups: [1] }), /parse groups claim/],
    [forged.token({ groups: ['a'], iss: issuer.url }), /signature/],
    [issuer.token({ groups: ['a'], iss: 'http://127.0.0.1' }), /no https address/],
    [issuer.token({ groups: ['a'], iss: undefined }), /no https address/],
    // Its certificate is of an authority that is not configured.
    [forged.token({ groups: ['a'] }), /certificate/],
    // It is signed by one, and names another.
    [issuer.token({ groups: ['a'], iss: other.url }), /signature/],
    [issuer.token({ groups: ['x'.repeat(300 << 10)] }), /does not answer with a token/],
    ['x'.repeat(2 << 20), /too long/],
    [issuer.token({ ...refer() }), /did not contain claim: groups/],
    [issuer.token({ groups: ['a'], _claim_names: { b: 'none' } }), /does not exist/],
  ]
  for (const [text, why] of bad) {
    serve(issuer, text)
    await rejects(groupsOf(issuer.token(refer())), why, text.slice(0, 100))
    // Keys are read again for a signature that none has made, and not more often than in five seconds.
    await clock.forward(6_000)
  }
  issuer.answers.set('/groups', response => response.writeHead(302, { location: `${issuer.url}/else` }).end())
  await rejects(groupsOf(issuer.token(refer())), /status code 302/)
  // More groups than a token may have are what this is for.
  const many = Array.from({ length: 2000 }, (_, i) => `group-${i}`)
  serve(issuer, issuer.token({ groups: many }))
  strictEqual((await groupsOf(issuer.token(refer())))?.length, 2000)
})

test('a user is kept for ten seconds, not beyond the end of either token, and requests at once share one look', async t => {
  const { clock, issuer, refer, groupsOf } = await opened(t)
  const looks = () => issuer.asked.filter(path => path === '/groups').length
  let exp = Math.floor(clock.now() / 1000) + 3600
  issuer.answers.set('/groups', response => response.end(issuer.token({ groups: ['a'], exp })))
  const token = issuer.token(refer())
  deepStrictEqual(await Promise.all([groupsOf(token), groupsOf(token)]), [['g:a'], ['g:a']])
  await groupsOf(token)
  strictEqual(looks(), 1)
  await clock.forward(11_000)
  exp = Math.floor(clock.now() / 1000) + 5
  await groupsOf(token)
  strictEqual(looks(), 2)
  await clock.forward(6_000)
  await rejects(groupsOf(token), /expired/)
  strictEqual(looks(), 3)
  // A failure is not kept.
  exp += 3600
  deepStrictEqual(await groupsOf(token), ['g:a'])
})

test('an endpoint that hangs keeps its own token waiting, and no other', async t => {
  const { issuer, refer, groupsOf } = await opened(t)
  issuer.answers.set('/groups', () => {})
  const waiting = groupsOf(issuer.token(refer())).catch(() => 'late')
  deepStrictEqual(await Promise.race([waiting, groupsOf(issuer.token({ groups: ['own'] }))]), ['g:own'])
  issuer.close()
  strictEqual(await waiting, 'late')
})
