// The key with which this server signs service account tokens, and the audiences that it accepts.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { legacyIssuer } from '../kinds/core/legacy-token.ts'
import { keyIdOf, keySet, readSigningKey, signToken, TokenVerifier } from '../wire/jwt.ts'
import type { TokenIssuer } from './tokens.ts'

/** The issuer of the tokens of service accounts. */
export const accountIssuer = 'https://kubernetes.default.svc.cluster.local'

/** Tokens for a pod or an audience are accepted for so long after their key was replaced: none is made for longer by default. */
const formerKeyMs = 365 * 24 * 3600_000

/** The key that signs, as PEM, and those before it, with the time at which another took their place. */
interface TokenKeys {
  key: string
  former?: readonly { publicKey: string; until: number }[]
}

/** Makes the signer and verifier of service account tokens. */
export function tokenIssuer({ key: pem, former = [] }: TokenKeys, clock: Clock, log: Log): TokenIssuer {
  const key = readSigningKey(pem)
  const old = former.map(({ publicKey, until }) => ({ ...readSigningKey(publicKey), until }))
  const isRecent = ({ until }: { until: number }) => until + formerKeyMs > clock.now()
  const verifier = new TokenVerifier([key, ...old], clock)
  return {
    issuer: accountIssuer,
    audiences: [accountIssuer, 'kutter'],
    sign: claims => signToken(key, claims),
    verify: token => {
      try {
        const claims = verifier.verify(token)
        // A token without an end is that of a Secret, which has to be the same byte by byte.
        const signer = old.find(one => one.keyId === keyIdOf(token))
        if (!signer || isRecent(signer) || claims.iss === legacyIssuer) return claims
        throw new Error('its key was replaced more than a year ago')
      } catch (error) {
        log.debug('a token is refused', { error })
        return undefined
      }
    },
    jwks: () => keySet([key, ...old.filter(isRecent)]),
  }
}
