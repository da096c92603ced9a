// Signed tokens of service accounts (RFC 7519, RFC 7515), and the public keys with which others verify them (RFC 7517).
// The cryptography is that of Node.js. Verified signatures are cached.
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'

interface SigningKey {
  /** SHA-256 of the public key, which kube-apiserver uses as the name of a key. */
  keyId: string
  algorithm: 'RS256' | 'ES256'
  publicKey: KeyObject
  /** Absent for a key that only verifies. */
  privateKey?: KeyObject
}

/** The registered claims, with times in seconds. Private ones, such as `kubernetes.io`, are beside them. */
interface Claims {
  iss?: string
  sub?: string
  aud?: string | string[]
  exp?: number
  nbf?: number
  iat?: number
  jti?: string
  [name: string]: unknown
}

export const jwtLimits = {
  tokenBytes: 16 << 10,
  /** Limit of cached tokens whose signatures have been verified. */
  verifiedTokens: 4096,
  /** How far clocks of issuer and verifier may differ. */
  leewaySeconds: 60,
} as const

/** Creates a private key as PEM. It is RSA, because every library that reads a cluster's keys supports RS256. */
export function makeSigningKey(): string {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  }) as string
}

/** Reads a private or a public key from PEM. It must be RSA or P-256. */
export function readSigningKey(pem: string): SigningKey {
  const privateKey = pem.includes('PRIVATE KEY') ? createPrivateKey(pem) : undefined
  const publicKey = createPublicKey(privateKey ?? pem)
  const type = publicKey.asymmetricKeyType
  if (type !== 'rsa' && publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new StatusError('InternalError', `a key for tokens must be RSA or P-256, not ${type}`)
  const keyId = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
  return { keyId, algorithm: type === 'rsa' ? 'RS256' : 'ES256', publicKey, ...(privateKey ? { privateKey } : {}) }
}

export function signToken(key: SigningKey, claims: Claims): string {
  if (!key.privateKey)
    throw new StatusError('InternalError', `the key ${key.keyId} cannot sign, since it has no private part`)
  const head = encode({ alg: key.algorithm, kid: key.keyId })
  const text = `${head}.${encode(claims)}`
  const signature = sign('sha256', Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

/**
 * Signs a text with a shared secret. The result is a JWS without its middle part, the text (RFC 7515, appendix F).
 * @param keyId names the secret for the verifier
 */
export function detachedSignature(text: string, keyId: string, secret: string): string {
  const head = encode({ alg: 'HS256', kid: keyId })
  const payload = Buffer.from(text).toString('base64url')
  return `${head}..${createHmac('sha256', secret).update(`${head}.${payload}`).digest('base64url')}`
}

/** The document at /openid/v1/jwks. */
export function keySet(keys: readonly SigningKey[]): { keys: Record<string, unknown>[] } {
  return {
    keys: keys.map(({ publicKey, keyId, algorithm }) => ({
      use: 'sig',
      kid: keyId,
      alg: algorithm,
      ...publicKey.export({ format: 'jwk' }),
    })),
  }
}

/** The name of the key in the header of a token that was verified. */
export const keyIdOf = (token: string): unknown => decode(token.slice(0, token.indexOf('.')))?.kid

/** PEM of the public part of a private key. */
export const publicKeyOf = (pem: string): string =>
  createPublicKey(pem).export({ type: 'spki', format: 'pem' }) as string

/** The claims of an unverified token, only to choose its verifier. Undefined for text that is not a token. */
export function peekClaims(token: string): Claims | undefined {
  const parts = token.split('.')
  return parts.length === 3 ? decode(parts[1]!) : undefined
}

/** Verifies tokens with a set of keys. The caller checks issuer, audience and the meaning of the claims. */
export class TokenVerifier {
  #keys: readonly SigningKey[]
  #clock: Clock
  /** Tokens with verified signatures, the longest unused first. Their times are checked again at each use. */
  #verified = new Map<string, Claims>()

  constructor(keys: readonly SigningKey[], clock: Clock) {
    this.#keys = keys
    this.#clock = clock
  }

  /** Returns the claims. Throws Unauthorized when the signature is wrong, or the token is not valid at this time. */
  verify(token: string): Readonly<Claims> {
    const claims = this.#remembered(token) ?? this.#check(token)
    const now = Math.floor(this.#clock.now() / 1000)
    if (claims.nbf !== undefined && now + jwtLimits.leewaySeconds < claims.nbf)
      throw unauthorized('the token is not valid yet')
    if (claims.exp !== undefined && now - jwtLimits.leewaySeconds >= claims.exp)
      throw unauthorized('the token has expired')
    return claims
  }

  #remembered(token: string): Claims | undefined {
    const claims = this.#verified.get(token)
    if (!claims) return undefined
    this.#verified.delete(token)
    this.#verified.set(token, claims)
    return claims
  }

  #check(token: string): Claims {
    const parts = token.split('.')
    if (token.length > jwtLimits.tokenBytes || parts.length !== 3) throw unauthorized('it is not a signed token')
    const [head, body, signature] = parts as [string, string, string]
    const header = decode(head)
    const claims = decode(body)
    if (!header || !claims) throw unauthorized('it is not a signed token')
    const text = Buffer.from(`${head}.${body}`)
    const bytes = Buffer.from(signature, 'base64url')
    // The key decides the algorithm, and the header must agree. So "none", or a key of another kind, is not accepted.
    const good = this.#keys.some(
      ({ algorithm, keyId, publicKey }) =>
        header.alg === algorithm &&
        (header.kid === undefined || header.kid === keyId) &&
        verify('sha256', text, { key: publicKey, dsaEncoding: 'ieee-p1363' }, bytes),
    )
    if (!good) throw unauthorized('the token is not signed by any of the keys')
    for (const name of ['exp', 'nbf', 'iat'] as const)
      if (claims[name] !== undefined && !Number.isFinite(claims[name]))
        throw unauthorized(`the claim ${name} is not a number`)
    this.#verified.set(token, Object.freeze(claims))
    if (this.#verified.size > jwtLimits.verifiedTokens) this.#verified.delete(this.#verified.keys().next().value!)
    return claims
  }
}

const unauthorized = (message: string) => new StatusError('Unauthorized', message)
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function decode(part: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Claims) : undefined
  } catch {
    // Text that is not JSON is an expected outcome, which the caller handles.
    return undefined
  }
}
