// The key with which this server signs service account tokens, and the audiences they are good for here.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { keySet, readSigningKey, signToken, TokenVerifier } from '../wire/jwt.ts'
import type { TokenIssuer } from './tokens.ts'

const issuerUrl = 'https://kubernetes.default.svc.cluster.local'

/** @param pem the private key */
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
        log.debug('token refused', { error })
        return undefined
      }
    },
    jwks: () => keySet([key]),
  }
}
