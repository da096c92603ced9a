// Service account tokens: signed claims about a service account, bound to a pod or node, for an audience, until
// a time. Source: pkg/serviceaccount/claims.go, KEP-1205.
import type { Clock } from '../base/clock.ts'
import type { User } from '../api/operation.ts'
import { Node } from '../kinds/core/node.ts'
import { Pod } from '../kinds/core/pod.ts'
import { Secret } from '../kinds/core/secret.ts'
import { ServiceAccount } from '../kinds/core/serviceaccount.ts'
import type { Storage } from './storage.ts'

/** Signs and checks tokens; made of a key pair by whoever wires the server. */
export interface TokenSigner {
  issuer: string
  sign(claims: Record<string, unknown>): string
  /** The claims of a token with a good signature, else undefined. Does not look at time or audience. */
  verify(token: string): Record<string, unknown> | undefined
  /** The public keys, as the JWKS document. */
  jwks(): { keys: unknown[] }
}

export interface TokenIssuer extends TokenSigner {
  /** Audiences of tokens meant for this API server. */
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

/** A token for a service account; lives `seconds`. */
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
  return issuer.sign(claims as unknown as Record<string, unknown>)
}

/** Whose token this is, or why it is not good. Everything it is bound to must still exist. */
export function checkToken(
  issuer: TokenIssuer,
  storage: Storage,
  clock: Clock,
  token: string,
  audiences: readonly string[],
): { user: User; audiences: string[] } | { error: string } {
  const claims = issuer.verify(token) as Claims | undefined
  if (!claims) return { error: 'invalid bearer token' }
  if (claims.iss !== issuer.issuer) return { error: 'invalid bearer token, token issuer is not known' }
  const now = clock.now() / 1000
  if (claims.exp <= now) return { error: 'invalid bearer token, service account token has expired' }
  if (claims.nbf > now + 60) return { error: 'invalid bearer token, token is not valid yet' }
  const common = claims.aud.filter(a => audiences.includes(a))
  if (!common.length)
    return {
      error: `invalid bearer token, token audiences ${JSON.stringify(claims.aud)} is invalid for the target audiences ${JSON.stringify(audiences)}`,
    }
  const bound = claims['kubernetes.io']
  const { namespace, serviceaccount: account } = bound
  if (storage.mirror(ServiceAccount).get(namespace, account.name)?.metadata.uid !== account.uid)
    return { error: 'invalid bearer token, service account UID does not match claim' }
  if (bound.pod && storage.mirror(Pod).get(namespace, bound.pod.name)?.metadata.uid !== bound.pod.uid)
    return { error: 'invalid bearer token, pod has been deleted' }
  if (bound.secret && storage.mirror(Secret).get(namespace, bound.secret.name)?.metadata.uid !== bound.secret.uid)
    return { error: 'invalid bearer token, secret has been deleted' }
  if (bound.node && !bound.pod && storage.mirror(Node).get(undefined, bound.node.name)?.metadata.uid !== bound.node.uid)
    return { error: 'invalid bearer token, node has been deleted' }
  return { user: userOf(claims), audiences: common }
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

/** The user a service account is. */
export function serviceAccountUser(namespace: string, name: string): User {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  }
}
