import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { VirtualClock } from '../base/clock.ts'
import { isReason } from '../base/errors.ts'
import { TokenVerifier, jwtLimits, keySet, makeSigningKey, peekClaims, readSigningKey, signToken } from './jwt.ts'

const rsa = readSigningKey(makeSigningKey())
const ec = readSigningKey(
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
)
const clock = new VirtualClock()
const seconds = clock.now() / 1000
const claims = {
  iss: 'https://kubernetes.default.svc',
  sub: 'system:serviceaccount:a:b',
  aud: ['api'],
  nbf: seconds,
  exp: seconds + 3600,
}
const refused = (message: RegExp) => (error: unknown) => isReason(error, 'Unauthorized') && message.test(error.message)

test('signed tokens are verified here and by another library', async () => {
  for (const key of [rsa, ec]) {
    const token = signToken(key, claims)
    assert.deepEqual(new TokenVerifier([rsa, ec], clock).verify(token), claims)
    assert.deepEqual(peekClaims(token), claims)
    const set = createLocalJWKSet(keySet([rsa, ec]) as Parameters<typeof createLocalJWKSet>[0])
    const checked = await jwtVerify(token, set, { currentDate: new Date(clock.now()), audience: 'api' })
    assert.deepEqual(checked.payload, claims)
  }
})

test('a public key verifies but does not sign, and has no secret', () => {
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string
  const publicOnly = readSigningKey(pem)
  assert.equal(publicOnly.keyId, rsa.keyId)
  assert.deepEqual(new TokenVerifier([publicOnly], clock).verify(signToken(rsa, claims)), claims)
  assert.throws(() => signToken(publicOnly, claims), /no private part/)
  assert.deepEqual(Object.keys(keySet([rsa]).keys[0]!).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'])
})

test('forged and malformed tokens are refused', () => {
  const verifier = new TokenVerifier([rsa], clock)
  const [head, body, signature] = signToken(rsa, claims).split('.') as [string, string, string]
  const other = Buffer.from(JSON.stringify({ ...claims, sub: 'root' })).toString('base64url')
  const none = Buffer.from('{"alg":"none"}').toString('base64url')
  const hs = Buffer.from('{"alg":"HS256"}').toString('base64url')
  for (const token of [
    `${head}.${other}.${signature}`,
    `${none}.${body}.`,
    `${hs}.${body}.${signature}`,
    signToken(ec, claims),
  ])
    assert.throws(() => verifier.verify(token), refused(/not signed by any of the keys/), token)
  for (const token of ['', 'a.b', 'a.b.c', '..', `${head}.bnVsbA.${signature}`, 'x'.repeat(jwtLimits.tokenBytes + 1)])
    assert.throws(() => verifier.verify(token), refused(/not a signed token/))
  assert.equal(peekClaims('abc'), undefined)
})

test('a token is valid only in its time, even if its signature is cached', async () => {
  const time = new VirtualClock(clock.now() - 120_000)
  const verifier = new TokenVerifier([rsa], time)
  const token = signToken(rsa, claims)
  assert.throws(() => verifier.verify(token), refused(/not valid yet/))
  await time.forward(120_000)
  assert.deepEqual(verifier.verify(token), claims)
  await time.forward(3600_000 + jwtLimits.leewaySeconds * 1000)
  assert.throws(() => verifier.verify(token), refused(/has expired/))
})
