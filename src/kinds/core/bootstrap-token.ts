// Bootstrap tokens: Secrets in kube-system by which a new node, or a new cluster's admin, shows that it was invited.
// Source: kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens.
import { parseTime } from '../../api/time.ts'
import type { Secret } from './secret.ts'

export const bootstrapTokenType = 'bootstrap.kubernetes.io/token'
export const bootstrapTokenPrefix = 'bootstrap-token-'
export const bootstrapTokenNamespace = 'kube-system'
/** Every bootstrap token's user belongs to it. */
export const bootstrappersGroup = 'system:bootstrappers'

const extraGroup = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/

/** The two parts of a token `abcdef.0123456789abcdef`; undefined when it is not of that form. */
export function splitBootstrapToken(token: string): { id: string; secret: string } | undefined {
  const match = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(token)
  return match ? { id: match[1]!, secret: match[2]! } : undefined
}

export interface BootstrapToken {
  id: string
  secret: string
  /** Milliseconds since the epoch; absent: never. Unreadable times have passed. */
  expiresAt?: number
  usages: ReadonlySet<string>
  /** `system:bootstrappers` and those the Secret adds. */
  groups: string[]
}

/** What a Secret says as a bootstrap token; undefined when it is none, or not a whole one. */
export function readBootstrapToken(secret: Secret): BootstrapToken | undefined {
  const text = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString()
  const [id, tokenSecret, expiration] = [text('token-id'), text('token-secret'), text('expiration')]
  const whole = splitBootstrapToken(`${id}.${tokenSecret}`)
  const { name, namespace } = secret.metadata
  if (!whole || secret.type !== bootstrapTokenType) return undefined
  if (name !== bootstrapTokenPrefix + id || namespace !== bootstrapTokenNamespace) return undefined
  const usages = Object.keys(secret.data ?? {}).filter(
    key => key.startsWith('usage-bootstrap-') && text(key) === 'true',
  )
  const extra = text('auth-extra-groups')
    .split(',')
    .filter(group => extraGroup.test(group))
  return {
    id,
    secret: tokenSecret,
    ...(expiration && { expiresAt: parseTime(expiration) ?? 0 }),
    usages: new Set(usages.map(key => key.slice('usage-bootstrap-'.length))),
    groups: [...new Set([bootstrappersGroup, ...extra])],
  }
}

/** Whether its time is over. */
export const isExpired = (token: BootstrapToken, now: number): boolean =>
  token.expiresAt !== undefined && token.expiresAt <= now
