// The key with which this server signs service account tokens, and the audiences that it accepts.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { keySet, readSigningKey, signToken, TokenVerifier } from '../wire/jwt.ts'
import type { TokenIssuer } from './tokens.ts'

const issuerUrl = 'https://kubernetes.default.svc.cluster.local'

/** Makes the signer and verifier of service account tokens from a private key in PEM. */
export function tokenIssuer(pem: string, clock: Clock, log: Log): TokenIssuer {
  const key = readSigningKey(pem)
  const verifier = new TokenVerifier([key], clock)
  return {
    issuer: issuerUrl,
    audiences: [issuerUrl, 'kutter'],
    sign: claims => signToken(key, claims),
    verify: token => {
      try {
        return verifier.verify(token)
      } catch (error) {
        log.debug('a token is refused', { error })
        return undefined
      }
    },
    jwks: () => keySet([key]),
  }
}
