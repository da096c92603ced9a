// The audit of a cluster: its policy, the log below the cluster's directory, and the server that gets the events.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import {
  type AuditBackend,
  AuditLogFile,
  Auditor,
  AuditWebhook,
  defaultAuditPolicy,
  JsonPoster,
  parseAuditPolicy,
} from '../apiserver/index.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { readText } from './files.ts'
import { readKubeconfig } from './read-kubeconfig.ts'

/** What the CIS benchmark asks for. */
const defaults = { maxAgeDays: 30, maxBackups: 10, maxMegabytes: 100 } as const
const dayMs = 24 * 3600_000

export async function openAuditor(
  { audit = {} }: Pick<ClusterConfig, 'audit'>,
  paths: Pick<ClusterPaths, 'auditLog'>,
  clock: Clock,
  log: Log,
): Promise<Auditor> {
  const policy = audit.policy ? parseAuditPolicy(await readText(audit.policy), audit.policy) : defaultAuditPolicy()
  const { maxAgeDays, maxBackups, maxMegabytes } = { ...defaults, ...audit }
  const path = audit.log ?? paths.auditLog
  const backends: AuditBackend[] = []
  if (path) {
    const limits = { maxBytes: maxMegabytes * 2 ** 20, maxBackups, maxAgeMs: maxAgeDays * dayMs }
    backends.push(new AuditLogFile({ path, ...limits, clock, log }))
  }
  if (audit.webhook) backends.push(new AuditWebhook(new JsonPoster(readKubeconfig(audit.webhook)), clock, log))
  return new Auditor(policy, backends, clock)
}
