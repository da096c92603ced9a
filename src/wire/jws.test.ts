// Tokens of other issuers, as they may be and as attackers would like them to be.
import { ok, strictEqual } from 'node:assert/strict'
import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { test } from 'node:test'
import {
  isSignedBy,
  maxTokenBytes,
  readKeySet,
  type SignatureAlgorithm,
  signatureAlgorithms,
  splitToken,
} from './jws.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const curve = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
const [p256, p384, p521] = [curve('P-256'), curve('P-384'), curve('P-521')]
const pairs: Readonly<Record<string, { privateKey: KeyObject; publicKey: KeyObject }>> = {
  ES256: p256,
  ES384: p384,
  ES512: p521,
}
const pairOf = (algorithm: string) => pairs[algorithm] ?? rsa

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function tokenOf(algorithm: SignatureAlgorithm, header: object = {}, key = pairOf(algorithm).privateKey): string {
  const text = `${part({ alg: algorithm, kid: 'k', ...header })}.${part({ iss: 'me' })}`
  const pss = algorithm.startsWith('PS') && { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  const signature = sign(`sha${algorithm.slice(2)}`, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363', ...pss })
  return `${text}.${signature.toString('base64url')}`
}

const jwk = (key: KeyObject, more: object = {}) => ({ ...key.export({ format: 'jwk' }), kid: 'k', ...more })
const isValid = (token: string, keys: unknown[]) => {
  const split = splitToken(token)
  return split !== undefined && isSignedBy(split, readKeySet({ keys })!)
}

test('every algorithm is verified with its key, and with no other', () => {
  for (const algorithm of signatureAlgorithms) {
    const token = tokenOf(algorithm)
    ok(isValid(token, [jwk(pairOf(algorithm).publicKey)]), algorithm)
    ok(isValid(token, [jwk(pairOf(algorithm).publicKey, { use: 'sig', alg: algorithm })]), algorithm)
    for (const other of [rsa, p256, p384, p521])
      if (other !== pairOf(algorithm)) ok(!isValid(token, [jwk(other.publicKey)]), algorithm)
    ok(!isValid(`${token.slice(0, -6)}AAAAAA`, [jwk(pairOf(algorithm).publicKey)]), algorithm)
  }
})

test('the algorithm cannot be chosen by the token', () => {
  const body = part({ iss: 'me' })
  const none = `${part({ alg: 'none', kid: 'k' })}.${body}`
  for (const token of [`${none}.`, `${none}.AAAA`]) strictEqual(splitToken(token), undefined, token)
  // The public key as the secret of a HMAC: the classic confusion.
  const head = `${part({ alg: 'HS256', kid: 'k' })}.${body}`
  const secret = rsa.publicKey.export({ type: 'spki', format: 'pem' })
  strictEqual(splitToken(`${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`), undefined)
  strictEqual(readKeySet({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'k', alg: 'HS256' }] })?.length, 0)
  // A signature of one algorithm under the name of another.
  ok(!isValid(tokenOf('RS256', { alg: 'PS256' }), [jwk(rsa.publicKey)]))
  ok(!isValid(tokenOf('RS256', { alg: 'RS512' }), [jwk(rsa.publicKey)]))
  ok(!isValid(tokenOf('RS256', { alg: 'ES256' }), [jwk(rsa.publicKey), jwk(p256.publicKey)]))
  ok(!isValid(tokenOf('RS256'), [jwk(rsa.publicKey, { alg: 'RS512' })]))
})

test('the key must be the one that the token names, and be for signatures', () => {
  ok(!isValid(tokenOf('RS256', { kid: 'other' }), [jwk(rsa.publicKey)]))
  ok(isValid(tokenOf('RS256', { kid: undefined }), [jwk(rsa.publicKey)]))
  ok(isValid(tokenOf('RS256'), [jwk(p256.publicKey), jwk(rsa.publicKey)]))
  ok(!isValid(tokenOf('RS256'), [jwk(rsa.publicKey, { use: 'enc' })]))
  ok(
    !isValid(tokenOf('RS256', {}, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey), [
      jwk(rsa.publicKey),
    ]),
  )
  const short = generateKeyPairSync('rsa', { modulusLength: 768 })
  ok(!isValid(tokenOf('RS256', {}, short.privateKey), [jwk(short.publicKey)]))
})

test('what is no token, and what is no set of keys', () => {
  const good = tokenOf('ES256')
  const [head, body, signature] = good.split('.')
  const bad = [
    '',
    '..',
    'a.b.c',
    `${head}.${body}`,
    `${good}.x`,
    `${head}.${body}.${signature}=`,
    `${head}.${body}.${signature}+/`,
    `${head}\n.${body}.${signature}`,
    `${part([1])}.${body}.${signature}`,
    `${head}.${part('text')}.${signature}`,
    `${part({ alg: 'ES256', crit: ['exp'] })}.${body}.${signature}`,
    `${part({ alg: ['ES256'] })}.${body}.${signature}`,
    `${head}.${part({ x: 'y'.repeat(maxTokenBytes) })}.${signature}`,
  ]
  for (const token of bad) strictEqual(splitToken(token), undefined, token.slice(0, 80))
  for (const document of [undefined, null, [], {}, { keys: {} }, 'keys']) strictEqual(readKeySet(document), undefined)
  const odd = [
    null,
    1,
    {},
    { kty: 'RSA' },
    { kty: 'RSA', n: 'AQAB', e: 'AQAB' },
    { kty: 'EC', crv: 'P-1', x: '', y: '' },
  ]
  strictEqual(readKeySet({ keys: odd })!.filter(({ algorithms }) => algorithms.length).length, 0)
  strictEqual(readKeySet({ keys: Array.from({ length: 500 }, () => jwk(p256.publicKey)) })!.length, 100)
})
