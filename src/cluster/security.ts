// What guards a cluster's API server: who may use it, admission plugins, encryption at rest, audit.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { type Auditor, type Encryption, type PluginSwitches } from '../apiserver/index.ts'
import { type Access, openAccess } from './access.ts'
import { openAuditor } from './audit.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { openEncryption } from './encryption.ts'
import { pluginSwitches } from './plugin-switches.ts'

export interface Security extends Access {
  readonly plugins: PluginSwitches
  readonly encryption: Encryption
  readonly auditor: Auditor
}

/** Reads all files about it. Throws an error that states what is wrong with one. */
export async function openSecurity(
  config: ClusterConfig,
  paths: ClusterPaths,
  around: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<Security> {
  const plugins = await pluginSwitches(config)
  const encryption = await openEncryption(config, paths, around)
  const auditor = await openAuditor(config, paths, around)
  return { plugins, encryption, auditor, ...(await openAccess(config, around)) }
}
