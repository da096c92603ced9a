// Checks what a configuration says of issuers, and compiles their expressions. The messages are upstream's.
// Source: apiserver pkg/apis/apiserver/validation/validation.go.
import { X509Certificate } from 'node:crypto'
import { domainPathErrors } from '../../api/names.ts'
import { type Path, type Problem, root } from '../../api/path.ts'
import type { SignatureAlgorithm } from '../../wire/jws.ts'
import { compileExpression, type Expression, readsClaim } from './claim-expressions.ts'
import type { Issuer } from './issuer-keys.ts'

/** Where a value of a user comes from: a claim, before which the prefix is put, or an expression. */
export interface MappingFields {
  readonly claim: string
  readonly prefix?: string
  readonly expression: string
}

/** One issuer as the file has it. A field that is not given is empty. */
export interface JwtFields {
  readonly issuer: {
    readonly url: string
    readonly discoveryURL: string
    readonly certificateAuthority: string
    readonly audiences: readonly string[]
    readonly audienceMatchPolicy: string
    readonly egressSelectorType: string
  }
  readonly claimValidationRules: readonly {
    readonly claim: string
    readonly requiredValue: string
    readonly expression: string
    readonly message: string
  }[]
  readonly claimMappings: {
    readonly username: MappingFields
    readonly groups: MappingFields
    readonly uid: Pick<MappingFields, 'claim' | 'expression'>
    readonly extra: readonly { readonly key: string; readonly valueExpression: string }[]
  }
  readonly userValidationRules: readonly { readonly expression: string; readonly message: string }[]
}

/** An expression that must be true, and what to report if it is not. */
export interface Rule extends Expression {
  readonly message: string
}

export type Mapping = { readonly claim: string; readonly prefix: string } | Expression

/** An issuer as it can be used. */
export interface CheckedJwt {
  readonly issuer: Issuer
  readonly audiences: readonly string[]
  readonly algorithms: readonly SignatureAlgorithm[]
  /** The claims that must have a value. */
  readonly required: readonly (readonly [claim: string, value: string])[]
  readonly claimRules: readonly Rule[]
  readonly username: Mapping
  readonly groups: Mapping | undefined
  readonly uid: Mapping | undefined
  readonly extra: readonly (Expression & { readonly key: string })[]
  readonly userRules: readonly Rule[]
}

interface Limits {
  /** The issuers whose tokens are decided about elsewhere. */
  readonly disallowedIssuers: readonly string[]
  readonly algorithms: readonly SignatureAlgorithm[]
}

const maxIssuers = 64

export function checkJwts(
  jwts: readonly JwtFields[],
  limits: Limits,
): { checked: readonly CheckedJwt[]; problems: Problem[] } {
  const at = root.field('jwt')
  if (jwts.length > maxIssuers) return { checked: [], problems: [at.tooMany(jwts.length, maxIssuers)] }
  const problems: Problem[] = []
  const [urls, discoveryUrls] = [new Set<string>(), new Set<string>()]
  const checked = jwts.map((jwt, i) => {
    const issuer = at.index(i).field('issuer')
    const { url, discoveryURL } = jwt.issuer
    const found = new Checks(problems, at.index(i)).jwt(jwt, limits)
    if (urls.has(url)) problems.push(issuer.field('url').duplicate(url))
    if (discoveryURL && discoveryUrls.has(discoveryURL))
      problems.push(issuer.field('discoveryURL').duplicate(discoveryURL))
    urls.add(url)
    discoveryUrls.add(discoveryURL)
    return found
  })
  return { checked, problems }
}

/** The checks of one issuer, which collect problems. */
class Checks {
  readonly #problems: Problem[]
  readonly #at: Path

  constructor(problems: Problem[], at: Path) {
    this.#problems = problems
    this.#at = at
  }

  jwt({ issuer, claimValidationRules, claimMappings, userValidationRules }: JwtFields, limits: Limits): CheckedJwt {
    this.#issuer(issuer, limits.disallowedIssuers)
    const claimRules = this.#claimRules(claimValidationRules, this.#at.field('claimValidationRules'))
    const mappings = this.#mappings(claimMappings, claimRules)
    const { url, discoveryURL, certificateAuthority, audiences } = issuer
    return {
      issuer: {
        url,
        ...(discoveryURL && { discoveryUrl: discoveryURL }),
        ...(certificateAuthority && { ca: certificateAuthority }),
      },
      audiences,
      algorithms: limits.algorithms,
      required: claimValidationRules.filter(rule => rule.claim).map(rule => [rule.claim, rule.requiredValue] as const),
      claimRules,
      ...mappings,
      userRules: this.#userRules(userValidationRules, this.#at.field('userValidationRules')),
    }
  }

  #add(...problems: readonly Problem[]): void {
    this.#problems.push(...problems)
  }

  #issuer(issuer: JwtFields['issuer'], disallowed: readonly string[]): void {
    const at = this.#at.field('issuer')
    const { url, discoveryURL, certificateAuthority, egressSelectorType } = issuer
    if (!url) this.#add(at.field('url').required())
    else this.#url(url, disallowed, at.field('url'))
    if (discoveryURL) {
      const path = at.field('discoveryURL')
      const plain = (text: string) => text.replace(/\/+$/, '')
      if (url && plain(url) === plain(discoveryURL))
        this.#add(path.invalid(discoveryURL, 'discoveryURL must be different from URL'))
      this.#url(discoveryURL, [], path)
    }
    this.#audiences(issuer, at)
    if (certificateAuthority && !isCertificates(certificateAuthority))
      this.#add(
        at
          .field('certificateAuthority')
          .invalid('<omitted>', 'data does not contain any valid RSA or ECDSA certificates'),
      )
    if (egressSelectorType)
      this.#add(at.field('egressSelectorType').invalid(egressSelectorType, 'egress selector is not supported'))
  }

  #url(text: string, disallowed: readonly string[], at: Path): void {
    if (disallowed.includes(text))
      this.#add(at.invalid(text, `URL must not overlap with disallowed issuers: [${[...disallowed].sort().join(' ')}]`))
    const url = URL.parse(text)
    if (!url) return this.#add(at.invalid(text, 'must be a URL'))
    if (url.protocol !== 'https:') this.#add(at.invalid(text, 'URL scheme must be https'))
    if (url.username || url.password) this.#add(at.invalid(text, 'URL must not contain a username or password'))
    if (url.search) this.#add(at.invalid(text, 'URL must not contain a query'))
    if (url.hash) this.#add(at.invalid(text, 'URL must not contain a fragment'))
  }

  #audiences({ audiences, audienceMatchPolicy: policy }: JwtFields['issuer'], at: Path): void {
    const path = at.field('audiences')
    if (!audiences.length) return this.#add(path.required(`at least one ${path} is required`))
    audiences.forEach((audience, i) => {
      if (!audience) this.#add(path.index(i).required())
      if (audiences.indexOf(audience) < i) this.#add(path.index(i).duplicate(audience))
    })
    if (policy === 'MatchAny') return
    const ofPolicy = at.field('audienceMatchPolicy')
    if (audiences.length > 1)
      this.#add(ofPolicy.invalid(policy, 'audienceMatchPolicy must be MatchAny for multiple audiences'))
    else if (policy)
      this.#add(ofPolicy.invalid(policy, 'audienceMatchPolicy must be empty or MatchAny for single audience'))
  }

  #claimRules(rules: JwtFields['claimValidationRules'], at: Path): Rule[] {
    const claims = new Set<string>()
    const expressions = new Set<string>()
    return rules.flatMap(({ claim, requiredValue, expression, message }, i) => {
      const path = at.index(i)
      if (claim && expression) this.#add(path.invalid(claim, "claim and expression can't both be set"))
      else if (!claim && !expression) this.#add(path.required('claim or expression is required'))
      else if (claim) {
        if (message) this.#add(path.field('message').invalid(message, 'may not be specified when claim is set'))
        if (claims.has(claim)) this.#add(path.field('claim').duplicate(claim))
        claims.add(claim)
      } else {
        if (requiredValue)
          this.#add(path.field('requiredValue').invalid(requiredValue, 'may not be specified when expression is set'))
        return this.#rule('claims', { expression, message }, path.field('expression'), expressions)
      }
      return []
    })
  }

  #userRules(rules: JwtFields['userValidationRules'], at: Path): Rule[] {
    const expressions = new Set<string>()
    return rules.flatMap((rule, i) => {
      const path = at.index(i).field('expression')
      if (rule.expression) return this.#rule('user', rule, path, expressions)
      this.#add(path.required())
      return []
    })
  }

  /** One rule, unless it cannot be used, or `seen` has its expression already. */
  #rule(
    variable: 'claims' | 'user',
    { expression, message }: { readonly expression: string; readonly message: string },
    at: Path,
    seen: Set<string>,
  ): Rule[] {
    if (seen.has(expression)) this.#add(at.duplicate(expression))
    else {
      seen.add(expression)
      const compiled = this.#compile(variable, expression, at, 'bool')
      if (compiled) return [{ ...compiled, message }]
    }
    return []
  }

  #compile(
    variable: 'claims' | 'user',
    text: string,
    at: Path,
    result: 'bool' | 'any' = 'any',
  ): Expression | undefined {
    const compiled = compileExpression(text, variable, result)
    if (!('error' in compiled)) return compiled
    this.#add(compiled.isInternal ? at.internal(compiled.error) : at.invalid(text, compiled.error))
    return undefined
  }

  #mappings(
    { username, groups, uid, extra }: JwtFields['claimMappings'],
    rules: readonly Rule[],
  ): Pick<CheckedJwt, 'username' | 'groups' | 'uid' | 'extra'> {
    const at = this.#at.field('claimMappings')
    if (!username.claim && !username.expression)
      this.#add(at.field('username').required('claim or expression is required'))
    const name = this.#mapping(username, at.field('username'))
    const mappings = {
      username: name ?? { claim: username.claim, prefix: '' },
      groups: this.#mapping(groups, at.field('groups')),
      uid: this.#mapping({ ...uid, ...(uid.claim && { prefix: '' }) }, at.field('uid')),
      extra: this.#extra(extra, at.field('extra')),
    }
    // An address that nobody has verified must not become a name.
    const verifies = [...rules, ...mappings.extra, ...(name && 'program' in name ? [name] : [])]
    if (
      name &&
      'program' in name &&
      readsClaim(name, 'email') &&
      !verifies.some(one => readsClaim(one, 'email_verified'))
    )
      this.#add(
        at
          .field('username', 'expression')
          .invalid(
            name.text,
            'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression',
          ),
      )
    return mappings
  }

  #mapping({ claim, prefix, expression }: MappingFields, at: Path): Mapping | undefined {
    if (claim && expression) this.#add(at.invalid('', "claim and expression can't both be set"))
    else if (expression) {
      if (prefix !== undefined)
        this.#add(at.field('prefix').invalid(prefix, 'may not be specified when expression is set'))
      return this.#compile('claims', expression, at.field('expression'))
    } else if (claim) {
      if (prefix === undefined)
        this.#add(
          at
            .field('prefix')
            .required('prefix is required when claim is set. It can be set to an empty string to disable prefixing'),
        )
      return { claim, prefix: prefix ?? '' }
    }
    return undefined
  }

  #extra(extra: JwtFields['claimMappings']['extra'], at: Path): CheckedJwt['extra'] {
    const keys = new Set<string>()
    return extra.flatMap(({ key, valueExpression }, i) => {
      const path = at.index(i).field('key')
      this.#add(...keyProblems(key, path))
      if (keys.has(key)) {
        this.#add(path.duplicate(key))
        return []
      }
      keys.add(key)
      const ofValue = at.index(i).field('valueExpression')
      if (!valueExpression) this.#add(ofValue.required())
      const compiled = valueExpression ? this.#compile('claims', valueExpression, ofValue) : undefined
      return compiled ? [{ ...compiled, key }] : []
    })
  }
}

function keyProblems(key: string, at: Path): Problem[] {
  if (!key) return [at.required()]
  const problems = domainPathErrors(key).map(error => at.invalid(key, error))
  if (key !== key.toLowerCase()) problems.push(at.invalid(key, 'must be lowercase'))
  const domain = key.includes('/') ? key.slice(0, key.indexOf('/')) : ''
  if (/(^|\.)(kubernetes|k8s)\.io$/.test(domain))
    problems.push(at.invalid(key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'))
  return problems
}

function isCertificates(pem: string): boolean {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  try {
    return found.map(one => new X509Certificate(one)).length > 0
  } catch {
    return false
  }
}
