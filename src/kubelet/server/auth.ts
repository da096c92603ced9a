// Authentication and authorization of requests to the node. A client certificate of the cluster's authority names the
// caller; without one a TokenReview finds the user of the bearer token. A SubjectAccessReview for a subresource of the
// node decides. Both answers are kept for up to five minutes.
// Source: kubernetes pkg/kubelet/server/auth.go, KEP-2862 (fine-grained kubelet authorization).
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { StatusError } from '../../base/errors.ts'
import type { User } from '../../api/operation.ts'
import type { Client } from '../../client/index.ts'
import { TokenReview } from '../../kinds/authentication/tokenreview.ts'
import { SubjectAccessReview } from '../../kinds/authorization/subjectaccessreview.ts'

//   path                          subresource that must be allowed
//   /stats, /metrics              stats, metrics
//   /logs                         log
//   /healthz, /configz            healthz or configz, or proxy
//   /pods, /runningpods           pods, or proxy
//   all others                    proxy

/** How long answers are kept. A denial is kept for a shorter time, since a new permission should soon take effect. */
export const keepMs = { token: 120_000, allowed: 300_000, denied: 30_000 }
const maxKept = 1000

/** Throws Unauthorized or Forbidden. */
export function makeGuard(client: Client, nodeName: string): (request: IncomingMessage) => Promise<void> {
  const { clock } = client
  const tokens = new Map<string, { value: User | undefined; until: number }>()
  const decisions = new Map<string, { value: boolean; until: number }>()

  const byToken = async (token: string): Promise<User | undefined> => {
    const { status } = await client.create(TokenReview, { spec: { token } })
    const { username = '', uid, groups = [] } = status.user
    return status.authenticated ? { name: username, groups, ...(uid && { uid }) } : undefined
  }
  const mayBe = async (user: User, verb: string, subresource: string): Promise<boolean> => {
    const resourceAttributes = { verb, version: 'v1', resource: 'nodes', subresource, name: nodeName }
    const { status } = await client.create(SubjectAccessReview, {
      spec: { user: user.name, groups: [...user.groups], resourceAttributes },
    })
    return status.allowed === true
  }
  return async request => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const user =
      byCertificate(request) ??
      (token &&
        (await kept(
          tokens,
          token,
          () => byToken(token),
          () => keepMs.token,
          clock.now(),
        )))
    if (!user) throw new StatusError('Unauthorized', 'Unauthorized')
    const verb =
      ({ POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' } as Record<string, string>)[
        request.method ?? ''
      ] ?? 'get'
    const subresources = subresourcesOf(request.url ?? '/')
    for (const subresource of subresources) {
      const key = JSON.stringify([user.name, user.groups, verb, subresource])
      if (
        await kept(
          decisions,
          key,
          () => mayBe(user, verb, subresource),
          yes => (yes ? keepMs.allowed : keepMs.denied),
          clock.now(),
        )
      )
        return
    }
    throw new StatusError(
      'Forbidden',
      `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])`,
    )
  }
}

function byCertificate(request: IncomingMessage): User | undefined {
  const socket = request.socket as TLSSocket
  if (!socket.authorized) return undefined
  const { subject } = socket.getPeerCertificate()
  const one = (value: unknown) =>
    Array.isArray(value) ? (value as string[]) : typeof value === 'string' ? [value] : []
  const name = one(subject?.CN)[0]
  return name ? { name, groups: [...one(subject.O), 'system:authenticated'] } : undefined
}

/**
 * The subresources of which one must be allowed, the most specific first. `proxy` covers all paths without their own.
 */
function subresourcesOf(url: string): string[] {
  const first = new URL(url, 'https://node').pathname.split('/')[1] ?? ''
  if (first === 'stats' || first === 'metrics') return [first]
  if (first === 'logs') return ['log']
  if (first === 'healthz' || first === 'configz') return [first, 'proxy']
  if (first === 'pods' || first === 'runningpods') return ['pods', 'proxy']
  return ['proxy']
}

async function kept<T>(
  cache: Map<string, { value: T; until: number }>,
  key: string,
  ask: () => Promise<T>,
  forMs: (value: T) => number,
  now: number,
): Promise<T> {
  const known = cache.get(key)
  if (known && known.until > now) return known.value
  const value = await ask()
  cache.delete(key)
  // The oldest entries are dropped first, since maps keep the order of insertion.
  for (const old of cache.keys()) {
    if (cache.size < maxKept) break
    cache.delete(old)
  }
  cache.set(key, { value, until: now + forMs(value) })
  return value
}
