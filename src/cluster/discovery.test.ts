// A join token is accepted by its own cluster only, and every other server is refused with a reason. Servers are real.
import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { stringify } from 'yaml'
import { realClock } from '../base/clock.ts'
import { detachedSignature } from '../wire/jwt.ts'
import { issue, makeAuthority, publicKeyHash } from '../wire/x509.ts'
import { discover } from './discovery.ts'
import { joinTokenText, randomText, readJoinToken } from './join-token.ts'

const day = 24 * 3600_000
const authorityOf = (commonName: string) => makeAuthority({ commonName, now: realClock.now(), validMs: day })
const secret = '0123456789abcdef'

interface Fake {
  /** Whose certificate the server shows; default the cluster's. */
  shown?: Awaited<ReturnType<typeof authorityOf>>
  signedWith?: string
  id?: string
  date?: string
  names?: string[]
}

/** A server that presents the given cluster-info; returns its address, and a token for the true cluster. */
async function cluster(t: TestContext, { shown, signedWith = secret, id = 'abcdef', date, names }: Fake = {}) {
  const authority = await authorityOf('true-ca')
  const pair = await issue(
    shown ?? authority,
    { commonName: 'kube-apiserver', ips: names ?? ['127.0.0.1'] },
    { usages: ['server auth', 'digital signature'], now: realClock.now(), validMs: day },
  )
  const ca = Buffer.from(authority.certPem).toString('base64')
  const kubeconfig = stringify({ clusters: [{ name: '', cluster: { 'certificate-authority-data': ca } }] })
  const data = { kubeconfig, [`jws-kubeconfig-${id}`]: detachedSignature(kubeconfig, id, signedWith) }
  const server = createServer({ cert: pair.certPem, key: pair.keyPem }, (_request, response) => {
    if (date) response.setHeader('date', date)
    response.end(JSON.stringify({ kind: 'ConfigMap', data }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, authority, token: { id: 'abcdef', secret, authority: await publicKeyHash(authority.certPem) } }
}

test('the true cluster is found, with its authority', async t => {
  const { url, token, authority } = await cluster(t)
  const { ca, localAddress } = await discover(url, token, realClock)
  assert.equal(ca, authority.certPem)
  assert.equal(localAddress, '127.0.0.1')
})

const refusals: { name: string; fake: () => Promise<Fake> | Fake; says: RegExp }[] = [
  { name: 'another token’s cluster', fake: () => ({ id: 'zzzzzz' }), says: /has no token abcdef: it has expired/ },
  {
    name: 'a signature with another secret',
    fake: () => ({ signedWith: 'fedcba9876543210' }),
    says: /token abcdef is wrong/,
  },
  {
    name: 'a server that repeats the true answer with a certificate of its own',
    fake: async () => ({ shown: await authorityOf('true-ca') }),
    says: /not signed by the cluster's authority/,
  },
  {
    name: 'an address the certificate is not for',
    fake: () => ({ names: ['192.0.2.9'] }),
    says: /not for that address/,
  },
  {
    name: 'a clock that is an hour off',
    fake: () => ({ date: new Date(realClock.now() + 3600_000).toUTCString() }),
    says: /the time of this machine is .* set the clock/,
  },
]
for (const { name, fake, says } of refusals)
  test(`discovery refuses ${name}`, async t => {
    const { url, token } = await cluster(t, await fake())
    await assert.rejects(discover(url, token, realClock), says)
  })

test('discovery refuses an authority with another hash than the token has, and a port where nothing listens', async t => {
  const { url, token } = await cluster(t)
  const other = { ...token, authority: `sha256:${'0'.repeat(64)}` }
  await assert.rejects(
    discover(url, other, realClock),
    /its key has the hash sha256:[0-9a-f]{64}, the token has sha256:0000/,
  )
  await assert.rejects(
    discover('https://127.0.0.1:1', token, realClock),
    /cannot reach https:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/,
  )
})

test('join tokens are parsed back from their text, and incomplete ones are named in the error', () => {
  const token = { id: randomText(6), secret: randomText(16), authority: `sha256:${'ab'.repeat(32)}` }
  assert.deepEqual(readJoinToken(` ${joinTokenText(token)}\n`), token)
  assert.throws(() => readJoinToken('abcdef'), /has the form abcdef\.0123456789abcdef@sha256/)
  assert.throws(() => readJoinToken('abcdef.0123456789abcdef'), /has no hash/)
  assert.throws(() => readJoinToken('abcdef.0123456789abcdef@sha256:xyz'), /has no hash/)
  assert.equal(new Set(Array.from({ length: 100 }, () => randomText(16))).size, 100)
})
