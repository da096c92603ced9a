// What guards a cluster's API server beside authorization: admission plugins, encryption at rest, audit.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import {
  type Auditor,
  type Encryption,
  JsonPoster,
  type PluginSwitches,
  tokenFile,
  type TokenSource,
  TokenWebhook,
} from '../apiserver/index.ts'
import { openAuditor } from './audit.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { openEncryption } from './encryption.ts'
import { readText } from './files.ts'
import { pluginSwitches } from './plugin-switches.ts'
import { readKubeconfig } from './read-kubeconfig.ts'

export interface Security {
  readonly plugins: PluginSwitches
  readonly encryption: Encryption
  readonly auditor: Auditor
  readonly tokenSources: readonly TokenSource[]
}

/** Reads all files about it. Throws an error that states what is wrong with one. */
export async function openSecurity(
  config: ClusterConfig,
  paths: ClusterPaths,
  around: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<Security> {
  const plugins = await pluginSwitches(config)
  const encryption = await openEncryption(config, paths, around)
  const auditor = await openAuditor(config, paths, around.clock, around.log)
  return { plugins, encryption, auditor, tokenSources: await openTokenSources(config, around) }
}

/** How long a user is kept whom the webhook has named. */
const defaultKeptMs = 120_000

async function openTokenSources(
  { tokenFile: file, tokenWebhook }: Pick<ClusterConfig, 'tokenFile' | 'tokenWebhook'>,
  { clock, log }: { clock: Clock; log: Log },
): Promise<TokenSource[]> {
  const sources: TokenSource[] = []
  if (file) sources.push(tokenFile(await readText(file), file))
  if (tokenWebhook) {
    const poster = new JsonPoster(readKubeconfig(tokenWebhook))
    sources.push(new TokenWebhook({ poster, audiences: [], keptMs: defaultKeptMs, clock, log }))
  }
  return sources
}
