// The files that options of a cluster name. Each machine has its own: they are the operator's, and may hold secrets.
import { existsSync } from 'node:fs'
import { accessFiles } from './access-options.ts'
import type { ClusterConfig } from './config.ts'
import { fileSettings } from './up-options.ts'

/** The options, as on a command line, whose files are not on this machine. */
export function missingFiles({ audit, access, ...config }: Partial<ClusterConfig>): string[] {
  const named: (readonly [option: string, path: string | undefined])[] = [
    ...fileSettings.map(([key, option]) => [option, config[key]] as const),
    ...accessFiles.map(([key, option]) => [option, access?.[key]] as const),
    ['audit-policy-file', audit?.policy],
    ['audit-webhook-config-file', audit?.webhook],
  ]
  return named.flatMap(([option, path]) => (path && !existsSync(path) ? [`--${option} ${path}`] : []))
}
