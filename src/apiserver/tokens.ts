// Bearer tokens. Those of service accounts are signed claims for an audience, which expire and may be bound to a pod or
// a node; older ones are in a Secret and do not expire. Nodes that join have bootstrap tokens.
// Source: pkg/serviceaccount/claims.go, legacy.go, KEP-1205; plugin/pkg/auth/authenticator/token/bootstrap.
import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { User } from '../api/operation.ts'
import {
  bootstrapTokenNamespace,
  bootstrapTokenPrefix,
  isExpired,
  readBootstrapToken,
  splitBootstrapToken,
} from '../kinds/core/bootstrap-token.ts'
import { invalidSinceLabel, legacyIssuer } from '../kinds/core/legacy-token.ts'
import { Node } from '../kinds/core/node.ts'
import { Pod } from '../kinds/core/pod.ts'
import { Secret } from '../kinds/core/secret.ts'
import { ServiceAccount } from '../kinds/core/serviceaccount.ts'
import type { Storage } from './storage.ts'

/** Signs and verifies tokens with a key. */
interface TokenSigner {
  issuer: string
  sign(claims: Record<string, unknown>): string
  /** The claims of a token with a valid signature; undefined for any other. */
  verify(token: string): Record<string, unknown> | undefined
  /** The document with the public keys. */
  jwks(): { keys: unknown[] }
}

export interface TokenIssuer extends TokenSigner {
  /** The audiences of tokens for this API server. */
  audiences: readonly string[]
}

interface Reference {
  name: string
  uid: string
}

interface Claims {
  aud: string[]
  exp: number
  iat: number
  nbf: number
  iss: string
  jti: string
  sub: string
  'kubernetes.io': {
    namespace: string
    serviceaccount: Reference
    pod?: Reference
    secret?: Reference
    node?: Reference
    warnafter?: number
  }
}

export interface TokenSubject {
  namespace: string
  account: Reference
  pod?: Reference
  secret?: Reference
  node?: Reference
}

/** Issues a token for a service account that expires after `seconds`. */
export function issueToken(
  issuer: TokenIssuer,
  subject: TokenSubject,
  options: { audiences: readonly string[]; seconds: number; now: number; id: string },
): string {
  const at = Math.floor(options.now / 1000)
  const { namespace, account, pod, secret, node } = subject
  const claims: Claims = {
    aud: [...options.audiences],
    exp: at + options.seconds,
    iat: at,
    iss: issuer.issuer,
    jti: options.id,
    'kubernetes.io': {
      namespace,
      ...(node && { node }),
      ...(pod && { pod }),
      ...(secret && { secret }),
      serviceaccount: account,
    },
    nbf: at,
    sub: `system:serviceaccount:${namespace}:${account.name}`,
  }
  return issuer.sign({ ...claims })
}

/** The user of a token, or why it is not valid. The objects to which it is bound must still exist. */
export function checkToken(
  issuer: TokenIssuer,
  storage: Storage,
  clock: Clock,
  token: string,
  audiences: readonly string[],
): Checked {
  const bootstrap = splitBootstrapToken(token)
  if (bootstrap) return checkBootstrapToken(storage, clock, bootstrap, issuer.audiences)
  const claims = issuer.verify(token) as Claims | LegacyClaims | undefined
  if (!claims) return { error: 'invalid bearer token' }
  if (isLegacy(claims)) return checkLegacyToken(storage, token, claims, issuer)
  if (claims.iss !== issuer.issuer) return { error: 'invalid bearer token, token issuer is not known' }
  const now = clock.now() / 1000
  if (claims.exp <= now) return { error: 'invalid bearer token, service account token has expired' }
  if (claims.nbf > now + 60) return { error: 'invalid bearer token, token is not valid yet' }
  const common = claims.aud.filter(a => audiences.includes(a))
  if (!common.length)
    return {
      error: `invalid bearer token, token audiences ${JSON.stringify(claims.aud)} is invalid for the target audiences ${JSON.stringify(audiences)}`,
    }
  const gone = missingReference(storage, claims['kubernetes.io'])
  return gone ? { error: `invalid bearer token, ${gone}` } : { user: userOf(claims), audiences: common }
}

/** The result of a check. `secret` is that of a token that does not expire. */
type Checked = { user: User; audiences: string[]; secret?: { namespace: string; name: string } } | { error: string }

/** A message about the object to which a token is bound, if that no longer exists. */
function missingReference(storage: Storage, bound: Claims['kubernetes.io']): string | undefined {
  const { namespace, serviceaccount: account, pod, secret, node } = bound
  if (storage.mirror(ServiceAccount).get(namespace, account.name)?.metadata.uid !== account.uid)
    return 'service account UID does not match claim'
  if (pod && storage.mirror(Pod).get(namespace, pod.name)?.metadata.uid !== pod.uid) return 'pod has been deleted'
  if (secret && storage.mirror(Secret).get(namespace, secret.name)?.metadata.uid !== secret.uid)
    return 'secret has been deleted'
  if (node && !pod && storage.mirror(Node).get(undefined, node.name)?.metadata.uid !== node.uid)
    return 'node has been deleted'
  return undefined
}

interface LegacyClaims {
  iss: typeof legacyIssuer
  'kubernetes.io/serviceaccount/namespace': string
  'kubernetes.io/serviceaccount/secret.name': string
  'kubernetes.io/serviceaccount/service-account.name': string
  'kubernetes.io/serviceaccount/service-account.uid': string
}

const isLegacy = (claims: Claims | LegacyClaims): claims is LegacyClaims => claims.iss === legacyIssuer

/** Checks a token that does not expire. It is valid as long as its Secret has it. */
function checkLegacyToken(storage: Storage, token: string, claims: LegacyClaims, issuer: TokenIssuer): Checked {
  const namespace = claims['kubernetes.io/serviceaccount/namespace']
  const name = claims['kubernetes.io/serviceaccount/service-account.name']
  const uid = claims['kubernetes.io/serviceaccount/service-account.uid']
  const secret = storage.mirror(Secret).get(namespace, claims['kubernetes.io/serviceaccount/secret.name'])
  const kept = Buffer.from(secret?.data?.token ?? '', 'base64')
  if (!secret || secret.metadata.deletionTimestamp || !kept.equals(Buffer.from(token)))
    return { error: 'invalid bearer token, service account token has been invalidated' }
  if (secret.metadata.labels?.[invalidSinceLabel])
    return { error: 'invalid bearer token, the token in the secret has been marked as invalid' }
  if (storage.mirror(ServiceAccount).get(namespace, name)?.metadata.uid !== uid)
    return { error: 'invalid bearer token, service account UID does not match claim' }
  return {
    user: { ...serviceAccountUser(namespace, name), uid },
    audiences: [...issuer.audiences],
    secret: { namespace, name: secret.metadata.name ?? '' },
  }
}

function checkBootstrapToken(
  storage: Storage,
  clock: Clock,
  { id, secret }: { id: string; secret: string },
  audiences: readonly string[],
): Checked {
  const kept = storage.mirror(Secret).get(bootstrapTokenNamespace, bootstrapTokenPrefix + id)
  const token = kept && !kept.metadata.deletionTimestamp && readBootstrapToken(kept)
  const right = token && timingSafeEqual(Buffer.from(token.secret), Buffer.from(secret))
  if (!token || !right) return { error: 'invalid bearer token' }
  if (isExpired(token, clock.now())) return { error: 'invalid bearer token, bootstrap token has expired' }
  if (!token.usages.has('authentication')) return { error: 'invalid bearer token, bootstrap token is not for that' }
  return {
    user: { name: `system:bootstrap:${id}`, groups: [...token.groups, 'system:authenticated'] },
    audiences: [...audiences],
  }
}

function userOf(claims: Claims): User {
  const { namespace, serviceaccount, pod, node } = claims['kubernetes.io']
  const extra: Record<string, string[]> = { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`] }
  if (node) {
    extra['authentication.kubernetes.io/node-name'] = [node.name]
    extra['authentication.kubernetes.io/node-uid'] = [node.uid]
  }
  if (pod) {
    extra['authentication.kubernetes.io/pod-name'] = [pod.name]
    extra['authentication.kubernetes.io/pod-uid'] = [pod.uid]
  }
  return { ...serviceAccountUser(namespace, serviceaccount.name), uid: serviceaccount.uid, extra }
}

/** The user of a service account. */
function serviceAccountUser(namespace: string, name: string): User {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  }
}
