// Whether a token of an issuer counts: it is for one of the audiences, valid now, and signed by a key of the issuer.
// Source: github.com/coreos/go-oidc v2 (verify.go).
import { own } from '../../base/own.ts'
import type { SignatureAlgorithm, SignedToken } from '../../wire/jws.ts'
import type { IssuerKeys } from './issuer-keys.ts'

/** How far a token may be ahead of this clock. */
const leewaySeconds = 60

export type Claims = SignedToken['claims']

/** What is asked of tokens. */
interface Wanted {
  readonly audiences: readonly string[]
  readonly algorithms: readonly SignatureAlgorithm[]
}

/**
 * Checks everything about a token but its issuer. Rejects with the reason if it does not count.
 * @param now the time in milliseconds
 * @returns when the token expires, in milliseconds
 */
export async function verifyToken(token: SignedToken, keys: IssuerKeys, wanted: Wanted, now: number): Promise<number> {
  const expiresAt = checkClaims(token.claims, wanted.audiences, now)
  if (!wanted.algorithms.includes(token.algorithm))
    throw new Error(`the token is signed with ${token.algorithm}, which is not one of those that are accepted`)
  if (!(await keys.haveSigned(token))) throw new Error('failed to verify id token signature')
  return expiresAt
}

function checkClaims(claims: Claims, wanted: readonly string[], now: number): number {
  const [aud, exp, nbf] = ['aud', 'exp', 'nbf'].map(name => own(claims, name))
  const audiences = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud : []
  if (!audiences.some(one => wanted.includes(one as string)))
    throw new Error('expected audience is none of those of the token')
  if (typeof exp !== 'number' || exp * 1000 < now) throw new Error('token is expired')
  if (nbf !== undefined && (typeof nbf !== 'number' || now + leewaySeconds * 1000 < nbf * 1000))
    throw new Error('current time before the nbf (not before) time')
  return exp * 1000
}
