// Who may use a cluster's API server: opens what the options and their files say of tokens, passwords, and requests
// without credentials, and follows the files.
import type { Clock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'
import { followFile } from '../base/follow-file.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import {
  accountIssuer,
  type AuthorizerChoice,
  checkOidc,
  Issuers,
  JsonPoster,
  parseAuthentication,
  passwordFile,
  type Passwords,
  reloadsOf,
  tokenFile,
  type TokenSource,
  TokenWebhook,
} from '../apiserver/index.ts'
import type { AccessSettings } from './access-settings.ts'
import { openAuthorizers } from './authorizers.ts'
import type { ClusterConfig } from './config.ts'
import { readText } from './files.ts'
import { readKubeconfig } from './read-kubeconfig.ts'

export interface Access {
  readonly tokenSources: readonly TokenSource[]
  readonly passwords?: Passwords
  anonymous(path: string): boolean
  readonly authorizers: AuthorizerChoice
}

interface Around {
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** How long a user is kept whom the webhook has named. */
const defaultKeptMs = 120_000

/** Reads all files about it. Throws an error that states what is wrong with one. */
export async function openAccess(config: ClusterConfig, around: Around): Promise<Access> {
  const { access = {}, tokenFile: tokens, tokenWebhook } = config
  const issuers = await openIssuers(access, config.nodeName, around)
  const sources: TokenSource[] = []
  if (tokens) sources.push(tokenFile(await readText(tokens), tokens))
  sources.push(issuers)
  if (tokenWebhook) {
    const poster = new JsonPoster(readKubeconfig(tokenWebhook))
    sources.push(new TokenWebhook({ poster, audiences: [], keptMs: defaultKeptMs, random: realRandom, ...around }))
  }
  const { passwordFile: passwords } = access
  return {
    tokenSources: sources,
    anonymous: path => issuers.allowsAnonymous(path),
    authorizers: await openAuthorizers(access, config.nodeName, around),
    ...(passwords && { passwords: passwordFile(await readText(passwords), passwords) }),
  }
}

const disallowed = [accountIssuer]

async function openIssuers(access: AccessSettings, identity: string, around: Around): Promise<Issuers> {
  const { clock, log, signal } = around
  const { authenticationConfig: file, anonymousAuth } = access
  const issuers = new Issuers({ clock, log, anonymous: anonymousAuth !== 'false' })
  if (access.oidcIssuerUrl) issuers.begin(checkOidc(await oidcSettings(access, access.oidcIssuerUrl), disallowed))
  if (!file) return issuers
  const read = (text: string) => {
    const spec = parseAuthentication(text, file, disallowed)
    if (spec.anonymous && anonymousAuth)
      throw new StatusError(
        'BadRequest',
        `--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file ${file}`,
      )
    return spec
  }
  const text = await readText(file)
  issuers.begin(read(text))
  const reloads = reloadsOf('authentication', identity, clock)
  reloads.show(text)
  const use = (next: string) => reloads.count(next, () => issuers.replace(read(next), signal))
  void followFile(file, text, use, around)
  return issuers
}

async function oidcSettings(access: AccessSettings, issuerUrl: string): Promise<Parameters<typeof checkOidc>[0]> {
  const { oidcCaFile, oidcUsernameClaim, oidcUsernamePrefix, oidcGroupsClaim, oidcGroupsPrefix } = access
  const { oidcClientId = '', oidcRequiredClaim, oidcSigningAlgs } = access
  return {
    issuerUrl,
    clientId: oidcClientId,
    ...(oidcUsernameClaim && { usernameClaim: oidcUsernameClaim }),
    ...(oidcUsernamePrefix && { usernamePrefix: oidcUsernamePrefix }),
    ...(oidcGroupsClaim && { groupsClaim: oidcGroupsClaim }),
    ...(oidcGroupsPrefix && { groupsPrefix: oidcGroupsPrefix }),
    ...(oidcRequiredClaim && { requiredClaim: oidcRequiredClaim }),
    ...(oidcSigningAlgs && { signingAlgs: oidcSigningAlgs }),
    ...(oidcCaFile && { ca: await readText(oidcCaFile) }),
  }
}
