// The older options of the command line for one issuer of tokens, `--oidc-…`. They become an issuer as the file has it.
// Source: pkg/kubeapiserver/options/authentication.go.
import { StatusError } from '../../base/errors.ts'
import { type SignatureAlgorithm, signatureAlgorithms } from '../../wire/jws.ts'
import { type AuthenticationSpec, throwProblemsOf } from './configuration.ts'
import { checkJwts } from './jwt-checks.ts'

/** The options as they are given, without `oidc`. */
interface OidcSettings {
  readonly issuerUrl: string
  readonly clientId: string
  readonly usernameClaim?: string
  readonly usernamePrefix?: string
  readonly groupsClaim?: string
  readonly groupsPrefix?: string
  /** `CLAIM=VALUE`, several of them separated by commas. */
  readonly requiredClaim?: string
  /** PEM of the authorities of the issuer's certificate. */
  readonly ca?: string
  /** Separated by commas; RS256 without it. */
  readonly signingAlgs?: string
}

/** The issuer of the options. Throws a StatusError with all mistakes. */
export function checkOidc(settings: OidcSettings, disallowedIssuers: readonly string[]): AuthenticationSpec {
  const { issuerUrl, clientId, usernameClaim = 'sub', groupsClaim = '', groupsPrefix = '', ca = '' } = settings
  const none = { claim: '', expression: '' }
  const { checked, problems } = checkJwts(
    [
      {
        issuer: {
          url: issuerUrl,
          discoveryURL: '',
          certificateAuthority: ca,
          audiences: [clientId],
          audienceMatchPolicy: '',
          egressSelectorType: '',
        },
        claimValidationRules: requiredClaims(settings.requiredClaim ?? '').map(rule => ({
          ...rule,
          expression: '',
          message: '',
        })),
        claimMappings: {
          username: { claim: usernameClaim, prefix: usernamePrefix(settings), expression: '' },
          groups: groupsClaim ? { claim: groupsClaim, prefix: groupsPrefix, expression: '' } : none,
          uid: none,
          extra: [],
        },
        userValidationRules: [],
      },
    ],
    { disallowedIssuers, algorithms: algorithmsIn(settings.signingAlgs) },
  )
  throwProblemsOf(problems, 'the options --oidc-…')
  return { jwt: checked }
}

/** Names that are no addresses are unique for their issuer only, so that its URL comes before them. `-` is for none. */
function usernamePrefix({ usernameClaim = 'sub', usernamePrefix: prefix = '', issuerUrl }: OidcSettings): string {
  if (prefix === '-') return ''
  return prefix || (usernameClaim === 'email' ? '' : `${issuerUrl}#`)
}

function requiredClaims(text: string): { claim: string; requiredValue: string }[] {
  return text
    .split(',')
    .filter(Boolean)
    .map(pair => {
      const at = pair.indexOf('=')
      if (at < 1) throw new StatusError('BadRequest', `--oidc-required-claim must be CLAIM=VALUE, not ${pair}`)
      return { claim: pair.slice(0, at).trim(), requiredValue: pair.slice(at + 1).trim() }
    })
}

function algorithmsIn(text = 'RS256'): SignatureAlgorithm[] {
  return text.split(',').map(name => {
    const found = signatureAlgorithms.find(one => one === name.trim())
    if (!found)
      throw new StatusError(
        'BadRequest',
        `--oidc-signing-algs: unsupported signing alg: ${JSON.stringify(name)}; there are ${signatureAlgorithms.join(', ')}`,
      )
    return found
  })
}
