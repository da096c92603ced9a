// A claim that a token does not have itself, but refers to (OpenID Connect Core 1.0, section 5.6.2): issuers do so with
// groups when there are too many of them for a token.
//
//   {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://…", "access_token": "…"}}}
//
// The endpoint is asked for another token, which has the claim. That token may be of another issuer, whose keys are then
// found by its own document; otherwise it must be what the first one must be: for one of the audiences, valid now, and
// signed. Only tokens that have been verified come here, so that it is the issuer who chooses the endpoint.
// Source: apiserver plugin/pkg/authenticator/token/oidc/oidc.go (claimResolver).
import type { Clock } from '../../base/clock.ts'
import { own } from '../../base/own.ts'
import { splitToken } from '../../wire/jws.ts'
import { fetchText } from '../exchange.ts'
import { authoritiesOf, IssuerKeys } from './issuer-keys.ts'
import type { CheckedJwt } from './jwt-checks.ts'
import { type Claims, verifyToken } from './token-checks.ts'

const timeoutMs = 10_000
/** Limits of the other issuers whose keys are kept, and of a token with a claim. */
const maxIssuers = 16
const maxTokenBytes = 256 << 10

interface Expanded {
  readonly claims: Claims
  /** When the token with the claim expires, in milliseconds. */
  readonly expiresAt: number
  /** The size of that token. */
  readonly sizeBytes: number
}

interface Source {
  readonly endpoint?: string
  readonly access_token?: string
}

export class DistributedClaims {
  readonly #claim: string
  readonly #spec: CheckedJwt
  readonly #keys: IssuerKeys
  readonly #clock: Clock
  readonly #others = new Map<string, IssuerKeys>()

  /** @param keys those of the issuer itself */
  constructor(claim: string, spec: CheckedJwt, keys: IssuerKeys, clock: Clock) {
    this.#claim = claim
    this.#spec = spec
    this.#keys = keys
    this.#clock = clock
  }

  /** The claims of a token with the one that they only refer to; undefined if they refer to none. Rejects when it fails. */
  async expand(claims: Claims): Promise<Expanded | undefined> {
    const source = own(claims, this.#claim) === undefined ? sourceOf(claims, this.#claim) : undefined
    // A source without an endpoint has the claim in it (an aggregated claim), which upstream does not read either.
    if (!source?.endpoint) return undefined
    const { endpoint, access_token: accessToken } = source
    const headers: Record<string, string> = accessToken ? { authorization: `Bearer ${accessToken}` } : {}
    const text = (await fetchText(endpoint, authoritiesOf(this.#spec.issuer), timeoutMs, headers)).trim()
    const token = splitToken(text, maxTokenBytes)
    if (!token) throw new Error(`the endpoint ${endpoint} of the claim ${this.#claim} does not answer with a token`)
    const expiresAt = await verifyToken(token, this.#keysOf(token.claims), this.#spec, this.#clock.now())
    checkSources(token.claims)
    const value = own(token.claims, this.#claim)
    if (value === undefined)
      throw new Error(`jwt returned by distributed claim endpoint ${endpoint} did not contain claim: ${this.#claim}`)
    return { claims: { ...claims, [this.#claim]: value }, expiresAt, sizeBytes: text.length }
  }

  #keysOf({ iss }: Claims): IssuerKeys {
    // Google has two names.
    const url = iss === 'accounts.google.com' ? 'https://accounts.google.com' : iss
    if (url === this.#spec.issuer.url) return this.#keys
    if (typeof url !== 'string' || URL.parse(url)?.protocol !== 'https:')
      throw new Error(`the token with the claim ${this.#claim} has no https address as its issuer`)
    const { ca } = this.#spec.issuer
    const keys = this.#others.get(url) ?? new IssuerKeys({ url, ...(ca !== undefined && { ca }) }, this.#clock)
    // The one that was used last is the last one to be given up.
    this.#others.delete(url)
    this.#others.set(url, keys)
    if (this.#others.size > maxIssuers) this.#others.delete(this.#others.keys().next().value!)
    return keys
  }
}

/** Throws unless every claim that a token only refers to has a source. Source: go-oidc v2 (verify.go). */
export function checkSources(claims: Claims): void {
  const names = own(claims, '_claim_names') ?? {}
  if (!isMapOf(names, isText)) throw new Error('the claim _claim_names must be a map of strings')
  const sources = own(claims, '_claim_sources') ?? {}
  if (!isMapOf(sources, isSource)) throw new Error('the claim _claim_sources must be a map of sources')
  for (const [name, source] of Object.entries(names))
    if (!own(sources, source))
      throw new Error(`the source ${JSON.stringify(source)} of the claim ${name} does not exist`)
}

function sourceOf(claims: Claims, claim: string): Source | undefined {
  const name = own(own(claims, '_claim_names') as Readonly<Record<string, string>> | undefined, claim)
  const sources = own(claims, '_claim_sources') as Readonly<Record<string, Source>> | undefined
  return name === undefined ? undefined : own(sources, name)
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isMapOf = <T>(value: unknown, is: (one: unknown) => one is T): value is Readonly<Record<string, T>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(is)
const isAnything = (_: unknown): _ is unknown => true
const isSource = (value: unknown): value is Source =>
  isMapOf(value, isAnything) &&
  ['endpoint', 'access_token'].every(name => ['string', 'undefined'].includes(typeof own(value, name)))
