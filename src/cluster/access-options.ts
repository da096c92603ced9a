// The options of the command line that decide who may use the API server: issuers of tokens, passwords, requests without
// credentials, the plain port. An empty value takes an option back.
import { resolve } from 'node:path'
import { ownAuthorizers } from '../apiserver/names.ts'
import { type AccessSettings, hasModes, hasOidc, oidcTexts } from './access-settings.ts'
import { durationOption, integerOption, type OptionSpec, type Parsed, UsageError } from './args.ts'

/** The options with their help. */
export const accessOptionSpecs = {
  'authentication-config': { value: true, help: 'file with an AuthenticationConfiguration: issuers of tokens' },
  'anonymous-auth': { value: true, help: 'whether requests without credentials are answered (default: true)' },
  'oidc-issuer-url': { value: true, help: 'URL of an issuer of tokens, instead of that file' },
  'oidc-client-id': { value: true, help: 'the audience that its tokens must have' },
  'oidc-username-claim': { value: true, help: 'claim with the name of the user (default: sub)' },
  'oidc-username-prefix': {
    value: true,
    help: "put before names, or - for nothing (default: the issuer's URL and #, except for email)",
  },
  'oidc-groups-claim': { value: true, help: 'claim with the groups of the user' },
  'oidc-groups-prefix': { value: true, help: 'put before groups' },
  'oidc-required-claim': { value: true, help: 'claims that tokens must have: CLAIM=VALUE,CLAIM=VALUE' },
  'oidc-ca-file': { value: true, help: "file with the authority of the issuer's certificate" },
  'oidc-signing-algs': { value: true, help: 'algorithms of its signatures (default: RS256)' },
  'password-auth-file': { value: true, help: 'file with passwords and their users, as CSV' },
  'authorization-config': { value: true, help: 'file with an AuthorizationConfiguration: who decides about requests' },
  'authorization-mode': {
    value: true,
    help: 'authorizers in their order, instead of that file (default: Node,RBAC)',
  },
  'authorization-webhook-config-file': { value: true, help: 'kubeconfig file of the server of the mode Webhook' },
  'authorization-webhook-cache-authorized-ttl': {
    value: true,
    help: 'time for which it need not be asked again after it has allowed something (default: 5m)',
  },
  'authorization-webhook-cache-unauthorized-ttl': { value: true, help: 'the same after it has not (default: 30s)' },
  'insecure-port': { value: true, help: 'port for plain HTTP on loopback, without any check, or 0 (default: 0)' },
  'insecure-bind-address': { value: true, help: 'the loopback address that has it (default: 127.0.0.1)' },
} as const satisfies Readonly<Record<string, OptionSpec>>

/** The settings that are paths of files, by their options. */
export const accessFiles = [
  ['authenticationConfig', 'authentication-config'],
  ['passwordFile', 'password-auth-file'],
  ['oidcCaFile', 'oidc-ca-file'],
  ['authorizationConfig', 'authorization-config'],
  ['authorizationWebhook', 'authorization-webhook-config-file'],
] as const

/** Reads the options. Throws UsageError for those that do not go together. */
export function accessOptions(parsed: Parsed): { access?: AccessSettings } {
  const { options } = parsed
  const given = {
    ...Object.fromEntries(
      accessFiles.map(([key, name]) => [key, options[name] ? resolve(options[name]) : options[name]]),
    ),
    ...Object.fromEntries(oidcTexts.map(([key, name]) => [key, options[name]])),
    authorizationMode: modes(parsed),
    authorizedTtl: durationText(parsed, 'authorization-webhook-cache-authorized-ttl'),
    unauthorizedTtl: durationText(parsed, 'authorization-webhook-cache-unauthorized-ttl'),
    anonymousAuth: oneOf(parsed, 'anonymous-auth', ['true', 'false']),
    insecurePort: integerOption(parsed, 'insecure-port', 0, 65535),
    insecureAddress: loopbackAddress(parsed),
  }
  const access: AccessSettings = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  if (access.authenticationConfig && hasOidc(access))
    throw new UsageError('authentication-config file and oidc-* flags are mutually exclusive')
  if (hasOidc(access) && (!access.oidcIssuerUrl || !access.oidcClientId))
    throw new UsageError('oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set')
  if (access.authorizationConfig && hasModes(access))
    throw new UsageError(
      '--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined',
    )
  return Object.keys(access).length ? { access } : {}
}

const durationText = (parsed: Parsed, name: string): string | undefined =>
  parsed.options[name] === '' ? '' : durationOption(parsed, name)?.text

/** Reads `--authorization-mode`. */
function modes({ options }: Parsed): string | undefined {
  const text = options['authorization-mode']
  const names = text?.split(',') ?? []
  const all = [...ownAuthorizers, 'Webhook'].sort()
  const unknown = text && names.find(name => !all.includes(name))
  if (unknown) throw new UsageError(`--authorization-mode: ${JSON.stringify(unknown)} is none of ${all.join(', ')}`)
  if (new Set(names).size < names.length) throw new UsageError(`--authorization-mode ${text} has a mode twice`)
  return text
}

function oneOf({ options }: Parsed, name: string, allowed: readonly string[]): string | undefined {
  const text = options[name]
  if (text && !allowed.includes(text))
    throw new UsageError(`option --${name} must be ${allowed.join(' or ')}, not ${text}`)
  return text
}

/** Reads `--insecure-bind-address`. Anyone who reaches that port is a superuser, so that no other address can have it. */
function loopbackAddress({ options }: Parsed): string | undefined {
  const text = options['insecure-bind-address']
  if (text && !/^(127(\.\d{1,3}){3}|::1|localhost)$/.test(text))
    throw new UsageError(
      `--insecure-bind-address ${text} is refused: the plain port checks nobody, so that only a loopback address such as 127.0.0.1 can have it`,
    )
  return text
}
