// Verifies tokens that others have signed (JWS, RFC 7515) with the keys that they publish (JWK, RFC 7517). Only the
// signatures of RSA and of elliptic curves count: a secret that both sides share could not be published, and `none` is
// no signature. The cryptography is that of Node.js.
import { constants, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto'
import { own } from '../base/own.ts'

export const signatureAlgorithms = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
] as const
export type SignatureAlgorithm = (typeof signatureAlgorithms)[number]

const isAlgorithm = (text: unknown): text is SignatureAlgorithm =>
  (signatureAlgorithms as readonly unknown[]).includes(text)

export interface SignedToken {
  readonly algorithm: SignatureAlgorithm
  readonly keyId: string | undefined
  readonly claims: Readonly<Record<string, unknown>>
  /** What is signed, and the signature. */
  readonly text: string
  readonly signature: Buffer
}

/** A key of an issuer, and the algorithms for which it is. */
interface PublishedKey {
  readonly keyId: string | undefined
  readonly algorithms: readonly SignatureAlgorithm[]
  readonly key: KeyObject
}

/** Limits of a token, of the keys of a set, and of the bits of an RSA key. */
export const maxTokenBytes: number = 16 << 10
const maxKeys = 100
const rsaBits = { min: 1024, max: 8192 }

const curves: Readonly<Record<string, SignatureAlgorithm>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}

/** Splits a token, which is not verified by that. Undefined for what is none, or has another sort of signature. */
export function splitToken(token: string, maxBytes: number = maxTokenBytes): SignedToken | undefined {
  if (token.length > maxBytes) return undefined
  const parts = token.split('.')
  if (parts.length !== 3) return undefined
  const [head = '', body = '', signature = ''] = parts
  const [header, claims, bytes] = [objectIn(head), objectIn(body), bytesIn(signature)]
  // An extension that must be understood (`crit`) never is.
  if (!header || !claims || !bytes || !isAlgorithm(header.alg) || header.crit !== undefined) return undefined
  const keyId = typeof header.kid === 'string' && header.kid ? header.kid : undefined
  return { algorithm: header.alg, keyId, claims, text: `${head}.${body}`, signature: bytes }
}

/** The usable keys of a document with a set of keys; undefined if it is none. What cannot be used is left out. */
export function readKeySet(document: unknown): PublishedKey[] | undefined {
  const keys = isObject(document) ? own(document, 'keys') : undefined
  if (!Array.isArray(keys)) return undefined
  return keys.slice(0, maxKeys).flatMap((one: unknown) => (isObject(one) ? (readKey(one) ?? []) : []))
}

/** Whether one of the keys has signed a token. The key decides about the algorithm, and the token must agree. */
export function isSignedBy(token: SignedToken, keys: readonly PublishedKey[]): boolean {
  return keys.some(
    ({ keyId, algorithms, key }) =>
      algorithms.includes(token.algorithm) &&
      (token.keyId === undefined || token.keyId === keyId) &&
      verify(
        `sha${token.algorithm.slice(2)}`,
        Buffer.from(token.text),
        {
          key,
          dsaEncoding: 'ieee-p1363',
          ...(token.algorithm.startsWith('PS') && {
            padding: constants.RSA_PKCS1_PSS_PADDING,
            saltLength: constants.RSA_PSS_SALTLEN_AUTO,
          }),
        },
        token.signature,
      ),
  )
}

function readKey(jwk: Readonly<Record<string, unknown>>): PublishedKey | undefined {
  if (jwk.use !== undefined && jwk.use !== 'sig') return undefined
  const key = importKey(jwk)
  if (!key) return undefined
  const algorithms = algorithmsOf(key).filter(name => jwk.alg === undefined || jwk.alg === name)
  return { keyId: typeof jwk.kid === 'string' ? jwk.kid : undefined, algorithms, key }
}

function importKey({ kty, n, e, crv, x, y }: Readonly<Record<string, unknown>>): KeyObject | undefined {
  // Only the public parts are taken, and secrets (`oct`) are no public keys.
  const jwk = kty === 'RSA' ? { kty, n, e } : kty === 'EC' ? { kty, crv, x, y } : undefined
  if (!jwk) return undefined
  try {
    return createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
  } catch {
    // A key of a kind that is not known is not an error: an issuer may have keys for other readers.
    return undefined
  }
}

function algorithmsOf(key: KeyObject): SignatureAlgorithm[] {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'ec') return [own(curves, namedCurve) ?? []].flat()
  if (modulusLength < rsaBits.min || modulusLength > rsaBits.max) return []
  return signatureAlgorithms.filter(name => !name.startsWith('ES'))
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The bytes of base64url without padding; Node.js would skip what is none. */
const bytesIn = (part: string): Buffer | undefined =>
  /^[\w-]+$/.test(part) && part.length % 4 !== 1 ? Buffer.from(part, 'base64url') : undefined

function objectIn(part: string): Readonly<Record<string, unknown>> | undefined {
  const bytes = bytesIn(part)
  if (!bytes) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return isObject(value) ? value : undefined
  } catch {
    // Text that is not JSON is an expected outcome, which the caller handles.
    return undefined
  }
}
