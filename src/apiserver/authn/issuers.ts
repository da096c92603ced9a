// The issuers of tokens that an administrator has named, and whether requests without credentials are answered. Both
// may change while the server runs: a new configuration takes effect as a whole, when the keys of its issuers are there.
// Source: apiserver pkg/server/options/authenticationconfig; pkg/kubeapiserver/authenticator/config.go.
import type { Clock } from '../../base/clock.ts'
import { messageOf, StatusError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { User } from '../../api/operation.ts'
import { splitToken } from '../../wire/jws.ts'
import type { Anonymous, AuthenticationSpec } from './configuration.ts'
import { JwtAuthenticator } from './jwt-authenticator.ts'
import type { TokenSource } from './token-source.ts'

/** How often and for how long the keys of the issuers of a new configuration are tried. */
const retryMs = 10_000
const attempts = 6

interface IssuersOptions {
  readonly clock: Clock
  readonly log: Log
  /** Whether requests without credentials are answered where the configuration does not mention them. */
  readonly anonymous: boolean
}

export class Issuers implements TokenSource {
  readonly #options: IssuersOptions
  #issuers: ReadonlyMap<string, JwtAuthenticator> = new Map()
  #anonymous: Anonymous

  constructor(options: IssuersOptions) {
    this.#options = options
    this.#anonymous = { enabled: options.anonymous, paths: [] }
  }

  /** Begins with a configuration. Issuers that cannot be reached, such as those in the cluster, are tried later. */
  begin(spec: AuthenticationSpec): void {
    const issuers = this.#open(spec)
    for (const one of issuers)
      one
        .ready()
        .catch((error: unknown) =>
          this.#options.log.warn('the keys of an issuer cannot be read', { issuer: one.issuer, why: messageOf(error) }),
        )
    this.#set(issuers, spec)
  }

  /** Replaces the configuration, once the keys of all issuers are there. Rejects, and keeps the old one, otherwise. */
  async replace(spec: AuthenticationSpec, signal: AbortSignal): Promise<void> {
    const issuers = this.#open(spec)
    await Promise.all(issuers.map(one => this.#ready(one, signal)))
    this.#set(issuers, spec)
  }

  async userOf(token: string): Promise<User | undefined> {
    if (!this.#issuers.size) return undefined
    const split = splitToken(token)
    if (!split) return undefined
    const { iss } = split.claims
    // Google has two names.
    const issuer = iss === 'accounts.google.com' ? 'https://accounts.google.com' : iss
    return typeof issuer === 'string' ? this.#issuers.get(issuer)?.userOf(token, split) : undefined
  }

  /** Whether a request without credentials for a path is one of system:anonymous. */
  allowsAnonymous(path: string): boolean {
    const { enabled, paths } = this.#anonymous
    return enabled && (!paths.length || paths.includes(path))
  }

  #open({ jwt }: AuthenticationSpec): JwtAuthenticator[] {
    return jwt.map(spec => new JwtAuthenticator(spec, this.#options))
  }

  #set(issuers: readonly JwtAuthenticator[], { anonymous }: AuthenticationSpec): void {
    this.#issuers = new Map(issuers.map(one => [one.issuer, one]))
    this.#anonymous = anonymous ?? { enabled: this.#options.anonymous, paths: [] }
  }

  async #ready(one: JwtAuthenticator, signal: AbortSignal): Promise<void> {
    let why = ''
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await this.#options.clock.sleep(retryMs, signal)
      try {
        return await one.ready()
      } catch (error) {
        why = messageOf(error)
      }
    }
    throw new StatusError('ServiceUnavailable', `the keys of ${one.issuer} cannot be read: ${why}`)
  }
}
