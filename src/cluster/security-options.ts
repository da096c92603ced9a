// The options of the command line that are about security: encryption at rest, audit, authentication, authorization.
import { resolve } from 'node:path'
import { accessOptions } from './access-options.ts'
import type { AccessSettings } from './access-settings.ts'
import { integerOption, type Parsed } from './args.ts'

/** How requests are audited; everything has a default. */
export interface AuditSettings {
  /** Path of a file with a Policy. */
  readonly policy?: string
  /** Path of the log; `audit.log` among the cluster's logs without it, and no log if it is empty. */
  readonly log?: string
  readonly maxAgeDays?: number
  readonly maxBackups?: number
  readonly maxMegabytes?: number
  /** Path of a kubeconfig file for the server that gets the events. */
  readonly webhook?: string
}

/** What the command line has of these settings. */
export function securityOptions(parsed: Parsed): {
  audit?: AuditSettings
  access?: AccessSettings
  encryptionReload?: boolean
} {
  const reload = parsed.flags.has('encryption-provider-config-automatic-reload')
  return { ...accessOptions(parsed), ...auditSettings(parsed), ...(reload && { encryptionReload: true }) }
}

/** The options of the audit. An empty value restores the default, and for the log leaves it out. */
function auditSettings(parsed: Parsed): { audit?: AuditSettings } {
  const path = (name: string) => {
    const text = parsed.options[name]
    return text ? resolve(text) : text
  }
  const number = (name: string) => integerOption(parsed, name, 0, 1_000_000)
  const given = {
    policy: path('audit-policy-file'),
    log: path('audit-log-path'),
    maxAgeDays: number('audit-log-maxage'),
    maxBackups: number('audit-log-maxbackup'),
    maxMegabytes: integerOption(parsed, 'audit-log-maxsize', 1, 1_000_000),
    webhook: path('audit-webhook-config-file'),
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  return set.length ? { audit: Object.fromEntries(set) as AuditSettings } : {}
}
