// The audit of a cluster: its policy, the log below the cluster's directory, and the server that gets the events. The file
// of the policy is followed while the server runs.
import type { Clock } from '../base/clock.ts'
import { followFile } from '../base/follow-file.ts'
import type { Log } from '../base/log.ts'
import {
  type AuditBackend,
  AuditLogFile,
  Auditor,
  AuditWebhook,
  defaultAuditPolicy,
  JsonPoster,
  parseAuditPolicy,
  reloadsOf,
} from '../apiserver/index.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { readText } from './files.ts'
import { readKubeconfig } from './read-kubeconfig.ts'

/** What the CIS benchmark asks for. */
const defaults = { maxAgeDays: 30, maxBackups: 10, maxMegabytes: 100 } as const
const dayMs = 24 * 3600_000

type Chosen = Pick<ClusterConfig, 'audit' | 'nodeName'>

interface Around {
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** Opens the backends, and reads the policy. Throws an error that states what is wrong with a file. */
export async function openAuditor(
  { audit = {}, nodeName }: Chosen,
  paths: Pick<ClusterPaths, 'auditLog'>,
  around: Around,
): Promise<Auditor> {
  const { clock, log } = around
  const file = audit.policy
  const text = file && (await readText(file))
  const policy = file && text !== undefined ? parseAuditPolicy(text, file) : defaultAuditPolicy()
  const { maxAgeDays, maxBackups, maxMegabytes } = { ...defaults, ...audit }
  const path = audit.log ?? paths.auditLog
  const backends: AuditBackend[] = []
  if (path) {
    const limits = { maxBytes: maxMegabytes * 2 ** 20, maxBackups, maxAgeMs: maxAgeDays * dayMs }
    backends.push(new AuditLogFile({ path, ...limits, clock, log }))
  }
  if (audit.webhook) backends.push(new AuditWebhook(new JsonPoster(readKubeconfig(audit.webhook)), clock, log))
  const auditor = new Auditor(policy, backends, clock)
  if (file && text !== undefined) followPolicy(auditor, file, text, nodeName, around)
  return auditor
}

function followPolicy(auditor: Auditor, file: string, text: string, identity: string, around: Around): void {
  const reloads = reloadsOf('audit', identity, around.clock)
  reloads.show(text)
  const use = (next: string) => reloads.count(next, () => auditor.use(parseAuditPolicy(next, file)))
  void followFile(file, text, use, around)
}
