// Who may use the API server, as the configuration of a cluster has it. Pure.

/** What the options say, as texts. Paths are full paths. */
export interface AccessSettings {
  readonly authenticationConfig?: string
  /** `true` or `false`; true without it. */
  readonly anonymousAuth?: string
  readonly passwordFile?: string
  readonly insecurePort?: number
  readonly insecureAddress?: string
  readonly authorizationConfig?: string
  /** Names of authorizers, separated by commas. */
  readonly authorizationMode?: string
  readonly authorizationWebhook?: string
  readonly authorizedTtl?: string
  readonly unauthorizedTtl?: string
  readonly oidcIssuerUrl?: string
  readonly oidcClientId?: string
  readonly oidcUsernameClaim?: string
  readonly oidcUsernamePrefix?: string
  readonly oidcGroupsClaim?: string
  readonly oidcGroupsPrefix?: string
  readonly oidcRequiredClaim?: string
  readonly oidcCaFile?: string
  readonly oidcSigningAlgs?: string
}

/** The settings of the issuer of tokens, with the options that name them. */
export const oidcTexts = [
  ['oidcIssuerUrl', 'oidc-issuer-url'],
  ['oidcClientId', 'oidc-client-id'],
  ['oidcUsernameClaim', 'oidc-username-claim'],
  ['oidcUsernamePrefix', 'oidc-username-prefix'],
  ['oidcGroupsClaim', 'oidc-groups-claim'],
  ['oidcGroupsPrefix', 'oidc-groups-prefix'],
  ['oidcRequiredClaim', 'oidc-required-claim'],
  ['oidcSigningAlgs', 'oidc-signing-algs'],
] as const

/** The settings with new ones in their place. What would contradict a new one is dropped. */
export function mergedAccess(before: AccessSettings = {}, given: AccessSettings): AccessSettings {
  const dropped = new Set<string>([
    ...(given.authenticationConfig ? ['oidcCaFile', ...oidcTexts.map(([key]) => key)] : []),
    ...(hasOidc(given) ? ['authenticationConfig'] : []),
    ...(given.authorizationConfig ? modeKeys : []),
    ...(hasModes(given) ? ['authorizationConfig'] : []),
  ])
  return { ...Object.fromEntries(Object.entries(before).filter(([key]) => !dropped.has(key))), ...given }
}

const modeKeys = ['authorizationMode', 'authorizationWebhook', 'authorizedTtl', 'unauthorizedTtl'] as const
export const hasModes = (access: AccessSettings): boolean => modeKeys.some(key => access[key])

export const hasOidc = (access: AccessSettings): boolean =>
  oidcTexts.some(([key]) => access[key]) || Boolean(access.oidcCaFile)
