// Join tokens: `abcdef.0123456789abcdef@sha256:…`. The first half is a bootstrap token, with which a machine proves
// that it may join; the second is the hash of the authority's public key, with which the machine recognizes the
// cluster.
// Source: kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens; kubeadm's --discovery-token-ca-cert-hash.
import { secretBytes } from '../base/random.ts'
import { timeText } from '../api/time.ts'
import type { Client } from '../client/index.ts'
import {
  bootstrapTokenNamespace,
  bootstrapTokenPrefix,
  bootstrapTokenType,
  splitBootstrapToken,
} from '../kinds/core/bootstrap-token.ts'
import { Secret } from '../kinds/core/secret.ts'
import { UsageError } from './args.ts'

export interface JoinToken {
  id: string
  secret: string
  /** `sha256:<hex>` of the authority's public key. */
  authority: string
}

/** The group of users that authenticate with such a token, in addition to `system:bootstrappers`. */
const joinGroup = 'system:bootstrappers:kutter:default-node-token'

export const joinTokenText = ({ id, secret, authority }: JoinToken): string => `${id}.${secret}@${authority}`

/** Parses a token from the command line. Throws UsageError. */
export function readJoinToken(text: string): JoinToken {
  const [token = '', authority] = text.trim().split('@') as [string?, string?]
  const parts = splitBootstrapToken(token)
  if (!parts)
    throw new UsageError(
      'a join token has the form abcdef.0123456789abcdef@sha256:…; create one with: kutter token create',
    )
  if (!authority || !/^sha256:[0-9a-f]{64}$/.test(authority))
    throw new UsageError(
      "the join token has no hash of the cluster's authority after @sha256:, so the cluster could not be verified; use the whole line that kutter token create printed",
    )
  return { ...parts, authority }
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** Random letters and digits, all equally likely. */
export function randomText(length: number): string {
  let text = ''
  while (text.length < length)
    // 252 is the largest multiple of 36 in a byte; higher bytes would make some characters more likely.
    for (const byte of secretBytes(length)) if (byte < 252 && text.length < length) text += alphabet[byte % 36]
  return text
}

/** Creates the Secret of a token that expires at `expiresAt`, in milliseconds since the epoch, or never without it. */
export async function createBootstrapToken(
  client: Client,
  { expiresAt, description }: { expiresAt?: number; description: string },
): Promise<{ id: string; secret: string }> {
  const [id, secret] = [randomText(6), randomText(16)]
  await client.create(Secret, {
    metadata: { name: bootstrapTokenPrefix + id, namespace: bootstrapTokenNamespace },
    type: bootstrapTokenType,
    stringData: {
      'token-id': id,
      'token-secret': secret,
      description,
      'usage-bootstrap-authentication': 'true',
      'usage-bootstrap-signing': 'true',
      'auth-extra-groups': joinGroup,
      ...(expiresAt !== undefined && { expiration: timeText(expiresAt) }),
    },
  })
  return { id, secret }
}
