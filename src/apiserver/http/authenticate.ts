// Finds the user of a request: by the headers of a front proxy, by a client certificate that the cluster's authority
// signed, by a bearer token, or as system:anonymous.
// Source: kubernetes.io/docs/reference/access-authn-authz/authentication.
import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { StatusError } from '../../base/errors.ts'
import { counter, histogram } from '../../base/metrics.ts'
import type { User } from '../../api/operation.ts'
import { userOfToken, withAuthenticated } from '../authn/token-source.ts'
import { userOf } from '../aggregation/identity.ts'
import { frontProxyName } from '../aggregation/target.ts'
import type { ServerCore } from '../core.ts'
import { noteTokenUse } from '../legacy-token-use.ts'
import { checkToken } from '../tokens.ts'

const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] }

/**
 * The key of a user's extra field that identifies the credential. Source: apiserver authentication/user
 * (CredentialIDKey).
 */
const credentialId = 'authentication.kubernetes.io/credential-id'

const attempts = counter('authentication_attempts', 'Requests with credentials, by whether these were valid.')
const [succeeded, failed] = [attempts.with({ result: 'success' }), attempts.with({ result: 'failure' })]
const [minute, hour, day] = [60, 3600, 86_400]
const lifetimes = histogram(
  'apiserver_client_certificate_expiration_seconds',
  'How long the certificates with which requests came are still valid.',
  [0, 30 * minute, hour, 2 * hour, 6 * hour, 12 * hour, day, 2 * day, 4 * day, 7 * day].concat(
    [30, 90, 180, 360].map(days => days * day),
  ),
).with({})

/** Who is at the other end of a connection: a user, a front proxy that speaks for users, or nobody with a name. */
type Peer = { readonly user: User; readonly validUntil?: number } | 'front proxy' | 'nobody'
const peers = new WeakMap<Duplex, Peer>()

/**
 * The user of a request. The certificate of its connection is read once. Throws Unauthorized for credentials that are
 * not valid, which are never treated as none.
 */
export async function authenticate(
  core: ServerCore,
  socket: Duplex,
  { headers, rawHeaders }: Pick<IncomingMessage, 'headers' | 'rawHeaders'>,
  path: string,
): Promise<User> {
  const peer = peerOf(core, socket as TLSSocket)
  if (typeof peer === 'object') {
    succeeded()
    if (peer.validUntil !== undefined) lifetimes((peer.validUntil - core.clock.now()) / 1000)
    return peer.user
  }
  let user: User | undefined
  try {
    user =
      peer === 'front proxy'
        ? withEveryone(userOf(rawHeaders))
        : (passwordUser(core, headers.authorization) ?? (await tokenUser(core, headers.authorization)))
  } catch (error) {
    failed()
    throw error
  }
  if (user) {
    succeeded()
    return user
  }
  if (core.anonymous && !core.anonymous(path)) throw new StatusError('Unauthorized', 'Unauthorized')
  return anonymous
}

/** Makes every request on a connection one of a superuser, whatever its credentials are. */
export const trustConnection = (socket: Duplex): void =>
  void peers.set(socket, { user: { name: 'system:unsecured', groups: ['system:masters', 'system:authenticated'] } })

/** Whether a connection comes from a front proxy, as the one of this server. */
export const isFrontProxy = (core: ServerCore, socket: Duplex): boolean =>
  peerOf(core, socket as TLSSocket) === 'front proxy'

/** Every user that a front proxy names counts as authenticated. Source: apiserver authentication/group. */
function withEveryone(user: User | undefined): User | undefined {
  if (!user || user.groups.some(group => group === 'system:authenticated' || group === 'system:unauthenticated'))
    return user
  return { ...user, groups: [...user.groups, 'system:authenticated'] }
}

function peerOf(core: ServerCore, socket: TLSSocket): Peer {
  let peer = peers.get(socket)
  if (peer === undefined) peers.set(socket, (peer = readPeer(core, socket)))
  return peer
}

function readPeer({ frontProxyCa }: ServerCore, socket: TLSSocket): Peer {
  // Only a certificate that an authority of the cluster signed counts. Node.js has verified the chain already.
  const certificate = socket.authorized ? socket.getPeerCertificate() : undefined
  const subject = certificate?.subject as { CN?: string; O?: string | string[] } | undefined
  if (!certificate || !subject?.CN) return 'nobody'
  // The two authorities must not be confused: one signs users, the other nothing but front proxies.
  if (frontProxyCa && new X509Certificate(certificate.raw).verify(frontProxyCa.publicKey))
    return subject.CN === frontProxyName ? 'front proxy' : 'nobody'
  const fingerprint = certificate.fingerprint256?.replaceAll(':', '').toLowerCase()
  const groups = subject.O === undefined ? [] : Array.isArray(subject.O) ? subject.O : [subject.O]
  const extra = fingerprint ? { extra: { [credentialId]: [`X509SHA256=${fingerprint}`] } } : {}
  const validUntil = Date.parse(certificate.valid_to)
  return { user: { name: subject.CN, groups: [...groups, 'system:authenticated'], ...extra }, validUntil }
}

/** The user of a name and a password. Throws Unauthorized if they are wrong. */
function passwordUser({ passwords, log }: ServerCore, authorization: string | undefined): User | undefined {
  if (!passwords || !authorization || !/^Basic( |$)/i.test(authorization)) return undefined
  const user = passwords.userOf(authorization)
  if (user) return withAuthenticated(user)
  log.debug('a password is refused')
  throw new StatusError('Unauthorized', 'Unauthorized')
}

async function tokenUser(core: ServerCore, authorization: string | undefined): Promise<User | undefined> {
  const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1]?.trim()
  if (!token) return undefined
  const checked = checkToken(core.tokens, core.storage, core.clock, token, core.tokens.audiences)
  if ('error' in checked) {
    const user = core.tokenSources && (await userOfToken(core.tokenSources, token))
    if (user) return user
    core.log.debug('a token is refused', { why: checked.error })
    throw new StatusError('Unauthorized', 'Unauthorized')
  }
  if (checked.secret) void noteTokenUse(core, checked.secret)
  return checked.user
}
