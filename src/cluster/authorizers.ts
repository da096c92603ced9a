// The authorizers that the options and their file choose. The file is followed while the server runs.
import { statSync } from 'node:fs'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { followFile } from '../base/follow-file.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import { parseDuration } from '../api/time.ts'
import {
  AuthorizerChoice,
  type AuthorizerSpec,
  type ChosenAuthorizer,
  defaultTtls,
  JsonPoster,
  longestQuestionMs,
  parseAuthorization,
  reloadsOf,
  WebhookAuthorizer,
} from '../apiserver/index.ts'
import { ownAuthorizers } from '../apiserver/names.ts'
import type { AccessSettings } from './access-settings.ts'
import { UsageError } from './args.ts'
import { readText } from './files.ts'
import { readKubeconfig } from './read-kubeconfig.ts'

interface Around {
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** How long the server of the mode Webhook has for an answer. */
const modeTimeoutMs = 30_000

/** Reads the file, if there is one. Throws an error that states what is wrong with it. */
export async function openAuthorizers(
  access: AccessSettings,
  identity: string,
  around: Around,
): Promise<AuthorizerChoice> {
  const { authorizationConfig: file, authorizationMode: modes } = access
  if (!file) return new AuthorizerChoice(modes ? openAll(specsOf(modes, access), around).chosen : undefined)
  const read = (text: string) => openAll(parseAuthorization(text, file, fileProblem), around)
  const text = await readText(file)
  let opened = read(text)
  const choice = new AuthorizerChoice(opened.chosen)
  const reloads = reloadsOf('authorization', identity, around.clock)
  reloads.show(text)
  const replace = (next: string) => {
    const before = opened
    opened = read(next)
    choice.use(opened.chosen)
    // Questions that are on their way still get their answers.
    around.clock.after(longestQuestionMs, () => before.close())
  }
  void followFile(file, text, next => reloads.count(next, () => replace(next)), around)
  return choice
}

interface Opened {
  readonly chosen: readonly ChosenAuthorizer[]
  close(): void
}

function openAll(specs: readonly AuthorizerSpec[], around: Around): Opened {
  const posters: JsonPoster[] = []
  const chosen = specs.map((spec): ChosenAuthorizer => {
    if (spec.type !== 'Webhook') return spec
    const poster = new JsonPoster(readKubeconfig(spec.kubeconfig))
    posters.push(poster)
    const authorizer = new WebhookAuthorizer(spec.settings, { poster, random: realRandom, ...around })
    return { type: spec.type, name: spec.name, authorizer }
  })
  return { chosen, close: () => posters.forEach(poster => poster.close()) }
}

/** The authorizers of `--authorization-mode`. */
function specsOf(modes: string, { authorizationWebhook, authorizedTtl, unauthorizedTtl }: AccessSettings) {
  const ms = (text: string) => (parseDuration(text) ?? 0) / 1e6
  return modes.split(',').map((mode): AuthorizerSpec => {
    const own = ownAuthorizers.find(one => one === mode)
    if (own) return { type: own, name: own.toLowerCase() }
    if (!authorizationWebhook) throw new UsageError("authorization-mode Webhook's authorization config file not passed")
    return {
      type: 'Webhook',
      name: 'default',
      kubeconfig: authorizationWebhook,
      settings: {
        name: 'default',
        timeoutMs: modeTimeoutMs,
        allowedMs: ms(authorizedTtl || defaultTtls.authorized),
        refusedMs: ms(unauthorizedTtl || defaultTtls.unauthorized),
        version: 'v1',
        onFailure: 'NoOpinion',
        conditions: [],
      },
    }
  })
}

function fileProblem(file: string): string | undefined {
  try {
    return statSync(file).isFile() ? undefined : 'must be a regular file'
  } catch (error) {
    return `error loading file: ${messageOf(error)}`
  }
}
