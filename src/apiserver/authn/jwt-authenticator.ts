// Users of the tokens of one issuer (OpenID Connect). A token counts if the issuer has signed it for one of the
// audiences, and it is valid now; what its claims become is written in the configuration. Users are kept for a moment,
// so that a client with many requests does not cost a verification for each.
//
// Groups that a token only refers to are fetched (distributed-claims.ts).
// Source: apiserver plugin/pkg/authenticator/token/oidc/oidc.go.
import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { own } from '../../base/own.ts'
import type { User } from '../../api/operation.ts'
import type { SignedToken } from '../../wire/jws.ts'
import { evaluate, stringsOf } from './claim-expressions.ts'
import { checkSources, DistributedClaims } from './distributed-claims.ts'
import { IssuerKeys } from './issuer-keys.ts'
import type { CheckedJwt, Mapping, Rule } from './jwt-checks.ts'
import { type Claims, verifyToken } from './token-checks.ts'

/** How long a user is kept, of how many tokens, and of how many bytes of tokens. Source: apiserver token cache (10 s). */
const keptMs = 10_000
const maxKept = 4096
const maxKeptBytes = 32 << 20

interface Kept {
  readonly user: User
  readonly until: number
  readonly expiresAt: number
  readonly sizeBytes: number
}

export class JwtAuthenticator {
  readonly #spec: CheckedJwt
  readonly #keys: IssuerKeys
  readonly #distributed: DistributedClaims | undefined
  readonly #clock: Clock
  readonly #log: Log
  readonly #kept = new Map<string, Kept>()
  #keptBytes = 0
  readonly #asking = new Map<string, Promise<Kept>>()

  constructor(spec: CheckedJwt, { clock, log }: { clock: Clock; log: Log }) {
    this.#spec = spec
    this.#keys = new IssuerKeys(spec.issuer, clock)
    const { groups } = spec
    if (groups && 'claim' in groups) this.#distributed = new DistributedClaims(groups.claim, spec, this.#keys, clock)
    this.#clock = clock
    this.#log = log
  }

  get issuer(): string {
    return this.#spec.issuer.url
  }

  /** Reads the keys of the issuer. Rejects when that is not possible. */
  ready(): Promise<void> {
    return this.#keys.refresh()
  }

  /** The user of a token that names this issuer. Rejects with the reason for a token that does not count. */
  async userOf(token: string, split: SignedToken): Promise<User> {
    const key = createHash('sha256').update(token).digest('base64')
    const kept = this.#kept.get(key)
    if (kept && this.#clock.steady() < kept.until && this.#clock.now() < kept.expiresAt) return kept.user
    this.#drop(key)
    // Requests with the same token share its verification, which may ask other servers.
    const asking = this.#asking.get(key) ?? this.#verify(split, token.length).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asking)
    try {
      const found = await asking
      this.#keep(key, found)
      return found.user
    } catch (error) {
      this.#log.debug('a token of an issuer is refused', { issuer: this.issuer, why: messageOf(error) })
      throw error
    }
  }

  async #verify(split: SignedToken, sizeBytes: number): Promise<Kept> {
    const expiresAt = await verifyToken(split, this.#keys, this.#spec, this.#clock.now())
    checkSources(split.claims)
    const more = await this.#distributed?.expand(split.claims)
    return {
      user: userIn(more?.claims ?? split.claims, this.#spec),
      until: this.#clock.steady() + keptMs,
      expiresAt: Math.min(expiresAt, more?.expiresAt ?? Infinity),
      sizeBytes: sizeBytes + (more?.sizeBytes ?? 0),
    }
  }

  #keep(key: string, kept: Kept): void {
    this.#drop(key)
    this.#kept.set(key, kept)
    this.#keptBytes += kept.sizeBytes
    while (this.#kept.size > maxKept || this.#keptBytes > maxKeptBytes) this.#drop(this.#kept.keys().next().value!)
  }

  #drop(key: string): void {
    this.#keptBytes -= this.#kept.get(key)?.sizeBytes ?? 0
    this.#kept.delete(key)
  }
}

/** The user that verified claims describe. Throws when they do not fit, or a rule is broken. */
function userIn(claims: Claims, spec: CheckedJwt): User {
  const name = nameIn(claims, spec.username)
  const groups = spec.groups ? groupsIn(claims, spec.groups) : []
  const uid = spec.uid && textOf(claims, spec.uid, 'uid')
  const extra = spec.extra.flatMap(mapping => {
    const values = stringsOf(evaluate(mapping, 'claims', claims))
    return values.length ? [[mapping.key, values] as const] : []
  })
  for (const [claim, wanted] of spec.required) {
    const value = own(claims, claim)
    if (value !== wanted) throw new Error(`required claim ${claim} value does not match`)
  }
  for (const rule of spec.claimRules) demand(rule, 'claims', claims)
  const user = { name, ...(uid && { uid }), groups, ...(extra.length && { extra: Object.fromEntries(extra) }) }
  const shown = { username: name, uid: uid ?? '', groups, extra: user.extra ?? {} }
  for (const rule of spec.userRules) demand(rule, 'user', shown)
  return user
}

function demand(rule: Rule, variable: 'claims' | 'user', json: unknown): void {
  const value = evaluate(rule, variable, json)
  if (value !== true) throw new Error(`validation expression '${rule.text}' failed: ${rule.message}`)
}

function nameIn(claims: Claims, mapping: Mapping): string {
  const verified = own(claims, 'email_verified')
  // An address that is known not to be verified may be somebody else's.
  if ('claim' in mapping && mapping.claim === 'email' && verified !== undefined && verified !== true)
    throw new Error('email not verified')
  const name = textOf(claims, mapping, 'username')
  if (!name) throw new Error('the username is empty')
  return name
}

function textOf(claims: Claims, mapping: Mapping, what: string): string {
  if ('program' in mapping) {
    const value = evaluate(mapping, 'claims', claims)
    if (typeof value !== 'string') throw new Error(`${what} claim expression must return a string`)
    return value
  }
  const value = own(claims, mapping.claim)
  if (typeof value !== 'string') throw new Error(`parse ${what} claims ${JSON.stringify(mapping.claim)}: no string`)
  return value && mapping.prefix + value
}

function groupsIn(claims: Claims, mapping: Mapping): string[] {
  if ('program' in mapping) return stringsOf(evaluate(mapping, 'claims', claims))
  const value = own(claims, mapping.claim)
  // Some issuers have one role as a string.
  const list = value === undefined || value === null ? [] : typeof value === 'string' ? [value] : value
  if (!Array.isArray(list) || !list.every(one => typeof one === 'string'))
    throw new Error(`parse groups claim ${JSON.stringify(mapping.claim)}: no strings`)
  return list.map(group => mapping.prefix + group)
}
