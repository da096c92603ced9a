// The public keys of an issuer of tokens, found by OpenID Connect Discovery 1.0: a document at the issuer names the
// address of its keys. The keys are kept, and read again for a token that none of them has signed, since issuers change
// their keys; at most once in a while, so that tokens that are made up do not become requests.
// Source: github.com/coreos/go-oidc v2 (oidc.go, jwks.go).
import { getCACertificates } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { StatusError } from '../../base/errors.ts'
import { own } from '../../base/own.ts'
import { isSignedBy, readKeySet, type SignedToken } from '../../wire/jws.ts'
import { fetchJson } from '../exchange.ts'

const timeoutMs = 10_000
const betweenReadsMs = 5_000

export interface Issuer {
  readonly url: string
  /** Where its document is, if it is not at the well-known path of the issuer. */
  readonly discoveryUrl?: string
  /** PEM of the authorities of its certificate; without it those of the machine count. */
  readonly ca?: string
}

/** The PEM of the authorities that the certificates of an issuer may have. */
export const authoritiesOf = ({ ca }: Issuer): readonly string[] =>
  ca === undefined ? getCACertificates('system') : [ca]

export class IssuerKeys {
  readonly #issuer: Issuer
  readonly #clock: Clock
  #keysUrl: string | undefined
  #keys: ReturnType<typeof readKeySet>
  #reading: Promise<void> | undefined
  #nextReadAt = 0

  constructor(issuer: Issuer, clock: Clock) {
    this.#issuer = issuer
    this.#clock = clock
  }

  /** Whether the issuer has signed a token. Rejects while its keys have never been read. */
  async haveSigned(token: SignedToken): Promise<boolean> {
    if (this.#keys && isSignedBy(token, this.#keys)) return true
    await this.refresh()
    if (!this.#keys) throw new StatusError('ServiceUnavailable', `the keys of ${this.#issuer.url} were not read yet`)
    return isSignedBy(token, this.#keys)
  }

  /** Reads the keys, unless that was tried a moment ago. Requests at the same time share one reading. */
  refresh(): Promise<void> {
    if (this.#reading) return this.#reading
    if (this.#clock.steady() < this.#nextReadAt) return Promise.resolve()
    this.#reading = this.#read().finally(() => {
      this.#reading = undefined
      this.#nextReadAt = this.#clock.steady() + betweenReadsMs
    })
    return this.#reading
  }

  async #read(): Promise<void> {
    const { url, discoveryUrl } = this.#issuer
    const authorities = authoritiesOf(this.#issuer)
    if (this.#keysUrl === undefined) {
      const at = discoveryUrl ?? `${url.replace(/\/$/, '')}/.well-known/openid-configuration`
      this.#keysUrl = keysUrlIn(await fetchJson(at, authorities, timeoutMs), url, at)
    }
    const keys = readKeySet(await fetchJson(this.#keysUrl, authorities, timeoutMs))
    if (!keys) throw new StatusError('ServiceUnavailable', `${this.#keysUrl} has no set of keys`)
    this.#keys = keys
  }
}

/** The address of the keys in a document, which must be that of the issuer. */
function keysUrlIn(document: unknown, issuer: string, at: string): string {
  const isObject = typeof document === 'object' && document !== null
  const field = (name: string): unknown => (isObject ? own(document as Record<string, unknown>, name) : undefined)
  if (field('issuer') !== issuer)
    throw new StatusError('ServiceUnavailable', `${at} is the document of another issuer than ${issuer}`)
  const keys = field('jwks_uri')
  if (typeof keys !== 'string' || URL.parse(keys)?.protocol !== 'https:')
    throw new StatusError('ServiceUnavailable', `${at} names no https address of keys`)
  return keys
}
